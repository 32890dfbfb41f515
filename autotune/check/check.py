"""`verify --measure`: is the set in use still worth it? A few fresh clips on trial servers, minutes, not a tune."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from autotune.check.rule import Finding, Question, finding, next_step
from autotune.decide import drift
from autotune.flags.words import split
from autotune.install.inspection import Inspection
from autotune.install.launch_flags import known_words
from autotune.install.still_applied import file_drift
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import Checkpoint
from autotune.model import codec
from autotune.model.errors import AutotuneError
from autotune.model.flagset import Candidate, SettingValue, Space
from autotune.model.machine import Machine
from autotune.model.workload import Profile
from autotune.store import events, running_set
from autotune.store.places import Places
from autotune.store.studies import Study, find_study, open_study, question_key, study_folders
from autotune.tune.stopwatch import Budget, Stopwatch
from autotune.tune.tune import Progress
from autotune.webui.recognise import face_of
from autotune.workload import profile as profiles

if TYPE_CHECKING:
    from autotune.tune.driver import StudySetup


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """``profile``: what to render where the tune behind the set does not say it; ``budget`` in seconds;
    ``cause``: who asked, for the history."""

    profile: Profile
    budget: float
    cause: str = "asked"


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is compared: the question, and which apply a rollback would undo (None: none of a tune's)."""

    question: Question
    applied: Checkpoint | None

    @property
    def current(self) -> Candidate:
        return self.question.space[self.question.space.baseline]

    @property
    def other(self) -> Candidate:
        return self.question.space[self.question.other]


def check(install: Inspection, places: Places, options: CheckOptions, progress: Progress) -> dict[str, Any]:
    """Measures the set in use against the one before it and returns what was found.

    Resumes a check of the same question that did not end. Keys: ``answer`` ("holds", "changed": a tune is due,
    "loss": the set before it is better, "unknown"), ``reason``, ``speedup`` of the set in use over the other,
    ``rollback``: a tune's apply that a loss gives reason to take back, ``cost``. Raises NothingToWorkOn, Busy,
    StateDamaged, Interrupted; all samples taken are kept.
    """
    from autotune.install import idle
    from autotune.launchfile.lock import exclusively
    from autotune.trial.sweep import sweep

    install.require_tunable()
    places.require_outside(install.root)
    install.require_certain()
    with (events.record_failure(places.history(install.root), "check", options.cause),
          exclusively(places.lock, install.root, "verify")):
        sweep(places.runs)
        subject = _subject(install, places, options)
        if isinstance(subject, str):
            return _record(install, places, options, None, None, Finding("unknown", None, subject))
        idle.require_idle(install.machine)
        study = _open(install, places, subject, options)
        _measure(install, places, subject.question, study, options, progress)
        history = study.history(options.budget, study.spent(), None)
        return _record(install, places, options, subject, study, finding(history, subject.question))


def _measure(
    install: Inspection, places: Places, question: Question, study: Study, options: CheckOptions, progress: Progress
) -> None:
    from autotune.machine.nvml import Nvml
    from autotune.tune.driver import Driver

    budget = Budget(options.budget, Stopwatch(), study.spent())
    setup = _setup(install, places, question)
    with Nvml() as nvml, Driver(setup, study, budget, nvml, progress.say) as driver:
        setup.in_flight.record_machine_down()
        driver.bar(setup.in_flight.machine_down_sets())
        while True:
            driver.give_way()
            history = study.history(budget.seconds, budget.spent(), driver.live_launch)
            progress.update(history, max(0.0, budget.left()))
            proposal = next_step(history, question)
            if proposal is None:
                break
            who = "the set in use" if proposal.candidate == question.space.baseline else "the one before it"
            begun = "fresh start" if proposal.fresh else "in the same process"
            pair = f"pair {proposal.block + 1}, {begun}: " if proposal.block is not None else ""
            progress.say(f"{pair}{who}")
            try:
                driver.carry_out(proposal)
            finally:
                study.set_cost(budget.watch.seconds())
    study.set_cost(budget.watch.seconds())


def _setup(install: Inspection, places: Places, question: Question) -> StudySetup:
    from autotune.tune.driver import StudySetup

    return StudySetup(
        machine=install.machine, space=question.space, profile=question.profile, webui=face_of(install.root),
        launch_file=install.path, run_root=places.runs,
        motion_module=install.motion_module(max(one.window for one in question.profile.workloads)),
        in_flight=running_set.of_webui(places, install.root),
    )


# What is compared

