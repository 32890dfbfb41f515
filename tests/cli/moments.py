"""Moments of tunes, to look at: a tune that was recorded on a real web UI, tuned again in virtual time."""

from __future__ import annotations

import random
from functools import lru_cache

from autotune import search
from autotune.cli.live_view import Shown
from autotune.model.study import History, Proposal
from autotune.search.screen import Screen
from autotune.search.standings import standings
from autotune.search.time_left import time_left
from autotune.search.view import View
from autotune.tune.progress import Step
from benchmarks import replayed


@lru_cache(maxsize=4)
def decisions(name: str) -> tuple[replayed.Tune, Screen, tuple[tuple[History, Proposal | None], ...]]:
    """The tune, its strategy, and each history with what was proposed on it."""
    tune = replayed.load(name)
    strategy = search.make_strategy("screen", tune.space, tune.profile, "speed", 0, tune.told)
    assert isinstance(strategy, Screen)
    found: list[tuple[History, Proposal | None]] = []

    class Noting:
        def next(self, history: History) -> Proposal | None:
            found.append((history, strategy.next(history)))
            return found[-1][1]

    replayed.Paced(tune, random.Random("moments"), tune.budget, short=True, stopping=tune.stopping,
                   looking=tune.looking).run(Noting())
    return tune, strategy, tuple(found)


def shown_at(name: str, share: float) -> tuple[Shown, float]:
    """What is shown when this share of the decisions is made, and the seconds since the beginning."""
    tune, strategy, found = decisions(name)
    history, proposal = found[min(len(found) - 1, int(share * len(found)))]
    shown = Shown("speed", tune.profile.decide.min_gain)
    if proposal is not None:
        shown.candidate, shown.why = tune.space[proposal.candidate], proposal.why
        shown.step = Step("clip", proposal.candidate, 1, proposal.rounds)
    view = View(history, tune.space, tune.profile, "speed", strategy.surface)
    shown.standings = standings(view, time_left(strategy, history))
    shown.budget_left = tune.budget - history.spent
    return shown, history.spent
