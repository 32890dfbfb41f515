"""A study in Optuna's storage while it runs: each trial begun, its clips as they come, and its result.

The study's journal is the record. What the storage lacks of it, because a process or a database was killed in between,
is added at the next opportunity, and nothing is added twice: every clip and start has its number in the journal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING, Any

from autotune.decide import objectives
from autotune.decide.rounds import rounds
from autotune.language.translate import _
from autotune.model import codec
from autotune.model.study import History, Launch, Proposal, Sample, Verdict
from autotune.search import trial_history
from autotune.search.strategy import SearchQuestion
from autotune.store.optuna_storage import storage_errors

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

    from autotune.search.sampler import LaunchAwareSampler
    from autotune.search.user_sampler import SteeredSampler

TRIAL_NUMBER = "trial"
"""Name of the attribute that holds a trial's number in its worker's own count."""
RETRY_AFTER = 2.0
"""Seconds until a storage that could not be reached is tried again."""
SampleOrLaunch = Sample | Launch


class OptunaStudy:
    """One study in a storage. ``begin_trial``, ``record`` and ``finish_trial`` raise nothing when the storage fails:
    what could not be written is written later (``is_behind``)."""

    def __init__(self, storage: optuna.storages.BaseStorage, name: str, question: SearchQuestion,
                 sampler: LaunchAwareSampler | SteeredSampler, worker: str) -> None:
        """Opens the study of that name, or makes it. Raises what storages raise (``optuna_storage.storage_errors``)."""
        import optuna

        self.space, self.worker = question.space, worker
        self._question, self._sampler = question, sampler
        self.pair: int | None = None
        """The pair of a comparison that was asked for last."""
        self.study = optuna.create_study(storage=storage, study_name=name, sampler=sampler, direction="minimize",
                                         load_if_exists=True)
        levels = [dict(candidate.levels) for candidate in self.space.candidates]
        self.distributions: dict[str, BaseDistribution] = {
            d.name: optuna.distributions.CategoricalDistribution(tuple(dict.fromkeys(one[d.name] for one in levels)))
            for d in self.space.dimensions}
        self.is_behind = False
        self._retry_at = 0.0
        self._trial: optuna.Trial | None = None
        self._number: int | None = None
        self._set = ""
        self.rival: str | None = None
        """The set that the running trial helps to compare."""
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._records: list[SampleOrLaunch] = []
        self._trial_of: dict[tuple[str, int], object] = {}

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Notes facts about the study, as far as they are not noted."""
        known = self.study.user_attrs
        for key, value in facts.items():
            if known.get(key) != value:
                self.study.set_user_attr(key, value)

    def add_missing(self, records: Iterable[SampleOrLaunch]) -> int:
        """Adds the clips and starts of the journal that the storage lacks, and ends trials that were left running.
        Returns how many records it lacked. Raises what storages raise."""
        from optuna.exceptions import UpdateFinishedTrialError

        self._records = [one for one in records if not one.worker]
        in_storage: set[tuple[str, int]] = set()
        unfinished = []
        current = self._trial.number if self._trial is not None else None
        for trial in self.study.get_trials(deepcopy=False):
            if trial.user_attrs.get(trial_history.WORKER, "" if self._question.shared else self.worker) != self.worker:
                continue
            if not trial.state.is_finished():
                unfinished.append(trial)
            in_storage |= {(kind, int(row["number"])) for kind in (trial_history.SAMPLES, trial_history.LAUNCHES)
                           for row in trial.user_attrs.get(kind, ())}
        lacking = [one for one in self._records if (_kind(one), one.number) not in in_storage]
        self._trial_of = _trial_of_each(self._records)
        left = dict.fromkeys(self._trial_of[_kind(one), one.number] for one in lacking)
        for trial in unfinished:
            if trial.number == current:
                left.pop(self._number, None)
                continue
            number = trial.user_attrs.get(TRIAL_NUMBER)
            rows = [one for one in self._records if one.trial == number and number is not None]
            with suppress(UpdateFinishedTrialError):  # ended meanwhile by another worker: the rest is added below
                self._write(trial._trial_id, rows)
                self.end_trial(trial.number, rows)
                left.pop(number, None)
        for number in left:
            self._add([one for one in lacking if self._trial_of[_kind(one), one.number] == number])
        if self._trial is not None:
            self._rewrite()
        self.is_behind = False
        return len(lacking)

    def begin_trial(self, proposal: Proposal, number: int, asked: optuna.Trial | None = None,
                    rival: str | None = None) -> None:
        """Begins the trial that is to measure a proposal; ``number``: see TRIAL_NUMBER. ``asked``: the trial, where the
        sampler has chosen it. ``rival``: the set that it helps to compare with the current one."""
        self._number, self._rows = number, {trial_history.SAMPLES: [], trial_history.LAUNCHES: []}
        self._set, self.pair, self.rival = proposal.candidate, proposal.block, rival
        try:
            self._catch_up()
            if asked is None:
                self._sampler.set_next(proposal)
                asked = self.study.ask(self.distributions)
                self._sampler.clear_next()
            self._trial = asked
            for key, value in self._facts(proposal, number).items():
                asked.set_user_attr(key, value)
        except storage_errors() as problem:
            self._trial = None
            self._fell_behind(problem)

    def record(self, one: SampleOrLaunch) -> None:
        """Adds a clip or a start that is in the journal to the running trial."""
        self._records.append(one)
        kind = _kind(one)
        self._rows.setdefault(kind, []).append(codec.dump(one))
        if self._trial is None:
            self.is_behind = True
            return
        try:
            self._catch_up()
            self._trial.set_user_attr(kind, self._rows[kind])
            if isinstance(one, Sample) and one.state == "ok" and one.seconds is not None:
                self._trial.report(one.seconds, step=sum(row["state"] == "ok" for row in self._rows[kind]) - 1)
        except storage_errors() as problem:
            self._fell_behind(problem)

    @property
    def running(self) -> tuple[int, str] | None:
        """Number and set of the running trial, None where the storage has none."""
        return None if self._trial is None else (self._trial.number, self._set)

    def withdraw_trial(self) -> None:
        """Ends the running trial before anything was measured for it."""
        trial, self._trial, self.pair = self._trial, None, None
        if trial is not None:
            with suppress(*storage_errors()):
                self.tell_unmeasured(trial, None)

    def finish_trial(self) -> None:
        """Ends the running trial by what was measured."""
        trial, self._trial = self._trial, None
        rows = [one for one in self._records if one.trial == self._number]
        if trial is not None:
            try:
                self.end_trial(trial.number, rows)
            except storage_errors() as problem:
                self._fell_behind(problem)
        if self.is_behind:
            with suppress(*storage_errors()):
                self._catch_up()

    def ask(self) -> tuple[optuna.Trial, str | None]:
        """A trial as the sampler wants it, and the set that it is; None: none of the space. Raises what storages
        raise."""
        trial = self.study.ask(self.distributions)
        trial.set_user_attr(trial_history.WORKER, self.worker)
        wanted = tuple((d.name, trial.params[d.name]) for d in self.space.dimensions)
        return trial, next((one.id for one in self.space.candidates if one.levels == wanted), None)

    def tell_unmeasured(self, trial: optuna.Trial, candidate: str | None) -> None:
        """Ends a trial that is not measured: with the known result of its set, else as failed. Raises what storages
        raise."""
        from optuna.trial import TrialState

        known = [one.value for one in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
                 if candidate is not None and one.user_attrs.get(trial_history.SET) == candidate
                 and one.value is not None]
        trial.set_user_attr(trial_history.SAMPLES, [])
        trial.set_user_attr(trial_history.WHY, _("asked for again: answered from what was measured") if known else
                            _("not measured: it is no set to try, or there was no time for it"))
        self.study.tell(trial, median(known) if known else None,
                        state=TrialState.COMPLETE if known else TrialState.FAIL, skip_if_finished=True)

    def record_verdict(self, verdict: Verdict) -> None:
        """Notes the verdict. Raises what storages raise."""
        if self.is_behind:
            self.add_missing(self._records)
        speedup = verdict.speedup
        self.describe({
            "by": self.worker, "decision": verdict.decision, "reason": verdict.reason, "sure": verdict.sure,
            "winner": verdict.winner.candidate if verdict.winner else None,
            "speedup": [speedup.estimate, speedup.low, speedup.high] if speedup else None})

    def value_of(self, samples: Sequence[Sample]) -> float | None:
        """The value by which trials are compared: the objective's score, for speed the (weighted geometric mean of the)
        seconds of a clip; None without a whole round."""
        found = rounds(History(tuple(samples)), self._question.profile)
        scores = [one.score for one in objectives.score_rounds(found, self._question.objective)]
        return math.exp(median(scores)) if scores else None

    def _fell_behind(self, problem: Exception) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        self.is_behind = True
        if isinstance(problem, UpdateFinishedTrialError):
            self._trial = None  # ended by a worker that took this one for dead: what follows is added later
        else:
            self._retry_at = time.monotonic() + RETRY_AFTER

    def _catch_up(self) -> None:
        """Adds to the storage what it lacks. Raises what storages raise, and ConnectionError where the last try is only
        just past: a server that is gone may take its time to say so."""
        if not self.is_behind:
            return
        if time.monotonic() < self._retry_at:
            raise ConnectionError("the storage went away just now")
        try:
            self.add_missing(self._records)
        except storage_errors() as problem:
            self._fell_behind(problem)
            raise

    def _facts(self, proposal: Proposal, number: int) -> dict[str, Any]:
        """User attributes that a trial begins with."""
        flags = self.space[proposal.candidate].flags
        facts: dict[str, Any] = {
            trial_history.WORKER: self.worker, TRIAL_NUMBER: number, trial_history.PURPOSE: proposal.purpose}
        if proposal.fresh:
            facts[trial_history.FRESH] = True
        if proposal.block is not None:
            facts |= {trial_history.BLOCK: proposal.block, trial_history.RIVAL: self.rival}
        facts |= {trial_history.SET: proposal.candidate, "flags": list(flags.words), trial_history.WHY: proposal.why}
        if flags.settings:
            facts["settings"] = dict(flags.settings)
        return facts

    def _write(self, trial_id: int, rows: Sequence[SampleOrLaunch]) -> None:
        """Writes clips and starts into a trial."""
        for kind in (trial_history.LAUNCHES, trial_history.SAMPLES):
            found = [codec.dump(one) for one in rows if _kind(one) == kind]
            self.study._storage.set_trial_user_attr(trial_id, kind, found)

    def _rewrite(self) -> None:
        """Writes what the running trial holds into the storage again."""
        assert self._trial is not None
        rows = [one for one in self._records if one.trial == self._number]
        with suppress(*storage_errors()):  # ended by a worker that took this one for dead: added later
            self._write(self._trial._trial_id, rows)

    def end_trial(self, number: int, rows: Sequence[SampleOrLaunch]) -> None:
        """Ends a trial by what it holds. Raises UpdateFinishedTrialError for one that was ended."""
        from optuna.trial import TrialState

        state, value, attributes = self._end(rows)
        trial_id = self.study._storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)
        for key, fact in attributes.items():
            self.study._storage.set_trial_user_attr(trial_id, key, fact)
        self.study.tell(number, value if state == "COMPLETE" else None, state=TrialState[state],
                        skip_if_finished=True)

    def _add(self, rows: Sequence[SampleOrLaunch]) -> None:
        """Adds a trial of the journal that the storage does not have, or some of its clips that it lacks."""
        import optuna

        samples = [one for one in rows if isinstance(one, Sample)]
        name = rows[0].candidate
        if all(one.id != name for one in self.space.candidates):
            return
        state, value, attributes = self._end(rows)
        purpose = samples[0].purpose if samples else "screen"
        cold = bool(samples) and samples[0].cold
        proposal = Proposal(name, purpose, 0, cold, samples[0].block if samples else None)
        kinds = {kind: [codec.dump(one) for one in rows if _kind(one) == kind]
                 for kind in (trial_history.LAUNCHES, trial_history.SAMPLES)}
        facts = {**self._facts(proposal, -1), **attributes, **kinds, TRIAL_NUMBER: rows[0].trial}
        good = [one.seconds for one in samples if one.state == "ok" and one.seconds is not None]
        self.study.add_trial(optuna.trial.create_trial(
            state=optuna.trial.TrialState[state], value=value if state == "COMPLETE" else None,
            params=dict(self.space[name].levels), distributions=self.distributions,
            user_attrs=facts, intermediate_values=dict(enumerate(good))))

    def _end(self, rows: Sequence[SampleOrLaunch]) -> tuple[str, float | None, dict[str, Any]]:
        """(state, value, attributes) of a finished trial by its clips and starts."""
        samples = [one for one in rows if isinstance(one, Sample)]
        launches = [one for one in rows if isinstance(one, Launch)]
        value = self.value_of(samples)
        both: list[SampleOrLaunch] = [*samples, *launches]
        failure = next((one for one in both if one.failure is not None), None)
        states = [one.state for one in samples]
        peaks = [one.memory_peak for one in samples if one.memory_peak is not None]
        attributes: dict[str, Any] = {"clips": states.count("ok"), "warmups": states.count("warmup")}
        attributes |= {name: states.count(name) for name in ("discarded", "too_slow") if name in states}
        if samples:
            attributes["launch"] = samples[-1].launch
        if peaks:
            attributes["memory_peak"] = max(peaks)
        if failure is not None:
            attributes |= {"failure": failure.failure, "detail": failure.detail}
        if failure is not None and failure.failure != "interrupted":
            return "FAIL", None, attributes
        if "too_slow" in states or (value is None and "check" in states):  # clips that only check are no trial to rank
            return "PRUNED", None, attributes
        return ("COMPLETE", value, attributes) if value is not None else ("FAIL", None, attributes)


def _trial_of_each(records: Sequence[SampleOrLaunch]) -> dict[tuple[str, int], object]:
    """The trial of each record: its number or, where none was noted, one for each set and purpose in one process."""
    found: dict[tuple[str, int], object] = {}
    first: dict[int, object] = {}
    for one in records:
        if isinstance(one, Sample):
            group = one.trial if one.trial is not None else (one.launch, one.purpose, one.candidate)
            first.setdefault(one.launch, group)
            found[trial_history.SAMPLES, one.number] = group
    for one in records:
        if isinstance(one, Launch):
            alone = first.get(one.number, (one.number, "screen", one.candidate))
            found[trial_history.LAUNCHES, one.number] = one.trial if one.trial is not None else alone
    return found


def _kind(one: SampleOrLaunch) -> str:
    return trial_history.SAMPLES if isinstance(one, Sample) else trial_history.LAUNCHES
