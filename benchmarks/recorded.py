"""A recorded tune as a surface to tune on again, and how much faster its replay is than it was.

python -m benchmarks.recorded FILE.json… [--sessions 20] [--seed 0]    (files made by `autotune export`)
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from autotune import decide, search
from autotune.decide.rounds import is_usable, rounds
from autotune.model import codec
from autotune.model.errors import UsageProblem
from autotune.model.flagset import Candidate, Space
from autotune.model.study import Failure, History, Launch, Sample
from autotune.model.workload import Profile
from autotune.overview.exported_study import read_export, replay
from autotune.workload import profile as profiles
from benchmarks.virtual import Clip, Process, Session, regret

Key = tuple[str, int]
RATHER = 1000.0
"""Times faster than real that a replay must be."""


@dataclass(frozen=True)
class Recorded:
    """A surface of one study's samples: a process is one of the recorded processes that ran the set (so that the
    noise between starts is the recorded one), its clips are drawn from that one's with replacement.

    Holds the sets that were rendered in whole rounds or failed; ``clips``: set and workload to the clips of each
    process; ``warmups``: the same for warm-up clips, all processes together.
    """

    space: Space
    profile: Profile
    clips: dict[Key, tuple[tuple[Sample, ...], ...]]
    warmups: dict[Key, tuple[float, ...]]
    failing: dict[str, tuple[Failure, float]]
    startups: tuple[float, ...]
    score: dict[str, float]

    def true_score(self, candidate: str) -> float:
        """Mean log score of the recorded rounds, infinite for a set that failed."""
        return self.score.get(candidate, math.inf)

    def process(self, candidate: Candidate, rng: random.Random) -> Process:  # noqa: ARG002
        """See Surface."""
        return RecordedProcess(self, rng)


class RecordedProcess:
    """A process on a recorded surface."""

    def __init__(self, surface: Recorded, rng: random.Random) -> None:
        self.surface = surface
        self.rng = rng
        self.startup = rng.choice(surface.startups)
        self.failure: Failure | None = None
        self.held: dict[Key, tuple[Sample, ...]] = {}

    def clip(self, candidate: Candidate, workload: int, now: float,  # noqa: ARG002
             warmup: bool, steps: float = 1.0) -> Clip:  # noqa: ARG002
        """See Process."""
        key = (candidate.id, workload)
        if candidate.id in self.surface.failing:
            failure, cost = self.surface.failing[candidate.id]
            return Clip(cost, failure)
        if warmup and self.surface.warmups.get(key):
            return Clip(self.rng.choice(self.surface.warmups[key]))
        if key not in self.held:
            self.held[key] = self.rng.choice(self.surface.clips[key])
        sample = self.rng.choice(self.held[key])
        return Clip(sample.seconds or sample.cost, None, sample.memory_peak)


def surface(document: dict[str, Any]) -> Recorded:
    """The surface of an exported study. Raises UsageProblem when it is damaged, or when its baseline has no whole
    round or its launches no good start: nothing could be compared on it."""
    try:
        space = codec.load(Space, document["study"]["space"])
        profile = profiles.from_json(document["study"]["profile"])
        samples = tuple(codec.load(Sample, row) for row in document["samples"])
        launches = tuple(codec.load(Launch, row) for row in document["launches"])
    except (KeyError, ValueError) as error:
        raise UsageProblem(f"the study is damaged: {error}", "Export it again.") from None
    scores: dict[str, list[float]] = {}
    for one in rounds(History(samples, launches), profile):
        scores.setdefault(one.candidate, []).append(one.score)
    startups = tuple(launch.startup for launch in launches if launch.failure is None)
    if space.baseline not in scores or not startups:
        raise UsageProblem("the study never timed its baseline", "Give a study with a verdict.")
    grouped: dict[Key, dict[int, list[Sample]]] = {}
    warmups: dict[Key, list[float]] = {}
    failing: dict[str, tuple[Failure, float]] = {}
    for sample in samples:
        key = (sample.candidate, sample.workload)
        if is_usable(sample):
            grouped.setdefault(key, {}).setdefault(sample.launch, []).append(sample)
        elif sample.state == "warmup":
            warmups.setdefault(key, []).append(sample.cost)
        elif sample.state == "failed" and sample.failure and sample.candidate not in scores:
            failing[sample.candidate] = (sample.failure, sample.cost)
    kept = tuple(c for c in space.candidates if c.id in scores or c.id in failing)
    clips = {key: tuple(map(tuple, found.values())) for key, found in grouped.items()}
    return Recorded(
        replace(space, candidates=kept), profile, clips, {key: tuple(found) for key, found in warmups.items()},
        failing, startups, {name: fmean(found) for name, found in scores.items()})


def replayed(document: dict[str, Any]) -> dict[str, Any]:
    """How long the verdict takes again, in seconds, against the recorded wall time, and whether it is the same."""
    replay(document)  # the first one also loads the numerical libraries
    began = time.perf_counter()
    again = replay(document)
    seconds = time.perf_counter() - began
    wall = float(document["cost"]["wall"])
    return {"replay_seconds": seconds, "wall": wall, "times": wall / seconds, "same": again["same_as_recorded"]}


def tuned(where: Recorded, objective: str, sessions: int, seed: int) -> dict[str, Any]:
    """Sessions of the default strategy on the surface: regret against the best recorded set, time and clips."""
    lost, spent, clips = [], [], []
    for number in range(seed, seed + sessions):
        session = Session(where, random.Random(f"recorded {number}"), 60.0 * where.profile.minutes)
        history = session.run(search.make_strategy("screen", where.space, where.profile, objective, 0))
        verdict = decide.verdict(history, where.space, where.profile, objective)
        adopted = verdict.decision == "apply" and verdict.winner is not None
        chosen = verdict.winner.candidate if adopted and verdict.winner else where.space.baseline
        lost.append(regret(where, chosen))
        spent.append(session.now)
        clips.append(sum(1 for s in session.samples if s.state != "warmup"))
    return {"sets": len(where.space.candidates), "regret_mean": fmean(lost), "seconds": median(spent),
            "clips": median(clips)}


def main(argv: list[str] | None = None) -> int:
    """Prints two lines a file; exit 1 when a verdict differs or a replay is slower than RATHER times real."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recorded", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    good = True
    for path in options.files:
        document = read_export(path)
        speed = replayed(document)
        good = good and speed["same"] is not False and speed["times"] >= RATHER
        print(f"{path.name}: replayed in {1000 * speed['replay_seconds']:.0f} ms, {speed['times']:.0f} times faster "
              f"than its {speed['wall']:.0f} s; same verdict: {speed['same']}")
        found = tuned(surface(document), str(document["study"]["objective"]), options.sessions, options.seed)
        print(f"  as a surface of {found['sets']} sets: mean regret {100 * found['regret_mean']:.2f} %, "
              f"{found['seconds']:.0f} s, {found['clips']:.0f} clips in {options.sessions} sessions")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
