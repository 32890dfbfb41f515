"""Rules for one clip: is its time false, is the process warm, did GPU memory spill, which seconds are fixed? Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from autotune.language.translate import _
from autotune.measure.observations import Observations

QUEUE_WAIT = 1.0
"""Seconds that a request may wait before it is rendered: our clock's time less the server's own."""
STOOD_STILL = 3.0
"""Seconds between two readings of the observers (due every tenth of one) that show a suspended machine."""
STABLE = 0.05
"""Share by which two clips in a row may differ and count as stable: four times the noise within a process
(docs/assumptions.md)."""
MOST_WARMUPS = 4
"""Clips after which a process counts as warm in any case."""
FULL = 0.97
"""Share of a card's memory in use that counts as full."""
FAR = 4.0
"""Times the median of comparable clips from which a clip is suspected to have spilled. Spilling costs
5 to 50 times; the slowest sound attention class took 3 times the fastest on an H200 (both recorded)."""
FAR_WHEN_SEEN = 1.5
"""The same where GPU memory was seen to lie in main memory: half as slow again needs no other cause then."""
PREDICTION_ERROR = 0.05
"""Share by which predicted seconds may miss the measured ones."""


def why_discarded(
    seen: Observations, seconds: float, process_time: float | None, usual_clocks: Sequence[int] = ()
) -> str | None:
    """Why a finished clip's time must not count, None when it may.

    It must not when the machine was suspended, when the user's own web UI worked beside it, when the GPU throttled,
    when a process that is not ours used it, when its clock was far below the ``usual_clocks`` (MHz, see
    ``clock_too_low``), or when the request waited: ``seconds`` is our clock's time, ``process_time`` the server's own,
    None when it said nothing. The server takes that from its wall clock: below zero it tells of a clock that was set.
    """
    if seen.longest_pause > STOOD_STILL:
        return _("the machine, or this program, stood still for {seconds:.1f} s").format(
            seconds=seen.longest_pause)
    if seen.disturbed:
        return seen.disturbed
    if seen.throttled:
        return _("the card throttled ({why})").format(why=", ".join(seen.throttled))
    if seen.foreign:
        return _("another process used the card (pid {pids})").format(pids=", ".join(map(str, seen.foreign)))
    if clock_too_low(seen.clock_low, usual_clocks):
        return _("the card ran at {clock} MHz, usually at {usual:.0f} MHz").format(
            clock=seen.clock_low, usual=median(usual_clocks))
    if process_time is not None and process_time >= 0.0 and seconds - process_time > max(QUEUE_WAIT, 0.05 * seconds):
        return _("the request waited {seconds:.1f} s").format(seconds=seconds - process_time)
    return None


def clock_too_low(low: int | None, usual: Sequence[int], share: float = 0.15) -> bool:
    """True when the lowest SM clock of a clip (MHz) is far below the usual ones of this study's clips."""
    if low is None or len(usual) < 3:
        return False
    return low < (1.0 - share) * median(usual)


def warmup_count(seconds: Sequence[float], within: float = STABLE, most: int = MOST_WARMUPS) -> int | None:
    """How many of a process's first clips (seconds each) are warm-up; None when one more clip is needed to tell.

    The first always is. A later one is warm when the next one is not faster by more than the share ``within``: a
    process that is not warm gets faster, and noise that makes the next one slower says nothing. After ``most`` clips
    the process is taken as it is. Raises ValueError for a count or share that is not positive.
    """
    if most < 1 or within <= 0:
        raise ValueError("a process needs at least one warm-up clip and a positive tolerance")
    for index in range(1, min(len(seconds) - 1, most)):
        here, after = seconds[index], seconds[index + 1]
        if here - after <= within * here:
            return index
    return most if len(seconds) > most else None


def spilled(seen: Observations, seconds: float, family: Sequence[float]) -> bool:
    """Whether GPU memory spilled: it was full and the clip took far longer than others, or was seen to be moved out.

    ``family``: seconds of clips of the same workload by other sets; without any, no clip is slow. On Windows a
    start with too little GPU memory does not fail: the driver moves memory into main memory, and clips crawl.
    """
    if not family:
        return False
    full = seen.memory_full is not None and seen.memory_full >= FULL
    far = FAR_WHEN_SEEN if seen.spilled else FAR if full else math.inf
    return seconds > far * median(family)


def fixed_seconds(short: tuple[int, float], long: tuple[int, float]) -> float | None:
    """Seconds of a clip that do not grow with steps, from (steps, seconds) of two clips of one set.

    None when these give no straight line: steps not apart by at least half of the smaller count, time that does not
    grow with steps, or a fixed part below zero by more than its measuring error.
    """
    (few, fast), (many, slow) = sorted((short, long))
    if few < 1 or many < few * 1.5 or not (math.isfinite(fast) and math.isfinite(slow)) or fast <= 0:
        return None
    per_step = (slow - fast) / (many - few)
    fixed = fast - per_step * few
    return None if per_step <= 0 or fixed < -PREDICTION_ERROR * fast else max(0.0, fixed)
