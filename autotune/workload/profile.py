"""Profiles: what to render, which flags may vary, how sure to be (docs/contract.md: a profile). Unknown keys are
refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from autotune.disk.tomlfile import Table, TomlFile, read
from autotune.language.translate import _
from autotune.model import codec
from autotune.model.errors import UsageProblem
from autotune.model.home_folder import expand_home
from autotune.model.workload import SEARCH_LEVELS, DecideSpec, Profile, ProfileRecord, SearchSpec, Workload
from autotune.workload import workflow_file

USUAL = "default"
"""The profile that is meant where none is named; a kind of web UI may have another one (``WebUI.usual_profile``)."""
TOP_KEYS = ("name", "workload", "search", "decide", "budget")
WORKLOAD_KEYS = ("width", "height", "frames", "context", "steps", "cfg_scale", "sampler", "weight")
WORKFLOW_KEYS = ("workflow", "weight")
"""Keys of a workload that is a workflow of the user's."""
MAX_SIDE = 4096
"""Pixels. A1111's own sliders end at 2048; twice that is beyond any consumer card with AnimateDiff."""
MAX_FRAMES = 64
"""Eight seconds of clip. A longer one takes as much more time as it has windows, and orders the sets alike."""
MAX_CONTEXT = 64
"""The longest context any motion module takes (64: LCM; docs/webuis.md, "AnimateDiff over the API")."""
USUAL_CONTEXT = 16
"""The extension's own context where the user sets none (`batch_size` of sd-webui-animatediff 2)."""
MAX_STEPS = 150
"""A1111's own slider ends at 150."""
MAX_MINUTES = 7 * 24 * 60


def profile_folders() -> tuple[Path, ...]:
    """Folders of the profiles that come with autotune: inside the package in a wheel, beside it in a source tree."""
    package = Path(__file__).resolve().parent.parent
    return tuple(folder for folder in (package / "profiles", package.parent / "profiles") if folder.is_dir())


def shipped_profiles() -> dict[str, Path]:
    """The profiles that come with autotune: file by name."""
    found: dict[str, Path] = {}
    for folder in profile_folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def profile_file(name_or_path: str) -> Path:
    """The file of a profile given by name or path. Raises UsageProblem when there is none."""
    names = shipped_profiles()
    if name_or_path in names:
        return names[name_or_path]
    path = expand_home(name_or_path)
    if path.suffix == ".toml" or path.exists():
        return path
    hint = _("Shipped profiles: {names}; or give a .toml file.").format(names=", ".join(names) or _("none"))
    raise UsageProblem(_("no profile named {name!r}").format(name=name_or_path), hint)


def load(name_or_path: str) -> Profile:
    """Loads and checks a profile by name or file. Raises UsageProblem with file, line and key."""
    return parse(read(profile_file(name_or_path)))


def parse(file: TomlFile) -> Profile:
    """Checks a parsed profile. Raises UsageProblem with file, line and key."""
    root = file.root()
    root.only(*TOP_KEYS)
    decide, budget = root.table("decide"), root.table("budget")
    decide.only("min_gain", "confidence", "precision")
    budget.only("minutes")
    return Profile(
        name=root.text("name", Path(file.name).stem),
        workloads=tuple(_workload(table) for table in root.tables("workload")),
        search=_search(root.table("search")),
        decide=DecideSpec(
            min_gain=decide.number("min_gain", 0.02, 0.0, 1.0),
            confidence=decide.number("confidence", 0.95, 0.5, 0.9999),
            precision=decide.number("precision", 0.03, 0.001, 1.0),
        ),
        minutes=budget.number("minutes", 30.0, 0.1, MAX_MINUTES),
    )


def to_json(profile: Profile) -> dict[str, Any]:
    """A profile as a plain document; ``from_json`` reads it back."""
    return {
        "name": profile.name,
        "workload": [workload_json(one) for one in profile.workloads],
        "search": {name: list(levels) for name, levels in profile.search.dimensions},
        "decide": _decide_json(profile.decide),
        "budget": {"minutes": profile.minutes},
    }


def question_json(profile: Profile) -> dict[str, Any]:
    """A profile as a plain document of what is asked: without the place of a workflow's file, which its digest stands
    for."""
    document = to_json(profile)
    for one in document["workload"]:
        one.pop("workflow", None)
    return document


