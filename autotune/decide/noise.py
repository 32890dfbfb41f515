"""The two noises: between clips of one process, and between processes of the same set.

Figures from a real AUTOMATIC1111 1.10.1 with AnimateDiff on NVIDIA H200 (benchmarks/data/a1111-h200.jsonl):
within a launch the coefficient of variation is 0.1-1.7 %; between launches of the same set medians differ with
a standard deviation of 1.2 % (sdp 4.74, 4.90, 4.88 s; Doggettx 7.11, 7.23, 7.19 s and others).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median

BETWEEN_SD = 0.014
"""Between-launch standard deviation of log seconds that the search expects (see the module)."""
DOUBT_SD = 0.018
"""The same, that a decision starts from: more than was seen, for what this machine's starts do is not known yet."""
BETWEEN_SHARE = 0.4
"""A machine whose clips are noisy has noisy starts too: this share of the clips' standard deviation is added (in
squares). Chosen with DOUBT_SD and BETWEEN_DF by simulation (``python -m benchmarks.calibration``), so that two equal
sets are told apart in at most 2.5 % of comparisons up to a between-launch deviation of 2 %, and in at most 5 % at
3 %, clip noise 0.7-5 %, one clip of twenty stalled."""
BETWEEN_DF = 3.0
"""How many launches' worth of belief stand behind it (degrees of freedom of its prior)."""
WITHIN_SD = 0.01
"""Within-launch standard deviation of log seconds before two clips of one set have been seen."""
WITHIN_DF = 2.0
"""Weight of WITHIN_SD against what is seen, in pairs of clips: little, for where clips vary by a fifth it would hide
that (600 drawn sessions with nothing much to gain: 5 adopted a slower or equal set with 3, 3 with 2)."""
CLIP_AT = 2.5
"""Deviations beyond this many standard deviations are pulled in to it: other programs stall single clips
(two of ten clips of the article's first set are 7 % slow)."""


def within_sd(groups: Iterable[Sequence[float]]) -> float:
    """Standard deviation of log seconds between clips of one process.

    Shamos's estimator (median of absolute pairwise differences within groups, over 0.954), which bears up to
    29 % of outliers, blended with WITHIN_SD by WITHIN_DF. ``groups``: log seconds of one set in one process.
    """
    gaps: list[float] = []
    freedom = 0
    for group in groups:
        n = len(group)
        freedom += max(0, n - 1)
        gaps.extend(abs(group[i] - group[j]) for i in range(n) for j in range(i))
    if not gaps:
        return WITHIN_SD
    seen = median(gaps) / 0.9539
    return math.sqrt((WITHIN_DF * WITHIN_SD**2 + freedom * seen**2) / (WITHIN_DF + freedom))


def location(values: Sequence[float], sd: float) -> float:
    """Robust mean of log seconds: values beyond CLIP_AT standard deviations of the median are pulled in to it.

    Of two values that far apart the smaller counts: what disturbs a clip makes it slower, never faster, and
    the first clip after a live switch may still load kernels (sdp 5.33 s, then 4.88 s on the H200).
    """
    if len(values) == 1:
        return values[0]
    if len(values) == 2:
        low, high = min(values), max(values)
        return low if high - low > CLIP_AT * math.sqrt(2.0) * sd else 0.5 * (low + high)
    middle = median(values)
    reach = CLIP_AT * sd
    return fmean(min(max(value, middle - reach), middle + reach) for value in values)


def clipped_variance(groups: Mapping[object, Sequence[float]], sd: float) -> float:
    """Variance of log seconds of one clip within a process after CLIP_AT, at least that of ``sd`` halved.

    Pooled over groups, with the degrees of freedom that each group's own centre costs.
    """
    total, freedom = WITHIN_DF * sd**2, WITHIN_DF
    for group in groups.values():
        if len(group) < 2:
            continue
        centre = location(group, sd)
        reach = CLIP_AT * sd
        total += sum(min(abs(value - centre), reach) ** 2 for value in group)
        freedom += len(group) - 1
    return max(total / freedom, 0.5 * sd**2)


def between_variance(clip_variance: float) -> float:
    """Between-launch variance of log seconds expected beforehand, given the clips' variance."""
    return DOUBT_SD**2 + BETWEEN_SHARE**2 * clip_variance


def known_freedom(between: float, within: float, clip_freedom: float) -> float:
    """Degrees of freedom of the sum of two variances: of starts, with BETWEEN_DF, and of clips, with ``clip_freedom``
    (Satterthwaite 1946, Biometrics Bulletin 2:110). Where the clips' noise is most of it, it is well known."""
    return (between + within) ** 2 / (between**2 / BETWEEN_DF + within**2 / clip_freedom)
