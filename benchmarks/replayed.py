"""Tunes recorded on a real web UI, tuned again on what they measured, with their own times.

python -m benchmarks.replayed [--sessions 20] [--seed 0] [--json]

For each tune of benchmarks/data/tunes-a1111-h200 the verdict now, the GPU seconds to it beside the recorded ones, and
the share of them spent among sets that differ by less than half the
minimum gain (``near``, see benchmarks.near). First, as a check of the surface, the recorded
starts and clips themselves are drawn anew from it: they must come to about the recorded time.

A set's seconds are a line in steps through the medians of what was recorded of it: whole clips and short ones; where
one kind is missing, the seconds that do not grow with steps are those of the set nearest in time that has both. Starts
are the recorded ones, drawn anew; what a start makes all its clips differ by, and what single clips differ by (in
seconds: a short clip scatters as much as a whole one), too.
A set that was never measured has a stand-in (``Tune.stand_ins``): log seconds are fitted as a sum of one effect for
each level over the measured sets (least squares, smallest norm), which says nothing of how flags go together; what
a level adds of which the tune tells nothing (`--no-half-vae`, sometimes V1) is from a1111-h200.jsonl.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from autotune import decide, search
from autotune.measure import short_clips
from autotune.model import codec
from autotune.model.flagset import Candidate, Space
from autotune.model.study import Failure, Launch, Proposal, Sample, SampleState, Verdict
from autotune.model.workload import Profile
from autotune.tune import time_limits
from autotune.workload import profile as profiles
from benchmarks.near import near_equal
from benchmarks.virtual import GIVING_UP, Clip, Process, Session

FOLDER = Path(__file__).parent / "data" / "tunes-a1111-h200"
TUNES = ("article512", "article768", "precision512", "article512-aa")
ADDED = {("no_half_vae", "true"): 0.08}
ELSEWHERE = {("attention", "v1"): 0.65}
"""Seconds, and log seconds, that a level adds to a clip by a1111-h200.jsonl, where no measured set tells."""


@dataclass(frozen=True)
class Line:
    """Seconds of a clip: ``fixed`` and so much for each ``step``."""

    fixed: float
    step: float

    def at(self, steps: float) -> float:
        """Seconds of a clip of so many steps."""
        return self.fixed + self.step * steps


@dataclass(frozen=True)
class Tune:
    """A recorded tune as a surface (benchmarks.virtual.Surface) and what became of it."""

    name: str
    space: Space
    profile: Profile
    budget: float
    told: search.Prior
    samples: tuple[Sample, ...]
    launches: tuple[Launch, ...]
    wall: float
    stopping: float
    looking: float
    recorded: dict[str, Any]
    lines: dict[str, Line]
    stand_ins: frozenset[str]
    loading: tuple[float, ...]
    starts: tuple[float, ...]
    jitter: tuple[float, ...]

    def true_score(self, candidate: str) -> float:
        """Log seconds of a whole clip, without noise."""
        return math.log(self.lines[candidate].at(self.profile.workloads[0].steps))

    def process(self, candidate: Candidate, rng: random.Random) -> Process:  # noqa: ARG002
        """See Surface."""
        return TuneProcess(self, rng)


class TuneProcess:
    """A process of a recorded tune: one of its starts, drawn anew."""

    def __init__(self, tune: Tune, rng: random.Random) -> None:
        self.tune = tune
        self.rng = rng
        self.startup = rng.choice(tune.launches).startup
        self.failure: Failure | None = None
        self.shift = rng.choice(tune.starts)
        self.loaded = False

    def clip(self, candidate: Candidate, workload: int, now: float, warmup: bool,  # noqa: ARG002
             steps: float = 1.0) -> Clip:
        """See Process."""
        whole = self.tune.profile.workloads[workload].steps
        count = min(whole, time_limits.WARMUP_STEPS) if warmup else steps * whole
        seconds = self.tune.lines[candidate.id].at(count) * math.exp(self.shift) + self.rng.choice(self.tune.jitter)
        if not self.loaded:
            seconds += self.rng.choice(self.tune.loading)
        self.loaded = True
        return Clip(max(0.1, seconds), None, None)


@dataclass
class Paced(Session):
    """A session that warms up and gives up clips as a real one does, waits ``stopping`` seconds for each process to
    end, and looks at each clip for ``looking`` seconds (decoding it, comparing its frames; no sample counts that)."""

    stopping: float = 0.0
    looking: float = 0.0

    def _start(self, candidate: Candidate, proposal: Proposal) -> bool:
        self.now += self.stopping if self.live is not None else 0.0
        return super()._start(candidate, proposal)

    def _clip(self, candidate: Candidate, proposal: Proposal, workload: int, number: int, state: SampleState,
              short: short_clips.ShortClip | None = None, steps: int | None = None) -> bool:
        good = super()._clip(candidate, proposal, workload, number, state, short, steps)
        self.now += self.looking
        return good

    def _warm_up(self, candidate: Candidate, proposal: Proposal, workload: int) -> bool:
        launch = self.launches[-1].number
        while time_limits.another_warmup(self.samples, launch, candidate.id, workload, self.budget):
            if not self._clip(candidate, proposal, workload, 0, "warmup"):
                return False
        return True

    def _limit(self, proposal: Proposal, workload: int, short: short_clips.ShortClip | None) -> float:
        best = time_limits.seconds_to_beat(self.samples, proposal, workload, self.surface.space.baseline)
        if best is None:
            return math.inf
        beat = short.short_seconds(best) if short else best
        return beat * time_limits.slow_factor(self.surface.profile.workloads, workload)


def load(name: str) -> Tune:
    """The recorded tune of this name."""
    study = json.loads((FOLDER / f"{name}-study.json").read_text(encoding="utf-8"))
    result = json.loads((FOLDER / f"{name}-result.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (FOLDER / f"{name}-samples.jsonl").read_text(encoding="utf-8").splitlines()]
    samples = tuple(codec.load(Sample, _less(row)) for row in rows if row["kind"] == "sample")
    launches = tuple(codec.load(Launch, _less(row)) for row in rows if row["kind"] == "launch")
    space, profile = codec.load(Space, study["space"]), profiles.from_json(study["profile"])
    lines = _lines(samples, profile)
    stand_ins = _fitted(space, lines, profile.workloads[0].steps)
    told = study["prior"] or {"effects": [], "source": "", "doubt": 1.0}
    prior = search.Prior(tuple((d, level, value) for d, level, value in told["effects"]), told["source"], told["doubt"])
    starts, jitter = _noise(samples, lines, profile)
    cost = result["cost"]
    looking = (cost["warmup"] + cost["measuring"] - sum(one.cost for one in samples)) / len(samples)
    return Tune(name, space, profile, study["budget"], prior, samples, launches, cost["wall"],
                cost["waiting"] / len(launches), looking, result, {**stand_ins, **lines},
                frozenset(stand_ins), _loading(samples, lines), starts, jitter)


def _less(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "kind"}


def _first(samples: Sequence[Sample]) -> frozenset[int]:
    """Numbers of the clips that were a process's first: they also load the model."""
    seen: dict[int, int] = {}
    for one in samples:
        seen.setdefault(one.launch, one.number)
    return frozenset(seen.values())


