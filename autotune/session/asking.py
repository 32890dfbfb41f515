"""The search of a tune as an Optuna study: what to measure next is asked for, what came of it is told."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from autotune import search
from autotune.model.errors import StateDamaged
from autotune.model.flagset import Space
from autotune.model.study import History, Proposal, Verdict
from autotune.model.workload import Profile
from autotune.search.strategy import Prior, Strategy
from autotune.store import optuna_storage
from autotune.store.places import Places
from autotune.store.studies import Study

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from autotune.store.optuna_study import OptunaStudy

GONE, AGAIN = 120.0, 1.0
"""Seconds for which a sampler that needs the storage waits for it to come back, and between two tries."""


@contextmanager
def storage(places: Places, url: str | None, sampler: str) -> Iterator[BaseStorage]:
    """The storage to use, and the certainty that there is such a sampler, before anything is recorded. ``url``: None
    for autotune's own file. Raises UsageProblem, and StateDamaged where that file cannot be written."""
    if sampler not in search.NAMES:
        from autotune.search import guests

        guests.named(sampler, 0)
    found = optuna_storage.opened(url) if url else optuna_storage.ours(places.optuna)
    try:
        yield found
    finally:
        optuna_storage.closed(found)


class Asking:
    """Asks for trials and tells them. Use as a context manager.

    ``name``: a strategy of ``search.NAMES``, or MODULE:CLASS. Raises UsageProblem (no such sampler), StateDamaged (the
    storage cannot be written).
    """

    def __init__(self, storage: BaseStorage, study: Study, space: Space, profile: Profile, objective: str, name: str,
                 seed: int, prior: Prior | None, say: Callable[[str], None]) -> None:
        from autotune.search.sampler import LaunchAwareSampler

        self._study, self._say = study, say
        self._guest: Any = None
        self._strategy: Strategy
        if name in search.PURE:
            self._strategy = search.make(name, space, profile, objective, seed, prior)
            sampler: Any = LaunchAwareSampler(space, profile=profile, objective=objective, prior=prior,
                                              strategy=self._strategy)
        else:
            from autotune.search import guests

            sampler = guests.Steered(guests.named(name, seed + len(study.samples)), space)
        self._sampler = sampler
        self._told = self._open(storage, space, profile, objective)
        if name not in search.PURE:
            self._strategy = self._guest = guests.Guest(space, profile, objective, seed, self)
        study.on_record = self._told.record

    def __enter__(self) -> Asking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._study.on_record = None

    def _open(self, storage: BaseStorage, space: Space, profile: Profile, objective: str) -> OptunaStudy:
        from autotune.store.optuna_study import OptunaStudy

        study = self._study
        if "worker" not in study.head:
            study.set_head(worker=uuid.uuid4().hex[:8])
        try:
            told = OptunaStudy(storage, study.id, space, profile, objective, self._sampler, self._sampler,
                               str(study.head["worker"]))
            told.describe({"baseline": space.baseline, "objective": objective, "profile": profile.name})
            lacked = told.mend([*study.launches, *study.samples])
        except optuna_storage.faults() as problem:
            raise StateDamaged(f"Optuna's storage cannot be written: {type(problem).__name__}",
                               "The study's clips are safe in its journal.") from None
        if lacked:
            self._say(f"Optuna's storage lacked {lacked} of the study's records; it has them now")
        return told

    def next(self, history: History) -> Proposal | None:
        """What to measure next, None when nothing more is. Raises StateDamaged when a sampler that needs the storage
        cannot reach it."""
        proposal = self._strategy.next(history)
        held = self._guest.held if self._guest is not None else None
        if held is not None and (proposal is None or proposal.purpose != "screen"):
            self._guest.held = None
            self.answer(held, None)
        return proposal

    def begin(self, proposal: Proposal) -> None:
        """Asks for the trial that measures a proposal."""
        held = None
        if self._guest is not None:
            held, self._guest.held = self._guest.held, None
        self._told.begin(proposal, self._study.begin_trial(), held)

    def finish(self) -> None:
        """Tells how the trial ended."""
        self._told.finish()

    def conclude(self, verdict: Verdict) -> None:
        """Notes the verdict in the storage."""
        try:
            self._told.conclude(verdict)
        except optuna_storage.faults():
            self._say("Optuna's storage could not be told the verdict; the study itself has it")

    @property
    def ended(self) -> bool:
        """Whether the sampler wants nothing more."""
        return bool(self._sampler.ended)

    def ask(self) -> tuple[Any, str | None]:
        """See guests.Asked."""
        found: tuple[Any, str | None] = self._patiently(self._told.ask)
        return found

    def answer(self, trial: Any, candidate: str | None) -> None:  # noqa: ANN401 - a trial of Optuna's
        """See guests.Asked."""
        self._patiently(lambda: self._told.answer(trial, candidate))

    def _patiently(self, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - what ``act`` gives
        """Does what needs the storage, and waits for it where it went away."""
        begun = time.monotonic()
        while True:
            try:
                return act()
            except optuna_storage.faults() as problem:
                if time.monotonic() - begun > GONE:
                    raise StateDamaged(
                        f"Optuna's storage went away: {type(problem).__name__}",
                        "What was measured is kept: run the same command again when it is back.") from None
            time.sleep(AGAIN)
