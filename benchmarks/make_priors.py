"""Makes autotune/search/attention_prior.json from benchmarks/data/webui-benchmarks-2023.csv.

python -m benchmarks.make_priors

Source of the CSV: benchmark-data.json of vladmandic/sd-extension-system-info (MIT), February to April 2023.
Per GPU and torch generation the median of the runs' highest iterations a second (AnimateDiff renders batches of
frames, so the largest batch measured is the nearest). Then log time = GPU + attention class, least absolute
deviations weighted by the number of runs, for each GPU generation with a pull towards all generations together.
"""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
SOURCE = HERE / "data" / "webui-benchmarks-2023.csv"
TARGET = HERE.parent / "autotune" / "search" / "attention_prior.json"
LEVEL = {"doggettx": "split", "xformers": "xformers", "sdp": "sdp", "sdp-no-mem": "sdp-no-mem",
         "sub-quadratic": "sub-quad", "v1": "v1", "invokeai": "invokeai", "none": "none"}
PULL = 3.0
"""Weight of all generations' effect against a generation's own, in GPUs."""
MOST_RUNS = 10
"""Runs beyond which a GPU's median does not count more."""
FEWEST = 3
"""GPUs that must have a class for its effect to be told."""

Array = NDArray[np.float64]
Case = tuple[str, str, str]
Times = dict[Case, dict[str, tuple[float, int]]]


def runs() -> dict[Case, dict[str, list[float]]]:
    """(GPU, capability generation, torch generation) to attention level to every run's log seconds per iteration,
    for NVIDIA GPUs with at least two classes measured."""
    found: dict[Case, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with SOURCE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["compute_capability"] and row["attention"].lower() in LEVEL:
                best = max(float(value) for value in row["its"].split())
                case = (row["gpu"], row["compute_capability"].split(".")[0], row["torch"].split(".")[0])
                found[case][LEVEL[row["attention"].lower()]].append(-math.log(best))
    return {case: dict(levels) for case, levels in sorted(found.items()) if len(levels) >= 2}


def times() -> Times:
    """The same with (median, number of runs) of each level."""
    return {case: {level: (median(values), len(values)) for level, values in levels.items()}
            for case, levels in runs().items()}


def effects(cases: Times) -> dict[str, float]:
    """Effect of each class on log time beside the GPU's own, relative to ``split``."""
    levels = sorted({level for found in cases.values() for level in found} | {"split"})
    rows, values, weights = [], [], []
    names = list(cases)
    for place, case in enumerate(names):
        for level, (value, count) in cases[case].items():
            row = np.zeros(len(names) + len(levels))
            row[place] = 1.0
            row[len(names) + levels.index(level)] = 1.0
            rows.append(row)
            values.append(value)
            weights.append(math.sqrt(min(count, MOST_RUNS)))
    solved = _solve(np.array(rows), np.array(values), np.array(weights))
    found = dict(zip(levels, solved[len(names):], strict=True))
    return {level: float(found[level] - found["split"]) for level in levels}


def _solve(rows: Array, values: Array, weights: Array) -> Array:
    """Least absolute deviations by reweighting: a card or two are wrong by half (other jobs, wrong builds)."""
    ridge = 1e-6 * np.eye(rows.shape[1])
    used = weights
    solved = np.zeros(rows.shape[1])
    for _ in range(30):
        matrix = rows * used[:, None]
        solved = np.linalg.solve(matrix.T @ rows + ridge, matrix.T @ values)
        used = weights / np.maximum(np.abs(values - rows @ solved), 0.02)
    return solved


def common(cases: Times) -> Times:
    """The cases without classes that fewer than FEWEST GPUs of that torch generation have."""
    held: dict[tuple[str, str], int] = defaultdict(int)
    for (_, _, torch), found in cases.items():
        for level in found:
            held[(torch, level)] += 1
    kept = {case: {level: value for level, value in found.items() if held[(case[2], level)] >= FEWEST}
            for case, found in cases.items()}
    return {case: found for case, found in kept.items() if len(found) >= 2}


def fit(cases: Times) -> dict[str, dict[str, float]]:
    """Effects per "torch generation/capability generation", and "torch generation/any"."""
    table: dict[str, dict[str, float]] = {}
    for torch in ("1", "2"):
        mine = {case: found for case, found in common(cases).items() if case[2] == torch}
        every = effects(mine)
        table[f"{torch}/any"] = every
        for generation in sorted({case[1] for case in mine}):
            kin = {case: found for case, found in mine.items() if case[1] == generation}
            own = effects(kin)
            mixed = {}
            for level, value in every.items():
                count = sum(1 for found in kin.values() if level in found and len(found) >= 2)
                share = count / (count + PULL) if level in own and "split" in set().union(*kin.values()) else 0.0
                mixed[level] = share * own.get(level, 0.0) + (1.0 - share) * value
            table[f"{torch}/{generation}"] = mixed
    return table


def main() -> None:
    """Writes the table."""
    table = {key: {level: round(value, 3) for level, value in sorted(row.items())} for key, row in fit(times()).items()}
    document = {
        "source": "benchmark-data.json of vladmandic/sd-extension-system-info (MIT), February to April 2023; "
                  "made by benchmarks/make_priors.py",
        "unit": "log seconds relative to split (Doggettx), by torch generation / compute capability generation",
        "effects": table,
    }
    TARGET.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
