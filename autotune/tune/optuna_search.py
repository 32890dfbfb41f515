"""The search of a tune as an Optuna study: what to measure next is asked for, what came of it is told.

Where several workers share a study, they share its search: what another one measures counts as if it came out as
expected, and nobody measures the same. They share the comparison pair by pair, each pair on one card; what the pairs
say is looked at one after the other, and no pair is begun that may turn out not to be needed for the first look.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from autotune import search
from autotune.model.errors import StateDamaged
from autotune.model.study import History, Proposal, Verdict
from autotune.search.strategy import SearchQuestion, Strategy
from autotune.store import optuna_storage
from autotune.store.places import Places
from autotune.store.studies import Study

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from autotune.search.view import View
    from autotune.store.optuna_study import OptunaStudy
    from autotune.store.shared_study import OtherWorkers, StudyActivity

GONE, AGAIN = 120.0, 1.0
"""Seconds for which a sampler that needs the storage waits for it to come back, and between two tries."""
QUIET = 2.0
"""Seconds without news from workers that are still there, after which one with nothing to ask believes that they have
nothing either: who has just ended a trial takes a moment to choose the next, and both are to tell of the same clips."""
ALONE = 15.0
"""Seconds without the storage after which a worker goes on as if it were the only one."""


@contextmanager
def storage(places: Places, url: str | None, sampler: str) -> Iterator[BaseStorage]:
    """The storage to use, and the certainty that there is such a sampler, before anything is recorded. ``url``: None
    for autotune's own file. Raises UsageProblem, and StateDamaged where that file cannot be written."""
    if sampler not in search.STRATEGY_NAMES:
        from autotune.search import user_sampler

        user_sampler.sampler_by_name(sampler, 0)
    found = optuna_storage.open_storage(url) if url else optuna_storage.open_own_storage(places.optuna)
    try:
        yield found
    finally:
        optuna_storage.close_storage(found)


