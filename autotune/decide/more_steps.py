"""What a gain measured at few steps comes to for clips with more steps.

Seconds are affine in steps: text, VAE, encoding and writing take the same time whatever the steps are, so their share
of a clip shrinks (768x768x24 on an H200: 3.0 s of 15.4 with the default flags at 8 steps, 4.5 of 9.1 with sdp, so that
1.62 times the speed at 8 steps is 2.2 times at 25). The fixed share of each set is estimated from its clips at two or
more numbers of steps, each compared with the others of its process; what is not known of it widens the interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, median
from typing import TYPE_CHECKING

from autotune.decide import noise, sequential
from autotune.decide.assumptions import NOISE
from autotune.decide.compare import Comparison, compare, complete_pairs
from autotune.decide.rounds import is_usable, rounds
from autotune.model.flagset import Space
from autotune.model.study import History, Interval, Sample
from autotune.model.workload import Profile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

USUAL_STEPS = (20, 30)
"""Steps of the clips that people render: the web UI's default, and a careful one."""
CHECK_STEPS = 20
"""Steps of the clip with which the conversion is checked."""
WARM_NOISE = 2.0
"""Noise of the last warm-up clip of a set, as a multiple of the usual clip noise: it is short, and hardly warm."""
AGREEMENT = 0.05
"""Share by which the checking clips may miss the conversion beyond the error of both."""
FIXED_SHARES = 99
"""Number of fixed shares of a clip that are weighed, from 0 to 0.98, all equally likely beforehand."""


@dataclass(frozen=True, slots=True)
class SpeedupAtSteps:
    """The speedup of a workload's clip with ``steps`` steps. ``checked``: clips of so many steps were rendered with
    both sets and agree; ``measured``: their quotient, None where there are none."""

    workload: int
    steps: int
    speedup: Interval
    checked: bool
    measured: float | None


@dataclass(frozen=True, slots=True)
class ClipGroup:
    """Clips of one set, one process and one number of steps: their robust mean in log seconds, and its variance."""

    launch: int
    steps: int
    score: float
    variance: float


def single_workload_study(history: History, profile: Profile, index: int) -> tuple[History, Profile]:
    """The study as if this workload were its only one."""
    one = replace(profile, workloads=(profile.workloads[index],))
    mine = tuple(replace(s, workload=0) for s in history.samples if s.workload == index)
    return replace(history, samples=mine), one


def workload_speedup(history: History, space: Space, profile: Profile, other: str, index: int) -> Interval | None:
    """The speedup of one workload's clip by the pairs that decided; None where there are too few."""
    result = _workload_comparison(history, space, profile, other, index)
    return None if result is None else result.interval


def _workload_comparison(history: History, space: Space, profile: Profile, other: str, index: int) -> Comparison | None:
    """The comparison of both sets by the clips of one workload."""
    mine, one = single_workload_study(history, profile, index)
    found = rounds(mine, one)
    pairs = complete_pairs(found, mine, space.baseline, other)
    rule = profile.decide
    return compare(pairs, found, rule.min_gain, rule.confidence, rule.uses_older_rule)


def speedups_at_steps(history: History, space: Space, profile: Profile, other: str) -> tuple[SpeedupAtSteps, ...]:
    """What ``other`` gains for clips with USUAL_STEPS, for each workload whose clips can tell."""
    found = []
    for index, workload in enumerate(profile.workloads):
        result = None if workload.is_workflow else _workload_comparison(history, space, profile, other, index)
        if result is None:
            continue
        clips = [clip_groups(history.samples, name, index, workload.steps) for name in (space.baseline, other)]
        for steps in USUAL_STEPS:
            # What is stretched to other clips is taken from the wider interval, that holds at every look.
            row = _speedup_row(clips, (index, workload.steps, steps),
                               result.interval if steps == workload.steps else result.at_every_look)
            if row is not None:
                found.append(row)
    return tuple(found)


def _speedup_row(clips: Sequence[Sequence[ClipGroup]], place: tuple[int, int, int],
                 known: Interval) -> SpeedupAtSteps | None:
    """The row of one number of steps. ``clips``: of the baseline and of the other set; ``place``: workload, its steps,
    the steps asked for; ``known``: the speedup at the workload's own steps."""
    index, whole, steps = place
    if steps == whole:
        return SpeedupAtSteps(index, steps, known, True, known.estimate)
    converted = speedup_at_steps(clips[0], clips[1], whole, steps, known)
    if converted is None:
        return None
    times = [[clip.score for clip in side if clip.steps == steps] for side in clips]
    if not all(times):
        return SpeedupAtSteps(index, steps, converted, False, None)
    measured = math.exp(median(times[0]) - median(times[1]))
    before = [[clip for clip in side if clip.steps != steps] for side in clips]
    line = speedup_at_steps(before[0], before[1], whole, steps, known)
    # Both clips were rendered in processes of their own, if not of their own start.
    doubt = _normal_bound(known.confidence) * math.sqrt(sum(
        clip.variance + NOISE.decision_start_sd**2 for side in clips for clip in side if clip.steps == steps))
    if line is None or abs(math.log(measured / line.estimate)) <= AGREEMENT + math.hypot(
            doubt, math.log(line.high / line.low) / 2.0):
        return SpeedupAtSteps(index, steps, converted, True, measured)
    low, high = min(converted.low, measured, line.estimate), max(converted.high, measured, line.estimate)
    return SpeedupAtSteps(index, steps, Interval(converted.estimate, low, high, converted.confidence), False, measured)


