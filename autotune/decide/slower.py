"""Have clips become slower, since when, and by how much? Asked anew after every use of the user's own web UI.

A "use" is one start of the web UI on one day, and its value one figure: the median log time of its clips. The question
is asked after every use, for years, and each time is a chance to be fooled. So the rule is a change-point test by ranks
(Hawkins and Deng 2010, J. Quality Technology 42:165): after each use, all places where a change may lie are tried, each
by the one-sided exact test of Mann and Whitney (1947), and the least of their chances is compared with ``ALARM``. Ranks
know nothing of how the noise is shaped: as long as uses are exchangeable the rate of false alarms is the same for
every machine, and was found by simulation (docs/statistics.md, ``python -m benchmarks.slower``). Outliers, a game in
the background for one, have a rank like any other, so that a machine that has had them before needs more of them.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from statistics import median

from autotune.model.study import Interval

WINDOW = 90
"""Newest uses that are looked at. More: slow changes of the seasons count; fewer: small changes are not seen."""
LEAST_BEFORE, LEAST_AFTER, MOST_AFTER = 10, 3, 25
"""Uses before and after a change, for it to be tried. Two uses in a row are slow on every machine now and then."""
ALARM = 3e-5
"""Chance below which a change is called: how rare it must be that chance alone orders the uses so."""
WITHOUT_UPDATE, LEAST_WITHOUT = 0.05, 5
"""Where nothing was updated a change is less likely beforehand: this share of ALARM, and so many uses. Larger, and a
weekend of games is called a change."""
LEAST_CHANGE = 0.03
"""Log time (3 %) from which a change is worth a word."""
UPDATE_WEIGHT = 20.0
"""How much likelier a change is where something was updated than at any other one place. Higher: updates are blamed
for what they did not do; lower: a change of 5 % is placed a use beside the update that made it."""
SURE = 0.9
"""Chance that the place of the change lies within the range that is told."""
CONFIDENCE = 0.95
"""Confidence of the interval of the change."""
FAR = 2.5
"""Standard deviations of the number of wins below which no chance is as small as ALARM, and none is counted."""
IGNORED_MEMORY = 0.1
"""Autocorrelation of uses that forty of them show by chance alone."""
REACH = 3.0
"""Standard deviations beyond which a use weighs no more for the place of a change."""


@dataclass(frozen=True, slots=True)
class Use:
    """One use of the web UI. ``value``: median log seconds of its clips, per step and frame; ``series``: which clips
    those are (only like is compared with like); ``updated``: something was updated between the use before and it."""

    value: float
    series: str = ""
    updated: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Clips changed their time before use number ``at``; with a chance of SURE before one of ``first`` … ``last``.

    ``ratio``: time after it over time before it. ``chance``: how rarely chance alone orders uses so.
    """

    at: int
    first: int
    last: int
    ratio: Interval
    chance: float

    @property
    def slower(self) -> bool:
        """Whether clips take longer since."""
        return self.ratio.estimate > 1.0


def find_change(uses: Sequence[Use]) -> Change | None:
    """The change that the newest uses show; None where they show none. Numbers count within ``uses``.

    What lies before the last change that was called, or before flags that autotune wrote, is not to be in ``uses``.
    """
    offset = max(0, len(uses) - WINDOW)
    seen = uses[offset:]
    best: tuple[float, int] | None = None
    for at in range(max(LEAST_BEFORE, len(seen) - MOST_AFTER), len(seen) - LEAST_AFTER + 1):
        before, after = aligned(seen, at)
        if len(before) < LEAST_BEFORE or len(after) < LEAST_AFTER:
            continue
        cause = any(use.updated for use in seen[at - 1 : at + 2])
        if not cause and len(after) < LEAST_WITHOUT:
            continue
        chance = chance_alone(before, after)
        weighed = chance if cause else chance / WITHOUT_UPDATE
        if (best is None or weighed < best[0]) and weighed <= ALARM and abs(shift(before, after)) >= LEAST_CHANGE:
            best = (weighed, at)
    if best is None:
        return None
    place, first, last = _place(seen, best[1])
    before, after = aligned(seen, place)
    if len(after) < LEAST_AFTER or abs(shift(before, after)) < LEAST_CHANGE:
        # Too few uses on either side have their like there, where the change is told by others.
        before, after = aligned(seen, best[1])
    return Change(offset + place, offset + first, offset + last, _ratio(before, after), best[0])


def aligned(uses: Sequence[Use], at: int) -> tuple[list[float], list[float]]:
    """Values before and from use ``at`` on, each less the median of its own series before it.

    Uses of a series that was not seen three times before are left out: there is nothing like them to compare with.
    """
    groups: dict[str, list[float]] = {}
    for use in uses[:at]:
        groups.setdefault(use.series, []).append(use.value)
    middle = {series: median(values) for series, values in groups.items() if len(values) > 2}
    before = [use.value - middle[use.series] for use in uses[:at] if use.series in middle]
    return before, [use.value - middle[use.series] for use in uses[at:] if use.series in middle]


