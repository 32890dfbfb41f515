"""Rounds from samples: one score for one clip of every workload; and which sets have failed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median

from autotune.language.translate import _
from autotune.model.flagset import Candidate, Space
from autotune.model.study import History, Sample
from autotune.model.workload import Profile

DETERMINISTIC = frozenset({"oom", "spilled", "invalid_output", "not_animated", "nan", "bad_flag", "machine_down"})
"""Failures that come back when the same set is tried again, or must not be seen again; after others a set is tried once
more."""
MOST_HINDERED_TRIES = 4
"""So often may the baseline's first clip be prevented by others (a taken port, an interruption) before it is given up:
they are no fault of the set, but without the current flags' time there is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Round:
    """One clip of every workload by one set in one process.

    ``score``: weighted mean of the natural logarithms of the clips' seconds, so that a difference of two scores is the
    logarithm of the weighted geometric mean of their time ratios. ``memory``: the largest peak in MiB, None where it is
    not known. ``place``: number of the round's last sample. ``short``: some or all of its clips had fewer steps.
    """

    candidate: str
    launch: int
    purpose: str
    block: int | None
    score: float
    memory: float | None
    place: int
    short: bool = False


def is_usable(sample: Sample) -> bool:
    """True for a finished, valid, timed clip that is not a warm-up."""
    return sample.state == "ok" and sample.seconds is not None and sample.seconds > 0.0


def is_timed(sample: Sample) -> bool:
    """True for a usable clip, and for one that was given up as too slow: its seconds are then a lower bound."""
    return is_usable(sample) or (sample.state == "too_slow" and sample.seconds is not None and sample.seconds > 0.0)


def rounds(history: History, profile: Profile) -> tuple[Round, ...]:
    """All complete rounds, in the order in which they were completed.

    The k-th timed clip of each workload within one process, set, purpose and block makes round k, so that a repeated
    clip takes the place of the discarded one. A set that was given up as too slow counts once a process with the time
    at which that happened: it is surely worse, however slow it truly is. No clip of a confirmation is ever given up, so
    a verdict's speedup rests on whole clips alone.
    """
    weights = [workload.weight for workload in profile.workloads]
    total = sum(weights)
    waiting: dict[tuple[int, str, str, int | None], list[list[Sample]]] = {}
    found: list[Round] = []
    given_up: set[tuple[int, str, int]] = set()
    for sample in history.samples:
        if sample.state == "too_slow":
            place = (sample.launch, sample.candidate, sample.workload)
            if place in given_up:
                continue
            given_up.add(place)
        if not is_timed(sample) or not 0 <= sample.workload < len(weights):
            continue
        key = (sample.launch, sample.candidate, sample.purpose, sample.block)
        queues = waiting.setdefault(key, [[] for _ in weights])
        queues[sample.workload].append(sample)
        if all(queues):
            clips = [queue.pop(0) for queue in queues]
            score = sum(w * math.log(c.seconds or 1.0) for w, c in zip(weights, clips, strict=True)) / total
            peaks = [c.memory_peak for c in clips if c.memory_peak is not None]
            memory = max(peaks) if peaks else None
            found.append(Round(sample.candidate, sample.launch, sample.purpose, sample.block, score, memory,
                               sample.number, any(c.steps is not None for c in clips)))
    return tuple(found)


def prefer_whole_clips(found: tuple[Round, ...]) -> tuple[Round, ...]:
    """The rounds that a set's figures come from: its whole clips where it has any, else its short ones."""
    whole = {one.candidate for one in found if not one.short}
    return tuple(one for one in found if not one.short or one.candidate not in whole)


def clip_costs(history: History, candidate: str) -> dict[int, float]:
    """Seconds of the session that a whole clip of a set takes, by workload: medians."""
    costs: dict[int, list[float]] = {}
    for one in history.samples:
        if one.candidate == candidate and is_usable(one) and one.steps is None:
            costs.setdefault(one.workload, []).append(one.cost)
    return {workload: median(found) for workload, found in costs.items()}


def warmup_costs(history: History) -> tuple[list[float], list[float]]:
    """Seconds of warming up: of the sets that processes were started for, and of sets that were switched to later."""
    first: dict[int, str] = {}
    costs: dict[tuple[int, str], float] = {}
    for one in history.samples:
        if one.state == "warmup":
            first.setdefault(one.launch, one.candidate)
            costs[one.launch, one.candidate] = costs.get((one.launch, one.candidate), 0.0) + one.cost
    begun = [cost for (launch, name), cost in costs.items() if first[launch] == name]
    return begun, [cost for (launch, name), cost in costs.items() if first[launch] != name]


def before_confirmation(history: History) -> History:
    """The history up to the first confirm sample: what the choice of the finalist rests on, so that the choice does not
    change while it is being confirmed."""
    for place, sample in enumerate(history.samples):
        if sample.purpose == "confirm":
            return replace(history, samples=history.samples[:place])
    return history


