"""How long things may take in a study, how often a set is warmed up, and what is surely too slow. Pure.

All of it is worked out from the samples and launches recorded so far, so a resumed study goes on alike.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from autotune.measure import guards
from autotune.measure.clip import SLOW
from autotune.model.study import Launch, Proposal, Sample
from autotune.model.workload import Workload

WARMUP_STEPS = 2
"""A warm-up clip needs no more steps: kernels, layouts and the motion module are loaded by the first."""
WARMUP_SHARE = 0.02
"""Share of the budget that clips may take which only find out how many warm-up clips this machine needs."""
FIRST_START = 900.0
"""Seconds for the first start, before anything is known of this machine."""
INSTALL = 900.0
"""Seconds more, in all starts of a study together, in which a web UI may install packages; its log shows that."""
FIRST_CLIP = 1800.0
"""Seconds for the first clip, before anything is known of this machine."""
SHARE = 0.5
"""Share of the budget left that the first start, or the first clip, may take before it counts as hung: one more try
must find room, or nothing is known of a web UI that hangs but that the budget is gone."""
PATIENCE = 8.0
"""A clip or a start that takes this many times the slowest one seen hangs."""
GUESSED = 2.0
"""A first clip may take this many times what its warm-up clips promise, however little of the budget is left."""
SWITCH, LEAST_SWITCH = 120.0, 10.0
SETTLE, LEAST_SETTLE = 30.0, 8.0
"""Seconds at most, and with no budget left: somebody else may have taken the memory that is waited for."""
LEAST_START = 60.0
LEAST_LIMIT = 30.0
LOADING = 60.0
"""Seconds more for the first clip of a process: it also loads the motion module, 6 to 11 s more on an H200."""
REST = 1.0
MOST_REST = 30.0
"""Seconds to wait after a clip that must not count, for each such clip in a row, and at most: a hot card cools, whoever
else uses it gets done. Clips rendered at once would keep it hot and fill the record with nothing."""
MANY = 0.2
"""Share of the clips that did not count from which the user is told."""
SLOWEST = 16.0
"""Power of SLOW beyond which no clip waits for its end anyway (656 times the best): a workload of next to no weight
asks for powers that no number holds."""
FIRST_OF_ALL = "nothing is known of this machine yet: give a longer --budget if it takes that long"
WITHIN_NOISE = 3.0
"""Standard deviations of clip noise that are taken for chance. Smaller: sets as good as the best are thrown out by
their first clip."""
EXPECTED_SD = 0.07
"""What clips may vary by (log seconds) before two of one set were seen; it weighs as much as one repeated clip."""
DOUBT = 2.0
"""How much more the deviation may be while few clips were repeated: by this, over the number of repetitions and one.
Found by drawing (tests/verbs/test_time_limits.py): where clips vary by a fifth, one of 80 sets as good as the best is
thrown out. Smaller: more are; larger: sets of twice the time are waited for (55 % of them there, 10 % at a tenth)."""
STALLED = math.log(2.0)
"""Deviation at which a clip counts as stalled and is pulled in: one such clip must not make everything chance."""
CUT = ("screen", "race")
"""Purposes whose clips may be given up; a comparison that decides rests on whole clips."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds from now: ``hang``, after which it hangs, and ``ends``, at which the budget does; ``surely``: what ran as
    long as this hung even if the budget ended it. ``known``: what is known of the usual time, in words."""

    hang: float
    ends: float
    known: str
    surely: float = math.inf

    @property
    def first(self) -> float:
        """The one that comes first."""
        return min(self.hang, self.ends)


def start_limits(launches: Sequence[Launch], left: float) -> Limits:
    """How long a start may take with ``left`` seconds of the budget."""
    seen = [launch.startup for launch in launches if not launch.failure]
    if seen:
        surely = PATIENCE * max(seen)
        return Limits(max(LEAST_START, surely), max(0.0, left), f"{max(seen):.0f} s were enough before", surely)
    return Limits(min(FIRST_START, max(LEAST_START, SHARE * left)), max(0.0, left), FIRST_OF_ALL)


def switch_limit(left: float) -> float:
    """Seconds that a switch of options may take; it takes 0.03 s, more only where it loads something."""
    return min(SWITCH, max(LEAST_SWITCH, left))


def settle_limit(left: float) -> float:
    """Seconds to wait for GPU memory to come back after a stop; it takes one or two."""
    return min(SETTLE, max(LEAST_SETTLE, left))


def install_limit(launches: Sequence[Launch]) -> float:
    """Seconds that the next start may take for installing packages, beside its own limit."""
    return max(0.0, INSTALL - sum(launch.installing or 0.0 for launch in launches))


def family(samples: Sequence[Sample], workload: int) -> tuple[float, ...]:
    """Seconds of all good clips of a workload: memory that spills shows as a clip far outside them."""
    return tuple(seconds for times in _times(samples, workload).values() for seconds in times)


def kind(samples: Sequence[Sample], proposal: Proposal, workload: int, baseline: str) -> tuple[float, ...]:
    """Seconds of the clips that one of this proposal must not be far slower than; none for the current flags, which
    the others are compared with however they do."""
    return () if proposal.candidate == baseline else family(samples, workload)


def clip_limits(samples: Sequence[Sample], index: int, workload: Workload, first_of_process: bool,
                left: float) -> Limits:
    """How long a clip may take with ``left`` seconds of the budget; ``index``: place of ``workload`` in the profile.

    The budget may be overdrawn by one usual clip: what good ones took, or, before there are any, the fastest warm-up
    clip, which is shorter. What hangs is told by the slowest good one, or by what that warm-up clip promises if all of
    it were steps, which is more than a whole clip takes.
    """
    loading = LOADING if first_of_process else 0.0
    seen = family(samples, index)
    if seen:
        ends = max(0.0, left) + median(seen)
        surely = PATIENCE * max(seen) + loading
        return Limits(max(LEAST_LIMIT + loading, surely), ends, f"{median(seen):.1f} s are usual", surely)
    warm = [seconds for runs in _warmups(samples, index).values() for seconds in runs]
    if warm:
        promised = min(warm) * max(1.0, workload.steps / WARMUP_STEPS)
        hang = max(LEAST_LIMIT, min(PATIENCE * promised, max(GUESSED * promised, SHARE * left))) + loading
        known = f"{promised:.1f} s are enough by its warm-up clips"
        return Limits(hang, max(0.0, left) + min(warm), known, PATIENCE * promised + loading)
    return Limits(min(FIRST_CLIP, max(LEAST_LIMIT, SHARE * left)), max(0.0, left), FIRST_OF_ALL)


def best(samples: Sequence[Sample], proposal: Proposal, workload: int, baseline: str) -> float | None:
    """Seconds that a set is given up against, which may take SLOW times as long; None where it may not be given up.

    That is the median of the best set's clips, and more where clips vary so much that a set as fast as that one could
    take SLOW times as long by chance (WITHIN_NOISE): a lucky clip is no yardstick. Only sets that have no time yet are
    given up, in the search alone, and never the current flags.
    """
    times = _times(samples, workload)
    if proposal.purpose not in CUT or proposal.candidate == baseline or proposal.candidate in times or not times:
        return None
    sd = _clip_sd(samples, workload)
    return min(median(seconds) * max(1.0, _by_chance(sd, len(seconds)) / SLOW) for seconds in times.values())


def _by_chance(sd: float, clips: int) -> float:
    """Times the median of so many clips that one more of the same set takes at most, by chance."""
    return math.exp(min(math.log(guards.FAR), WITHIN_NOISE * sd * math.sqrt(1.0 + 1.0 / clips)))


def _clip_sd(samples: Sequence[Sample], workload: int) -> float:
    """Standard deviation of log seconds of a set's clips, as large as it may well be: from all that one process
    rendered again, warm-up clips too; while there is none, from all sets together, which are no more alike."""
    groups = [seconds for seconds in _groups(samples, workload).values() if len(seconds) > 1]
    groups += [seconds[1:] for seconds in _warmups(samples, workload).values() if len(seconds) > 2]
    groups = groups or [[median(seconds) for seconds in _times(samples, workload).values()]]
    freedom = sum(len(group) - 1 for group in groups)
    apart = (math.log(one) - fmean(map(math.log, group)) for group in groups for one in group)
    variance = (EXPECTED_SD**2 + sum(min(abs(one), STALLED)**2 for one in apart)) / (1.0 + freedom)
    return math.sqrt(variance) * (1.0 + DOUBT / (1.0 + freedom))


def _groups(samples: Sequence[Sample], workload: int) -> dict[tuple[int, str, int | None], list[float]]:
    """Seconds of a workload's good clips, by process, set and number of steps."""
    found: dict[tuple[int, str, int | None], list[float]] = {}
    for one in samples:
        if one.state == "ok" and one.workload == workload and one.seconds is not None:
            found.setdefault((one.launch, one.candidate, one.steps), []).append(one.seconds)
    return found


