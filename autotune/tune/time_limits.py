"""Time limits of starts and clips, how many warm-up clips a set gets, and when a slow set is given up. Pure.

Everything follows from the samples and launches recorded so far, so that a resumed study goes on as it would have.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TypeVar

from autotune.language.translate import N_, _
from autotune.measure import clip_rules
from autotune.measure.clip import TOO_SLOW
from autotune.model.study import Launch, Proposal, Sample, SampleState
from autotune.model.workload import Workload

WARMUP_STEPS = 2
"""Steps of a warm-up clip: its first step already loads kernels, memory layouts and the motion module."""
WARMUP_SHARE = 0.02
"""Share of the budget for extra warm-up clips that only show how many of them this machine needs."""
FIRST_START = 900.0
"""Seconds for the first start, before anything is known of this machine."""
INSTALL = 900.0
"""Seconds for installing packages, which a web UI's log shows: all starts of a study together, beside their limits."""
FIRST_CLIP = 1800.0
"""Seconds for the first clip, before anything is known of this machine."""
SHARE = 0.5
"""Share of the remaining budget after which a first start, or first clip, counts as hung. The other half is for a
second try, without which nothing would be learnt about a web UI that hangs."""
PATIENCE = 8.0
"""A clip or a start that takes this many times the slowest one seen hangs."""
GUESSED = 2.0
"""A first clip may take this many times what its warm-up clips promise, however little of the budget is left."""
SWITCH, LEAST_SWITCH = 120.0, 10.0
"""Seconds for a switch of options: at most, and when no budget is left."""
SETTLE, LEAST_SETTLE = 30.0, 8.0
"""Seconds to wait for freed GPU memory: at most, and when no budget is left. It may never come back, because another
program may take it meanwhile."""
LEAST_START = 60.0
"""Seconds that a start has in any case."""
LEAST_LIMIT = 30.0
"""Seconds that a clip has in any case."""
LOADING = 60.0
"""Extra seconds for the first clip of a process, which also loads the motion module (6 to 11 s on an H200)."""
REST = 1.0
MOST_REST = 30.0
"""Seconds to wait after a discarded clip: for each one in a row, and at most. A hot GPU cools meanwhile, and another
program gets done; without it the next clips would be discarded as well."""
MANY = 0.2
"""The user is warned when at least this share of the clips was discarded."""
SLOWEST = 16.0
"""Largest power of TOO_SLOW that is used (656 times the best set's time). A workload with hardly any weight would ask
for powers beyond what a float holds."""
FIRST_OF_ALL = N_("nothing is known of this machine yet: give a longer --budget if it takes that long")
WITHIN_NOISE = 3.0
"""Standard deviations of clip noise that count as chance. With fewer, the first clip of a set as good as the best
would often rule it out."""
EXPECTED_SD = 0.07
"""Standard deviation of a clip's log seconds assumed before any set has two clips; it weighs as one repeated clip."""
DOUBT = 2.0
"""The estimated deviation is enlarged by this share, divided by one plus the number of repeated clips.

Found by drawing (tests/verbs/test_time_limits.py): where clips vary by 20 %, one in 80 sets as good as the best is
ruled out. A smaller value rules out more of them; with a larger one, sets that take twice as long are waited for (55 %
of them where clips vary by 20 %, 10 % of them where clips vary by 10 %)."""
STALLED = math.log(2.0)
"""Log-seconds deviation beyond which a clip counts as stalled and is cut back to this, so that a single stalled clip
does not make every difference look like noise."""
CUT = ("screen", "race")
"""Purposes whose clips may be given up; a comparison that decides rests on whole clips."""

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Limits:
    """When a start or a clip is ended, in seconds after its beginning.

    ``hang``: it counts as hung; ``ends``: the budget is used up; ``surely``: after so long it counts as hung even
    where the budget ended it. ``known``: what the usual time is, in words for the user.
    """

    hang: float
    ends: float
    known: str
    surely: float = math.inf

    @property
    def first(self) -> float:
        """The limit that is reached first."""
        return min(self.hang, self.ends)