class Asking:
    """Asks for trials and tells them. Use as a context manager. ``pause``: waits a little, False when the time is over.

    Raises UsageProblem (no such sampler), StateDamaged (the storage cannot be written).
    """

    def __init__(self, held: BaseStorage, study: Study, asked: SearchQuestion, say: Callable[[str], None]) -> None:
        from autotune.search.sampler import LaunchAwareSampler

        self._study, self._say, self._asked = study, say, asked
        self._guest: Any = None
        self._strategy: Strategy
        pure = asked.sampler in search.PURE_STRATEGIES
        if pure:
            self._strategy = search.make_strategy(asked.sampler, asked.space, asked.profile, asked.objective,
                                                  asked.seed, asked.prior)
            sampler: Any = LaunchAwareSampler(asked.space, profile=asked.profile, objective=asked.objective,
                                              prior=asked.prior, strategy=self._strategy)
        else:
            from autotune.search import user_sampler

            found = user_sampler.sampler_by_name(asked.sampler, asked.seed + len(study.samples))
            sampler = user_sampler.SteeredSampler(found, asked.space)
        self._sampler = sampler
        self._told = self._open(held)
        self._others = self._sharing() if asked.shared else None
        self._work = ExitStack()
        self._waits = False
        self._news = 0.0
        self._rival: str | None = None
        if not pure:
            self._strategy = self._guest = user_sampler.SamplerStrategy(
                asked.space, asked.profile, asked.objective, asked.seed, self)
        study.on_record = self._told.record

    def __enter__(self) -> Asking:
        if self._others is not None:
            self._work.enter_context(self._others.beating())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._study.on_record = None
        self._work.close()

    def _open(self, held: BaseStorage) -> OptunaStudy:
        from autotune.store import shared_study
        from autotune.store.optuna_study import OptunaStudy

        study, asked = self._study, self._asked
        if "worker" not in study.head:
            study.set_head(worker=uuid.uuid4().hex[:8])
        try:
            if asked.shared and "optuna" not in study.head:
                study.set_head(optuna=shared_study.study_name(held, asked.shared, asked.fresh))
            name = str(study.head["optuna"]) if asked.shared else study.id
            told = OptunaStudy(held, name, asked, self._sampler, str(study.head["worker"]))
            told.describe({"baseline": asked.space.baseline, "objective": asked.objective,
                           "profile": asked.profile.name})
            lacked = told.add_missing([*study.launches, *study.samples])
        except optuna_storage.storage_errors() as problem:
            raise StateDamaged(f"Optuna's storage cannot be written: {type(problem).__name__}",
                               "The study's clips are safe in its journal.") from None
        if lacked:
            self._say(f"Optuna's storage lacked {lacked} of the study's records; it has them now")
        return told

    def _sharing(self) -> OtherWorkers:
        from autotune.store.shared_study import OtherWorkers

        return OtherWorkers(self._told, self._study)

    def next(self, history: Callable[[], History], pause: Callable[[], bool]) -> Proposal | None:
        """What to measure next, None when nothing more is. Raises StateDamaged when a sampler that needs the storage
        cannot reach it."""
        before: object = None
        proposal: Proposal | None = None
        while True:
            pair = self._told.pair
            seen = self._look(pause, pair is not None)
            if seen is not None and seen.verdict_is_sure:
                return None
            now = history()
            known = (len(now.samples), len(now.launches), now.live_launch, seen and (seen.running, seen.rival))
            if known != before:  # choosing takes a while; who waits does not choose anew without news
                proposal, before = self._proposal(now, seen), known
                self._news = time.monotonic()
            if seen is not None and pair is not None and (proposal is None or proposal.block != pair):
                self._told.pair = None  # this worker's own pair is done: now what the others' pairs say counts
                continue
            if seen is None or not self._must_wait(now, proposal, seen):
                self._waits = False
                return proposal
            if not self._waits:
                self._say("another worker measures what is needed first; waiting for it")
            self._waits = True
            if not pause():
                return None

    def _proposal(self, now: History, seen: StudyActivity | None) -> Proposal | None:
        from autotune.search.sampler import with_expected_results

        asked = self._asked
        if seen is not None and seen.rival is not None:
            from autotune.search.confirm import confirmation_begun, next_comparison

            view = self._view(now)
            if not confirmation_begun(view) and seen.rival not in view.failures.dropped:
                self._rival = seen.rival
                return next_comparison(view, seen.rival)
        if seen is not None:
            now = with_expected_results(now, asked.space, asked.profile, asked.objective, self._strategy, seen.running)
        proposal = self._strategy.next(now)
        self._rival = None
        if seen is not None and proposal is not None and proposal.block is not None:
            from autotune.search.confirm import set_to_confirm

            view = self._view(now)
            self._rival = set_to_confirm(view, view.surface)
        held = self._guest.trial if self._guest is not None else None
        if held is not None and (proposal is None or proposal.purpose != "screen"):
            self._guest.trial = None
            self.tell_unmeasured(held, None)
        return proposal

    def _view(self, now: History) -> View:
        from autotune.decide.memory_assumptions import surface_for
        from autotune.search.view import View

        return View(now, self._asked.space, self._asked.profile, self._asked.objective,
                    surface_for(self._asked.space, self._asked.objective))

    def _must_wait(self, now: History, proposal: Proposal | None, seen: StudyActivity) -> bool:
        """Whether others must come to the end of what they measure first."""
        if proposal is None:
            return seen.anyone_measures or (seen.anyone_at_work and time.monotonic() - self._news < QUIET)
        if proposal.block is None:
            return False
        if proposal.block == self._told.pair:
            return False  # the second side of a pair that was begun
        from autotune.decide.assumptions import RULES

        rounds = {(one.block, one.candidate) for one in now.samples if one.block is not None and one.state == "ok"}
        whole = sum((block, self._asked.space.baseline) in rounds and
                    any(other == block and name != self._asked.space.baseline for other, name in rounds)
                    for block in {block for block, _ in rounds})
        return whole < RULES.min_blocks <= whole + seen.pairs

    def _look(self, pause: Callable[[], bool], hold: bool) -> StudyActivity | None:
        """What the other workers do, and what they measured is taken over (``hold``: but for pairs); None where there
        are none, or where the storage is away."""
        if self._others is None:
            return None
        begun = time.monotonic()
        while True:
            try:
                return self._others.refresh(no_pairs=hold)
            except optuna_storage.storage_errors():
                if time.monotonic() - begun > ALONE or not pause():
                    return None

    def gather(self) -> None:
        """Takes over all that the others measured, before the verdict."""
        if self._others is not None:
            try:
                self._patiently(lambda: self._others and self._others.refresh(take_all=True), ALONE)
            except StateDamaged:
                self._say("Optuna's storage is away: the verdict rests on what this worker knows")

    def begin(self, proposal: Proposal) -> bool:
        """Asks for the trial that measures a proposal; False when another worker was quicker."""
        held = None
        if self._guest is not None:
            held, self._guest.trial = self._guest.trial, None
        second = proposal.block is not None and proposal.block == self._told.pair
        self._told.begin_trial(proposal, self._study.begin_trial(), held, self._rival)
        home = proposal.candidate == self._asked.space.baseline and proposal.block is None
        if self._others is None or second or home:  # everybody needs the current flags in a process of its own
            return True
        try:
            if not self._others.conflicts():
                return True
        except optuna_storage.storage_errors():
            return True
        self._told.withdraw_trial()
        return False

    def finish(self) -> None:
        """Tells how the trial ended."""
        self._told.finish_trial()

    def conclude(self, verdict: Verdict) -> None:
        """Notes the verdict in the storage."""
        try:
            self._told.record_verdict(verdict)
        except optuna_storage.storage_errors():
            self._say("Optuna's storage could not be told the verdict; the study itself has it")

    @property
    def ended(self) -> bool:
        """Whether the sampler wants nothing more."""
        return bool(self._sampler.ended)

    def ask(self) -> tuple[Any, str | None]:
        """See user_sampler.AskableStudy."""
        from autotune.search import user_sampler

        gone = tuple(kind for kind in optuna_storage.storage_errors() if kind is not KeyError)

        def once() -> tuple[Any, str | None]:
            with user_sampler.usage_problems(self._asked.sampler, "failed when it was asked",
                                             "What was measured is kept.", gone):
                return self._told.ask()

        found: tuple[Any, str | None] = self._patiently(once)
        return found

    def tell_unmeasured(self, trial: Any, candidate: str | None) -> None:  # noqa: ANN401 - a trial of Optuna's
        """See user_sampler.AskableStudy."""
        self._patiently(lambda: self._told.tell_unmeasured(trial, candidate))

    def _patiently(self, act: Callable[[], Any], patience: float = GONE) -> Any:  # noqa: ANN401 - what ``act`` gives
        """Does what needs the storage, and waits for it where it went away."""
        begun = time.monotonic()
        while True:
            try:
                return act()
            except optuna_storage.storage_errors() as problem:
                if time.monotonic() - begun > patience:
                    raise StateDamaged(
                        f"Optuna's storage went away: {type(problem).__name__}",
                        "What was measured is kept: run the same command again when it is back.") from None
            time.sleep(AGAIN)