def _subject(install: Inspection, places: Places, options: CheckOptions) -> _Subject | str:
    """The set in use and what it is compared with, or why there is nothing to compare."""
    applied = _in_force(install, places)
    study = _study_behind(install, places, applied)
    profile = profiles.from_json(study.head["profile"]) if study is not None else options.profile
    objective = str(study.head["objective"]) if study is not None else "speed"
    spaces = _Spaces(install, profile)
    other: Candidate | None = None
    if applied is not None:
        before = _machine_before(install, places, applied)
        if before is None:
            return "which flags the web UI got before the apply depends on what only the shell knows"
        other = spaces.candidate(before)
    elif study is not None:
        other = _rival(study)
    if other is None:
        return "nothing is applied, and no tune has left a second set to compare with"
    space = spaces.pair(other)
    if other.id == space.baseline:
        return "the set in use comes to the same as the one before it: there is nothing to compare"
    recorded = None
    if study is not None and objective == "speed":
        recorded = drift.recorded_speedup(study.history(0.0, 0.0, None), profile, space.baseline, other.id)
    return _Subject(Question(space, other.id, profile, objective, applied is not None, recorded), applied)


def _in_force(install: Inspection, places: Places) -> Checkpoint | None:
    """The newest apply, if the launch file still holds it: what its owner wrote since is not ours to judge."""
    applied = Checkpoints(places.checkpoints(install.root)).current()
    if applied is None or install.file is None:
        return None
    return None if file_drift(install.machine.webui.flags, applied.meta, install.catalogue) else applied


def _study_behind(install: Inspection, places: Places, applied: Checkpoint | None) -> Study | None:
    """The tune that led to the applied set; where nothing is applied, the newest tune."""
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
    """The set that the tune compared the current one with, None when it compared none."""
    from autotune.decide.verdict import challenger

    space: Space = codec.load(Space, study.head["space"])
    name = challenger(study.history(0.0, 0.0, None), space, frozenset())
    return space[name] if name is not None else None


def _machine_before(install: Inspection, places: Places, applied: Checkpoint) -> Machine | None:
    """The machine as a rollback would leave it: the launch file's words and the options from before; None where these
    words are not certain."""
    from autotune.launchfile.config_json import ABSENT
    from autotune.launchfile.reader import parse

    assert install.file is not None
    store = Checkpoints(places.checkpoints(install.root))
    words = install.machine.webui.flags
    settings: dict[str, SettingValue] = dict(install.machine.settings)
    for saved in applied.files:
        for key, (old, _) in saved.keys.items():
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


class _Spaces:
    """Candidates as a tune of this profile would name them."""

    def __init__(self, install: Inspection, profile: Profile) -> None:
        self._build = face_of(install.root).space
        self._machine, self._search = install.machine, profile.search

    def candidate(self, machine: Machine) -> Candidate:
        """The set that a machine has now."""
        space = self._build(machine, self._search)
        return space[space.baseline]

    def pair(self, other: Candidate) -> Space:
        """A space of two: the set in use, as its baseline, and the other."""
        whole = self._build(self._machine, self._search)
        current = whole[whole.baseline]
        both = {current.id: current, other.id: other}
        return Space(whole.dimensions, tuple(both.values()), current.id)


# What is recorded

def _open(install: Inspection, places: Places, subject: _Subject, options: CheckOptions) -> Study:
    """The newest check of this question if it has not ended, else a new one."""
    question = subject.question
    fingerprint = install.machine.fingerprint
    profile = profiles.to_json(question.profile)
    key = question_key({
        "fingerprint": fingerprint.id, "profile": profile, "current": subject.current.id, "other": subject.other.id,
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


def _record(
    install: Inspection, places: Places, options: CheckOptions, subject: _Subject | None, study: Study | None,
    found: Finding,
) -> dict[str, Any]:
    """The finding as a document, kept beside its samples and in the history."""
    from autotune.tune.document import flags_json, interval_json

    document: dict[str, Any] = {
        "answer": found.answer,
        "reason": found.reason,
        "speedup": interval_json(found.gain),
        "paired": found.paired,
        "recorded": _recorded(subject),
        "rollback": subject is not None and subject.applied is not None
        and subject.applied.meta.get("study") is not None,
        "check": study.id if study is not None else None,
        "current": flags_json(subject.current.flags) if subject else None,
        "other": flags_json(subject.other.flags) if subject else None,
        "cost": {part: round(seconds, 3) for part, seconds in study.cost().items()} if study is not None else {},
        "launches": len(study.launches) if study is not None else 0,
        "clips": len(study.samples) if study is not None else 0,
    }
    if study is not None:
        study.save_document(document)
    events.record(
        places.history(install.root), "check", options.cause, study=document["check"], decision=found.answer,
        reason=found.reason, speedup=document["speedup"], flags=_words(document["current"]),
        cost=document["cost"].get("wall", 0.0),
    )
    return document


def _words(side: Mapping[str, Any] | None) -> list[str]:
    return list(side["flags"]) if side else []


def _recorded(subject: _Subject | None) -> float | None:
    """The speedup that the tune saw between the two sets."""
    import math

    if subject is None or subject.question.recorded is None:
        return None
    then = subject.question.recorded
    return round(math.exp(then.stock_score - then.current_score), 5)