def start_limits(launches: Sequence[Launch], left: float) -> Limits:
    """Limits of the next start, with ``left`` seconds of the budget to go."""
    seen = [launch.startup for launch in launches if not launch.failure]
    if seen:
        surely = PATIENCE * max(seen)
        return Limits(max(LEAST_START, surely), max(0.0, left),
                      _("{seconds:.0f} s were enough before").format(seconds=max(seen)), surely)
    return Limits(min(FIRST_START, max(LEAST_START, SHARE * left)), max(0.0, left), _(FIRST_OF_ALL))


def switch_limit(left: float) -> float:
    """Seconds that a switch of options may take. It usually takes 0.03 s, and more only where a model is loaded."""
    return min(SWITCH, max(LEAST_SWITCH, left))


def settle_limit(left: float) -> float:
    """Seconds to wait until GPU memory is free again after a process was ended; usually one or two are enough."""
    return min(SETTLE, max(LEAST_SETTLE, left))


def install_limit(launches: Sequence[Launch]) -> float:
    """Seconds that the next start may spend on installing packages, on top of its own limit."""
    return max(0.0, INSTALL - sum(launch.installing or 0.0 for launch in launches))


def good_seconds(samples: Sequence[Sample], workload: int) -> tuple[float, ...]:
    """Seconds of all good clips of a workload. A clip far outside of them points to GPU memory that spilled."""
    return tuple(seconds for times in _times(samples, workload).values() for seconds in times)


def comparable_seconds(
    samples: Sequence[Sample], proposal: Proposal, workload: int, baseline: str
) -> tuple[float, ...]:
    """Seconds of the clips that a clip of this proposal is checked against for spilled GPU memory.

    None for the current flags: every other set is compared with them, whatever they do.
    """
    return () if proposal.candidate == baseline else good_seconds(samples, workload)


def clip_limits(samples: Sequence[Sample], index: int, workload: Workload, first_of_process: bool,
                left: float) -> Limits:
    """Limits of the next clip, with ``left`` seconds of the budget to go; ``index``: place of the workload.

    The budget may be overdrawn by one clip of usual length: the median good clip, or the fastest warm-up clip before
    there is one. The limit for a hang comes from the slowest good clip; before there is one, from the fastest warm-up
    clip scaled up to all steps, which overestimates, because a warm-up clip is not made of steps alone.
    """
    loading = LOADING if first_of_process else 0.0
    seen = good_seconds(samples, index)
    if seen:
        ends = max(0.0, left) + median(seen)
        surely = PATIENCE * max(seen) + loading
        return Limits(max(LEAST_LIMIT + loading, surely), ends,
                      _("{seconds:.1f} s are usual").format(seconds=median(seen)), surely)
    warm = [seconds for runs in _warmups(samples, index).values() for seconds in runs]
    if warm:
        # A workflow's warm-up clips are whole ones.
        promised = min(warm) * (1.0 if workload.is_workflow else max(1.0, workload.steps / WARMUP_STEPS))
        hang = max(LEAST_LIMIT, min(PATIENCE * promised, max(GUESSED * promised, SHARE * left))) + loading
        known = _("{seconds:.1f} s are enough by its warm-up clips").format(seconds=promised)
        return Limits(hang, max(0.0, left) + min(warm), known, PATIENCE * promised + loading)
    return Limits(min(FIRST_CLIP, max(LEAST_LIMIT, SHARE * left)), max(0.0, left), _(FIRST_OF_ALL))


def seconds_to_beat(samples: Sequence[Sample], proposal: Proposal, workload: int, baseline: str) -> float | None:
    """Seconds against which a clip is given up as too slow (at TOO_SLOW times these); None where it is never given up.

    It is the median clip of the best set, or more where clips vary so much that a set just as fast could take TOO_SLOW
    times as long by chance (WITHIN_NOISE). Clips are given up in the search only, only of sets without a time yet,
    and never of the current flags.
    """
    times = _times(samples, workload)
    if proposal.purpose not in CUT or proposal.candidate == baseline or proposal.candidate in times or not times:
        return None
    sd = _clip_sd(samples, workload)
    return min(median(seconds) * max(1.0, _by_chance(sd, len(seconds)) / TOO_SLOW) for seconds in times.values())


def _by_chance(sd: float, clips: int) -> float:
    """How many times the median of ``clips`` clips another clip of the same set may take by chance."""
    return math.exp(min(math.log(clip_rules.FAR), WITHIN_NOISE * sd * math.sqrt(1.0 + 1.0 / clips)))