@dataclass(frozen=True, slots=True)
class Failures:
    """What failed so far. ``dropped``: sets not to be tried again; ``baseline``: why the baseline is given up, None
    while it is not; ``count``: number of failed clips and starts, the baseline's included."""

    dropped: frozenset[str]
    baseline: str | None
    count: int


def _count_failures(history: History) -> tuple[dict[str, list[str]], dict[str, list[str]], dict[str, int]]:
    """Failures of each set's clips, failures of each launch key's starts, and number of good clips of each set."""
    clips: dict[str, list[str]] = {}
    starts: dict[str, list[str]] = {}
    good: dict[str, int] = {}
    for sample in history.samples:
        if sample.state == "failed":
            if sample.failure != "interrupted":
                clips.setdefault(sample.candidate, []).append(sample.failure or "crash")
        elif is_usable(sample):
            good[sample.candidate] = good.get(sample.candidate, 0) + 1
    for launch in history.launches:
        if launch.failure is not None and launch.failure not in ("interrupted", "port"):
            starts.setdefault(launch.launch_key, []).append(launch.failure)
    return clips, starts, good


def _blamed_levels(failed: Candidate, baseline: Candidate,
                   proven: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """The levels that a failure is attributed to: those that differ from the baseline and that no good clip at this
    memory mode ever had (what fits with --medvram says nothing about what fits without), or, if there are none, all
    that differ together."""
    differing = frozenset(failed.levels) - frozenset(baseline.levels)
    return (differing - proven) or differing


def failures(history: History, space: Space) -> Failures:
    """Which sets to leave out because of failures, and whether the baseline is given up.

    A set is dropped after one deterministic failure or two of any kind; a launch key after two failed starts (one, if
    its flags were refused). The baseline is given up when its first two tries fail, when it failed three times and at
    least a third of its tries, or when others prevented its first MOST_HINDERED_TRIES tries. What failed in one set is
    not tried in others at the same memory mode (see ``_blamed_levels``): memory runs out and NaNs come by level, not by
    spelling.
    """
    clips, starts, good = _count_failures(history)
    baseline = space[space.baseline]
    # A key that has served clips is sound: a later failed start of it is the machine's, not the flags'.
    bad_keys = {
        key for key, kinds in starts.items()
        if len(kinds) >= 2 or "bad_flag" in kinds
    }
    dropped = {
        name for name, kinds in clips.items()
        if len(kinds) >= 2 or any(kind in DETERMINISTIC for kind in kinds)
    }
    by_id = {c.id: c for c in space.candidates}
    proven: dict[str, frozenset[tuple[str, str]]] = {}
    for one in (by_id[name] for name in good if name in by_id):
        memory = one.effective.memory
        proven[memory] = proven.get(memory, frozenset()) | frozenset(one.levels)
    failed = [by_id[name] for name in sorted(dropped) if name in by_id and not good.get(name)]
    blames = [(_blamed_levels(one, baseline, proven.get(one.effective.memory, frozenset())), one.effective.memory)
              for one in failed]
    for candidate in space.candidates:
        levels = frozenset(candidate.levels)
        blamed = any(blame and blame <= levels and candidate.effective.memory == memory for blame, memory in blames)
        if candidate.launch_key in bad_keys or (blamed and not good.get(candidate.id)):
            dropped.add(candidate.id)
    dropped.discard(baseline.id)
    own_failures = clips.get(baseline.id, []) + starts.get(baseline.launch_key, [])
    own_good = good.get(baseline.id, 0)
    bad = len(own_failures)
    given_up = (bad >= 2 and own_good == 0) or (bad >= 3 and 2 * bad >= own_good)
    reason = None
    if given_up:
        reason = _("the current flags failed {count} of {all} times ({failures})").format(
            count=bad, all=bad + own_good, failures=", ".join(sorted(set(own_failures))))
    hindered = _hindered(history, baseline)
    if not given_up and not own_good and len(hindered) >= MOST_HINDERED_TRIES:
        reason = _("the current flags could not be measured in {count} tries ({failures})").format(
            count=len(hindered), failures=", ".join(sorted(set(hindered))))
    if "machine_down" in own_failures:
        reason = _("the machine went down while the current flags ran")
    count = sum(map(len, clips.values())) + sum(map(len, starts.values()))
    return Failures(frozenset(dropped), reason, count)


def _hindered(history: History, baseline: Candidate) -> list[str]:
    """Failures of the baseline's clips and starts that others caused."""
    return [s.failure for s in history.samples if s.candidate == baseline.id and s.failure == "interrupted"] + [
        launch.failure for launch in history.launches
        if launch.launch_key == baseline.launch_key and launch.failure in ("interrupted", "port")]
