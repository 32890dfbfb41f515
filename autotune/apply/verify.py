"""`verify`: for each managed flag, is it in the file, on the command line, and in effect?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autotune.apply.proving_start import SelfReport, ask_by_starting, word_faults
from autotune.flags.words import canonical, split
from autotune.install.inspection import Inspection
from autotune.language.translate import _
from autotune.launchfile.checkpoints import Checkpoints
from autotune.model.api import ApiProblem
from autotune.model.errors import Busy
from autotune.store.places import Places
from autotune.webui.face import FlagState
from autotune.webui.running import reach


def verify(install: Inspection, places: Places, *, start: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """The document of `verify` (docs/contract.md: JSON): the applied set, or else the file's own, against reality.

    The owner's web UI is asked while it runs; else, with ``start``, one is started by its own script. Raises
    BaselineFailed when that does not start.
    """
    store = Checkpoints(places.checkpoints(install.root))
    applied = store.current()
    meta: Mapping[str, Any] = applied.meta if applied else {}
    words, known, catalogue = install.machine.webui.flags, install.launch.known, install.catalogue
    present = canonical(split(words, catalogue, meta.get("dimensions", ())).tuned, catalogue) if known else ()
    wanted = tuple(meta.get("flags", ())) if applied else present
    seen, asked = _ask(install, places, start, say)
    managed = [*wanted, *(word for word in present if word not in wanted)]
    states = install.kind.flag_states(managed, seen.reported if seen else None, install.machine)
    rows = [_row(state, wanted, present if known else None) for state in states]
    wrong_settings = _wrong_settings(meta.get("settings", {}), install, seen)
    wrong_words = word_faults(install, seen, words) if seen and known else []
    return {
        "flags": rows,
        "settings": wrong_settings,
        "words": wrong_words,
        "certain": install.launch.doubt is None,
        "depends": install.launch.doubt,
        "applied": applied.id if applied else None,
        "file": str(install.path) if install.path else None,
        "file_since_apply": store.changed_since(install.path) if install.path else "unmanaged",
        "asked": asked,
        "ok": all(row["ok"] for row in rows) and not wrong_settings and not wrong_words,
    }


def _row(state: FlagState, wanted: Sequence[str], present: Sequence[str] | None) -> dict[str, Any]:
    """``present``: the managed words of the file; None where they are not known."""
    expected, in_file = state.flag in wanted, None if present is None else state.flag in present
    seen = [value for value in (in_file, state.on_command_line, state.in_effect) if value is not None]
    return {
        "flag": state.flag,
        "expected": expected,
        "in_file": in_file,
        "on_command_line": state.on_command_line,
        "in_effect": state.in_effect,
        "why": state.why,
        "ok": expected and all(seen),
    }


def _wrong_settings(wanted: Mapping[str, Any], install: Inspection, seen: SelfReport | None) -> list[dict[str, Any]]:
    """Applied options that have another value now: in the web UI that was asked, else in its saved settings."""
    saved = {**install.kind.usual_options(), **dict(install.machine.settings)}
    now = seen.reported.options if seen else saved
    return [{"setting": key, "expected": value, "now": now.get(key)}
            for key, value in wanted.items() if now.get(key) != value]


def _ask(
    install: Inspection, places: Places, start: bool, say: Callable[[str], None]
) -> tuple[SelfReport | None, str | None]:
    """(what the running web UI, or one that is started for it, says of itself; which one was asked)."""
    try:
        running = reach(install.root)
        if running is not None:
            return SelfReport(None, running.client.reported()), running.name
    except (Busy, ApiProblem) as problem:
        say(_("{message}: it cannot be asked").format(message=problem.message))
        return None, None
    if not start:
        return None, None
    say(_("starting the web UI once as you start it, to ask it"))
    return ask_by_starting(install, places), _("a start like yours")