def shift(before: Sequence[float], after: Sequence[float]) -> float:
    """By how much the second values are larger: the median of all differences (Hodges and Lehmann 1963)."""
    return median(b - a for a in before for b in after)


def chance_alone(before: Sequence[float], after: Sequence[float]) -> float:
    """How likely equal uses are to be ordered so much one way or more, where the values before are correlated as they
    are: with memory in the noise, n uses say as much as fewer that have none. 1 where it is not small at all."""
    below, pairs = sorted(before), len(before) * len(after)
    wins = sum(0.5 * (bisect_left(below, value) + bisect_right(below, value)) for value in after)
    wins = max(wins, pairs - wins)  # either way; each is asked for by itself
    if wins - pairs / 2 < FAR * math.sqrt(pairs * (len(before) + len(after) + 1) / 12):
        return 1.0
    memory = 0.0 if _is_elsewhere(before, after) else max(0.0, autocorrelation(before) - IGNORED_MEMORY)
    return float(tail(len(before), len(after), math.ceil(wins - 1e-9)) ** ((1.0 - memory) / (1.0 + memory)))


def _is_elsewhere(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether the second values lie outside of all the first ones and farther away than those are from each other:
    nothing that wanders among the first ones comes there, however long its memory."""
    low, high = min(before), max(before)
    outside = min(after) > high or max(after) < low
    return outside and abs(median(after) - median(before)) > high - low


def autocorrelation(values: Sequence[float]) -> float:
    """How alike neighbouring values are, by their ranks: 0 for independent ones, 1 at most."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    ranks = [0.0] * len(values)
    for rank, i in enumerate(order):
        ranks[i] = rank - (len(values) - 1) / 2
    whole = sum(rank * rank for rank in ranks)
    return sum(one * other for one, other in pairwise(ranks)) / whole if whole else 0.0


def tail(before: int, after: int, wins: int) -> float:
    """Chance that of two equal groups the second wins so many or more of the before × after comparisons."""
    return _tails(min(before, after), max(before, after))[wins]


@lru_cache(maxsize=128)
def _tails(small: int, large: int) -> Sequence[float]:
    """The chances that of two equal groups one wins 0, 1, 2, … or more comparisons.

    In how many orders it wins how many, the Gaussian binomial coefficients tell.
    """
    ways = [1] + [0] * (small * large)
    for part in range(1, small + 1):
        up, down = large + part, part
        for number in range(len(ways) - 1, up - 1, -1):  # times (1 - x^up)
            ways[number] -= ways[number - up]
        for number in range(down, len(ways)):  # over (1 - x^down)
            ways[number] += ways[number - down]
    whole, or_more = sum(ways), list(accumulate(reversed(ways)))
    return array("d", (count / whole for count in reversed(or_more)))


def _place(uses: Sequence[Use], near: int) -> tuple[int, int, int]:
    """(likeliest place of the change, first and last place of the range that holds it with a chance of SURE).

    By the likelihood of two levels with bounded deviations, and with more weight for places where something was
    updated.
    """
    before, after = aligned(uses, near)
    both = [value - median(group) for group in (before, after) for value in group]
    sd = max(1.4826 * median(abs(value) for value in both), 1e-4)
    level = shift(before, after)
    weights = {at: -0.5 * _misfit(uses, at, level, sd) + (math.log(UPDATE_WEIGHT) if uses[at].updated else 0.0)
               for at in range(1, len(uses))}
    best = max(weights, key=lambda at: (weights[at], -abs(at - near)))
    chances = {at: math.exp(weight - weights[best]) for at, weight in weights.items()}
    inside, held, least = {best}, 0.0, 1.0
    for at in sorted(chances, key=lambda at: -chances[at]):
        if held >= SURE * sum(chances.values()) and chances[at] < 0.999 * least:
            break  # places that are as likely as the last one taken are taken, too
        inside.add(at)
        held, least = held + chances[at], chances[at]
    return best, min(inside), max(inside)


def _misfit(uses: Sequence[Use], at: int, level: float, sd: float) -> float:
    """How badly a change of ``level`` before use ``at`` fits: squared deviations from each series' own median, in
    standard deviations ``sd``, none counted beyond REACH."""
    groups: dict[str, list[float]] = {}
    for number, use in enumerate(uses):
        groups.setdefault(use.series, []).append(use.value - (level if number >= at else 0.0))
    return sum(min(abs(value - middle) / sd, REACH) ** 2
               for values in groups.values() for middle in [median(values)] for value in values)


def _ratio(before: Sequence[float], after: Sequence[float]) -> Interval:
    """Time after over time before, with the interval that the same rank test leaves (Lehmann 1963)."""
    gaps = sorted(b - a for a in before for b in after)
    memory = max(0.0, autocorrelation(before) - IGNORED_MEMORY)
    spread = math.sqrt(len(gaps) * (len(before) + len(after) + 1) / 12 * (1.0 + memory) / (1.0 - memory))
    cut = min(max(0, math.floor(len(gaps) / 2 - 1.96 * spread)), (len(gaps) - 1) // 2)
    return Interval(math.exp(median(gaps)), math.exp(gaps[cut]), math.exp(gaps[-1 - cut]), CONFIDENCE)
