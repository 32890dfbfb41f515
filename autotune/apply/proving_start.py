"""One start of the web UI by its own script, to prove that the flags in its launch file are really in effect."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotune import trial
from autotune.flags.words import canonical, split
from autotune.install.inspection import Inspection
from autotune.language.translate import _
from autotune.model.api import ApiProblem
from autotune.model.errors import BaselineFailed
from autotune.model.flagset import SettingValue
from autotune.store import running_set
from autotune.store.places import Places
from autotune.trial.sweep import sweep
from autotune.webui.face import NEVER, GivenWords, Reported

LOG_LIMIT = 5.0
"""Seconds until the log must name the attention class after the web UI is ready."""


@dataclass(frozen=True)
class SelfReport:
    """What a running web UI says of itself; ``given``: the words that its own script gave it, None if not known."""

    given: GivenWords | None
    reported: Reported


def ask_by_starting(
    install: Inspection, places: Places, words: Sequence[str] | None = None,
    settings: Mapping[str, SettingValue] | None = None,
) -> SelfReport:
    """Starts the web UI once as its owner does, asks it about itself, and ends it.

    It is started by its own script, or by the words of its settings.json under Stability Matrix, which runs no script.
    ``words``: the flags it should get (None: those of the install); ``settings``: options that were changed. Raises
    BaselineFailed when it does not start or answer, or when the machine went down in an earlier start with this set.
    """
    python = install.machine.webui.python
    assert python is not None
    sweep(places.runs)
    in_flight = running_set.of_webui(places, install.root)
    plan = trial.LaunchPlan(
        root=install.root, python=python, words=tuple(install.machine.webui.flags if words is None else words),
        run_root=places.runs, launch_file=install.path,
        own_script=install.file is None or install.file.kind in ("sh", "cmd"),
        in_flight=in_flight.path)
    saved = {**dict(install.machine.settings), **(settings or {})}
    webui = install.kind
    running = webui.name_of(webui.effective(plan.words, saved, install.machine))
    in_flight.record_machine_down()
    down = next((one for one in in_flight.machine_down_sets() if one["candidate"] == running), None)
    if down is not None:
        raise BaselineFailed(_("not started: {why}").format(why=running_set.why_not_tried(down)),
                             _("`autotune tune --fresh` forgets that; with --no-start nothing is started."))
    try:
        with in_flight.during(running, plan.words, "proof"), trial.start(plan) as started:
            deadline = time.monotonic() + (LOG_LIMIT if webui.lines.attention is not NEVER else 0.0)
            while started.attention_logged() is None and time.monotonic() < deadline:
                if started.wait_ended(0.05):
                    break
            return SelfReport(started.given, started.client.reported(started.attention_logged()))
    except trial.LaunchFailed as failed:
        message = _("{message} ({failure})").format(message=failed.message, failure=failed.failure)
        raise BaselineFailed(message, failed.hint) from None
    except ApiProblem as problem:
        raise BaselineFailed(_("the web UI started but did not answer: {message}").format(message=problem.message),
                             "") from None


def prove(
    install: Inspection, places: Places, words: Sequence[str], settings: Mapping[str, SettingValue],
    managed: Sequence[str] | None = None,
) -> None:
    """Raises BaselineFailed unless a start gets exactly ``words``, and they and ``settings`` are in effect then.

    ``managed``: the tuning flags, where the other words are not known; then only these are proven.
    """
    seen = ask_by_starting(install, places, words, settings)
    wrong = word_faults(install, seen, words, managed)
    if managed is not None and seen.given is not None:
        words = seen.given.words
    saved = {**dict(install.machine.settings), **settings}
    webui = install.kind
    wrong += webui.mismatches(webui.effective(words, saved, install.machine), seen.reported, install.machine)
    if wrong:
        raise BaselineFailed(_("the flags are written but not in effect: {faults}").format(faults="; ".join(wrong)), "")


def word_faults(
    install: Inspection, seen: SelfReport, words: Sequence[str], managed: Sequence[str] | None = None
) -> list[str]:
    """Sentences on how the words that launch.py got differ from ``words``; of ``managed`` ones only, see ``prove``."""
    if seen.given is None:
        return []
    if managed is not None:
        catalogue = install.catalogue
        got = canonical(split(seen.given.words, catalogue, catalogue.dimensions).tuned, catalogue)
        missing = [word for word in managed if word not in got]
        return [_("the web UI did not get {words}").format(words=" ".join(missing))] if missing else []
    file, layout = install.file, install.launch.layout
    if file is not None and file.kind == "cmd" and layout and len(layout.launch_files) > 1:
        # The starting line of webui-user.bat counts beside the words of webui.settings.bat.
        return seen.given.missing(words)
    return seen.given.differences(words)
