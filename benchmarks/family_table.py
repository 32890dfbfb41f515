"""Every strategy on every family of surfaces: what it loses, what it takes, how often it is wrong.

Of a family and a strategy, shares and regrets as fractions:
``regret`` (mean) and ``behind3`` (share more than 3 % behind the best set) on the surfaces as drawn; ``seconds`` of
GPU time and ``launches`` (medians; ``seconds_mean``); ``near``: share of the time spent among sets that differ by less
than half the minimum gain (benchmarks.near); ``false_adoption``: share that adopted a set although all are
equal; ``power5``, ``power10``: share that adopted a set where the best is truly 5 or 10 % faster; ``kept_useless``:
share of the adopted sets, on the surfaces as drawn, with a flag that truly saves at most 0.1 % in that set;
``kept_idle``: share of the adopted sets with a flag that was made to do nothing (autotune's own strategy only).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from statistics import fmean, median
from typing import Any

from benchmarks import families
from benchmarks.peers import PEERS
from benchmarks.tuned import prior, searched, tune
from benchmarks.virtual import regret

OURS = "screen"
UNPROVEN = "unproven"
"""Autotune's search alone, ended where it would begin to prove what it found: as the peers do, which prove nothing."""
USUAL_PEERS = ("tpe", "hill", "one-flag", "random")
VERSIONS = ("drawn", "equal", "power5", "power10", "idle")
NEEDS = {"gp": "torch", "smac": "smac"}
GAINS = {"power5": 0.05, "power10": 0.10, "idle": 0.10}

Task = tuple[str, str, str, int]


def one(task: Task) -> dict[str, Any] | None:
    """One session: (family, version of its surfaces, strategy, seed); None where there is no such surface."""
    family, version, name, seed = task
    surface = families.FAMILIES[family](seed)
    idle = None
    if version == "equal":
        surface = families.equal(surface)
    elif version in GAINS:
        surface = families.with_gain(surface, GAINS[version], seed)
    if version == "idle":
        found = families.with_idle_flag(surface, seed)
        if found is None:
            return None
        surface, idle = found
    told = prior(surface.card) if surface.card else None
    if name in PEERS:
        outcome = PEERS[name](surface, seed)
    else:
        outcome = searched(surface, seed, told) if name == UNPROVEN else tune(surface, seed, name, told)
    lost = regret(surface, outcome.chosen)
    return {"family": family, "version": version, "strategy": name, "seed": seed, "chosen": outcome.chosen,
            "regret": min(lost, 9.0), "adopted": outcome.adopted, "seconds": outcome.seconds,
            "launches": outcome.launches, "clips": outcome.clips, "near": outcome.near / outcome.seconds,
            "useless": outcome.adopted and families.useless(surface, outcome.chosen),
            "idle": outcome.adopted and idle is not None and idle in surface.space[outcome.chosen].levels}


def installed(peers: Sequence[str]) -> list[str]:
    """The peers whose package is here; the others are named on stderr."""
    missing = [name for name in peers if name in NEEDS and not find_spec(NEEDS[name])]
    if missing:
        print(f"left out, for want of a package: {', '.join(missing)}", file=sys.stderr)
    return [name for name in peers if name not in missing]


def sessions(names: Sequence[str], strategies: Sequence[str], seeds: range, workers: int,
             versions: Sequence[str] = VERSIONS) -> Iterator[list[dict[str, Any]]]:
    """All sessions of these strategies, family by family."""
    tasks = [[(family, version, strategy, seed) for version in versions for strategy in strategies
              if version != "idle" or strategy == OURS for seed in seeds] for family in names]
    if workers <= 1:
        for mine in tasks:
            yield [row for row in map(one, mine) if row is not None]
        return
    with ProcessPoolExecutor(workers) as pool:
        for found in [pool.map(one, mine, chunksize=4) for mine in tasks]:
            yield [row for row in found if row is not None]


def _share(rows: list[dict[str, Any]], key: str) -> float | None:
    return round(fmean(float(row[key]) for row in rows), 5) if rows else None


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the sessions of one strategy on one family say; None where no session says it."""
    by = {version: [row for row in rows if row["version"] == version] for version in VERSIONS}
    asis = by["drawn"]
    return {
        "sessions": len(asis),
        "regret": _share(asis, "regret"),
        "behind3": round(fmean(row["regret"] > 0.03 for row in asis), 5) if asis else None,
        "seconds": round(median(row["seconds"] for row in asis), 1) if asis else None,
        "seconds_mean": round(fmean(row["seconds"] for row in asis), 1) if asis else None,
        "launches": median(row["launches"] for row in asis) if asis else None,
        "clips": median(row["clips"] for row in asis) if asis else None,
        "near": _share(asis, "near"),
        "adopted": _share(asis, "adopted"),
        "kept_useless": _share([row for row in asis if row["adopted"]], "useless"),
        "kept_idle": _share([row for row in by["idle"] if row["adopted"]], "idle"),
        "false_adoption": _share(by["equal"], "adopted"),
        "seconds_equal": round(median(row["seconds"] for row in by["equal"]), 1) if by["equal"] else None,
        "power5": _share(by["power5"], "adopted"),
        "power10": _share(by["power10"], "adopted"),
    }


def document(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """{family: {strategy: summary}}."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        found.setdefault(row["family"], {}).setdefault(row["strategy"], []).append(row)
    return {family: {name: summary(mine) for name, mine in by.items()} for family, by in found.items()}


HEAD = (f"{'family':16}{'strategy':10}{'regret':>8}{'>3 %':>7}{'GPU s':>8}{'starts':>8}{'near':>7}{'false':>8}"
        f"{'5 %':>7}{'10 %':>7}{'useless':>9}{'idle':>7}")


def lines(family: str, by: dict[str, dict[str, Any]]) -> str:
    """For people: a line a strategy, under HEAD."""
    told = []
    for name, row in by.items():
        cells = [_percent(row["regret"], 2), _percent(row["behind3"], 0)]
        cells += [_whole(row["seconds"]), _whole(row["launches"])]
        cells += [_percent(row[key], digits) for key, digits in (
            ("near", 0), ("false_adoption", 1), ("power5", 0), ("power10", 0), ("kept_useless", 0), ("kept_idle", 0))]
        told.append(f"{family:16}{name:10}" + "".join(
            f"{cell:>{wide}}" for cell, wide in zip(cells, (8, 7, 8, 8, 7, 8, 7, 7, 9, 7), strict=True)))
    return "\n".join(told)


def _percent(value: float | None, digits: int) -> str:
    return "" if value is None else f"{100 * value:.{digits}f} %"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def worst(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """In which family the default strategy loses most, and what the best peer loses there."""
    told = {family: by for family, by in found.items() if OURS in by and by[OURS]["regret"] is not None}
    if not told:
        return ""
    family = max(told, key=lambda name: told[name][OURS]["regret"])
    mine = told[family][OURS]
    others = {name: row for name, row in told[family].items() if name not in (OURS, UNPROVEN)}
    line = f"worst family: {family}, regret {_percent(mine['regret'], 2)} in {mine['seconds']:.0f} s"
    if others:
        name = min(others, key=lambda one: others[one]["regret"])
        best = others[name]
        line += f"; the best peer there, {name}: {_percent(best['regret'], 2)} in {best['seconds']:.0f} s"
    return line
