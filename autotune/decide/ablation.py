"""Which flags of a winner matter: its effect on each dimension that differs from the baseline."""

from __future__ import annotations

import math
from statistics import NormalDist

from autotune.decide.surface import Posterior
from autotune.model.flagset import Candidate, Space
from autotune.model.study import Ablation


def differing(space: Space, candidate: Candidate) -> tuple[str, ...]:
    """Dimensions on which a candidate differs from the baseline, in the space's order."""
    base = dict(space[space.baseline].levels)
    return tuple(name for name, level in candidate.levels if base.get(name) != level)


def without(space: Space, candidate: Candidate, dimension: str) -> Candidate | None:
    """The set that equals ``candidate`` but for the baseline's level on ``dimension``; None if there is none."""
    wanted = dict(candidate.levels)
    wanted[dimension] = dict(space[space.baseline].levels)[dimension]
    for other in space.candidates:
        if dict(other.levels) == wanted:
            return other
    return None


def _title(candidate: Candidate, less: Candidate, dimension: str) -> str:
    """The words or settings that the dimension adds, as the user would write them."""
    words = [word for word in candidate.flags.words if word not in less.flags.words]
    if words:
        return " ".join(words)
    gone = [word for word in less.flags.words if word not in candidate.flags.words]
    if gone:
        return "without " + " ".join(gone)
    return f"{dimension}={dict(candidate.levels)[dimension]}"


def ablate(space: Space, candidate: Candidate, posterior: Posterior, confidence: float) -> tuple[Ablation, ...]:
    """Effect of each differing dimension: score without it over score with it, from all rounds measured, with
    bounds at ``confidence``; significant when the lower bound is a gain."""
    z = NormalDist().inv_cdf(0.5 + 0.5 * confidence)
    found = []
    for dimension in differing(space, candidate):
        less = without(space, candidate, dimension)
        if less is None or less.id not in posterior.index:
            continue
        mean, sd = posterior.gain(less.id, candidate.id)
        low, high = math.exp(mean - z * sd), math.exp(mean + z * sd)
        found.append(Ablation(_title(candidate, less, dimension), math.exp(mean), low, high, low > 1.0))
    return tuple(found)
