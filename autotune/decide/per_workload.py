"""What each workload of a profile says for itself: one set is chosen for all, another may suit one better."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotune.decide import objectives
from autotune.decide.more_steps import single_workload_study, workload_speedup
from autotune.decide.rounds import failures, is_timed, prefer_whole_clips, rounds
from autotune.decide.surface import Surface
from autotune.model.flagset import Space
from autotune.model.study import History, Interval
from autotune.model.workload import Profile


@dataclass(frozen=True, slots=True)
class PreferredSet:
    """The set that one workload alone would want; ``gain``: the chosen set's time over its own (1.03 = 3 % faster), by
    fresh pairs where these two were compared, else expected from all clips; ``sure``: that it is faster, which only
    fresh pairs can say."""

    candidate: str
    gain: float
    sure: bool


@dataclass(frozen=True, slots=True)
class WorkloadOutcome:
    """``speedup``: of this workload's clip with the compared set, by the pairs that decided, None where there are none.
    ``preferred``: None where the chosen set is as good for it as any that was measured, to within the minimum gain."""

    workload: int
    speedup: Interval | None
    preferred: PreferredSet | None


def workload_outcomes(history: History, space: Space, profile: Profile, compared: str | None,
                      chosen: str) -> tuple[WorkloadOutcome, ...]:
    """A row for each workload, none where there is only one. ``compared``: the set of the pairs; ``chosen``: the one
    that the verdict leaves in use."""
    if len(profile.workloads) < 2:
        return ()
    found = []
    for index in range(len(profile.workloads)):
        told = None if compared is None else workload_speedup(history, space, profile, compared, index)
        other = preferred_set(history, space, profile, chosen, index)
        if told is not None and other is not None and {other.candidate, chosen} == {space.baseline, compared}:
            other = _preferred_by_pairs(other, told, chosen == space.baseline, profile.decide.min_gain)
        found.append(WorkloadOutcome(index, told, other))
    return tuple(found)


def _preferred_by_pairs(other: PreferredSet, told: Interval, onward: bool, min_gain: float) -> PreferredSet | None:
    """What the pairs say instead of the expectation; ``onward``: that leaving the current flags would gain."""
    gain = told.estimate if onward else 1.0 / told.estimate
    if gain < 1.0 + min_gain:
        return None
    return PreferredSet(other.candidate, gain, told.low > 1.0 if onward else told.high < 1.0)


def preferred_set(history: History, space: Space, profile: Profile, chosen: str, index: int) -> PreferredSet | None:
    """The measured set that this workload alone would rather have by at least the minimum gain."""
    mine, one = single_workload_study(history, profile, index)
    found = objectives.score_rounds(prefer_whole_clips(rounds(mine, one)), "speed")
    given_up = {s.candidate for s in mine.samples if is_timed(s) and s.state == "too_slow"}
    tried = {row.candidate for row in found} - failures(history, space).dropped - given_up
    if chosen not in tried:
        return None
    posterior = Surface(space).posterior(found)
    best = max(sorted(tried), key=lambda name: posterior.gain(chosen, name)[0])
    mean = posterior.gain(chosen, best)[0]
    if best == chosen or mean < math.log1p(profile.decide.min_gain):
        return None
    return PreferredSet(best, math.exp(mean), False)
