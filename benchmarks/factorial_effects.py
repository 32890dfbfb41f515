"""What recorded factorials tell of interactions and of the noise of starts, with standard errors.

    python -m benchmarks.factorial_effects [FILE.jsonl ...] [--sampling]

All in per cent (log seconds). Each process rendered every attention class, so what concerns attention is told from
differences within processes, and what concerns a launch flag alone from means of whole processes. Standard errors are
pooled over what processes of the same words differ by; with two processes a pair they have few degrees of freedom.
``--sampling``: of the seconds up to the last step, without decoding and the GIF; the VAE does nothing there, so each
effect of no_half_vae on it shows what chance and the machine's other load do.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import factorial

Pair = tuple[str, str]
"""(channels-last, no-half-vae)."""
PAIRS: tuple[Pair, ...] = (("false", "false"), ("false", "true"), ("true", "false"), ("true", "true"))
FLAGS = {"channelslast": {p: 1 if p[0] == "true" else -1 for p in PAIRS},
         "no_half_vae": {p: 1 if p[1] == "true" else -1 for p in PAIRS}}
BOTH = {p: FLAGS["channelslast"][p] * FLAGS["no_half_vae"][p] for p in PAIRS}


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect in log seconds, its standard error, and the degrees of freedom of that."""

    name: str
    order: int
    value: float
    error: float
    df: int


@dataclass(frozen=True, slots=True)
class Contrasts:
    """One number a process, by the words of its start."""

    by_pair: dict[Pair, list[float]]

    @property
    def df(self) -> int:
        """Processes beyond the first of each words."""
        return sum(len(found) - 1 for found in self.by_pair.values())

    @property
    def variance(self) -> float:
        """What processes of the same words differ by, squared."""
        squares = sum((one - fmean(found)) ** 2 for found in self.by_pair.values() for one in found)
        return squares / self.df if self.df else math.nan

    def effect(self, name: str, order: int, signs: dict[Pair, int] | None, scale: float,
               noise: tuple[float, int] | None = None) -> Effect:
        """The signed sum over the four pairs times ``scale``; without signs the plain one. ``noise``: (variance,
        degrees of freedom) in place of its own."""
        variance, df = noise or (self.variance, self.df)
        weights = {pair: scale * (signs[pair] if signs else 1) for pair in PAIRS}
        value = sum(weight * fmean(self.by_pair[pair]) for pair, weight in weights.items())
        error = math.sqrt(variance * sum(weight**2 / len(self.by_pair[pair]) for pair, weight in weights.items()))
        return Effect(name, order, value, error, df)


def processes(rows: Sequence[dict[str, Any]], field: str) -> dict[int, tuple[Pair, dict[str, list[float]]]]:
    """By process: its pair, and the log seconds of each class's clips; only processes with every class."""
    classes = {row["levels"]["attention"] for row in rows}
    found: dict[int, tuple[Pair, dict[str, list[float]]]] = {}
    for row in rows:
        levels = row["levels"]
        logs = [math.log(seconds) for seconds in row[field] if seconds]
        if logs:
            pair = (levels["channelslast"], levels["no_half_vae"])
            found.setdefault(row["process"], (pair, {}))[1][levels["attention"]] = logs
    return {number: one for number, one in found.items() if set(one[1]) == classes}


def contrasts(found: dict[int, tuple[Pair, dict[str, list[float]]]], weights: dict[str, float]) -> Contrasts:
    """A weighted sum over the classes, process by process."""
    by_pair: dict[Pair, list[float]] = defaultdict(list)
    for pair, classes in found.values():
        by_pair[pair].append(sum(weight * fmean(classes[name]) for name, weight in weights.items()))
    return Contrasts(dict(by_pair))


def effects(found: dict[int, tuple[Pair, dict[str, list[float]]]], base: str) -> list[Effect]:
    """Main effects against ``base`` and "without the flag", and interactions as differences of differences."""
    classes = list(next(iter(found.values()))[1])
    means = contrasts(found, {name: 1.0 / len(classes) for name in classes})
    told = [means.effect(name, 1, signs, 0.5) for name, signs in FLAGS.items()]
    told.append(means.effect("channelslast x no_half_vae", 2, BOTH, 1.0))
    every = [contrasts(found, {one: 1.0, other: -1.0}) for one, other in itertools.combinations(classes, 2)]
    noise = (fmean(one.variance for one in every), means.df * (len(classes) - 1))  # alike for all classes
    for name in sorted(set(classes) - {base}):
        against = contrasts(found, {name: 1.0, base: -1.0})
        told.append(against.effect(name, 1, None, 0.25, noise))
        told += [against.effect(f"{name} x {flag}", 2, signs, 0.5, noise) for flag, signs in FLAGS.items()]
        told.append(against.effect(f"{name} x channelslast x no_half_vae", 3, BOTH, 1.0, noise))
    return sorted(told, key=lambda effect: effect.order)


def hidden(told: Sequence[Effect], order: int) -> tuple[float, float, float]:
    """What a set's own part of this order would have as a deviation: as the interactions' mean square less that of
    their errors tells, as errors alone would look like, and at most (95 %, as if the interactions were independent).

    A difference of differences holds 2 to the order cells."""
    mine = [effect for effect in told if effect.order == order]
    cells, count = 2**order, len(mine)
    errors = fmean(effect.error**2 for effect in mine)
    square = fmean(effect.value**2 for effect in mine)
    least_chi = (1.0 - 2.0 / (9.0 * count) - 1.645 * math.sqrt(2.0 / (9.0 * count))) ** 3  # Wilson and Hilferty
    bounds = (max(0.0, square - errors), errors, max(0.0, square / least_chi - errors))
    return math.sqrt(bounds[0] / cells), math.sqrt(bounds[1] / cells), math.sqrt(bounds[2] / cells)


def report(path: Path, field: str) -> str:
    """One file's effects and noises as text."""
    head, *rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    found = processes(rows, field)
    told = effects(found, head["baseline"]["attention"])
    said = [f"{path.stem} ({field}, {len(found)} processes)", f"  {'effect':44} {'%':>7} {'se':>6} {'df':>3}"]
    said += [f"  {e.name:44} {100 * e.value:7.1f} {100 * e.error:6.1f} {e.df:3}" for e in told]
    for order, name in ((2, "interactions of two"), (3, "interactions of three")):
        size, alone, most = hidden(told, order)
        said.append(f"  {name}: {100 * size:.1f} % beyond their errors (errors alone look like {100 * alone:.1f} %), "
                    f"at most {100 * most:.1f} %")
    parts = factorial.components([(f"{pair}", classes) for pair, classes in found.values()])
    said.append(f"  noise: process {100 * parts.process:.1f} % (with one standard error {100 * parts.most[0]:.1f} %), "
                f"set in process {100 * parts.own:.1f} % ({100 * parts.most[1]:.1f} %), clip {100 * parts.clip:.1f} %")
    return "\n".join(said)


def main(words: Sequence[str] | None = None) -> int:
    """Prints what the files tell."""
    parser = argparse.ArgumentParser(description="Interactions and noises of recorded factorials.")
    parser.add_argument("files", nargs="*", type=Path, default=list(factorial.files().values()))
    parser.add_argument("--sampling", action="store_true", help="of sampling alone, without decoding and the GIF")
    given = parser.parse_args(words)
    for path in given.files:
        print(report(path, "sampling" if given.sampling else "clips"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
