"""One start of the web UI by its own script: are the flags that are written really in effect?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotune import trial
from autotune.flags.words import canonical, split
from autotune.install.inspection import Inspection
from autotune.model.api import ApiProblem
from autotune.model.errors import BaselineFailed
from autotune.model.flagset import SettingValue
from autotune.store import running_set
from autotune.store.places import Places
from autotune.trial.sweep import sweep
from autotune.webui.face import NEVER, FlagState, Given, Reported
from autotune.webui.recognise import face_of

LOG_LIMIT = 5.0
"""Seconds until the log must name the attention class after the web UI is ready."""


@dataclass(frozen=True)
class Seen:
    """What a web UI said of itself; ``given``: the words that its own script gave it, None where nobody knows."""

    given: Given | None
    reported: Reported


def observe(
    install: Inspection, places: Places, words: Sequence[str] | None = None,
    settings: Mapping[str, SettingValue] | None = None,
) -> Seen:
    """Starts the web UI once as its owner does, asks, and ends it: by its own script, or, in Stability Matrix,
    which runs no script, with the words of its settings.json. ``settings``: options that were changed with them.

    Raises BaselineFailed when it does not start or answer.
    """
    python = install.machine.webui.python
    assert python is not None
    sweep(places.runs)
    flights = running_set.of_webui(places, install.root)
    plan = trial.LaunchPlan(
        root=install.root, python=python, words=tuple(install.machine.webui.flags if words is None else words),
        run_root=places.runs, launch_file=install.path,
        own_script=install.file is None or install.file.kind != "stability-matrix",
        in_flight=flights.path,
    )
    saved = {**dict(install.machine.settings), **(settings or {})}
    webui = face_of(install.root)
    running = webui.name_of(webui.effective(plan.words, saved, install.machine))
    flights.record_machine_down()
    down = next((one for one in flights.machine_down_sets() if one["candidate"] == running), None)
    if down is not None:
        raise BaselineFailed(f"not started: {running_set.why_not_tried(down)}",
                             "`autotune tune --fresh` forgets that; with --no-start nothing is started.")
    try:
        with flights.during(running, plan.words, "proof"), trial.start(plan) as started:
            deadline = time.monotonic() + (LOG_LIMIT if webui.lines.attention is not NEVER else 0.0)
            while started.attention_logged() is None and time.monotonic() < deadline:
                if started.wait_ended(0.05):
                    break
            return Seen(started.given, started.client.reported(started.attention_logged()))
    except trial.LaunchFailed as failed:
        raise BaselineFailed(f"{failed.message} ({failed.failure})", failed.hint) from None
    except ApiProblem as problem:
        raise BaselineFailed(f"the web UI started but did not answer: {problem.message}", "") from None


def prove(
    install: Inspection, places: Places, words: Sequence[str], settings: Mapping[str, SettingValue],
    managed: Sequence[str] | None = None,
) -> Seen:
    """Raises BaselineFailed unless a start shows ``words``, each of them and no other, and ``settings`` in effect.

    ``managed``: nobody knows all the words, so that these, the tuning flags among them, are what can be proven.
    """
    seen = observe(install, places, words, settings)
    wrong = word_faults(install, seen, words, managed)
    if managed is not None and seen.given is not None:
        words = seen.given.words
    saved = {**dict(install.machine.settings), **settings}
    webui = face_of(install.root)
    wrong += webui.mismatches(webui.effective(words, saved, install.machine), seen.reported, install.machine)
    if wrong:
        raise BaselineFailed(f"the flags are written but not in effect: {'; '.join(wrong)}", "")
    return seen


def word_faults(
    install: Inspection, seen: Seen, words: Sequence[str], managed: Sequence[str] | None = None
) -> list[str]:
    """In words how what launch.py received is not what it should be: kept words too (see ``prove``)."""
    if seen.given is None:
        return []
    if managed is not None:
        catalogue = install.catalogue
        got = canonical(split(seen.given.words, catalogue, catalogue.dimensions).tuned, catalogue)
        missing = [word for word in managed if word not in got]
        return [f"launch.py did not get {' '.join(missing)}"] if missing else []
    file, layout = install.file, install.launch.layout
    if file is not None and file.kind == "cmd" and layout and len(layout.launch_files) > 1:
        # The starting line of webui-user.bat counts beside the words of webui.settings.bat.
        return [fault for fault in seen.given.differences(words) if "did not get" in fault]
    return seen.given.differences(words)


def states(install: Inspection, words: Sequence[str], seen: Seen | None) -> list[FlagState]:
    """For each managed flag among ``words``: on the command line? in effect? (None: nobody was asked)."""
    return face_of(install.root).flag_states(words, None if seen is None else seen.reported, install.machine)
