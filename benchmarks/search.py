"""Strategies side by side on the same surfaces and seeds, in one run.

python -m benchmarks.search --sessions 1000 --seed 0 [--peers tpe,random,…|all|none] [--json FILE]
As on a user's machine, screen is told what the records of other cards say of its card's attention (never the card's
own); "screen, no prior" is not. Deterministic per seed but for the column of real thinking time.

python -m benchmarks.search --families all --sessions 1000 --seed 900000 --json
One JSON document of every strategy on every family of surfaces (benchmarks.family_table says what is in it).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

from benchmarks import cases, families, family_table, surfaces
from benchmarks.peers import PEERS
from benchmarks.tuned import prior, tune
from benchmarks.virtual import regret

DEFAULT_PEERS = ("exhaustive-10", "exhaustive-10-grouped", "random", "tpe", "hill", "one-flag")
POWER_NOISE = surfaces.Noise(clip=0.02, launch=0.015)
TAILS_NOISE = surfaces.Noise(clip=0.05, launch=0.015, tails=3.0)
NO_PRIOR = "screen, no prior"
SOONER = {f"screen, ends at {100 * loss:.1f} %": loss for loss in (0.006, 0.009, 0.012, 0.016)}
"""The default strategy made to end its search at a larger expected loss."""
TAILS = -1.0
"""Stands for a gain of 0 under TAILS_NOISE."""
GAINS = (0.0, 0.02, 0.05, 0.10)


def one(task: tuple[str, int, float | None]) -> dict[str, Any]:
    """One strategy on one surface; ``gain`` None: as drawn, else the best set that much faster (0: A/A)."""
    name, seed, gain = task
    surface = surfaces.drawn(seed, None if gain is None else TAILS_NOISE if gain == TAILS else POWER_NOISE)
    expected = prior(surface.card) if surface.card else None
    if gain is not None:
        surface = surfaces.with_best_gain(surface, max(gain, 0.0), seed)
    if name in PEERS:
        outcome = PEERS[name](surface, seed)
    else:
        outcome = tune(surface, seed, "screen", None if name == NO_PRIOR else expected, SOONER.get(name))
    lost = regret(surface, outcome.chosen)
    base = surface.true_score(surface.space.baseline)
    gained = math.exp(base - surface.true_score(outcome.chosen)) - 1.0 if math.isfinite(lost) else -1.0
    return {"strategy": name, "seed": seed, "gain": gain, "regret": min(lost, 9.0), "gained": gained,
            "sets": len(surface.space.candidates), **asdict(outcome)}


def run(names: list[str], seeds: range, gain: float | None, workers: int) -> list[dict[str, Any]]:
    """All sessions of these strategies on these surfaces."""
    tasks = [(name, seed, gain) for name in names for seed in seeds]
    if workers <= 1:
        return [one(task) for task in tasks]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(one, tasks, chunksize=8))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians and spread of one strategy's sessions."""
    def spread(key: str) -> list[float]:
        values = sorted(float(row[key]) for row in rows)
        cuts = quantiles(values, n=10) if len(values) > 1 else values * 9
        return [round(cuts[0], 4), round(median(values), 4), round(cuts[8], 4)]

    return {
        "sessions": len(rows),
        "regret_mean": round(fmean(row["regret"] for row in rows), 5),
        "regret_above_3_percent": round(fmean(row["regret"] > 0.03 for row in rows), 4),
        "regret_p10_p50_p90": spread("regret"),
        "seconds_p10_p50_p90": spread("seconds"),
        "launches_p10_p50_p90": spread("launches"),
        "clips_p10_p50_p90": spread("clips"),
        "wasted_mean": round(fmean(row["wasted"] for row in rows), 2),
        "adopted": round(fmean(row["adopted"] for row in rows), 4),
        "adopted_though_not_faster": round(fmean(row["adopted"] and row["gained"] <= 1e-9 for row in rows), 4),
        "thinking_share": round(sum(row["thinking"] for row in rows) / sum(row["seconds"] for row in rows), 6),
    }


def table(title: str, results: dict[str, dict[str, Any]]) -> str:
    """A table for people: one line a strategy."""
    lines = [title, f"{'strategy':24}{'regret':>8}{'>3 %':>7}{'GPU s (p10 p50 p90)':>26}{'launches':>10}{'clips':>7}"
             f"{'adopted':>9}{'false':>8}{'bad s':>8}"]
    for name, row in results.items():
        seconds = " ".join(f"{value:.0f}" for value in row["seconds_p10_p50_p90"])
        lines.append(
            f"{name:24}{100 * row['regret_mean']:>7.2f}%{100 * row['regret_above_3_percent']:>6.1f}%{seconds:>26}"
            f"{row['launches_p10_p50_p90'][1]:>10.0f}{row['clips_p10_p50_p90'][1]:>7.0f}{100 * row['adopted']:>8.1f}%"
            f"{100 * row['adopted_though_not_faster']:>7.1f}%{row['wasted_mean']:>8.1f}")
    return "\n".join(lines)


def paired_ratio(rows: list[dict[str, Any]], other: str) -> float:
    """Median over surfaces of another strategy's GPU seconds over screen's."""
    mine = {row["seed"]: row["seconds"] for row in rows if row["strategy"] == "screen"}
    return float(median(row["seconds"] / mine[row["seed"]] for row in rows if row["strategy"] == other))


def surfaces_part(names: list[str], seeds: range, workers: int) -> dict[str, Any]:
    """Regret and cost on drawn surfaces."""
    rows = run(names, seeds, None, workers)
    results = {name: summary([row for row in rows if row["strategy"] == name]) for name in names}
    ratios = {name: round(paired_ratio(rows, name), 2) for name in names if name != "screen"}
    print(table(f"{len(seeds)} drawn surfaces of 96 to 192 sets", results))
    print("GPU time over screen's, median of pairs:", ", ".join(f"{k} {v:.1f}" for k, v in ratios.items()), "\n")
    return {"strategies": results, "time_over_screen": ratios}


