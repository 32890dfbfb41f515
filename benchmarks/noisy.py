"""Whole tunes on noisy machines: how often equal sets are told apart, true gains adopted, and what that costs.

python -m benchmarks.noisy [--sessions 200] [--seed 0] [--parts table,slow-clips] [--json]

``table``: drawn surfaces (benchmarks.surfaces) with starts that differ by 1.5, 3, 5 and 8 % and clips that differ by 2
and 5 % (standard deviations), 5 % of the clips stalled; all sets equal, and the best set truly 5 and 10 % faster; no
budget to speak of. ``slow-clips``: a machine as a real CPU was: clips of 25 s that vary by 6 %, starts of 20 s and
35 s until the first set is warm, 25 minutes; one flag makes clips 12 % faster. Shares as fractions.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from statistics import fmean, median
from typing import Any

from autotune.model.flagset import Dimension
from benchmarks import families, surfaces
from benchmarks.tuned import prior, tune
from benchmarks.virtual import regret

STARTS, CLIPS, GAINS = (0.015, 0.03, 0.05, 0.08), (0.02, 0.05), (0.0, 0.05, 0.10)
SLOW_GAIN, SLOW_BUDGET = 0.12, 25 * 60.0

Task = tuple[str, float, float, float, int]


def slow_clips(seed: int, gain: float = SLOW_GAIN) -> surfaces.Drawn:
    """A machine whose clips are long and vary: channels-last makes them faster by ``gain``, the attention classes are
    about alike or slower, as on a CPU. 35 s until a process is warm: a warm-up clip's 5 s, and 30 s more for its first.
    """
    rng = random.Random(f"slow clips {seed}")
    dimensions = (Dimension("attention", ("split", "sdp", "sdp-no-mem", "sub-quad", "v1", "invokeai"), True),
                  Dimension("channelslast", ("false", "true"), False),
                  Dimension("no_half_vae", ("false", "true"), False))
    where = surfaces.space(dimensions, {"attention": "split", "channelslast": "false", "no_half_vae": "false"})
    effects = {("attention", "sdp"): 0.0, ("attention", "sdp-no-mem"): 0.0, ("attention", "sub-quad"): 0.1,
               ("attention", "v1"): rng.uniform(0.0, 0.4), ("attention", "invokeai"): rng.uniform(0.0, 0.1),
               ("channelslast", "true"): -math.log1p(gain), ("no_half_vae", "true"): 0.0}
    score = {c.id: math.log(25.0) + sum(effects.get(level, 0.0) for level in c.levels) for c in where.candidates}
    return surfaces.Drawn(where, surfaces.profile(minutes=SLOW_BUDGET / 60.0), score, dict.fromkeys(score, 8000.0),
                          noise=surfaces.Noise(clip=0.06, launch=0.015, outliers=0.0), startup=20.0, penalty=30.0,
                          fixed=dict.fromkeys(score, surfaces.FIXED))


def one(task: Task) -> dict[str, Any]:
    """One tune: (part, starts, clips, gain, seed)."""
    part, starts, clips, gain, seed = task
    if part == "slow-clips":
        surface = slow_clips(seed, gain)
        outcome = tune(surface, seed, budget=SLOW_BUDGET)
    else:
        surface = surfaces.drawn(seed, surfaces.Noise(clip=clips, launch=starts))
        surface = families.with_gain(surface, gain, seed) if gain else families.equal(surface)
        outcome = tune(surface, seed, told=prior(surface.card) if surface.card else None)
    lost = regret(surface, outcome.chosen)
    return {"starts_sd": starts, "clips_sd": clips, "gain": gain, "regret": lost, **asdict(outcome)}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of the table."""
    return {
        **{key: rows[0][key] for key in ("starts_sd", "clips_sd", "gain")}, "sessions": len(rows),
        "adopted": round(fmean(row["adopted"] for row in rows), 4),
        "regret": round(fmean(row["regret"] for row in rows), 5),
        "seconds": round(median(row["seconds"] for row in rows), 1),
        "launches": median(row["launches"] for row in rows), "clips": median(row["clips"] for row in rows),
        "near": round(fmean(row["near"] / row["seconds"] for row in rows), 4),
    }


def run(parts: Sequence[str], seeds: range, workers: int) -> dict[str, list[dict[str, Any]]]:
    """All lines of these parts."""
    cases = {"table": [("table", starts, clips, gain) for starts in STARTS for clips in CLIPS for gain in GAINS],
             "slow-clips": [("slow-clips", 0.015, 0.06, gain) for gain in (0.0, SLOW_GAIN)]}
    found: dict[str, list[dict[str, Any]]] = {}
    with ProcessPoolExecutor(workers) as pool:
        for part in parts:
            tasks = [(*case, seed) for case in cases[part] for seed in seeds]
            rows = list(pool.map(one, tasks, chunksize=4))
            found[part] = [summary(rows[place:place + len(seeds)]) for place in range(0, len(rows), len(seeds))]
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Prints the lines, or one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noisy", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", default="table,slow-clips")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    parts = given.parts.split(",")
    if any(part not in ("table", "slow-clips") for part in parts):
        parser.error("the parts are table and slow-clips")
    found = run(parts, range(given.seed, given.seed + given.sessions), given.workers)
    if given.json:
        print(json.dumps(found, indent=1))
        return 0
    for part, rows in found.items():
        print(f"{part}\n{'starts':>7}{'clips':>7}{'gain':>6}{'adopted':>9}{'regret':>8}{'GPU s':>7}{'launches':>10}")
        for row in rows:
            print(f"{100 * row['starts_sd']:>5.1f} %{100 * row['clips_sd']:>5.1f} %{100 * row['gain']:>4.0f} %"
                  f"{100 * row['adopted']:>7.1f} %{100 * row['regret']:>6.2f} %{row['seconds']:>7.0f}"
                  f"{row['launches']:>10.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
