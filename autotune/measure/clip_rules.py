"""Pure rules: must a clip be discarded, is a process warm, did memory spill, what would a full clip take?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from autotune.measure.observations import Observations

QUEUE_WAIT = 1.0
"""Seconds between our clock and the server's own that a request may wait to be taken in."""
STOOD_STILL = 3.0
"""Seconds between two looks, due each tenth of one, that only a suspended machine or a stopped process shows."""
STABLE = 0.05
"""Two clips in a row within this share are stable: four times the noise within a launch (docs/assumptions.md)."""
MOST_WARMUPS = 4
FULL = 0.97
"""Share of a card's memory in use that counts as full."""
FAR = 4.0
"""Times the median of its kind from which a clip is far outside. Spilling costs 5 to 50 times; the slowest
sound attention class took 3 times the fastest on an H200 (both from recorded measurements)."""
SEEN = 1.5
"""The same where the memory was seen to lie in main memory: half as slow again needs no other cause then."""
AGREES = 0.05
"""Share by which a predicted clip may miss a full one."""


def discard(
    seen: Observations, seconds: float, process_time: float | None, usual_clocks: Sequence[int] = ()
) -> str | None:
    """Why a finished clip's time must not count, None when it may.

    It must not when the user's own web UI worked beside it, when the card throttled, when a process that is not ours
    computed on it, when its clock was far
    below the ``usual_clocks`` (MHz, see ``wrong_clocks``), or when the request waited: ``seconds`` is our clock's
    time, ``process_time`` the server's own, None when it said nothing. That one comes from the wall clock there:
    below nought it tells of a clock that was set, not of a wait.
    """
    if seen.widest > STOOD_STILL:
        return f"the machine, or this program, stood still for {seen.widest:.1f} s"
    if seen.disturbed:
        return seen.disturbed
    if seen.throttled:
        return f"the card throttled ({', '.join(seen.throttled)})"
    if seen.foreign:
        return f"another process used the card (pid {', '.join(map(str, seen.foreign))})"
    if wrong_clocks(seen.clock_low, usual_clocks):
        return f"the card ran at {seen.clock_low} MHz, usually at {median(usual_clocks):.0f} MHz"
    if process_time is not None and process_time >= 0.0 and seconds - process_time > max(QUEUE_WAIT, 0.05 * seconds):
        return f"the request waited {seconds - process_time:.1f} s"
    return None


def wrong_clocks(low: int | None, usual: Sequence[int], share: float = 0.15) -> bool:
    """True when the lowest SM clock of a clip (MHz) is far below the usual ones of this study's clips."""
    if low is None or len(usual) < 3:
        return False
    return low < (1.0 - share) * median(usual)


def warmups(seconds: Sequence[float], within: float = STABLE, most: int = MOST_WARMUPS) -> int | None:
    """How many leading clips of a process are warm-up, None when one more clip is needed to tell.

    The first always is. From the second on a clip is warm when the next one is not faster by more than
    ``within`` (what is not warm is slow; noise that makes the next one slower says nothing); after ``most`` the
    process is taken as it is, and its noise is the statistics' business.
    """
    if most < 1 or within <= 0:
        raise ValueError("a process needs at least one warm-up clip and a positive tolerance")
    for index in range(1, min(len(seconds) - 1, most)):
        here, after = seconds[index], seconds[index + 1]
        if here - after <= within * here:
            return index
    return most if len(seconds) > most else None


def spilled(seen: Observations, seconds: float, family: Sequence[float]) -> bool:
    """True when memory was full and the clip is far outside its kind, or memory was moved out and it is slower.

    ``family``: seconds of clips of the same workload by other sets; without any nothing is slow. On Windows an
    over-full card does not fail, the driver moves memory out and jobs crawl.
    """
    if not family:
        return False
    full = seen.memory_full is not None and seen.memory_full >= FULL
    far = SEEN if seen.spilled else FAR if full else math.inf
    return seconds > far * median(family)


@dataclass(frozen=True, slots=True)
class Affine:
    """Seconds of a clip as a + b · steps: ``fixed`` a (text, VAE, encoding) and ``per_step`` b, seconds."""

    fixed: float
    per_step: float

    def predict(self, steps: int) -> float:
        """Seconds of a clip of that many steps."""
        return self.fixed + self.per_step * steps


def affine(short: tuple[int, float], long: tuple[int, float]) -> Affine | None:
    """The line through (steps, seconds) of two clips of one set that differ in steps only.

    None when it cannot be one: steps not apart by at least half of the smaller count, time that does not
    grow with steps, or a fixed part below zero by more than its measuring error.
    """
    (few, fast), (many, slow) = sorted((short, long))
    if few < 1 or many < few * 1.5 or not (math.isfinite(fast) and math.isfinite(slow)) or fast <= 0:
        return None
    per_step = (slow - fast) / (many - few)
    fixed = fast - per_step * few
    if per_step <= 0 or fixed < -AGREES * fast:
        return None
    return Affine(max(0.0, fixed), per_step)


def trusted(line: Affine, checks: Sequence[tuple[int, float]], within: float = AGREES) -> bool:
    """True while the line agrees with full clips: (steps, seconds) measured, all within ``within``.

    Without any full clip it is not trusted.
    """
    return bool(checks) and all(
        abs(line.predict(steps) - seconds) <= within * seconds for steps, seconds in checks)