def slow(workloads: Sequence[Workload], index: int) -> float:
    """Times the best clip from which this workload alone makes a set surely worse: its score is then ``SLOW``
    times the best even if it is as fast as the best in all others (the score is a weighted geometric mean)."""
    return float(SLOW ** min(SLOWEST, sum(one.weight for one in workloads) / workloads[index].weight))


def rest(samples: Sequence[Sample]) -> float:
    """Seconds to wait before the next clip: none unless the last ones had to be discarded."""
    row = next((count for count, one in enumerate(reversed(samples)) if one.state != "discarded"), len(samples))
    return min(MOST_REST, REST * row)


def lost(samples: Sequence[Sample]) -> str | None:
    """What to tell of clips that did not count, None when they were few."""
    whys = Counter(one.detail for one in samples if one.state == "discarded")
    total = sum(one.state in ("ok", "discarded") for one in samples)
    if not whys or whys.total() < MANY * total:
        return None
    return f"{whys.total()} of {total} clips did not count, most often because {whys.most_common(1)[0][0]}"


def another_warmup(samples: Sequence[Sample], launch: int, candidate: str, workload: int, budget: float) -> bool:
    """Whether a set needs one more warm-up clip in a process before it is timed.

    The first set of the first process, and the first set that is switched to, are warmed up until their clips
    are stable (``guards.warmups``); that tells how many such clips this machine needs, and later processes and
    switches take as many. Always one; no second one once finding out has taken its share of the ``budget`` (s).
    """
    runs = _warmups(samples, workload)
    mine = runs.get((launch, candidate), [])
    if not mine:
        return True
    first = _first_sets(samples)
    begins = first.get(launch) == candidate
    alike = [seconds for (number, name), seconds in runs.items()
             if (number, name) != (launch, candidate) and (first.get(number) == name) == begins]
    learned = next((count for seconds in alike if (count := guards.warmups(seconds)) is not None), None)
    if learned is not None:
        return len(mine) < learned
    extra = sum(sum(seconds[1:]) for seconds in runs.values())
    return guards.warmups(mine) is None and extra + mine[-1] <= WARMUP_SHARE * budget


def _times(samples: Sequence[Sample], workload: int) -> dict[str, list[float]]:
    """Seconds of the good clips of a workload, by set."""
    found: dict[str, list[float]] = {}
    for one in samples:
        if one.state == "ok" and one.workload == workload and one.seconds is not None:
            found.setdefault(one.candidate, []).append(one.seconds)
    return found


def _warmups(samples: Sequence[Sample], workload: int) -> dict[tuple[int, str], list[float]]:
    """Seconds of a workload's warm-up clips, by process and set."""
    found: dict[tuple[int, str], list[float]] = {}
    for one in samples:
        if one.state == "warmup" and one.workload == workload and one.seconds is not None:
            found.setdefault((one.launch, one.candidate), []).append(one.seconds)
    return found


def _first_sets(samples: Sequence[Sample]) -> dict[int, str]:
    """The set that each process warmed up first."""
    found: dict[int, str] = {}
    for one in samples:
        if one.state == "warmup":
            found.setdefault(one.launch, one.candidate)
    return found
