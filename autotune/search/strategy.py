"""The interface of a search: a question and a history in, what to measure next out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from autotune.model.flagset import Space
from autotune.model.study import History, Proposal
from autotune.model.workload import Profile


@dataclass(frozen=True, slots=True)
class Prior:
    """What is expected before anything is measured; it orders the search and never decides.

    ``effects``: (dimension, level, expected log seconds relative to the dimension's other levels). ``source``: where
    that comes from, in words for the user. ``doubt``: share of the usual deviation of effects that is still expected
    beside them, 1 for a guess from other machines, less after a study of this one.
    """

    effects: tuple[tuple[str, str, float], ...] = ()
    source: str = ""
    doubt: float = 1.0


@dataclass(frozen=True)
class SearchQuestion:
    """What a study searches, and how: the best set of ``space`` for the clips of ``profile`` by ``objective`` (speed,
    vram or balanced).

    ``sampler``: a strategy of ``search.STRATEGY_NAMES``, or MODULE:CLASS. ``shared``: name of the study in a storage
    that other workers may use too, None in a file of one's own. ``fresh``: earlier studies are left out.
    """

    space: Space
    profile: Profile
    objective: str
    sampler: str = "screen"
    seed: int = 0
    prior: Prior | None = None
    shared: str | None = None
    fresh: bool = False


class Strategy(Protocol):
    """A rule for what to measure next. The same history always gets the same answer: a strategy has no state beyond its
    constructor's arguments."""

    def next(self, history: History) -> Proposal | None:
        """The next thing to measure, None when nothing more would be (``decide.verdict`` has the answer)."""
        ...