def _clips(samples: Sequence[Sample], profile: Profile) -> Iterable[tuple[Sample, int, float]]:
    """(sample, steps, seconds that it took itself) of finished clips, without each process's first."""
    first, whole = _first(samples), profile.workloads[0].steps
    for one in samples:
        if one.number in first or one.seconds is None or one.state not in ("ok", "check", "warmup"):
            continue
        yield one, one.steps or whole, one.rendered if one.rendered is not None else one.seconds


def _lines(samples: Sequence[Sample], profile: Profile) -> dict[str, Line]:
    """A line in steps for every set of which anything was timed."""
    seen: dict[str, dict[int, list[float]]] = {}
    for one, steps, seconds in _clips(samples, profile):
        seen.setdefault(one.candidate, {}).setdefault(steps, []).append(seconds)
    whole = profile.workloads[0].steps
    points = {name: {steps: median(times) for steps, times in sorted(by.items())} for name, by in seen.items()}
    found: dict[str, Line] = {}
    for name, by in points.items():
        counts = [steps for steps in by if steps > time_limits.WARMUP_STEPS]
        if len(counts) == 2:
            step = (by[counts[1]] - by[counts[0]]) / (counts[1] - counts[0])
            found[name] = Line(by[whole] - step * whole, step)
    for name, by in points.items():
        if name not in found:
            steps = max(by)
            near = min(found, key=lambda other: abs(found[other].at(steps) - by[steps]))
            fixed = min(found[near].fixed, 0.9 * by[steps])
            found[name] = Line(fixed, (by[steps] - fixed) / steps)
    return found