def _clip_sd(samples: Sequence[Sample], workload: int) -> float:
    """A cautious (high) estimate of the standard deviation of log seconds among clips of one set.

    It comes from the clips, warm-up clips among them, that a process repeated; where none was repeated, from the
    spread of all sets, which is no smaller.
    """
    repeated = _seconds(samples, workload, "ok", lambda one: (one.launch, one.candidate, one.steps))
    groups = [seconds for seconds in repeated.values() if len(seconds) > 1]
    groups += [seconds[1:] for seconds in _warmups(samples, workload).values() if len(seconds) > 2]
    groups = groups or [[median(seconds) for seconds in _times(samples, workload).values()]]
    freedom = sum(len(group) - 1 for group in groups)
    deviations = (math.log(one) - fmean(map(math.log, group)) for group in groups for one in group)
    variance = (EXPECTED_SD**2 + sum(min(abs(one), STALLED)**2 for one in deviations)) / (1.0 + freedom)
    return math.sqrt(variance) * (1.0 + DOUBT / (1.0 + freedom))


def slow_factor(workloads: Sequence[Workload], index: int) -> float:
    """How many times the best clip's time a clip of this workload must take to make its set surely too slow.

    From there on the set's score, a weighted geometric mean over all workloads, is at least ``TOO_SLOW`` times the best
    one, even if the set equals the best in every other workload.
    """
    return float(TOO_SLOW ** min(SLOWEST, sum(one.weight for one in workloads) / workloads[index].weight))


def pause_after(samples: Sequence[Sample]) -> float:
    """Seconds to wait before the next clip; 0 unless the last clips were discarded."""
    row = next((count for count, one in enumerate(reversed(samples)) if one.state != "discarded"), len(samples))
    return min(MOST_REST, REST * row)


def discard_warning(samples: Sequence[Sample]) -> str | None:
    """A warning about discarded clips, with the most frequent reason; None when there were few."""
    whys = Counter(one.detail for one in samples if one.state == "discarded")
    total = sum(one.state in ("ok", "discarded") for one in samples)
    if not whys or whys.total() < MANY * total:
        return None
    return _("{count} of {all} clips did not count, most often because {why}").format(
        count=whys.total(), all=total, why=whys.most_common(1)[0][0])


def another_warmup(samples: Sequence[Sample], launch: int, candidate: str, workload: int, budget: float) -> bool:
    """Whether a set needs one more warm-up clip in a process (``launch``) before it is timed.

    The first set of the first process, and the first set that a process is switched to, are warmed up until their clips
    are stable (``clip_rules.warmup_count``). That shows how many such clips this machine needs, and later processes and
    switches get as many. There is always one; there are no extra ones once they have used up WARMUP_SHARE of the
    ``budget`` (seconds).
    """
    runs = _warmups(samples, workload)
    mine = runs.get((launch, candidate), [])
    if not mine:
        return True
    first = {one.launch: one.candidate for one in reversed(samples) if one.state == "warmup"}  # the earliest one stays
    begins = first.get(launch) == candidate
    alike = [seconds for (number, name), seconds in runs.items()
             if (number, name) != (launch, candidate) and (first.get(number) == name) == begins]
    learned = next((count for seconds in alike if (count := clip_rules.warmup_count(seconds)) is not None), None)
    if learned is not None:
        return len(mine) < learned
    extra = sum(sum(seconds[1:]) for seconds in runs.values())
    return clip_rules.warmup_count(mine) is None and extra + mine[-1] <= WARMUP_SHARE * budget


def _times(samples: Sequence[Sample], workload: int) -> dict[str, list[float]]:
    return _seconds(samples, workload, "ok", lambda one: one.candidate)


def _warmups(samples: Sequence[Sample], workload: int) -> dict[tuple[int, str], list[float]]:
    return _seconds(samples, workload, "warmup", lambda one: (one.launch, one.candidate))


def _seconds(
    samples: Sequence[Sample], workload: int, state: SampleState, key: Callable[[Sample], K]
) -> dict[K, list[float]]:
    """Seconds of a workload's clips that ended in this state, grouped by ``key``."""
    found: dict[K, list[float]] = {}
    for one in samples:
        if one.state == state and one.workload == workload and one.seconds is not None:
            found.setdefault(key(one), []).append(one.seconds)
    return found