def frontier_part(names: list[str], seeds: range, workers: int) -> dict[str, Any]:
    """What less time costs in regret, and the time that screen needs for each peer's regret, interpolated."""
    mine = ["screen", *SOONER]
    rows = run([*mine, *names], seeds, None, workers)
    results = {name: summary([row for row in rows if row["strategy"] == name]) for name in (*mine, *names)}
    print(table(f"{len(seeds)} drawn surfaces, the search ended sooner", results))
    points = sorted((results[name]["regret_mean"], results[name]["seconds_p10_p50_p90"][1]) for name in mine)
    shares = {}
    for name in names:
        lost, seconds = results[name]["regret_mean"], results[name]["seconds_p10_p50_p90"][1]
        share = at_regret(points, lost) / seconds
        shares[name] = round(share, 3)
        print(f"screen takes {share:.2f} of the median GPU time of {name} at its regret of {100 * lost:.2f} %")
    print()
    return {"strategies": results, "time_at_equal_regret": shares}


def at_regret(points: list[tuple[float, float]], lost: float) -> float:
    """Seconds at this regret between (regret, seconds) points in order of regret, never beyond their ends."""
    for (low, slow), (high, fast) in itertools.pairwise(points):
        if low <= lost <= high and high > low:
            return slow + (fast - slow) * (lost - low) / (high - low)
    return points[0][1] if lost < points[0][0] else points[-1][1]


def power_part(names: list[str], seeds: range, workers: int) -> dict[str, Any]:
    """Adoption at known gains, clip noise 2 %, starts 1.5 %; gain 0 is A/A, once more with heavy tails."""
    found: dict[str, Any] = {}
    for gain in (TAILS, *GAINS):
        rows = run(names, seeds, gain, workers)
        results = {name: summary([row for row in rows if row["strategy"] == name]) for name in names}
        what = {TAILS: "A/A: all sets equal, clip noise 5 % with heavy tails (t, 3 degrees of freedom)",
                0.0: "A/A: all sets equal"}.get(gain, f"best set truly {100 * gain:.0f} % faster than the current one")
        found[what] = results
        print(table(what, results), "\n")
    return found


def families_part(options: argparse.Namespace, peers: list[str], seeds: range) -> dict[str, Any]:
    """Every strategy on families of surfaces that the search's model does not know."""
    asked = list(families.FAMILIES) if options.families == "all" else options.families.split(",")
    found: dict[str, Any] = {}
    print(family_table.HEAD)
    for rows in family_table.sessions(asked, [family_table.OURS, family_table.UNPROVEN, *peers], seeds, options.workers,
                                      options.versions.split(",")):
        found |= family_table.document(rows)
        print(family_table.lines(rows[0]["family"], found[rows[0]["family"]]), flush=True)
    print(family_table.worst(found))
    return found


def arguments() -> argparse.ArgumentParser:
    """The words of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", help="comma list, all or none")
    parser.add_argument("--parts", default="surfaces,frontier,power,article,priors,retune")
    parser.add_argument("--families", help=f"instead of the parts: comma list or all: {', '.join(families.FAMILIES)}")
    parser.add_argument("--versions", default=",".join(family_table.VERSIONS), help="of each family's surfaces")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE",
                        help="write the figures there; without FILE: nothing but them on stdout")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs the parts that are asked for, prints tables, writes the JSON."""
    parser = arguments()
    options = parser.parse_args(argv)
    usual = family_table.USUAL_PEERS if options.families else DEFAULT_PEERS
    every = [peer for peer in PEERS if not options.families or peer != "gp"]
    peers = {None: list(usual), "all": every, "none": []}.get(
        options.peers, [p for p in (options.peers or "").split(",") if p])
    for what, given, known in (("peers", peers, list(PEERS)), ("parts", options.parts.split(","), list(PARTS)),
                               ("families", (options.families or "all").split(","), [*families.FAMILIES, "all"]),
                               ("versions", options.versions.split(","), list(family_table.VERSIONS))):
        unknown = [name for name in given if name not in known]
        if unknown:
            parser.error(f"unknown {what} {', '.join(unknown)}; there are {', '.join(known)}")
    peers = family_table.installed(peers)
    seeds = range(options.seed, options.seed + options.sessions)
    with redirect_stdout(sys.stderr if options.json == "-" else sys.stdout):
        if options.families:
            document = families_part(options, peers, seeds)
        else:
            document = {part: PARTS[part](peers, seeds, options.workers) for part in options.parts.split(",")}
    if options.json == "-":
        print(json.dumps(document, indent=1, sort_keys=True))
    elif options.json:
        Path(options.json).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def _cheap(peers: list[str]) -> list[str]:
    return [p for p in peers if p in ("random", "tpe", "one-flag", "hill")]


PARTS: dict[str, Callable[[list[str], range, int], dict[str, Any]]] = {
    "surfaces": lambda peers, seeds, workers: surfaces_part(["screen", NO_PRIOR, *peers], seeds, workers),
    "frontier": lambda peers, seeds, workers: frontier_part(_cheap(peers), seeds, workers),
    "power": lambda peers, seeds, workers: power_part(["screen", *_cheap(peers)], seeds, workers),
    "article": lambda _, seeds, workers: cases.article(len(seeds), seeds.start),  # noqa: ARG005
    "priors": lambda _, seeds, workers: cases.priors(seeds),  # noqa: ARG005
    "retune": lambda _, seeds, workers: cases.retune(seeds),  # noqa: ARG005
}


if __name__ == "__main__":
    sys.exit(main())
