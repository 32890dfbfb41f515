"""One study that several workers measure: each copies what the others measured into its own record.

A worker's record holds everything that it knows: its own clips, and those of the others with their worker's name and
number, in the order in which it learnt of them, so that its verdict follows from its own record. Clips of a comparison
are copied as whole pairs, since both sides of a pair must come from one card. Which workers are alive is seen from
beats: a counter in the storage that each worker advances. No two machines' clocks are compared.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from autotune.search import trial_history
from autotune.store.optuna_storage import storage_errors
from autotune.store.optuna_study import OptunaStudy
from autotune.store.studies import Study

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

BEAT, GRACE = 5.0, 40.0
"""Seconds between two beats, and without one until a worker counts as dead and its trial is ended by another."""
MOST_WAITS = 20
"""Number of waits, a fiftieth of a second each, for an earlier trial to say what it measures."""
ENDED = "ended"
"""A worker's last beat."""


def beat_attribute(worker: str) -> str:
    """Name of the study's attribute that holds a worker's beats."""
    return f"beat {worker}"


@dataclass
class StudyActivity:
    """What the other workers were doing at the last look. ``running``: sets that they measure in the search; ``pairs``:
    number of pairs that they are at; ``rival``: the set that somebody compares with the current one;
    ``anyone_measures``; ``anyone_at_work``: measuring or choosing; ``verdict_is_sure``: somebody came to a verdict that
    is sure."""

    running: list[str] = field(default_factory=list)
    pairs: int = 0
    rival: str | None = None
    anyone_measures: bool = False
    anyone_at_work: bool = False
    verdict_is_sure: bool = False