def asked_for(name_or_path: str, workflow: Path | None = None, usual: str = USUAL) -> Profile:
    """The profile that a verb was asked for; ``usual``: what "default" means for a kind of web UI. Raises
    UsageProblem."""
    return with_workflow(load(usual if name_or_path == USUAL else name_or_path), workflow)


def with_workflow(profile: Profile, file: Path | None) -> Profile:
    """The profile with a workflow of the user's in place of its clips; None: as it is. Raises UsageProblem."""
    return profile if file is None else replace(profile, workloads=(workflow_file.workload_of(file),))


def _decide_json(rule: DecideSpec) -> dict[str, float]:
    """The decision rule as a plain document; one from a study without a precision stays without it."""
    values = {"min_gain": rule.min_gain, "confidence": rule.confidence}
    return values if rule.uses_older_rule else {**values, "precision": rule.precision}


def workload_json(workload: Workload) -> dict[str, Any]:
    """A workload as a plain document; one from a study without contexts stays without it."""
    keys: tuple[str, ...] = WORKLOAD_KEYS
    if workload.is_workflow:  # guidance and sampler are in the file
        keys = ("width", "height", "frames", "steps", *WORKFLOW_KEYS, "workflow_digest")
    values = {key: getattr(workload, key) for key in keys}
    return {key: value for key, value in values.items() if value is not None}


def from_json(document: Mapping[str, Any]) -> Profile:
    """The profile that ``to_json`` wrote. Raises InvalidRecord (see model/codec.py)."""
    found = codec.load(ProfileRecord, document)
    search = SearchSpec(tuple(found.search.items()))
    known = "precision" in document["decide"]
    rule = found.decide if known else replace(found.decide, precision=0.0)
    return Profile(found.name, found.workload, search, rule, found.budget.minutes)


def _workload(table: Table) -> Workload:
    if "workflow" in table.values:
        return _workflow(table)
    table.only(*WORKLOAD_KEYS, "workflow")
    frames = table.whole("frames", None, 2, MAX_FRAMES)
    return Workload(
        width=_side(table, "width"),
        height=_side(table, "height"),
        frames=frames,
        # With more context than frames the extension renders the surplus frames and throws them away.
        context=table.whole("context", min(USUAL_CONTEXT, frames), 1, MAX_CONTEXT),
        steps=table.whole("steps", None, 1, MAX_STEPS),
        cfg_scale=table.number("cfg_scale", 7.0, 1.0, 30.0),
        sampler=table.text("sampler", "Euler a"),
        weight=table.number("weight", 1.0, 1e-6, 1e6),
    )


def _workflow(table: Table) -> Workload:
    """A workload that is a workflow's file, whose place counts from the profile's own folder."""
    table.only(*WORKFLOW_KEYS)
    file = Path(table.file.name).parent / expand_home(table.text("workflow", ""))
    weight = table.number("weight", 1.0, 1e-6, 1e6)
    try:
        return workflow_file.workload_of(file, weight)
    except UsageProblem as problem:
        raise table.problem("workflow", problem.message, problem.hint) from None


def _side(table: Table, key: str) -> int:
    value = table.whole(key, None, 64, MAX_SIDE)
    if value % 8:
        # Stable Diffusion's VAE works on blocks of 8; A1111 accepts 65 and renders 64.
        raise table.problem(key, _("{value} is not a multiple of 8").format(value=value))
    return value


def _search(table: Table) -> SearchSpec:
    table.only(*SEARCH_LEVELS)
    dimensions = []
    for name, levels in table.values.items():
        if not isinstance(levels, list) or not levels:
            raise table.problem(name, _("must be a list with at least one entry"))
        words: list[str] = []
        for level in levels:
            word = str(level).lower() if isinstance(level, bool) else level
            if word not in SEARCH_LEVELS[name]:
                known = ", ".join(SEARCH_LEVELS[name])
                raise table.problem(name, _("{level!r} is not one of {known}").format(level=level, known=known))
            if word in words:
                raise table.problem(name, _("{level!r} stands twice").format(level=level))
            words.append(word)
        dimensions.append((name, tuple(words)))
    return SearchSpec(tuple(dimensions))
