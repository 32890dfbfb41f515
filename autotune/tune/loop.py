"""The loop of every tune: ask the search what to measure, measure it, record how it went, until nothing is left."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Protocol

from autotune.model.study import History, Proposal
from autotune.store.studies import Study
from autotune.tune.optuna_search import OptunaSearch
from autotune.tune.progress import Progress
from autotune.tune.stopwatch import Budget

POLL = 1.0
"""Seconds between two checks on what other workers do."""


class ProposalRunner(Protocol):
    """Carries proposals out: the driver of a web UI, or one for tests whose clips only take time."""

    @property
    def live_launch(self) -> int | None:
        """Number of the launch whose process is running; None where none is."""
        ...

    def give_way(self) -> None:
        """Waits while the user's web UI has the machine."""
        ...

    def carry_out(self, proposal: Proposal) -> None:
        """Measures what is proposed, and records it in the study."""
        ...


@dataclass(frozen=True)
class TuneRun:
    """One run of a tune: the study it adds to, the search it asks, its budget, and whom it tells."""

    study: Study
    search: OptunaSearch
    budget: Budget
    progress: Progress


def ask_and_tell(runner: ProposalRunner, run: TuneRun, poll: float = POLL) -> int:
    """Runs the loop until the search is over or the budget is used up; returns how many proposals were carried out."""
    study, search, budget, progress = run.study, run.search, run.budget, run.progress
    shown = (-1, -1)

    def history() -> History:
        nonlocal shown
        found = study.history(budget.seconds, budget.spent(), runner.live_launch)
        before, shown = shown, (len(found.samples), len(found.launches))
        if shown != before:  # not each time that another worker is waited for
            progress.update(found, max(0.0, budget.left()))
            if progress.wants_standings:
                progress.stands(search.standings(found))
        return found

    def pause() -> bool:
        with budget.watch.on("waiting"):
            time.sleep(poll)
        return budget.left() > 0.0

    for done in itertools.count():
        runner.give_way()
        proposal = search.next(history, pause)
        if proposal is None:
            search.gather()
            return done
        if not search.begin(proposal):
            continue
        progress.proposed(search.question.space[proposal.candidate], proposal)
        try:
            runner.carry_out(proposal)
        finally:
            search.finish()
            study.set_cost(budget.watch.seconds())
    raise AssertionError("a count has no end")
