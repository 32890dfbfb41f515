"""What each workload of a profile says for itself: one set is chosen for all, another may suit one better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from autotune.decide import objectives
from autotune.decide.longer import of_workload, workload_speedup
from autotune.decide.rounds import failures, rounds, timed, whole_first
from autotune.decide.surface import Surface
from autotune.model.flagset import Space
from autotune.model.study import History, Interval
from autotune.model.workload import Profile


@dataclass(frozen=True, slots=True)
class Other:
    """The set that one workload alone would want; ``gain``: how much of the time it is expected to save against the
    chosen set, as a ratio (1.03 = 3 % faster); ``sure``: that it saves any, by all clips of this workload."""

    candidate: str
    gain: float
    sure: bool


@dataclass(frozen=True, slots=True)
class OneWorkload:
    """``speedup``: of this workload's clip with the compared set, by the pairs that decided, None where there are none.
    ``other``: None where the chosen set is as good for it as any that was measured, to within the minimum gain."""

    workload: int
    speedup: Interval | None
    other: Other | None


def per_workload(history: History, space: Space, profile: Profile, compared: str | None,
                 chosen: str) -> tuple[OneWorkload, ...]:
    """A row for each workload, none where there is only one. ``compared``: the set of the pairs; ``chosen``: the one
    that the verdict leaves in use."""
    if len(profile.workloads) < 2:
        return ()
    return tuple(
        OneWorkload(index, None if compared is None else workload_speedup(history, space, profile, compared, index),
                    best_other(history, space, profile, chosen, index))
        for index in range(len(profile.workloads)))


def best_other(history: History, space: Space, profile: Profile, chosen: str, index: int) -> Other | None:
    """The measured set that this workload alone would rather have by at least the minimum gain."""
    mine, one = of_workload(history, profile, index)
    found = objectives.scored(whole_first(rounds(mine, one)), "speed")
    given_up = {s.candidate for s in mine.samples if timed(s) and s.state == "too_slow"}
    tried = {row.candidate for row in found} - failures(history, space).dropped - given_up
    if chosen not in tried:
        return None
    posterior = Surface(space).posterior(found)
    best = max(sorted(tried), key=lambda name: posterior.gain(chosen, name)[0])
    mean, sd = posterior.gain(chosen, best)
    if best == chosen or mean < math.log1p(profile.decide.min_gain):
        return None
    sure = mean - NormalDist().inv_cdf(profile.decide.confidence) * sd > 0.0
    return Other(best, math.exp(mean), sure)
