"""Asks a search strategy, through an Optuna study, what to measure next, and tells the study how it went.

Several workers may share one study and its search. A set that another worker is measuring counts as measured with its
expected result, so that nobody measures it a second time. The final comparison is shared pair by pair, each pair on
one GPU. Pairs are evaluated in order, and none is begun that the first evaluation may turn out not to need.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from autotune import search
from autotune.language.translate import _
from autotune.model.errors import StateDamaged
from autotune.model.study import History, Proposal, Verdict
from autotune.search.strategy import SearchQuestion, Strategy
from autotune.store import optuna_storage
from autotune.store.places import Places
from autotune.store.studies import Study

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from autotune.search.standings import Standings
    from autotune.search.view import View
    from autotune.store.optuna_study import OptunaStudy
    from autotune.store.shared_study import OtherWorkers, StudyActivity

STORAGE_PATIENCE, RETRY_EVERY = 120.0, 1.0
"""Seconds for which a sampler that needs the storage waits for it to come back, and between two tries."""
QUIET = 2.0
"""Seconds without news after which a worker without a proposal stops waiting for idle ones. A worker that has just
ended a trial needs a moment to choose its next, and all workers' verdicts should rest on the same clips."""
ALONE_AFTER = 15.0
"""Seconds without the storage after which a worker goes on as if it were the only one."""


@contextmanager
def storage(places: Places, url: str | None, sampler: str) -> Iterator[BaseStorage]:
    """Opens Optuna's storage at ``url`` (None: autotune's own file), after a check that the sampler exists.

    Raises UsageProblem (no such sampler or storage), StateDamaged (the own file cannot be written).
    """
    if sampler not in search.STRATEGY_NAMES:
        from autotune.search import user_sampler

        user_sampler.sampler_by_name(sampler, 0)
    found = optuna_storage.open_storage(url) if url else optuna_storage.open_own_storage(places.optuna)
    try:
        yield found
    finally:
        optuna_storage.close_storage(found)


