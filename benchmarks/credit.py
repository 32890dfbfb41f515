"""Is what flags are credited with true? Whole tunes on surfaces whose every effect is known.

python -m benchmarks.credit --sessions 300 --seed 0 [--families drawn,idle,lies|all] [--workers 2] [--json FILE]

For each family: the share of flags whose interval holds the truth, of those called clear of zero that truly do not
help, of tunes that keep a flag that does nothing, and documents that contradict themselves: flags whose effects do not
come to the verdict's interval, a single flag that is not the verdict itself, an expectation that is called sure.

The families are those of benchmarks.families and two more. idle: as drawn, but one flag does nothing. lies: a web UI on
a CPU, where all attention classes are equal and channels-last gains 10 %, and an H200's study says that sdp gains 16 %.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean, median
from typing import Any

from autotune import decide, search
from autotune.decide.ablation import differing_dimensions, without_flag
from autotune.model.flagset import Dimension
from autotune.search.strategy import Prior
from autotune.tune.document import verdict_json
from benchmarks import families, surfaces
from benchmarks.tuned import prior
from benchmarks.virtual import Session, regret

BUDGET = 3600.0
OWN = ("idle", "lies")
LIE = Prior((("attention", "sdp", -math.log(1.16)), ("attention", "split", 0.0)), "a study on an H200", 1.0)


def lying(seed: int) -> surfaces.Drawn:
    """A web UI on a CPU: clips of 25 s that vary by 6 %, all attention classes alike, channels-last 10 % faster."""
    rng = random.Random(f"lies {seed}")
    dimensions = (Dimension("attention", ("split", "sdp", "sub-quad", "invokeai"), True),
                  Dimension("channelslast", ("false", "true"), False),
                  Dimension("no_half_vae", ("false", "true"), False))
    where = surfaces.space(dimensions, {"attention": "split", "channelslast": "false", "no_half_vae": "false"})
    score = {c.id: math.log(25.0) - 0.10 * c.effective.channelslast for c in where.candidates}
    noise = surfaces.Noise(clip=rng.uniform(0.01, 0.06), launch=rng.uniform(0.01, 0.03), outliers=0.05)
    return surfaces.Drawn(where, surfaces.profile(), score, dict.fromkeys(score, 4000.0), noise=noise)


def surface_of(family: str, seed: int) -> tuple[surfaces.Drawn, tuple[str, ...], Prior | None]:
    """(surface, dimensions that do nothing on it, what autotune is told beforehand)."""
    if family == "lies":
        return lying(seed), ("attention", "no_half_vae"), LIE
    dead: tuple[str, ...] = ()
    found = surfaces.drawn(seed) if family == "idle" else families.FAMILIES[family](seed)
    if family == "idle":
        made = families.with_idle_flag(found, seed)
        if made is not None:
            found, dead = made[0], (made[1][0],)
    return found, dead, prior(found.card) if found.card else None


def one(task: tuple[str, int]) -> dict[str, Any]:
    """One tune: what its document credits each flag with, and what is true."""
    family, seed = task
    surface, dead, told = surface_of(family, seed)
    space, profile = surface.space, surface.profile
    session = Session(surface, random.Random(f"credit {seed}"), BUDGET, short=True)
    history = session.run(search.make_strategy("screen", space, profile, "speed", seed, told))
    verdict = decide.verdict(history, space, profile, "speed")
    adopted = verdict.decision == "apply" and verdict.winner is not None
    chosen = verdict.winner.candidate if adopted and verdict.winner else space.baseline
    document = verdict_json(verdict, space, history.samples)
    flags = differing_dimensions(space, space[chosen])
    truths = [surface.score[less.id] - surface.score[chosen] for name in flags
              if (less := without_flag(space, space[chosen], name)) is not None]
    rows = [
        {"flag": row["flag"], "measured": row.get("measured"), "significant": row["significant"], "truth": truth,
         "held": math.log(row["low"]) <= truth <= math.log(row["high"]),
         "width": math.log(row["high"] / row["low"])}
        for row, truth in zip(document["ablation"], truths, strict=False)]
    true = surface.score[space.baseline] - surface.score[chosen]
    speed = document["speedup"]
    return {"family": family, "seed": seed, "adopted": adopted, "false": adopted and true <= 1e-9, "flags": len(flags),
            "regret": min(regret(surface, chosen), 9.0), "seconds": session.now, "launches": len(session.launches),
            "useless": families.useless(surface, chosen), "rows": rows,
            "kept_idle": any(name in dead for name in flags) if dead else None,
            "held": not adopted or math.log(speed["low"]) <= true <= math.log(speed["high"]),
            "contradicts": contradicts(document)}


def contradicts(document: dict[str, Any]) -> str | None:
    """What in this document cannot be true together, None when all of it can."""
    rows, speed = document["ablation"], document["speedup"]
    if any(row["significant"] and not row.get("measured") for row in rows):
        return "an expectation is called sure"
    if not rows:
        return None
    if len(rows) == 1 and any(rows[0][key] != speed[name] for key, name in
                              (("effect", "estimate"), ("low", "low"), ("high", "high"))):
        return "the one flag's effect is not the speedup"
    product = math.prod(row["effect"] for row in rows)
    if not speed["low"] - 1e-4 <= product <= speed["high"] + 1e-4:
        return f"the effects come to {product:.3f}, the verdict to {speed['low']:.3f} to {speed['high']:.3f}"
    return None


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one family."""
    effects = [effect for row in rows for effect in row["rows"]]
    sure = [effect for effect in effects if effect["significant"]]
    known = [effect for effect in effects if effect["measured"]]
    kept = [row["kept_idle"] for row in rows if row["kept_idle"] is not None]

    def share(found: list[Any]) -> float | None:
        return round(fmean(map(bool, found)), 4) if found else None

    return {
        "sessions": len(rows), "adopted": share([row["adopted"] for row in rows]),
        "false_adoption": share([row["false"] for row in rows]), "regret": round(fmean(r["regret"] for r in rows), 5),
        "behind3": share([row["regret"] > 0.03 for row in rows]),
        "seconds": round(median(row["seconds"] for row in rows), 1),
        "seconds_mean": round(fmean(row["seconds"] for row in rows), 1),
        "launches": median(row["launches"] for row in rows),
        "flags": len(effects), "measured": share([effect["measured"] for effect in effects]),
        "held": share([effect["held"] for effect in effects]), "held_measured": share([one["held"] for one in known]),
        "held_expected": share([one["held"] for one in effects if not one["measured"]]),
        "clear_but_useless": share([effect["truth"] <= 1e-9 for effect in sure]),
        "kept_idle": share(kept), "kept_useless": share([row["useless"] for row in rows]),
        "speedup_held": share([row["held"] for row in rows if row["adopted"]]),
        "contradictions": sum(row["contradicts"] is not None for row in rows),
    }


