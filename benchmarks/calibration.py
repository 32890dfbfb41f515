"""How often the fresh pairs of `decide.compare` tell two equal sets apart, and how soon they see a true gain.

    python -m benchmarks.calibration [--comparisons 1500] [--seed 7] [--json FILE]

Pairs are drawn with known noise between starts and between clips, 5 % of the clips stalled by 3 to 12 %, beside the
clips of a search of eight sets, and looked at after each pair from the second on, as a tune does. ``apart``: the
interval leaves 1 out although the sets are equal; ``adopted``: the answer is "better". This is what the figures of
decide/noise.py and the boundaries of decide/looks.py were chosen by. Whole tunes under the same noise, search and
budget included, are in benchmarks.noisy.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from autotune.decide import compare
from autotune.decide.assumptions import RULES
from autotune.decide.rounds import Round

STARTS_CLIPS = ((0.01, 0.007), (0.014, 0.02), (0.02, 0.007), (0.02, 0.02), (0.014, 0.05), (0.03, 0.02), (0.03, 0.05),
                (0.05, 0.02), (0.05, 0.05), (0.08, 0.02), (0.08, 0.05))
"""Standard deviations of log seconds between starts and between clips of one start."""
GAINS = (0.0, 0.03, 0.05, 0.1, 0.2)
CLIPS = ((1, 3), (3, 3))
"""Clips a start in the first two pairs, and in later ones."""

Case = tuple[float, float, float, int, int, int, int]


def clips(rng: random.Random, name: str, launch: int, block: int | None, centre: float, within: float,
          count: int) -> tuple[Round, ...]:
    """The rounds of one start."""
    found = []
    for _ in range(count):
        stalled = rng.uniform(0.03, 0.12) if rng.random() < 0.05 else 0.0
        found.append(Round(name, launch, "screen" if block is None else "confirm", block,
                           centre + rng.gauss(0.0, within) + stalled, None, 0))
    return tuple(found)


def comparison(rng: random.Random, case: Case) -> tuple[bool, bool, int]:
    """(adopted, told apart, pairs made) of one comparison."""
    gain, between, within, first, later, *_ = case
    rounds: tuple[Round, ...] = ()
    for number in range(8):
        rounds += clips(rng, f"set {number}", 1000 + number // 4, None, rng.gauss(0.0, between), within, 1 + number % 2)
    pairs: tuple[compare.Block, ...] = ()
    while True:
        block = len(pairs)
        count = first if block < RULES.min_blocks else later
        left = clips(rng, "a", 2 * block, block, rng.gauss(0.0, between), within, count)
        right = clips(rng, "b", 2 * block + 1, block, rng.gauss(0.0, between) - gain, within, count)
        pairs += (compare.Block(block, left, right),)
        rounds += left + right
        found = compare.compare(pairs, rounds, 0.02, 0.95)
        if found is not None and (found.answer != "not sure" or len(pairs) >= RULES.max_blocks):
            apart = not found.interval.low < 1.0 < found.interval.high
            return found.answer == "better", apart, len(pairs)


def shares(case: Case) -> dict[str, float]:
    """Shares over all comparisons of a case."""
    rng = random.Random(f"{case}")
    found = [comparison(rng, case) for _ in range(case[5])]
    return {"gain": case[0], "starts": case[1], "clips": case[2], "first": case[3], "later": case[4],
            "adopted": sum(one[0] for one in found) / len(found), "apart": sum(one[1] for one in found) / len(found),
            "pairs": sum(one[2] for one in found) / len(found)}


def table(rows: Sequence[dict[str, float]]) -> str:
    """One line for each noise and number of clips."""
    lines = [f"{'starts':>7}{'clips':>7}{'a start':>9}{'equal: apart':>14}{'adopted':>9}   "
             + "".join(f"{f'{100 * gain:.0f} %: adopted, pairs':>24}" for gain in GAINS[1:])]
    for first, later in CLIPS:
        for between, within in STARTS_CLIPS:
            mine = {row["gain"]: row for row in rows if (row["starts"], row["clips"], row["first"], row["later"])
                    == (between, within, first, later)}
            lines.append(f"{between:>7}{within:>7}{f'{first}, {later}':>9}{100 * mine[0.0]['apart']:>13.1f}%"
                         f"{100 * mine[0.0]['adopted']:>8.1f}%   " + "".join(
                             f"{100 * mine[gain]['adopted']:>16.1f}%{mine[gain]['pairs']:>7.1f}" for gain in GAINS[1:]))
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Draws, prints the table, writes the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--comparisons", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    cases: list[Case] = [(gain, between, within, first, later, given.comparisons, given.seed)
                         for gain in GAINS for between, within in STARTS_CLIPS for first, later in CLIPS]
    with ProcessPoolExecutor(given.workers) as pool:
        rows = list(pool.map(shares, cases))
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
