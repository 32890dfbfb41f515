"""Attention on real cards: what each class takes on the GPUs of webui-benchmarks-2023.csv, and what a table made
without that GPU expects of it.

AnimateDiff renders what attention saves at another scale than the txt2img of the CSV: on an RTX 3090 sdp saves 0.145
and 0.247 (log seconds, the article's two workloads) where the CSV says 0.37; on an H200 0.38 and 0.80 (two workloads)
where the nearest card of the CSV, an RTX 4090, says 0.42. Hence SCALE.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import median

from benchmarks import make_priors

SCALE = (0.39, 1.9)
"""Log seconds in AnimateDiff over log seconds in the CSV: lowest and highest of the four comparisons above."""
SLOWEST = 1.7
"""No class takes more than this in log seconds against Doggettx (5.5 times; the CSV's worst is sdp on a GTX 1070)."""
UNSEEN_SD = 0.08
"""How far a class that was not measured on a card may lie from what other cards of its generation say."""


@dataclass(frozen=True)
class Card:
    """``measured``: log seconds of attention levels relative to Doggettx; ``expected``: the same from all other
    GPUs' records, by compute capability; ``runs``: how far each recorded run of a level lay from their median."""

    name: str
    measured: dict[str, float]
    expected: dict[str, float]
    runs: dict[str, tuple[float, ...]] = field(default_factory=dict)


@lru_cache(maxsize=1)
def cards() -> tuple[Card, ...]:
    """The CSV's NVIDIA GPUs with at least two classes measured, under torch 2 where that was, in alphabetical order."""
    cases = make_priors.times()
    every = make_priors.runs()
    found = []
    for name in sorted({case[0] for case in cases}):
        mine = {case: seen for case, seen in cases.items() if case[0] == name}
        case = max(mine, key=lambda one: one[2])
        table = make_priors.fit({k: v for k, v in cases.items() if k[0] != name})
        expected = table.get(f"2/{case[1]}", table["2/any"])
        seen = {level: value for level, (value, _) in mine[case].items()}
        known = [level for level in seen if level in expected]
        if not known:
            continue
        split = seen.get("split", median(seen[level] - expected[level] for level in known))
        apart = {level: tuple(run - seen[level] for run in runs) for level, runs in every[case].items()}
        found.append(Card(name, {level: value - split for level, value in seen.items()}, expected, apart))
    return tuple(found)


def ratios(card: Card, others: dict[str, float], rng: random.Random) -> dict[str, float]:
    """Times of the attention classes relative to Doggettx on this card in some AnimateDiff workload.

    ``others``: ratios of the classes of which neither this card's nor other cards' records tell anything.
    """
    scale = math.exp(rng.uniform(math.log(SCALE[0]), math.log(SCALE[1])))
    found = {}
    for level, other in others.items():
        unseen = rng.gauss(0.0, UNSEEN_SD)
        if level in card.measured:
            log = scale * card.measured[level]
        elif level in card.expected:
            log = scale * (card.expected[level] + unseen)
        else:
            log = math.log(other)
        found[level] = math.exp(min(log, SLOWEST))
    return found