def main(argv: list[str] | None = None) -> int:
    """Prints one line a figure and family; exit 1 when a document contradicts itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.credit", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--families", default="drawn,idle,lies",
                        help=f"comma list or all: {', '.join((*families.FAMILIES, *OWN))}")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    names = [*families.FAMILIES, *OWN] if options.families == "all" else options.families.split(",")
    if unknown := [name for name in names if name not in families.FAMILIES and name not in OWN]:
        parser.error(f"unknown families {', '.join(unknown)}")
    tasks = [(family, seed) for family in names
             for seed in range(options.seed, options.seed + options.sessions)]
    if options.workers > 1:
        with ProcessPoolExecutor(options.workers) as pool:
            rows = list(pool.map(one, tasks, chunksize=4))
    else:
        rows = [one(task) for task in tasks]
    found = {name: summary([row for row in rows if row["family"] == name]) for name in names}
    print(f"{'':20}" + "".join(f"{name:>12}" for name in names))
    for key in next(iter(found.values())):
        print(f"{key:20}" + "".join(f"{'–' if found[name][key] is None else found[name][key]:>12}" for name in names))
    wrong = [row for row in rows if row["contradicts"]]
    for row in wrong[:10]:
        print(f"{row['family']} {row['seed']}: {row['contradicts']}")
    if options.json:
        options.json.write_text(json.dumps({"families": found, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
