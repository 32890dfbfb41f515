"""How often fresh pairs alone adopt one of two equal sets, how soon they see a true gain, and how well they tell it.

    python -m benchmarks.calibration [--comparisons 400] [--seed 200000] [--live] [--noises NAME…] [--json FILE]

Only the comparison is drawn, not the search, so that thousands are done in a minute: what a search of four sets would
have seen, then pairs until `decide.compare` settles it, or is precise, as a tune does. Machines differ in what starts
and clips are off by: normal, heavy tails, two clocks drawn for each start or changing while it runs, drift; one clip in
twenty is stalled by 3 to 12 % everywhere. ``--live``: both sides in one process, in turn, instead of a cold start each.

``adopted``: the answer is "better"; with a gain of 0 that is a false adoption. ``pairs``, ``seconds`` of the GPU: of
the whole comparison, of which ``sure`` until the question was settled. ``held``: of those adopted, the share whose
interval holds the true gain; ``within``: median half width of their intervals.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from autotune.decide import compare
from autotune.decide.assumptions import RULES
from autotune.decide.rounds import Round
from autotune.model.workload import DecideSpec

RULE = DecideSpec()
START, WARM, SWITCH, CLIP = 22.0, 6.0, 2.0, 7.0
"""Seconds on the H200: to ready, warming up a process, warming up the second set in it, one clip."""


@dataclass(frozen=True)
class Noise:
    """What a machine does to times, in log seconds. ``start``, ``clip``: standard deviations; ``tails``: Student's t
    with three degrees of freedom instead of normal; ``kinds``: each start is of one of two kinds, 5 to 15 % apart;
    ``clocks``: the machine changes between two such speeds, staying one to fifteen minutes; ``drift``: log change per
    hour, either way, at most."""

    start: float
    clip: float = 0.02
    tails: bool = False
    kinds: bool = False
    clocks: bool = False
    drift: float = 0.0


NOISES = {
    "starts 1 % clips 0.7 %": Noise(0.01, 0.007), "starts 1.5 %": Noise(0.015), "starts 3 %": Noise(0.03),
    "starts 5 %": Noise(0.05), "starts 8 %": Noise(0.08), "clips 6 %": Noise(0.015, 0.06),
    "starts 5 % clips 6 %": Noise(0.05, 0.06), "tails 1.5 %": Noise(0.015, tails=True),
    "tails 3 %": Noise(0.03, tails=True), "two kinds of start": Noise(0.015, kinds=True),
    "two clocks": Noise(0.015, clocks=True), "drift": Noise(0.015, drift=0.3),
}
GAINS = (0.0, 0.05, 0.1, 0.3)


@dataclass
class Machine:
    """One machine of a noise, in its own time."""

    noise: Noise
    rng: random.Random
    now: float = 0.0
    shift: float = 0.0
    own: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gap, self.share = self.rng.uniform(0.05, 0.15), self.rng.uniform(0.2, 0.8)
        self.stay = math.exp(self.rng.uniform(math.log(60.0), math.log(900.0)))
        self.slow, self.until = self.rng.random() < self.share, self.rng.expovariate(1.0 / self.stay)
        self.rate = self.rng.choice((-1.0, 1.0)) * self.rng.uniform(0.0, self.noise.drift) / 3600.0

    def _draw(self, sd: float) -> float:
        wide = math.sqrt(self.rng.gammavariate(1.5, 2.0) / 3.0) if self.noise.tails else 1.0
        return sd * self.rng.gauss(0.0, 1.0) / wide

    def start(self) -> None:
        """A new process, warmed up."""
        self.now += START + WARM
        self.shift, self.own = self._draw(self.noise.start * math.sqrt(0.5)), {}
        if self.noise.kinds and self.rng.random() < self.share:
            self.shift += self.gap

    def clip(self, name: str, score: float) -> float:
        """Log seconds of one clip of a set that takes ``score``."""
        if name not in self.own:
            self.now += SWITCH if self.own else 0.0
            self.own[name] = self._draw(self.noise.start * math.sqrt(0.5))
        log = score + self.shift + self.own[name] + self._draw(self.noise.clip) + self.rate * self.now
        if self.rng.random() < 0.05:
            log += self.rng.uniform(0.03, 0.12)
        if self.noise.clocks:
            while self.until < self.now:
                self.slow, self.until = not self.slow, self.until + self.rng.expovariate(1.0 / self.stay)
            log += self.gap * self.slow
        self.now += CLIP * math.exp(log)
        return log


@dataclass
class Study:
    """A comparison of set ``a`` with set ``b`` that is faster by a log gain, on one machine."""

    machine: Machine
    gain: float
    count: int
    live: bool
    rounds: list[Round] = field(default_factory=list)
    launch: int = 0

    def clips(self, name: str, block: int | None, count: int) -> tuple[Round, ...]:
        """More clips of a set in the process that is up."""
        score = {"b": -self.gain, "d": 0.1}.get(name, 0.0)
        for _ in range(count):
            self.rounds.append(Round(name, self.launch, "screen" if block is None else "confirm", block,
                                     self.machine.clip(name, score), None, len(self.rounds)))
        return tuple(self.rounds[-count:])

    def begin(self) -> None:
        """Another process."""
        self.machine.start()
        self.launch += 1

    def search(self) -> None:
        """What a search leaves: three processes, some sets in two of them."""
        for sets in (("a", "a", "c", "d"), ("b", "b", "c"), ("d",)):
            self.begin()
            for name in sets:
                self.clips(name, None, 1)

    def block(self, number: int) -> compare.StartPair:
        """One more pair."""
        first, second = ("a", "b") if number % 2 == 0 else ("b", "a")
        sides: dict[str, tuple[Round, ...]] = {"a": (), "b": ()}
        if self.live:
            self.begin()
            for turn in range(2 * self.count):
                name = first if turn % 4 in (0, 3) else second
                sides[name] += self.clips(name, number, 1)
        else:
            for name in (first, second):
                self.begin()
                sides[name] = self.clips(name, number, self.count)
        return compare.StartPair(number, sides["a"], sides["b"])


@dataclass(frozen=True)
class Outcome:
    """How one comparison ended."""

    adopted: bool
    pairs: int
    seconds: float
    sure: float
    held: bool
    reach: float


def compared(rng: random.Random, noise: Noise, gain: float, count: int, live: bool) -> Outcome:
    """One comparison, from the first pair to the answer and as much precision as a tune wants."""
    study = Study(Machine(noise, rng), math.log1p(gain), count, live)
    study.search()
    began = study.machine.now
    pairs: tuple[compare.StartPair, ...] = ()
    sure, since = 0.0, 0
    while True:
        pairs += (study.block(len(pairs)),)
        found = compare.compare(pairs, tuple(study.rounds), RULE.min_gain, RULE.confidence)
        if found is None:
            continue
        seconds = study.machine.now - began
        better, last = found.answer == "better", len(pairs) >= RULES.max_blocks
        if better and not since:
            sure, since = seconds, len(pairs)
        futile = found.answer == "not sure" and found.chance(math.log1p(RULE.min_gain)) < RULES.futile_chance
        enough = better and (compare.is_precise(found, RULE) or len(pairs) >= (1.0 + RULES.precision_pairs) * since)
        if enough or futile or last or found.answer == "not better":
            held = found.interval.low <= 1.0 + gain <= found.interval.high
            return Outcome(better, len(pairs), seconds, sure or seconds, held, found.half_width)


Case = tuple[str, float, bool, int, int, int]


def case(task: Case) -> dict[str, Any]:
    """All comparisons of one noise and gain."""
    name, gain, live, count, comparisons, seed = task
    found = [compared(random.Random(f"{seed + i} {name} {gain}"), NOISES[name], gain, count, live)
             for i in range(comparisons)]
    adopted = [one for one in found if one.adopted]
    return {"noise": name, "gain": gain, "live": live, "clips": count, "comparisons": comparisons,
            "adopted": len(adopted) / len(found), "pairs": fmean(one.pairs for one in found),
            "seconds": fmean(one.seconds for one in found), "sure": fmean(one.sure for one in found),
            "held": fmean(one.held for one in adopted) if adopted else None,
            "within": median(one.reach for one in adopted) if adopted else None}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line for each noise."""
    gains = sorted({row["gain"] for row in rows})
    lines = [f"{'noise':26}" + "".join(f"{f'{100 * gain:.0f} %: adopted  pairs sure s  all s held':>48}"
                                       for gain in gains)]
    for name in dict.fromkeys(row["noise"] for row in rows):
        cells = []
        for row in (row for row in rows if row["noise"] == name):
            held = "" if row["held"] is None else f"{100 * row['held']:.0f} %"
            cells.append(f"{100 * row['adopted']:.1f} %{row['pairs']:>7.1f}{row['sure']:>7.0f}{row['seconds']:>7.0f}"
                         f"{held:>6}")
        lines.append(f"{name:26}" + "".join(f"{cell:>48}" for cell in cells))
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Draws, prints the table, writes the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--comparisons", type=int, default=400)
    parser.add_argument("--seed", type=int, default=200_000)
    parser.add_argument("--clips", type=int, default=2, help="clips of each side in a pair")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--noises", nargs="+", choices=NOISES, default=list(NOISES), metavar="NAME")
    parser.add_argument("--gains", nargs="+", type=float, default=GAINS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    tasks: list[Case] = [(name, gain, given.live, given.clips, given.comparisons, given.seed)
                         for name in given.noises for gain in given.gains]
    with ProcessPoolExecutor(given.workers) as pool:
        rows = list(pool.map(case, tasks))
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