def _fitted(space: Space, lines: dict[str, Line], whole: int) -> dict[str, Line]:
    """Stand-ins for the sets that were not measured."""
    levels = sorted({level for c in space.candidates for level in c.levels})
    base = set(space[space.baseline].levels)
    known = {level for c in space.candidates if c.id in lines for level in c.levels}
    rows = {c.id: [1.0] + [float(level in c.levels and level not in base) for level in levels]
            for c in space.candidates}
    names = list(lines)
    target = np.array([math.log(lines[name].at(whole)) for name in names])
    effects = np.linalg.lstsq(np.array([rows[name] for name in names]), target, rcond=None)[0]
    found = {}
    for c in space.candidates:
        if c.id not in lines:
            unknown = [level for level in c.levels if level not in known]
            added = sum(ADDED.get(level, 0.0) for level in unknown)
            log = float(np.array(rows[c.id]) @ effects) + sum(ELSEWHERE.get(level, 0.0) for level in unknown)
            seconds = math.exp(log)
            near = min(names, key=lambda name: abs(lines[name].at(whole) - seconds))
            fixed = lines[near].fixed
            found[c.id] = Line(fixed + added, (seconds - fixed) / whole)
    return found


def _loading(samples: Sequence[Sample], lines: dict[str, Line]) -> tuple[float, ...]:
    """Seconds that each process's first clip took more than another of its steps."""
    first = _first(samples)
    return tuple(max(0.0, one.seconds - lines[one.candidate].at(one.steps or 0)) for one in samples
                 if one.number in first and one.seconds is not None and one.candidate in lines)


def _noise(samples: Sequence[Sample], lines: dict[str, Line], profile: Profile) -> tuple[tuple[float, ...],
                                                                                         tuple[float, ...]]:
    """What starts differ by (log seconds, centred for each set) and what single clips differ by (seconds), both made
    larger by what their own means took away."""
    logs: dict[str, dict[int, list[float]]] = {}
    groups: dict[tuple[str, int, int], list[float]] = {}
    for one, steps, seconds in _clips(samples, profile):
        if one.state == "warmup":
            continue
        logs.setdefault(one.candidate, {}).setdefault(one.launch, []).append(
            math.log(seconds / lines[one.candidate].at(steps)))
        groups.setdefault((one.candidate, one.launch, steps), []).append(seconds)
    starts = []
    for by in logs.values():
        means = [fmean(one) for one in by.values()]
        if len(means) > 1:
            starts += [math.sqrt(len(means) / (len(means) - 1)) * (mean - fmean(means)) for mean in means]
    jitter = []
    for times in groups.values():
        if len(times) > 1:
            jitter += [math.sqrt(len(times) / (len(times) - 1)) * (one - fmean(times)) for one in times]
    return tuple(starts) or (0.0,), tuple(jitter) or (0.0,)


def again(tune: Tune, seed: int) -> float:
    """Seconds of the recorded starts and clips when they are drawn anew from the surface; about ``tune.wall``."""
    rng = random.Random(f"again {seed}")
    whole = tune.profile.workloads[0].steps
    processes: dict[int, Process] = {}
    total = 0.0
    for one in tune.samples:
        candidate = tune.space[one.candidate]
        if one.launch not in processes:
            processes[one.launch] = tune.process(candidate, rng)
            total += processes[one.launch].startup + tune.stopping
        share = (one.steps or whole) / whole
        clip = processes[one.launch].clip(candidate, 0, total, one.state == "warmup", share)
        given_up = (one.rendered or one.seconds or 0.0) + GIVING_UP if one.state == "too_slow" else math.inf
        total += min(clip.seconds, given_up) + tune.looking
    return total


def one(tune: Tune, seed: int) -> tuple[Session, Verdict, float]:
    """One session of the default strategy on the recorded tune, within its budget, and when its verdict stood: after
    that come only more pairs to tell a gain precisely, and clips for longer ones."""
    session = Paced(tune, random.Random(f"replayed {seed}"), tune.budget, short=True, stopping=tune.stopping,
                    looking=tune.looking)
    strategy = search.make_strategy("screen", tune.space, tune.profile, "speed", seed, tune.told)
    history, stood, stands = session.history(), session.now, None
    while (proposal := strategy.next(history)) is not None and session.now < tune.budget:
        session.execute(proposal)
        history = session.history()
        if proposal.steps is not None:
            continue
        compared = proposal.purpose in ("confirm", "ablate")
        told = decide.verdict(history, tune.space, tune.profile, "speed") if compared else None
        now = (told.decision, told.winner and told.winner.candidate) if told and told.sure else None
        if now is None or now != stands:
            stood, stands = session.now, now
    return session, decide.verdict(history, tune.space, tune.profile, "speed"), stood


