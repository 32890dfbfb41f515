"""`verify --measure`: is the set in use still the faster one? Takes a few fresh clips and minutes, not a tune."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from autotune.check.rule import Finding, Question, finding, next_step
from autotune.decide import drift
from autotune.flags.words import split
from autotune.install.inspection import Inspection
from autotune.install.launch_flags import known_words
from autotune.install.still_applied import file_drift
from autotune.language.translate import _
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import Checkpoint
from autotune.model import codec
from autotune.model.errors import AutotuneError, UsageProblem
from autotune.model.flagset import Candidate, SettingValue, Space
from autotune.model.machine import Machine
from autotune.model.workload import Profile
from autotune.store import events
from autotune.store.places import Places
from autotune.store.studies import Study, find_study, open_study, question_key, study_folders
from autotune.tune.document import flags_json, interval_json
from autotune.tune.progress import Progress
from autotune.tune.stopwatch import Budget, Stopwatch
from autotune.tune.study_setup import StudySetup, with_workflows_read
from autotune.workload import profile as profiles


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How to check. ``profile``: what to render where no tune led to the set; ``budget`` in seconds; ``cause``: who
    asked, for the history."""

    profile: Profile
    budget: float
    cause: str = "asked"


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is compared; ``applied``: the apply that a rollback would undo, None where nothing is applied."""

    question: Question
    applied: Checkpoint | None

    @property
    def current(self) -> Candidate:
        return self.question.space[self.question.space.baseline]

    @property
    def other(self) -> Candidate:
        return self.question.space[self.question.other]


def check(install: Inspection, places: Places, options: CheckOptions, progress: Progress) -> dict[str, Any]:
    """Measures the set in use against the one before it and returns the document of what was found.

    A check of the same question that did not end is resumed. Keys: ``answer`` ("holds"; "changed": a tune is due;
    "loss": the set before is better; "unknown"), ``reason``, ``speedup`` of the set in use over the other,
    ``rollback`` (a tune's apply is in force, so that a loss is a reason to roll back), ``cost`` in seconds. Raises
    NothingToWorkOn, Refused, Busy, StateDamaged, Interrupted; all clips measured so far are kept.
    """
    from autotune.install import idle
    from autotune.launchfile.lock import exclusively
    from autotune.trial.sweep import sweep

    install.require_tunable(clips=False)
    places.require_outside(install.root)
    install.require_certain()
    with (events.record_failure(places.history(install.root), "check", options.cause),
          exclusively(places.lock, install.root, "verify")):
        sweep(places.runs)
        subject = _subject(install, places, options)
        if isinstance(subject, str):
            document = _document(None, None, Finding("unknown", None, subject))
        else:
            idle.require_idle(install.machine)
            study = _open(install, places, subject, options)
            setup = StudySetup.of(install, places, subject.question.profile, subject.question.space)
            _measure(setup, subject.question, study, Budget(options.budget, Stopwatch(), study.spent()), progress)
            history = study.history(options.budget, study.spent(), None)
            document = _document(subject, study, finding(history, subject.question))
            study.save_document(document)
        events.record(
            places.history(install.root), "check", options.cause, study=document["check"],
            decision=document["answer"], reason=document["reason"], speedup=document["speedup"],
            flags=list(document["current"]["flags"]) if document["current"] else [],
            cost=document["cost"].get("wall", 0.0))
        return document


def _measure(setup: StudySetup, question: Question, study: Study, budget: Budget, progress: Progress) -> None:
    """Measures until the question is answered or the budget is used up."""
    from autotune.machine.nvml import Nvml
    from autotune.tune.driver import Driver

    with Nvml() as nvml, Driver(setup, study, budget, nvml, progress) as driver:
        setup.in_flight.record_machine_down()
        driver.rule_out(setup.in_flight.machine_down_sets())
        while True:
            driver.give_way()
            history = study.history(budget.seconds, budget.spent(), driver.live_launch)
            progress.update(history, max(0.0, budget.left()))
            proposal = next_step(history, question)
            if proposal is None:
                break
            text = _("the set in use") if proposal.candidate == question.space.baseline else _("the one before it")
            if proposal.block is not None:
                begun = _("fresh start") if proposal.fresh else _("in the same process")
                text = _("pair {number}, {begun}: {who}").format(number=proposal.block + 1, begun=begun, who=text)
            progress.say(text)
            try:
                driver.carry_out(proposal)
            finally:
                study.set_cost(budget.watch.seconds())
    study.set_cost(budget.watch.seconds())


# What is compared

def _subject(install: Inspection, places: Places, options: CheckOptions) -> _Subject | str:
    """The set in use and the one to compare it with; a sentence where there is nothing to compare."""
    applied = _in_force(install, places)
    study = _study_behind(install, places, applied)
    profile = profiles.from_json(study.head["profile"]) if study is not None else options.profile
    objective = str(study.head["objective"]) if study is not None else "speed"
    webui = install.kind
    try:
        profile = with_workflows_read(webui, profile)
    except UsageProblem as problem:
        if study is None:
            raise
        return problem.message  # the workflow of that tune is gone, or another one by now
    if not all(one.is_workflow for one in profile.workloads):
        webui.require_clips(install.machine)
    whole = webui.space(install.machine, profile.search)
    current = whole[whole.baseline]
    other: Candidate | None = None
    if applied is not None:
        before = _machine_before(install, places, applied)
        if before is None:
            return _("which flags the web UI got before the apply depends on what only the shell knows")
        then = webui.space(before, profile.search)
        other = then[then.baseline]
    elif study is not None:
        other = _rival(study)
    if other is None:
        return _("nothing is applied, and no tune has left a second set to compare with")
    if other.id == current.id:
        return _("the set in use comes to the same as the one before it: there is nothing to compare")
    space = Space(whole.dimensions, (current, other), current.id)
    recorded = None
    if study is not None and objective == "speed":
        recorded = drift.recorded_speedup(study.history(0.0, 0.0, None), profile, current.id, other.id)
    return _Subject(Question(space, other.id, profile, objective, applied is not None, recorded), applied)


def _in_force(install: Inspection, places: Places) -> Checkpoint | None:
    """The newest apply, if the launch file still holds it; None else, for the owner's own edits are not judged."""
    applied = Checkpoints(places.checkpoints(install.root)).current()
    if applied is None or install.file is None:
        return None
    return None if file_drift(install.machine.webui.flags, applied.meta, install.catalogue) else applied


def _study_behind(install: Inspection, places: Places, applied: Checkpoint | None) -> Study | None:
    """The tune that led to the applied set, or the newest tune where nothing is applied; None where it is no use."""
    name = applied.meta.get("study") if applied is not None else None
    if applied is not None and name is None:
        return None
    try:
        study = find_study(places.studies(install.root), name)
        study.checked_question()
    except AutotuneError:
        return None
    return None if study.head.get("imported") or study.document() is None else study


def _rival(study: Study) -> Candidate | None:
    """The set that a tune compared the current one with; None where it compared none."""
    from autotune.decide.verdict import challenger

    space: Space = codec.load(Space, study.head["space"])
    name = challenger(study.history(0.0, 0.0, None), space, frozenset())
    return space[name] if name is not None else None


def _machine_before(install: Inspection, places: Places, applied: Checkpoint) -> Machine | None:
    """The machine as a rollback would leave it, with the flags and options from before the apply.

    None where the flags from before are not certain.
    """
    from autotune.launchfile.config_json import ABSENT
    from autotune.launchfile.reader import parse

    assert install.file is not None
    store = Checkpoints(places.checkpoints(install.root))
    words = install.machine.webui.flags
    settings: dict[str, SettingValue] = dict(install.machine.settings)
    for saved in applied.files:
        for key, (old, __) in saved.keys.items():
            if old == ABSENT:
                settings.pop(key, None)
            else:
                settings[key] = old
        if saved.path == install.file.path.resolve():
            data = store.saved_bytes(applied, saved.path, "before") or b""
            known = known_words(install.root, parse(data, saved.path, install.file.environ, install.file.root), data)
            if known is None:
                return None
            words = known
    tuned = split(words, install.catalogue).tuned
    webui = replace(install.machine.webui, flags=words, tuned_flags=tuned)
    return replace(install.machine, webui=webui, settings=tuple(settings.items()))


# What is recorded

def _open(install: Inspection, places: Places, subject: _Subject, options: CheckOptions) -> Study:
    """The newest check of this question if it did not end, else a new one."""
    question = subject.question
    fingerprint = install.machine.fingerprint
    profile = profiles.to_json(question.profile)
    key = question_key({
        "fingerprint": fingerprint.id, "profile": profiles.question_json(question.profile),
        "current": subject.current.id, "other": subject.other.id,
        "applied": subject.applied.id if subject.applied else None,
    })
    head = {
        "created": events.now(), "profile": profile, "objective": question.objective,
        "fingerprint": codec.dump(fingerprint), "space": codec.dump(question.space), "budget": options.budget,
        "recorded": codec.dump(question.recorded) if question.recorded else None,
    }
    folder = places.checks(install.root)
    newest = next((p for p in reversed(study_folders(folder)) if p.name.endswith(f"-{key}")), None)
    return open_study(folder, key, head, fresh=newest is not None and (newest / "result.json").exists())


def _document(subject: _Subject | None, study: Study | None, found: Finding) -> dict[str, Any]:
    """The document of a check; ``recorded``: the speedup that the tune saw between the two sets."""
    then = subject.question.recorded if subject else None
    applied = subject.applied if subject else None
    return {
        "answer": found.answer,
        "reason": found.reason,
        "speedup": interval_json(found.gain),
        "paired": found.paired,
        "recorded": round(math.exp(then.stock_score - then.current_score), 5) if then else None,
        "rollback": applied is not None and applied.meta.get("study") is not None,
        "check": study.id if study else None,
        "current": flags_json(subject.current.flags) if subject else None,
        "other": flags_json(subject.other.flags) if subject else None,
        "cost": {part: round(seconds, 3) for part, seconds in study.cost().items()} if study else {},
        "launches": len(study.launches) if study else 0,
        "clips": len(study.samples) if study else 0,
    }