def speedup_at_steps(baseline: Sequence[ClipGroup], other: Sequence[ClipGroup], whole_steps: int, steps: int,
                     known: Interval) -> Interval | None:
    """The speedup at ``steps`` steps, from the one ``known`` at ``whole_steps`` steps; None where one side's clips all
    have the same number of steps, so that its fixed share is unknown."""
    mine, theirs = growth_with_steps(baseline, whole_steps, steps), growth_with_steps(other, whole_steps, steps)
    if mine is None or theirs is None:
        return None
    centre = math.log(known.estimate) + mine[0] - theirs[0]
    half_width = math.hypot(math.log(known.high / known.low) / 2.0,
                            _normal_bound(known.confidence) * math.sqrt(mine[1] ** 2 + theirs[1] ** 2))
    return Interval(math.exp(centre), math.exp(centre - half_width), math.exp(centre + half_width), known.confidence)


def growth_with_steps(clips: Sequence[ClipGroup], whole_steps: int, steps: int) -> tuple[float, float] | None:
    """Log of a set's seconds at ``steps`` over those at ``whole_steps`` steps, and its standard deviation.

    All fixed shares from none to nearly all are weighed by how well they explain the clips, each process with a start
    of its own (a Gaussian likelihood on a grid). None when all clips have the same number of steps.
    """
    import numpy as np

    if len({clip.steps for clip in clips}) < 2:
        return None
    scores = np.array([clip.score for clip in clips])
    launch = np.array([clip.launch for clip in clips])
    same_start = launch[:, None] == launch[None, :]
    inverse = np.linalg.inv(NOISE.decision_start_sd**2 * same_start + np.diag([clip.variance for clip in clips]))
    shares = np.linspace(0.0, 0.98, FIXED_SHARES)
    shape = np.log(shares[:, None] + (1.0 - shares[:, None]) * np.array([clip.steps for clip in clips]) / whole_steps)
    rest = scores[None, :] - shape
    weight = inverse.sum(axis=0)
    rest = rest - ((rest @ weight) / weight.sum())[:, None]
    log = -0.5 * np.einsum("ij,jk,ik->i", rest, inverse, rest)
    chance = np.exp(log - log.max())
    chance /= chance.sum()
    grown = np.log(shares + (1.0 - shares) * steps / whole_steps)
    mean = float(chance @ grown)
    return mean, float(np.sqrt(max(0.0, chance @ (grown - mean) ** 2)))


def clip_groups(samples: Sequence[Sample], candidate: str, index: int, whole_steps: int) -> list[ClipGroup]:
    """A set's clips of one workload by process and number of steps; of several warm-up clips only the last counts."""
    groups: dict[tuple[int, int], list[float]] = {}
    warm: dict[tuple[int, int], list[float]] = {}
    sd = _clip_sd(samples, index, whole_steps)
    for one in samples:
        if one.workload != index or one.seconds is None or one.candidate != candidate:
            continue
        place = (one.launch, one.steps or whole_steps)
        if is_usable(one) or one.state == "check":
            groups.setdefault(place, []).append(math.log(one.rendered or one.seconds))
        elif one.state == "warmup":
            warm.setdefault(place, []).append(math.log(one.seconds))
    found = [ClipGroup(launch, steps, noise.robust_mean(group, sd), sd**2 / len(group))
             for (launch, steps), group in groups.items()]
    found += [ClipGroup(launch, steps, group[-1], (WARM_NOISE * sd) ** 2)
              for (launch, steps), group in warm.items() if len(group) > 1 and steps != whole_steps]
    return found


def _clip_sd(samples: Sequence[Sample], index: int, whole_steps: int) -> float:
    """Clip noise in log seconds, larger while few clips were repeated: by as much as Student's t is wider."""
    groups: dict[object, list[float]] = {}
    for one in samples:
        if one.workload == index and is_usable(one) and one.seconds is not None:
            groups.setdefault((one.launch, one.candidate, one.steps or whole_steps), []).append(math.log(one.seconds))
    freedom = NOISE.within_df + sum(len(group) - 1 for group in groups.values())
    return noise.within_sd(groups.values()) * sequential.t_bound(0.05, freedom) / _normal_bound(0.95)


def _normal_bound(confidence: float) -> float:
    """Two-sided normal quantile of a confidence."""
    return NormalDist().inv_cdf(0.5 + confidence / 2.0)
