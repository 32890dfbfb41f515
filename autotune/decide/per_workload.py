"""What each workload of a profile shows by itself: one set is chosen for all, another may suit one of them better."""

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
    """The set that one workload alone would choose. ``gain``: the chosen set's time over its time (1.03 = 3 % faster),
    by fresh pairs where these two were compared, else expected from all clips. ``sure``: fresh pairs show that it is
    faster."""

    candidate: str
    gain: float
    sure: bool


@dataclass(frozen=True, slots=True)
class WorkloadOutcome:
    """What one workload gains. ``speedup``: of its clip with the compared set, by the pairs that decided, None where
    there are none. ``preferred``: None where the chosen set suits it as well as any that was measured, to within the
    minimum gain."""

    workload: int
    speedup: Interval | None
    preferred: PreferredSet | None


def workload_outcomes(history: History, space: Space, profile: Profile, compared: str | None,
                      chosen: str) -> tuple[WorkloadOutcome, ...]:
    """A row for each workload, none where there is only one. ``compared``: the other set of the pairs; ``chosen``: the
    one that the verdict leaves in use."""
    if len(profile.workloads) < 2:
        return ()
    found = []
    for index in range(len(profile.workloads)):
        speedup = None if compared is None else workload_speedup(history, space, profile, compared, index)
        other = preferred_set(history, space, profile, chosen, index)
        if speedup is not None and other is not None and {other.candidate, chosen} == {space.baseline, compared}:
            other = _preferred_by_pairs(other, speedup, chosen == space.baseline, profile.decide.min_gain)
        found.append(WorkloadOutcome(index, speedup, other))
    return tuple(found)


def _preferred_by_pairs(preferred: PreferredSet, speedup: Interval, leaving_gains: bool,
                        min_gain: float) -> PreferredSet | None:
    """The preferred set with the gain that pairs measured in place of the expected one. ``leaving_gains``: leaving the
    current flags would be the gain."""
    gain = speedup.estimate if leaving_gains else 1.0 / speedup.estimate
    if gain < 1.0 + min_gain:
        return None
    return PreferredSet(preferred.candidate, gain, speedup.low > 1.0 if leaving_gains else speedup.high < 1.0)


def preferred_set(history: History, space: Space, profile: Profile, chosen: str, index: int) -> PreferredSet | None:
    """The measured set that this workload alone would choose, where it gains at least the minimum gain."""
    mine, one = single_workload_study(history, profile, index)
    found = objectives.score_rounds(prefer_whole_clips(rounds(mine, one)), "speed")
    given_up = {s.candidate for s in mine.samples if is_timed(s) and s.state == "too_slow"}
    measured = {row.candidate for row in found} - failures(history, space).dropped - given_up
    if chosen not in measured:
        return None
    posterior = Surface(space).posterior(found)
    best = max(sorted(measured), key=lambda name: posterior.gain(chosen, name)[0])
    mean = posterior.gain(chosen, best)[0]
    if best == chosen or mean < math.log1p(profile.decide.min_gain):
        return None
    return PreferredSet(best, math.exp(mean), False)
