"""Estimates of the two noises: between clips of one process, and between processes of the same set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median

from autotune.decide.assumptions import NOISE


def within_sd(groups: Iterable[Sequence[float]]) -> float:
    """Standard deviation of log seconds between clips of one process.

    Shamos's estimator (median of absolute pairwise differences within groups, over 0.954), which tolerates up to 29 %
    of outliers, blended with NOISE.within_sd by NOISE.within_df. ``groups``: log seconds of one set in one process.
    """
    gaps: list[float] = []
    freedom = 0
    for group in groups:
        n = len(group)
        freedom += max(0, n - 1)
        gaps.extend(abs(group[i] - group[j]) for i in range(n) for j in range(i))
    if not gaps:
        return NOISE.within_sd
    seen = median(gaps) / 0.9539
    return math.sqrt((NOISE.within_df * NOISE.within_sd**2 + freedom * seen**2) / (NOISE.within_df + freedom))


def robust_mean(values: Sequence[float], sd: float) -> float:
    """Mean of log seconds that outliers hardly move: values more than NOISE.outlier_sds standard deviations from the
    median are moved to that distance.

    Of two values that far apart the smaller counts: what disturbs a clip makes it slower, never faster, and the first
    clip after a live switch may still load kernels (sdp 5.33 s, then 4.88 s on the H200).
    """
    if len(values) == 1:
        return values[0]
    if len(values) == 2:
        low, high = min(values), max(values)
        return low if high - low > NOISE.outlier_sds * math.sqrt(2.0) * sd else 0.5 * (low + high)
    middle = median(values)
    reach = NOISE.outlier_sds * sd
    return fmean(min(max(value, middle - reach), middle + reach) for value in values)


def clipped_variance(groups: Mapping[object, Sequence[float]], sd: float) -> float:
    """Variance of log seconds of one clip within a process after outliers are cut off (NOISE.outlier_sds), at least
    half of that of ``sd``.

    Pooled over groups, less the degrees of freedom that each group's own centre costs.
    """
    total, freedom = NOISE.within_df * sd**2, NOISE.within_df
    for group in groups.values():
        if len(group) < 2:
            continue
        centre = robust_mean(group, sd)
        reach = NOISE.outlier_sds * sd
        total += sum(min(abs(value - centre), reach) ** 2 for value in group)
        freedom += len(group) - 1
    return max(total / freedom, 0.5 * sd**2)


def prior_start_variance(clip_variance: float) -> float:
    """Variance of log seconds between starts that is expected beforehand, given the clips' variance."""
    return NOISE.decision_start_sd**2 + NOISE.clip_noise_share**2 * clip_variance


def combined_freedom(between: float, within: float, clip_freedom: float) -> float:
    """Degrees of freedom of the sum of two variances: of starts, with NOISE.between_df, and of clips, with
    ``clip_freedom`` (Satterthwaite 1946, Biometrics Bulletin 2:110). The sum is well known where most of it is the
    clips' noise."""
    return (between + within) ** 2 / (between**2 / NOISE.between_df + within**2 / clip_freedom)
