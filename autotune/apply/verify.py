"""`verify`: each managed flag, in three columns: in the file, on the command line, in effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autotune.apply import proving_start
from autotune.flags.words import canonical, split
from autotune.install.inspection import Inspection
from autotune.launchfile.checkpoints import Checkpoints
from autotune.model.api import ApiProblem
from autotune.model.errors import Busy
from autotune.store.places import Places
from autotune.webui.recognise import face_of
from autotune.webui.running import reach


def verify(install: Inspection, places: Places, *, start: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """The document of `verify`: the applied set (the file's own when nothing is applied) against reality.

    A running web UI of the owner is asked; else, with ``start``, one is started by its own script. Raises
    BaselineFailed when that does not start.
    """
    applied = Checkpoints(places.checkpoints(install.root)).current()
    words = install.machine.webui.flags
    dimensions = applied.meta.get("dimensions", ()) if applied else ()
    known = install.launch.known
    present = canonical(split(words, install.catalogue, dimensions).tuned, install.catalogue) if known else ()
    wanted = tuple(applied.meta.get("flags", ())) if applied else present
    seen, asked = _ask(install, places, start, say)
    rows = [_row(state, wanted, present if known else None)
            for state in proving_start.states(install, [*wanted, *_extra(present, wanted)], seen)]
    settings = dict(applied.meta.get("settings", {})) if applied else {}
    wrong_settings = _settings(settings, install, seen)
    words_wrong = [] if seen is None else _words(install, seen)
    stands = Checkpoints(places.checkpoints(install.root)).changed_since(install.path) if install.path else "unmanaged"
    ok = all(row["ok"] for row in rows) and not wrong_settings and not words_wrong
    return {
        "flags": rows,
        "settings": wrong_settings,
        "words": words_wrong,
        "certain": install.launch.doubt is None,
        "depends": install.launch.doubt,
        "applied": applied.id if applied else None,
        "file": str(install.path) if install.path else None,
        "file_since_apply": stands,
        "asked": asked,
        "ok": ok,
    }


def _words(install: Inspection, seen: proving_start.Seen) -> list[str]:
    """How the words that launch.py received are not those of the launch file; nothing where these are not certain."""
    if install.launch.known:
        return proving_start.word_faults(install, seen, install.machine.webui.flags)
    return []


def _extra(present: Sequence[str], wanted: Sequence[str]) -> list[str]:
    return [word for word in present if word not in wanted]


def _row(state: Any, wanted: Sequence[str], present: Sequence[str] | None) -> dict[str, Any]:  # noqa: ANN401
    """``present``: the managed words of the file; None where nobody knows them."""
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


def _settings(wanted: dict[str, Any], install: Inspection, seen: proving_start.Seen | None) -> list[dict[str, Any]]:
    """Applied options that are not as applied any more."""
    usual = face_of(install.root).usual_options()
    saved = dict(install.machine.settings)
    rows = []
    for key, value in wanted.items():
        now = seen.reported.options.get(key) if seen else saved.get(key, usual.get(key))
        if now != value:
            rows.append({"setting": key, "expected": value, "now": now})
    return rows


def _ask(
    install: Inspection, places: Places, start: bool, say: Callable[[str], None]
) -> tuple[proving_start.Seen | None, str | None]:
    """What a running web UI says, or one that is started for the question. (seen, who was asked)."""
    try:
        running = reach(install.root)
        if running is not None:
            return proving_start.Seen(None, running.client.reported()), running.name
    except (Busy, ApiProblem) as problem:
        say(f"{problem.message}: it cannot be asked")
        return None, None
    if not start:
        return None, None
    say("starting the web UI once by its own script, to ask it")
    return proving_start.observe(install, places), "a start by its own script"
