"""How long things may take in a study, how often a set is warmed up, and what is surely too slow. Pure.

All of it is worked out from the samples and launches recorded so far, so a resumed study goes on alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from autotune.measure import guards
from autotune.measure.clip import SLOW
from autotune.model.study import Launch, Proposal, Sample
from autotune.model.workload import Workload

WARMUP_STEPS = 2
"""A warm-up clip needs no more steps: kernels, layouts and the motion module are loaded by the first."""
WARMUP_SHARE = 0.02
"""Share of the budget that clips may take which only find out how many warm-up clips this machine needs."""
FIRST_START = 900.0
"""Seconds for the first start: a real web UI may install or download something once."""
FIRST_CLIP = 1800.0
PATIENCE = 8.0
"""A clip or a start that takes this many times the slowest one seen hangs."""
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
CUT = ("screen", "race")
"""Purposes whose clips may be given up; a comparison that decides rests on whole clips."""


def start_limit(launches: Sequence[Launch]) -> float:
    """Seconds that a start may take."""
    seen = [launch.startup for launch in launches if not launch.failure]
    return max(LEAST_START, PATIENCE * max(seen)) if seen else FIRST_START


def family(samples: Sequence[Sample], workload: int) -> tuple[float, ...]:
    """Seconds of all good clips of a workload: memory that spills shows as a clip far outside them."""
    return tuple(seconds for times in _times(samples, workload).values() for seconds in times)


def clip_limit(samples: Sequence[Sample], workload: int, first_of_process: bool) -> float:
    """Seconds after which a clip hangs."""
    seen = family(samples, workload)
    return max(LEAST_LIMIT, PATIENCE * max(seen)) + (LOADING if first_of_process else 0.0) if seen else FIRST_CLIP


def best(samples: Sequence[Sample], proposal: Proposal, workload: int, baseline: str) -> float | None:
    """Seconds of the best set's clip, for one that may be given up against it; None for one that may not.

    Only sets that have no time yet are given up, in the search alone, and never the current flags.
    """
    times = _times(samples, workload)
    if proposal.purpose not in CUT or proposal.candidate == baseline or proposal.candidate in times or not times:
        return None
    return min(median(seconds) for seconds in times.values())


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