def same(tune: Tune, verdict: Verdict) -> bool:
    """Whether it ends as recorded: the same decision, and a set less than the minimum gain slower than the recorded
    one (what was recorded does not tell nearer sets apart)."""
    then = tune.recorded["winner"] if tune.recorded["decision"] == "apply" else None
    if (verdict.decision == "apply") != (then is not None):
        return False
    if then is None or verdict.winner is None:
        return True
    before = next(c.id for c in tune.space.candidates if codec.dump(c.effective) == then["effective"])
    slower = tune.true_score(verdict.winner.candidate) - tune.true_score(before)
    return slower < math.log1p(tune.profile.decide.min_gain)


def report(name: str, sessions: int, seed: int) -> dict[str, Any]:
    """What the recorded tune took, what it takes now, and how often it ends alike."""
    tune = load(name)
    spent, whole, near, within, alike = [], [], [], [], []
    chosen: dict[str, int] = {}
    for number in range(seed, seed + sessions):
        session, verdict, stood = one(tune, number)
        spent.append(stood)
        whole.append(session.now)
        near.append(near_equal(tune, session.samples, session.launches) / session.now)
        within.append(near_equal(tune, session.samples, session.launches, 1.0) / session.now)
        alike.append(same(tune, verdict))
        told = verdict.winner.candidate if verdict.decision == "apply" and verdict.winner else "keep"
        chosen[told] = chosen.get(told, 0) + 1
    best = min(tune.true_score(c.id) for c in tune.space.candidates)
    base = tune.true_score(tune.space.baseline)
    return {
        "recorded_seconds": tune.wall, "surface_seconds": round(fmean(again(tune, n) for n in range(20)), 1),
        "seconds": round(median(spent), 1), "whole_seconds": round(median(whole), 1),
        "ratio": round(median(spent) / tune.wall, 3),
        "same": round(fmean(alike), 3), "near": round(fmean(near), 4),
        "within_min_gain": round(fmean(within), 4),
        "recorded_near": round(near_equal(tune, tune.samples, tune.launches) / tune.wall, 4),
        "recorded_within_min_gain": round(near_equal(tune, tune.samples, tune.launches, 1.0) / tune.wall, 4),
        "chosen": dict(sorted(chosen.items(), key=lambda item: -item[1])), "sets": len(tune.space.candidates),
        "stand_ins": len(tune.stand_ins), "best_gain": round(math.exp(base - best) - 1.0, 4),
        "start_sd": round(float(np.std(tune.starts)), 4), "clip_sd_seconds": round(float(np.std(tune.jitter)), 4),
    }


def main(words: Sequence[str] | None = None) -> int:
    """Prints a block a tune, or one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replayed", description=__doc__)
    parser.add_argument("--tunes", default=",".join(TUNES))
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    names = given.tunes.split(",")
    if any(name not in TUNES for name in names):
        parser.error(f"there are {', '.join(TUNES)}")
    found = {name: report(name, given.sessions, given.seed) for name in names}
    if given.json:
        print(json.dumps(found, indent=1))
        return 0
    for name, row in found.items():
        print(f"{name}: {row['seconds']:.0f} s to the verdict, {row['recorded_seconds']:.0f} s recorded "
              f"({row['ratio']:.2f}), {row['whole_seconds']:.0f} s in all; ends as recorded in "
              f"{100 * row['same']:.0f} %")
        print(f"  among sets within half the minimum gain: {100 * row['near']:.0f} % of the time now, "
              f"{100 * row['recorded_near']:.0f} % recorded; within the minimum gain "
              f"{100 * row['within_min_gain']:.0f} and {100 * row['recorded_within_min_gain']:.0f} %")
        print(f"  the recorded starts and clips drawn anew take {row['surface_seconds']:.0f} s; {row['sets']} sets, "
              f"{row['stand_ins']} of them stand-ins; best set {100 * row['best_gain']:.0f} % faster")
        for told, count in row["chosen"].items():
            print(f"  {count:4d}  {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
