"""The document of `probe` (docs/contract.md: JSON), from the inspection of an install."""

from __future__ import annotations

from typing import Any

from autotune.install.inspection import Inspection
from autotune.language.translate import _
from autotune.model import codec
from autotune.model.flagset import Space
from autotune.model.machine import ProbedInstall
from autotune.secrets.mask import masked_words
from autotune.tune.document import candidate_json, flags_json
from autotune.webui.recognise import face_of


def default_space(install: Inspection) -> Space:
    """The sets that a tune without a profile of its own would choose from, and those that are out."""
    machine = install.machine
    return face_of(machine.webui.root).space(machine)


def probe_json(install: Inspection) -> dict[str, Any]:
    """Everything that an inspection found, with the sets of the default search and why others are excluded."""
    machine = install.machine
    space = default_space(install)
    candidates: list[dict[str, Any]] = [
        {**candidate_json(candidate), "excluded": None, "current": candidate.id == space.baseline}
        for candidate in space.candidates
    ]
    candidates += [{**flags_json(row.flags), "excluded": row.reason} for row in space.excluded]
    warnings = list(machine.warnings)
    layout = install.launch.layout
    if layout is not None and not layout.manageable:
        warnings.append(
            _("flags are not managed here ({why_not}); they go here: {where_flags_go}").format(
                why_not=layout.why_not, where_flags_go=layout.where_flags_go))
    elif install.launch.why_not:
        warnings.append(
            _("{path}: cannot be edited: {why_not}").format(path=install.path, why_not=install.launch.why_not))
    if install.launch.doubt is not None:
        warnings.append(install.launch.doubt)
    animatediff = machine.animatediff
    return {
        "gpus": [codec.dump(gpu) for gpu in machine.gpus],
        "webui": {
            **_webui(machine.webui, install.launch.why_not),
            "host": (layout.host or None) if layout else None,
            "where_flags_go": layout.where_flags_go if layout else None,
        },
        "runtime": codec.dump(machine.runtime),
        "animatediff": None
        if animatediff is None
        else {
            "version": animatediff.version,
            "commit": animatediff.commit,
            "root": str(animatediff.root),
            "motion_modules": [module.name for module in animatediff.motion_modules],
        },
        "models": [path.name for path in machine.models],
        "settings": dict(machine.settings),
        "candidates": candidates,
        "fingerprint": {"id": machine.fingerprint.id, "parts": dict(machine.fingerprint.parts)},
        "warnings": warnings,
    }


def _webui(webui: ProbedInstall, why_not: str | None) -> dict[str, Any]:
    body: dict[str, Any] = codec.dump(webui)
    for key in ("flags", "tuned_flags", "kept_flags"):
        body[key] = masked_words(getattr(webui, key))
    if body["manageable"] and why_not:
        body.update(manageable=False, why_not=why_not)
    return body
