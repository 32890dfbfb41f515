"""The set that goes into confirmation: the best one, without the flags that do not help."""

from __future__ import annotations

import math
from collections.abc import Mapping

from autotune.decide.ablation import FlagEffect, differing_dimensions, without_flag
from autotune.decide.assumptions import RULES
from autotune.decide.compare import chance_above
from autotune.decide.rounds import Round
from autotune.decide.surface import Posterior, Surface
from autotune.model.flagset import Candidate, Space


def without_doubtful_flags(space: Space, candidate: Candidate, posterior: Posterior,
                           dropped: frozenset[str]) -> Candidate:
    """The candidate without its flags that are not likely to help, the least helpful removed first.

    A flag is removed when the chance that it helps is below RULES.helpful_chance and it is not expected to do much; the
    set without it must exist and must not have failed (``dropped``).
    """
    current = candidate
    while True:
        doubtful: list[tuple[float, Candidate]] = []
        for dimension in differing_dimensions(space, current):
            reduced = without_flag(space, current, dimension)
            if reduced is None or reduced.id in dropped:
                continue
            mean, sd = posterior.gain(reduced.id, current.id)
            chance = chance_above(mean, sd, 0.0)
            if mean < RULES.tie or (chance < RULES.helpful_chance and mean < RULES.kept_in_doubt):
                doubtful.append((mean, reduced))
        if not doubtful:
            return current
        current = min(doubtful, key=lambda pair: (pair[0], pair[1].id))[1]


def chance_to_help(posterior: Posterior, candidate: Candidate, reduced: Candidate) -> float:
    """Chance that the flag which ``candidate`` has and ``reduced`` has not makes it faster."""
    mean, sd = posterior.gain(reduced.id, candidate.id)
    return chance_above(mean, sd, 0.0)


def is_shown_to_help(posterior: Posterior, candidate: Candidate, reduced: Candidate, effect: FlagEffect | None) -> bool:
    """Whether a flag is shown to help: by all clips together, and by its own fresh pairs, since the search chose the
    flag by its own clips, which were lucky for it more often than not.

    It also counts as shown where the set without it is no simpler (it has a flag of the user's more).
    """
    if reduced.simplicity >= candidate.simplicity:
        return True
    fresh = effect is None or effect.gain > RULES.fresh_errors * effect.error
    return fresh and chance_to_help(posterior, candidate, reduced) >= RULES.shown_chance


def without_idle_flags(space: Space, candidate: Candidate, posterior: Posterior, known: Mapping[str, FlagEffect],
                       dropped: frozenset[str]) -> Candidate:
    """The set without the flags that fresh pairs measured and did not show to help, the least likely removed first: on
    ties the simplest set wins. ``posterior``: by clips alone, no level expected to help; a flag that no pair measured
    stays."""
    current, left = candidate, set(known)
    while True:
        idle = []
        for dimension in left:
            reduced = without_flag(space, current, dimension)
            effect = known[dimension] if current is candidate else None
            if reduced is None or reduced.id in dropped or is_shown_to_help(posterior, current, reduced, effect):
                continue
            idle.append((chance_to_help(posterior, current, reduced), dimension, reduced))
        if not idle:
            return current
        _, dimension, current = min(idle, key=lambda one: (one[0], one[1]))
        left.discard(dimension)


def too_slow_sets(rounds: tuple[Round, ...], space: Space, objective: str) -> frozenset[str]:
    """For the objectives vram and balanced, the sets expected to be slower than those objectives allow."""
    if objective == "speed" or not any(one.candidate == space.baseline for one in rounds):
        return frozenset()
    seconds = Surface(space).posterior(rounds)
    limit = math.log(1.0 + RULES.slower_at_most)
    return frozenset(c.id for c in space.candidates if -seconds.gain(space.baseline, c.id)[0] > limit)


def finalist(space: Space, posterior: Posterior, dropped: frozenset[str], min_gain: float) -> Candidate | None:
    """The set to confirm, None when none is plausibly better than the baseline by ``min_gain``."""
    open_sets = [c for c in space.candidates if c.id not in dropped or c.id == space.baseline]
    best = min(posterior.mean[posterior.index[c.id]] for c in open_sets)
    tied = [c for c in open_sets if posterior.mean[posterior.index[c.id]] <= best + RULES.tie]
    choice = without_doubtful_flags(space, min(tied, key=lambda c: (c.simplicity, c.id)), posterior, dropped)
    if choice.id == space.baseline:
        return None
    mean, sd = posterior.gain(space.baseline, choice.id)
    if chance_above(mean, sd, math.log1p(min_gain)) < RULES.plausible_chance:
        return None
    return choice
