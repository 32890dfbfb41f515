"""One session of autotune's own search on a surface, from the first start to the verdict."""

from __future__ import annotations

import random
import time

from autotune import decide, search
from autotune.model.study import History, Proposal
from autotune.search.confirm import set_to_confirm
from autotune.search.screen import Screen
from autotune.search.view import View
from benchmarks import surfaces
from benchmarks.cards import Card
from benchmarks.near import near_equal
from benchmarks.peers import Outcome
from benchmarks.virtual import Session, Surface

BUDGET = 3 * 3600.0
SOURCE = "public benchmark records, this card's own left out"


class Timed:
    """A strategy whose thinking is timed."""

    def __init__(self, inner: search.Strategy) -> None:
        self.inner = inner
        self.seconds = 0.0

    def next(self, history: History) -> Proposal | None:
        """See Strategy."""
        began = time.perf_counter()
        try:
            return self.inner.next(history)
        finally:
            self.seconds += time.perf_counter() - began


class Unproven:
    """The default strategy until it would begin to prove what it found, which is then ``found``."""

    def __init__(self, inner: Screen) -> None:
        self.inner = inner
        self.found = inner.space.baseline

    def next(self, history: History) -> Proposal | None:
        """See Strategy."""
        proposal = self.inner.next(history)
        if proposal is None or proposal.purpose != "confirm":
            return proposal
        view = View(history, self.inner.space, self.inner.profile, self.inner.objective, self.inner.surface)
        self.found = set_to_confirm(view, self.inner.neutral) or self.found
        return None


def prior(card: Card) -> search.Prior:
    """What autotune would be told of this card, had it never been recorded."""
    return search.Prior(tuple(("attention", level, value) for level, value in sorted(card.expected.items())), SOURCE)


def tune(surface: Surface, seed: int, name: str = "screen", told: search.Prior | None = None,
         resolved: float | None = None, budget: float = BUDGET) -> Outcome:
    """One session of one of autotune's own strategies; ``resolved``: screen with another end of its search."""
    session = _session(surface, seed, budget)
    strategy = Timed(search.make_strategy(name, surface.space, surface.profile, "speed", seed, told)
                     if resolved is None else
                     Screen(surface.space, surface.profile, "speed", told, (resolved, resolved)))
    history = session.run(strategy)
    began = time.perf_counter()
    verdict = decide.verdict(history, surface.space, surface.profile, "speed")
    thinking = strategy.seconds + time.perf_counter() - began
    adopted = verdict.decision == "apply" and verdict.winner is not None
    chosen = verdict.winner.candidate if adopted and verdict.winner else surface.space.baseline
    return _outcome(session, chosen, adopted, thinking)


def searched(surface: Surface, seed: int, told: search.Prior | None = None) -> Outcome:
    """The search alone: what it would go on to prove, adopted unproven, as the peers adopt what they find."""
    session = _session(surface, seed, BUDGET)
    strategy = Unproven(Screen(surface.space, surface.profile, "speed", told))
    session.run(strategy)
    return _outcome(session, strategy.found, strategy.found != surface.space.baseline, 0.0)


def _session(surface: Surface, seed: int, budget: float) -> Session:
    return Session(surface, random.Random(f"session {seed}"), budget, short=isinstance(surface, surfaces.Drawn))


def _outcome(session: Session, found: str, adopted: bool, thinking: float) -> Outcome:
    clips = sum(1 for s in session.samples if s.state != "warmup")
    return Outcome(found, adopted, session.now, len(session.launches), clips, session.wasted, thinking,
                   near_equal(session.surface, session.samples, session.launches))
