"""Do tunes for vram and balanced come to the right answer? Whole tunes on drawn surfaces whose memory is known.

python -m benchmarks.objectives --sessions 12 --seed 0 [--objectives vram,balanced] [--budget 3600]

Right: a set that truly is better by the objective and truly at most as much slower as is allowed; or the current flags,
where no such set is better by the minimum gain. "lost": what a set that may be adopted would have saved beyond that.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from statistics import fmean, median
from typing import Any

from autotune import decide, search
from autotune.decide.assumptions import RULES
from benchmarks import surfaces
from benchmarks.tuned import prior
from benchmarks.virtual import Session


def scores(surface: surfaces.Drawn, objective: str) -> dict[str, float]:
    """The objective's true score of each set that may be adopted: it renders, and is not too slow."""
    limit = surface.score[surface.space.baseline] + math.log1p(RULES.slower_at_most)
    share = 1.0 if objective == "vram" else 0.5
    return {name: share * math.log(surface.memory[name]) + (1.0 - share) * score
            for name, score in surface.score.items()
            if name not in surface.failing and (score <= limit or name == surface.space.baseline)}


def one(seed: int, objective: str, budget: float) -> dict[str, Any]:
    """One tune and what is true of its answer."""
    surface = surfaces.drawn(seed)
    told = prior(surface.card) if surface.card else None
    session = Session(surface, random.Random(f"{objective} {seed}"), budget, short=True)
    history = session.run(search.make_strategy("screen", surface.space, surface.profile, objective, seed, told))
    verdict = decide.verdict(history, surface.space, surface.profile, objective)
    base = surface.space.baseline
    adopted = verdict.decision == "apply" and verdict.winner is not None
    chosen = verdict.winner.candidate if adopted and verdict.winner else base
    true = scores(surface, objective)
    best = min(true, key=true.__getitem__)
    possible = true[base] - true[best] > math.log1p(surface.profile.decide.min_gain)
    fine = chosen in true and (true[chosen] < true[base] if adopted else not possible)
    return {"seed": seed, "adopted": adopted, "sure": verdict.sure, "right": fine, "possible": possible,
            "lost": true.get(chosen, 9.0) - true[best], "seconds": session.now,
            "launches": len(session.launches), "reason": verdict.reason, "chosen": chosen, "best": best,
            "mib": surface.memory[chosen] - surface.memory[best]}


def main(argv: list[str] | None = None) -> int:
    """Prints a line a tune and the shares; exit 1 when an answer that was called sure is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.objectives", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--objectives", default="vram,balanced")
    parser.add_argument("--budget", type=float, default=3600.0)
    options = parser.parse_args(argv)
    wrong = 0
    for objective in options.objectives.split(","):
        rows = [one(seed, objective, options.budget) for seed in range(options.seed, options.seed + options.sessions)]
        for row in rows:
            said = f"{'apply' if row['adopted'] else 'keep'}, {'sure' if row['sure'] else 'not sure'}"
            print(f"{objective} {row['seed']}: {said:15} {'right' if row['right'] else 'WRONG':5} lost "
                  f"{100 * row['lost']:.1f} % ({row['mib']:.0f} MiB), {row['seconds']:.0f} s, "
                  f"{row['launches']} starts: {row['reason']}")
        print(f"{objective}: right {fmean(row['right'] for row in rows):.3f}, wrong though sure "
              f"{sum(row['sure'] and not row['right'] for row in rows)} of {len(rows)}, lost "
              f"{100 * fmean(row['lost'] for row in rows):.2f} %, {median(row['seconds'] for row in rows):.0f} s")
        wrong += sum(row["sure"] and not row["right"] for row in rows)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
