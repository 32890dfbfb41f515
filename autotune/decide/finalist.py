"""Which set goes to confirmation: the best one, less the flags that do not help."""

from __future__ import annotations

import math

from autotune.decide.ablation import differing, without
from autotune.decide.assumptions import RULES
from autotune.decide.compare import chance_above
from autotune.decide.rounds import Round
from autotune.decide.surface import Posterior, Surface
from autotune.model.flagset import Candidate, Space


def pruned(space: Space, candidate: Candidate, posterior: Posterior, dropped: frozenset[str]) -> Candidate:
    """The candidate less its flags that are not likely to help, the least helpful first.

    A flag is dropped when the chance that it helps is below RULES.helps; the set without it must exist and must
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
            if mean < RULES.tie or chance < RULES.helps:
                doubtful.append((mean, less))
        if not doubtful:
            return current
        current = min(doubtful, key=lambda pair: (pair[0], pair[1].id))[1]


def too_slow(rounds: tuple[Round, ...], space: Space, objective: str) -> frozenset[str]:
    """With objectives vram and balanced: the sets expected to be slower than those objectives allow."""
    if objective == "speed" or not any(one.candidate == space.baseline for one in rounds):
        return frozenset()
    seconds = Surface(space).posterior(rounds)
    limit = math.log(1.0 + RULES.slower_at_most)
    return frozenset(c.id for c in space.candidates if -seconds.gain(space.baseline, c.id)[0] > limit)


def finalist(space: Space, posterior: Posterior, dropped: frozenset[str], min_gain: float) -> Candidate | None:
    """The set to confirm, None when nothing is plausibly better than the baseline by ``min_gain``."""
    open_sets = [c for c in space.candidates if c.id not in dropped or c.id == space.baseline]
    best = min(posterior.mean[posterior.index[c.id]] for c in open_sets)
    tied = [c for c in open_sets if posterior.mean[posterior.index[c.id]] <= best + RULES.tie]
    choice = pruned(space, min(tied, key=lambda c: (c.simplicity, c.id)), posterior, dropped)
    if choice.id == space.baseline:
        return None
    mean, sd = posterior.gain(space.baseline, choice.id)
    if chance_above(mean, sd, math.log1p(min_gain)) < RULES.plausible:
        return None
    return choice
