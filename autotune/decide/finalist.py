"""Which set goes to confirmation: the best one, less the flags that do not help."""

from __future__ import annotations

import math

from autotune.decide import objectives
from autotune.decide.ablation import differing, without
from autotune.decide.compare import chance_above
from autotune.decide.rounds import Round
from autotune.decide.surface import Posterior, Surface
from autotune.model.flagset import Candidate, Space

HELPS = 0.7
"""A flag stays in the winner when it is at least this likely to help. This is not significance at 95 %: starts of
one set differ by 1-2 %, so a flag worth 2 % is seldom significant after a handful of starts. What it trades: in 200 to
400 drawn sessions, mean regret by flags dropped that do help; in 60 sessions with a flag that does nothing, the share
of winners that keep it. 0.60: none, 35 %; 0.75: 0.02 %, 28 %; 0.80: 0.16 %, not measured. 0.70 instead of 0.67, with
the rules as they are: 0.01 % of regret in 1,000."""
TIE = 0.003
"""Sets whose expected scores differ by less (0.3 %) are equal; the simplest of them is taken."""
PLAUSIBLE = 0.08
"""A set whose chance of reaching the minimum gain is smaller than this is not worth a confirmation."""


def pruned(space: Space, candidate: Candidate, posterior: Posterior, dropped: frozenset[str]) -> Candidate:
    """The candidate less its flags that are not likely to help, the least helpful first.

    A flag is dropped when the chance that it helps is below HELPS; the set without it must exist and must
    not have failed.
    """
    current = candidate
    while True:
        doubtful: list[tuple[float, Candidate]] = []
        for dimension in differing(space, current):
            less = without(space, current, dimension)
            if less is None or less.id in dropped:
                continue
            mean, sd = posterior.gain(less.id, current.id)
            chance = chance_above(mean, sd, 0.0)
            if mean < TIE or chance < HELPS:
                doubtful.append((mean, less))
        if not doubtful:
            return current
        current = min(doubtful, key=lambda pair: (pair[0], pair[1].id))[1]


def too_slow(rounds: tuple[Round, ...], space: Space, objective: str) -> frozenset[str]:
    """With objectives vram and balanced: the sets expected to be slower than those objectives allow."""
    if objective == "speed" or not any(one.candidate == space.baseline for one in rounds):
        return frozenset()
    seconds = Surface(space).posterior(rounds)
    limit = math.log(1.0 + objectives.SLOWER_AT_MOST)
    return frozenset(c.id for c in space.candidates if -seconds.gain(space.baseline, c.id)[0] > limit)


def finalist(space: Space, posterior: Posterior, dropped: frozenset[str], min_gain: float) -> Candidate | None:
    """The set to confirm, None when nothing is plausibly better than the baseline by ``min_gain``."""
    open_sets = [c for c in space.candidates if c.id not in dropped or c.id == space.baseline]
    best = min(posterior.mean[posterior.index[c.id]] for c in open_sets)
    tied = [c for c in open_sets if posterior.mean[posterior.index[c.id]] <= best + TIE]
    choice = pruned(space, min(tied, key=lambda c: (c.simplicity, c.id)), posterior, dropped)
    if choice.id == space.baseline:
        return None
    mean, sd = posterior.gain(space.baseline, choice.id)
    if chance_above(mean, sd, math.log1p(min_gain)) < PLAUSIBLE:
        return None
    return choice