class OptunaSearch:
    """Proposes what to measure next, and records each trial in Optuna's storage. Use as a context manager.

    Raises UsageProblem (no such sampler), StateDamaged (the storage cannot be written).
    """

    def __init__(self, held: BaseStorage, study: Study, question: SearchQuestion, say: Callable[[str], None]) -> None:
        from autotune.search.sampler import LaunchAwareSampler

        self._study, self._say, self.question = study, say, question
        self._users_sampler: Any = None
        self._strategy: Strategy
        pure = question.sampler in search.PURE_STRATEGIES
        if pure:
            self._strategy = search.make_strategy(
                question.sampler, question.space, question.profile, question.objective, question.seed, question.prior)
            self._sampler: Any = LaunchAwareSampler(
                question.space, profile=question.profile, objective=question.objective, prior=question.prior,
                strategy=self._strategy)
        else:
            from autotune.search import user_sampler

            found = user_sampler.sampler_by_name(question.sampler, question.seed + len(study.samples))
            self._sampler = user_sampler.SteeredSampler(found, question.space)
        self._optuna = self._open(held)
        self._others = self._join_others() if question.shared else None
        self._work = ExitStack()
        self._waits = False
        self._news_at = 0.0
        self._rival: str | None = None
        if not pure:
            self._strategy = self._users_sampler = user_sampler.SamplerStrategy(
                question.space, question.profile, question.objective, question.seed, self)
        study.on_record = self._optuna.record

    def __enter__(self) -> OptunaSearch:
        if self._others is not None:
            self._work.enter_context(self._others.beating())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._study.on_record = None
        self._work.close()

    def _open(self, held: BaseStorage) -> OptunaStudy:
        """The study in Optuna's storage, with all records of the journal that it lacked."""
        from autotune.store import shared_study
        from autotune.store.optuna_study import OptunaStudy

        study, asked = self._study, self.question
        if "worker" not in study.head:
            study.set_head(worker=uuid.uuid4().hex[:8])
        try:
            if asked.shared and "optuna" not in study.head:
                study.set_head(optuna=shared_study.study_name(held, asked.shared, asked.fresh))
            name = str(study.head["optuna"]) if asked.shared else study.id
            found = OptunaStudy(held, name, asked, self._sampler, str(study.head["worker"]))
            found.describe({"baseline": asked.space.baseline, "objective": asked.objective,
                           "profile": asked.profile.name})
            lacked = found.add_missing([*study.launches, *study.samples])
        except optuna_storage.storage_errors() as problem:
            raise StateDamaged(_("Optuna's storage cannot be written: {name}").format(name=type(problem).__name__),
                               _("The study's clips are safe in its journal.")) from None
        if lacked:
            self._say(
                _("Optuna's storage lacked {lacked} of the study's records; it has them now").format(lacked=lacked))
        return found

    def _join_others(self) -> OtherWorkers:
        from autotune.store.shared_study import OtherWorkers

        return OtherWorkers(self._optuna, self._study)

    def next(self, history: Callable[[], History], pause: Callable[[], bool]) -> Proposal | None:
        """What to measure next; None when the search is over. Waits for other workers where their results are needed.

        ``pause`` waits a little, and returns False when the budget is used up. Raises StateDamaged when a sampler
        that needs the storage cannot reach it.
        """
        before: object = None
        proposal: Proposal | None = None
        while True:
            pair = self._optuna.pair
            seen = self._news_of_others(pause, pair is not None)
            if seen is not None and seen.verdict_is_sure:
                return None
            now = history()
            known = (len(now.samples), len(now.launches), now.live_launch, seen and (seen.running, seen.rival))
            if known != before:  # choosing takes a while: while waiting, only news makes it choose again
                proposal, before = self._proposal(now, seen), known
                self._news_at = time.monotonic()
            if seen is not None and pair is not None and (proposal is None or proposal.block != pair):
                self._optuna.pair = None  # this worker's own pair is done: now the others' pairs are taken over
                continue
            if seen is None or not self._must_wait(now, proposal, seen):
                self._waits = False
                return proposal
            if not self._waits:
                self._say(_("another worker measures what is needed first; waiting for it"))
            self._waits = True
            if not pause():
                return None

    def _proposal(self, now: History, seen: StudyActivity | None) -> Proposal | None:
        """The strategy's proposal, given what other workers are doing (``seen``); None when it has none."""
        from autotune.search.sampler import with_expected_results

        asked = self.question
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
        held = self._users_sampler.trial if self._users_sampler is not None else None
        if held is not None and (proposal is None or proposal.purpose != "screen"):
            self._users_sampler.trial = None
            self.tell_unmeasured(held, None)
        return proposal

    def _view(self, now: History) -> View:
        from autotune.decide.memory_assumptions import surface_for
        from autotune.search.view import View

        return View(now, self.question.space, self.question.profile, self.question.objective,
                    surface_for(self.question.space, self.question.objective))

    def standings(self, history: History) -> Standings:
        """How the study stands; the time left only where the default strategy works alone, for it is known of that."""
        from autotune.search.screen import Screen
        from autotune.search.standings import standings
        from autotune.search.time_left import time_left

        alone = self._others is None and isinstance(self._strategy, Screen)
        left = time_left(self._strategy, history) if alone and isinstance(self._strategy, Screen) else None
        return standings(self._view(history), left)

    def _must_wait(self, now: History, proposal: Proposal | None, seen: StudyActivity) -> bool:
        """Whether to wait for what other workers are measuring before anything else is measured here."""
        if proposal is None:
            return seen.anyone_measures or (seen.anyone_at_work and time.monotonic() - self._news_at < QUIET)
        if proposal.block is None:
            return False
        if proposal.block == self._optuna.pair:
            return False  # the second side of a pair that was begun
        from autotune.decide.assumptions import RULES

        rounds = {(one.block, one.candidate) for one in now.samples if one.block is not None and one.state == "ok"}
        whole = sum((block, self.question.space.baseline) in rounds and
                    any(other == block and name != self.question.space.baseline for other, name in rounds)
                    for block in {block for block, _ in rounds})
        return whole < RULES.min_blocks <= whole + seen.pairs

    def _news_of_others(self, pause: Callable[[], bool], hold: bool) -> StudyActivity | None:
        """Takes over what the other workers measured (``hold``: except pairs), and returns what they are doing.

        None where nobody shares the study, and while the storage cannot be reached.
        """
        if self._others is None:
            return None
        begun = time.monotonic()
        while True:
            try:
                return self._others.refresh(no_pairs=hold)
            except optuna_storage.storage_errors():
                if time.monotonic() - begun > ALONE_AFTER or not pause():
                    return None

    def gather(self) -> None:
        """Takes over everything that other workers measured, before the verdict."""
        if self._others is not None:
            try:
                self._retrying(lambda: self._others and self._others.refresh(take_all=True), ALONE_AFTER)
            except StateDamaged:
                self._say(_("Optuna's storage is away: the verdict rests on what this worker knows"))

    def begin(self, proposal: Proposal) -> bool:
        """Begins the trial that measures a proposal; False when another worker has just begun the same."""
        held = None
        if self._users_sampler is not None:
            held, self._users_sampler.trial = self._users_sampler.trial, None
        second = proposal.block is not None and proposal.block == self._optuna.pair
        self._optuna.begin_trial(proposal, self._study.begin_trial(), held, self._rival)
        home = proposal.candidate == self.question.space.baseline and proposal.block is None
        if self._others is None or second or home:  # each worker needs clips of the current flags from its own GPU
            return True
        try:
            if not self._others.conflicts():
                return True
        except optuna_storage.storage_errors():
            return True
        self._optuna.withdraw_trial()
        return False

    def finish(self) -> None:
        """Ends the trial in the storage, by the clips that were recorded for it."""
        self._optuna.finish_trial()

    def conclude(self, verdict: Verdict) -> None:
        """Notes the verdict in the storage; a storage that cannot be reached is only reported."""
        try:
            self._optuna.record_verdict(verdict)
        except optuna_storage.storage_errors():
            self._say(_("Optuna's storage could not be told the verdict; the study itself has it"))

    @property
    def ended(self) -> bool:
        """Whether the sampler wants nothing more."""
        return bool(self._sampler.ended)

    def ask(self) -> tuple[Any, str | None]:
        """See user_sampler.AskableStudy."""
        from autotune.search import user_sampler

        gone = tuple(kind for kind in optuna_storage.storage_errors() if kind is not KeyError)

        def once() -> tuple[Any, str | None]:
            with user_sampler.usage_problems(self.question.sampler, _("failed when it was asked"),
                                             _("What was measured is kept."), gone):
                return self._optuna.ask()

        found: tuple[Any, str | None] = self._retrying(once)
        return found

    def tell_unmeasured(self, trial: Any, candidate: str | None) -> None:  # noqa: ANN401 - a trial of Optuna's
        """See user_sampler.AskableStudy."""
        self._retrying(lambda: self._optuna.tell_unmeasured(trial, candidate))

    def _retrying(self, act: Callable[[], Any], patience: float = STORAGE_PATIENCE) -> Any:  # noqa: ANN401 - what ``act`` gives
        """Calls ``act``, again and again while the storage is away. Raises StateDamaged after ``patience`` s."""
        begun = time.monotonic()
        while True:
            try:
                return act()
            except optuna_storage.storage_errors() as problem:
                if time.monotonic() - begun > patience:
                    raise StateDamaged(
                        _("Optuna's storage went away: {name}").format(name=type(problem).__name__),
                        _("What was measured is kept: run the same command again when it is back.")) from None
            time.sleep(RETRY_EVERY)