class OtherWorkers:
    """The other workers of a study, as one of them sees them."""

    def __init__(self, optuna_study: OptunaStudy, study: Study, clock: Callable[[], float] = time.monotonic,
                 beat: float | None = None, grace: float | None = None) -> None:
        self._optuna, self._study, self._clock = optuna_study, study, clock
        self._beat, self._grace = beat or BEAT, grace or GRACE
        self._waited_since: dict[tuple[str, Any], float] = {}
        self._last_seen = -1
        self._beats: dict[str, tuple[object, float]] = {}
        self.activity = StudyActivity()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Advances this worker's beat in the storage as long as the block runs."""
        stop = threading.Event()
        thread = threading.Thread(target=self._beating, args=(stop,), name="beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            with suppress(*storage_errors()):
                self._optuna.study.set_user_attr(beat_attribute(self._optuna.worker), ENDED)

    def _beating(self, stop: threading.Event) -> None:
        while True:
            with suppress(*storage_errors()):
                self._optuna.study.set_user_attr(beat_attribute(self._optuna.worker), time.time_ns())
            if stop.wait(self._beat):
                return

    def refresh(self, take_all: bool = False, no_pairs: bool = False) -> StudyActivity:
        """Copies what others measured since the last look, and ends the trials of dead workers.

        ``take_all``: incomplete pairs too, as clips of no pair; ``no_pairs``: none at all, as long as this worker is at
        one of its own. Raises what storages raise.
        """
        study = self._optuna.study
        attrs = study.user_attrs
        trials = [one for one in study.get_trials(deepcopy=False)
                  if one.user_attrs.get(trial_history.WORKER) != self._optuna.worker and one.state.name != "WAITING"]
        self._last_seen = max((one.number for one in trials), default=-1)
        alive = {worker: self._alive(worker, attrs) for worker in
                 {str(one.user_attrs.get(trial_history.WORKER, f"trial {one.number}")) for one in trials}}
        running: list[FrozenTrial] = []
        done: list[FrozenTrial] = []
        for trial in trials:
            worker = str(trial.user_attrs.get(trial_history.WORKER, f"trial {trial.number}"))
            if trial.state.is_finished():
                done.append(trial)
            elif alive[worker]:
                running.append(trial)
            else:
                done.append(self._end_for_dead(trial))
        self._add_finished(done, take_all, no_pairs)
        self.activity = self._summary(running, done, alive)
        self.activity.verdict_is_sure = bool(attrs.get("sure")) and attrs.get("by") != self._optuna.worker
        return self.activity

    def conflicts(self) -> bool:
        """Whether somebody else began, since the last look and before the running trial, to measure its set in the
        search, or to compare another set. Raises what storages raise."""
        mine = self._optuna.running
        if mine is None:
            return False
        for _ in range(MOST_WAITS):
            rivals = [one for one in self._optuna.study.get_trials(deepcopy=False)
                      if self._last_seen < one.number < mine[0] and not one.state.is_finished()
                      and one.user_attrs.get(trial_history.WORKER) != self._optuna.worker]
            if all(trial_history.SET in one.user_attrs for one in rivals):
                break
            time.sleep(0.02)
        rival = self._optuna.rival
        if rival is not None:
            return any(one.user_attrs.get(trial_history.RIVAL, rival) != rival for one in rivals)
        return any(one.user_attrs.get(trial_history.SET) == mine[1] and not one.user_attrs.get(trial_history.RIVAL)
                   and self._alive(str(one.user_attrs.get(trial_history.WORKER)), self._optuna.study.user_attrs)
                   for one in rivals)

    def _alive(self, worker: str, attrs: dict[str, Any]) -> bool:
        """Whether a worker's beat has moved lately; one that is seen for the first time counts as alive."""
        value, now = attrs.get(beat_attribute(worker)), self._clock()
        known = self._beats.get(worker)
        if known is None or known[0] != value:
            self._beats[worker] = known = (value, now)
        return value != ENDED and now - known[1] <= self._grace

    def _end_for_dead(self, trial: FrozenTrial) -> FrozenTrial:
        """Ends a trial whose worker is gone, by what it holds."""
        launches, samples = trial_history.recorded_rows(trial)
        with suppress(*storage_errors()):
            self._optuna.end_trial(trial.number, [*launches, *samples])
        return trial

    def _summary(self, running: list[FrozenTrial], done: list[FrozenTrial], alive: dict[str, bool]) -> StudyActivity:
        seen = StudyActivity(anyone_measures=bool(running), anyone_at_work=any(alive.values()))
        known = {candidate.id for candidate in self._optuna.space.candidates}
        open_pairs: set[tuple[str, Any]] = set()
        for trial in running:
            name = str(trial.user_attrs.get(trial_history.SET, ""))
            if _is_of_pair(trial):
                open_pairs.add(_pair_key(trial))
            elif name in known:
                seen.running.append(name)
        pairs = _trials_by_pair(done)
        for key, rows in pairs.items():
            newest = key[1] == max(block for worker, block in pairs if worker == key[0])
            if newest and alive.get(key[0]) and not self._is_whole(rows) and self._may_still_come(key):
                open_pairs.add(key)
        seen.pairs = len(open_pairs)
        seen.anyone_measures = seen.anyone_measures or bool(open_pairs)
        seen.rival = next((str(one.user_attrs[trial_history.RIVAL])
                           for one in sorted((*done, *running), key=lambda one: -one.number)
                           if one.user_attrs.get(trial_history.RIVAL) in known), None)
        return seen

    def _may_still_come(self, key: tuple[str, Any]) -> bool:
        """Whether the second side of a pair may still be expected, for GRACE seconds at most."""
        return self._clock() - self._waited_since.setdefault(key, self._clock()) <= self._grace

    def _is_whole(self, rows: list[FrozenTrial]) -> bool:
        """Whether both sides of a pair have a good clip."""
        sides = {sample.candidate for trial in rows for sample in trial_history.recorded_rows(trial)[1]
                 if sample.state == "ok" and sample.purpose == "confirm"}
        return self._optuna.space.baseline in sides and len(sides) > 1

    def _add_finished(self, done: list[FrozenTrial], take_all: bool, no_pairs: bool) -> None:
        """Copies finished trials into this worker's record; see the module's text."""
        study = self._study
        known = {candidate.id for candidate in self._optuna.space.candidates}
        known_samples = {(one.worker, one.origin) for one in study.samples if one.worker}
        starts = {(one.worker, one.origin): one.number for one in study.launches if one.worker}
        whole = {key for key, rows in _trials_by_pair(done).items() if self._is_whole(rows)}
        blocks: dict[tuple[str, Any], int] = {}
        held = {(one.worker, one.origin): one.block for one in study.samples if one.worker}
        due = [trial for trial in sorted(done, key=lambda one: one.number)
               if not _is_of_pair(trial) or take_all or (_pair_key(trial) in whole and not no_pairs)]
        for trial in due:  # all starts first: a clip may stand in an earlier trial than the start that it lacked
            worker = _pair_key(trial)[0]
            for launch in trial_history.recorded_rows(trial)[0]:
                if (worker, launch.number) not in starts and launch.candidate in known:
                    starts[worker, launch.number] = len(study.launches)
                    study.add_from_worker(replace(launch, number=len(study.launches), worker=worker,
                                                  origin=launch.number, installing=None))
        for trial in due:
            key, compares = _pair_key(trial), _is_of_pair(trial)
            for sample in trial_history.recorded_rows(trial)[1]:
                number = starts.get((key[0], sample.launch), sample.launch if sample.launch < 0 else None)
                if (key[0], sample.number) in known_samples:
                    block = held.get((key[0], sample.number))
                    if block is not None:
                        blocks[key] = block
                elif number is not None and sample.candidate in known:
                    place = self._block_number(blocks, key) if compares and key in whole else None
                    study.add_from_worker(replace(sample, number=len(study.samples), launch=number, worker=key[0],
                                                  origin=sample.number, block=place))
                    known_samples.add((key[0], sample.number))

    def _block_number(self, blocks: dict[tuple[str, Any], int], key: tuple[str, Any]) -> int:
        """The number that another worker's pair has in this worker's record."""
        if key not in blocks:
            used = [one.block for one in self._study.samples if one.block is not None]
            blocks[key] = 1 + max(used, default=-1)
        return blocks[key]


def study_name(storage: BaseStorage, question: str, fresh: bool) -> str:
    """Name of the study of a question that a worker takes part in: the newest. ``fresh``: a new one, unless somebody is
    at work on the newest right now. Raises what storages raise."""
    import optuna

    pattern = re.compile(re.escape(question) + r"(?:-(\d{1,6}))?")
    found = {int(match[1] or 1): name for name in optuna.get_all_study_names(storage)
             if (match := pattern.fullmatch(name))}
    if not found:
        return question
    newest = max(found)
    if fresh:
        attrs = optuna.load_study(study_name=found[newest], storage=storage).user_attrs
        beats = [value for key, value in attrs.items() if key.startswith(beat_attribute("")) and isinstance(value, int)]
        if not beats or abs(time.time_ns() - max(beats)) > GRACE * 1e9:
            return f"{question}-{newest + 1}"
    return found[newest]


def _is_of_pair(trial: FrozenTrial) -> bool:
    """Whether a trial is part of a pair: one of its sides, or a set that is measured beside them."""
    return trial.user_attrs.get(trial_history.BLOCK) is not None


def _pair_key(trial: FrozenTrial) -> tuple[str, Any]:
    """(worker, number) of the pair that a trial is part of."""
    return str(trial.user_attrs.get(trial_history.WORKER, "")), trial.user_attrs.get(trial_history.BLOCK, -1)


def _trials_by_pair(done: list[FrozenTrial]) -> dict[tuple[str, Any], list[FrozenTrial]]:
    """Trials of comparisons by worker and pair."""
    found: dict[tuple[str, Any], list[FrozenTrial]] = {}
    for trial in done:
        if _is_of_pair(trial):
            found.setdefault(_pair_key(trial), []).append(trial)
    return found
