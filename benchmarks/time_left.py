"""How well a tune foretells the time that it will still take.

    python -m benchmarks.time_left [--sessions 12] [--seed 700000] [--families …|held-out|fitted|all] [--json FILE]
    python -m benchmarks.time_left --oracle      what one who knows the machine could foretell
    python -m benchmarks.time_left --fit         the weights of autotune/search/time_left.py, found again
    python -m benchmarks.time_left --again FILE  the table of kept samples

Simulated tunes of drawn surfaces (benchmarks.families), with usual flags, with all sets equal and with a best set that
is 5 % faster, each with BUDGETS; `recorded` are the four recorded tunes tuned again (benchmarks.replayed). At each
decision of a tune the estimate is made; between two it counts down, as on the screen.

At half of the true duration: ``left``: share of tunes whose likely time left is within 25 % of the truth; ``end``: the
same for the whole duration, which is what a person waits for; ``ratio``: likely over true time left, 10th, 50th and
90th percentile; ``held``: share whose range holds the truth (it is made to hold in 80 %), ``all``: the same over every
decision of a tune; ``again``: ``left`` of the rule "as much again as was spent", which is always right at half time and
nowhere else, at a quarter (q) of the duration: no figure at one moment alone says that an estimate is good.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean, median
from typing import Any

from autotune import search
from autotune.model.study import History, Proposal
from autotune.search.confirm import confirmation_begun
from autotune.search.screen import Screen
from autotune.search.time_left import facts, time_left
from autotune.search.view import View
from benchmarks import families, replayed
from benchmarks.tuned import prior
from benchmarks.virtual import Session

FITTED = ("drawn", "interactions-3", "starts", "tails", "drift", "surprise")
"""Families whose tunes the weights come from, of the seeds FITTED_SEEDS."""
FITTED_SEEDS = range(40)
RECORDED = "recorded"
VERSIONS = ("drawn", "equal", "power5")
BUDGETS = (1800.0, 10800.0)
"""Seconds: the default profile's, and more than nearly all tunes ask for."""
NEAR = 0.25
SHARES = (0.25, 0.5, 0.75)
FORKS = 9
"""Times that the rest of a tune is played again for what one who knows the machine could foretell."""
QUANTILES = (0.1, 0.5, 0.9)
LOOKS = tuple(part / 10 for part in range(1, 10))
"""Shares of a tune's duration at which its facts are taken for the weights."""

Task = tuple[str, str, int, float]
Row = dict[str, Any]


def begin(task: Task) -> tuple[Session, Screen]:
    """A tune that has not begun: (family, version, seed, budget in seconds)."""
    family, version, seed, budget = task
    if family == RECORDED:
        tune = replayed.load(replayed.TUNES[seed % len(replayed.TUNES)])
        strategy = search.make_strategy("screen", tune.space, tune.profile, "speed", 0, tune.told)
        session: Session = replayed.Paced(tune, random.Random(f"left {seed}"), tune.budget, short=True,
                                          stopping=tune.stopping, looking=tune.looking)
    else:
        surface = families.FAMILIES[family](seed)
        if version != "drawn":
            surface = families.equal(surface) if version == "equal" else families.with_gain(surface, 0.05, seed)
        told = prior(surface.card) if surface.card else None
        strategy = search.make_strategy("screen", surface.space, surface.profile, "speed", seed, told)
        session = Session(surface, random.Random(f"session {seed}"), budget, short=True)
    assert isinstance(strategy, Screen)
    return session, strategy


class Noting:
    """A strategy that notes each history on which it was asked."""

    def __init__(self, inner: Screen) -> None:
        self.inner = inner
        self.asked: list[History] = []

    def next(self, history: History) -> Proposal | None:
        """See Strategy."""
        self.asked.append(history)
        return self.inner.next(history)


def _whole(task: Task) -> tuple[Screen, list[History], float, Session]:
    session, strategy = begin(task)
    noting = Noting(strategy)
    session.run(noting)
    return strategy, noting.asked, session.now, session


def told(task: Task) -> Row:
    """One tune: its duration, and what was foretold at SHARES of it and, of the range, at every decision."""
    strategy, asked, seconds, _ = _whole(task)
    found = [(one.spent, time_left(strategy, one)) for one in asked]
    row: Row = {"family": task[0], "version": task[1], "seed": task[2], "budget": task[3], "seconds": round(seconds, 1),
                "decisions": len(asked)}
    known = [(spent, left) for spent, left in found[:-1] if left is not None]
    row["held"] = sum(left.low - 1.0 <= seconds - spent <= left.high + 1.0 for spent, left in known)
    row["known"] = len(known)
    for share in SHARES:
        spent, left = [one for one in found if one[0] <= share * seconds][-1]
        since = share * seconds - spent
        row[f"at {share}"] = None if left is None else [
            round(max(0.0, value - since), 1) for value in (left.low, left.likely, left.high)]
    return row


def forked(task: Task) -> Row:
    """One tune whose rest is played FORKS times from half of its duration on, on the true surface with other luck: the
    median of these is the best that anybody could foretell then."""
    seconds = _whole(task)[2]
    session, strategy = begin(task)
    while True:
        proposal = strategy.next(session.history())
        if proposal is None or session.now > seconds / 2.0:
            break
        before = copied(session)
        session.execute(proposal)
        if session.now > seconds / 2.0:
            session = before
            break
    rests = []
    for number in range(FORKS):
        other = copied(session)
        other.rng.seed(f"fork {task} {number}")
        other.run(strategy)
        rests.append(other.now - seconds / 2.0)
    return {"family": task[0], "version": task[1], "seed": task[2], "budget": task[3], "seconds": round(seconds, 1),
            "rests": [round(one, 1) for one in rests]}


def copied(session: Session) -> Session:
    """A session that goes on by itself, on the same surface."""
    made = copy.copy(session)
    made.rng = copy.deepcopy(session.rng)
    made.samples, made.launches, made.warmed = list(session.samples), list(session.launches), set(session.warmed)
    if session.live is not None:
        made.live = copy.copy(session.live)
        own = vars(made.live)
        own["rng"] = made.rng
        own.update({name: dict(value) for name, value in own.items() if isinstance(value, dict)})
    return made


def within(guess: float, truth: float) -> bool:
    """Whether a guess is within NEAR of the truth."""
    return abs(guess / truth - 1.0) <= NEAR


def error(share: float, count: int) -> float:
    """Standard error of a share."""
    return math.sqrt(share * (1.0 - share) / count) if count else math.nan


def summary(rows: Sequence[Row]) -> Row:
    """The figures of some tunes; see the module's text."""
    half = [(row["at 0.5"], row["seconds"] / 2.0) for row in rows if row["at 0.5"] is not None]
    ratios = sorted(found[1] / truth for found, truth in half)
    left = fmean(within(found[1], truth) for found, truth in half)
    quarter = [(row["at 0.25"], 0.75 * row["seconds"]) for row in rows if row["at 0.25"] is not None]
    return {
        "tunes": len(rows), "left": left, "left_error": error(left, len(half)),
        "end": fmean(within(found[1] + truth, 2.0 * truth) for found, truth in half),
        "ratio": [ratios[int(part * (len(ratios) - 1))] for part in QUANTILES],
        "held": fmean(found[0] - 1.0 <= truth <= found[2] + 1.0 for found, truth in half),
        "all": sum(row["held"] for row in rows) / max(1, sum(row["known"] for row in rows)),
        "left_q": fmean(within(found[1], truth) for found, truth in quarter) if quarter else math.nan,
        "again_q": fmean(within(row["seconds"] / 4.0, 0.75 * row["seconds"]) for row in rows),
    }


def oracle(rows: Sequence[Row]) -> Row:
    """How near the median of the other rests comes to each rest."""
    left, end = [], []
    for row in rows:
        half = row["seconds"] / 2.0
        for place, truth in enumerate(row["rests"]):
            guess = median(row["rests"][:place] + row["rests"][place + 1:])
            left.append(within(guess, max(truth, 1e-3)))
            end.append(within(half + guess, half + truth))
    return {"tunes": len(rows), "left": fmean(left), "left_error": error(fmean(left), len(rows)), "end": fmean(end)}


def table(rows: Sequence[Row], figures: Callable[[Sequence[Row]], Row]) -> str:
    """A line for each family and, at the end, for each version, each budget and all, but for the recorded ones."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["family"], []).append(row)
    drawn = [row for row in rows if row["family"] != RECORDED]
    for row in drawn:
        groups.setdefault(f"= {row['version']}", []).append(row)
        groups.setdefault(f"= {row['budget'] / 60.0:.0f} min", []).append(row)
    if drawn:
        groups["= all"] = drawn
    lines = []
    for name, mine in groups.items():
        found = figures(mine)
        text = f"{name:34}{found['tunes']:>6}  left {100 * found['left']:3.0f} % ± {100 * found['left_error']:2.0f}"
        text += f"  end {100 * found['end']:3.0f} %"
        if "ratio" in found:
            ratios = " ".join(f"{one:.2f}" for one in found["ratio"])
            text += (f"  ratio {ratios}  held {100 * found['held']:3.0f} %  all {100 * found['all']:3.0f} %  quarter: "
                     f"left {100 * found['left_q']:.0f} %, again {100 * found['again_q']:.0f} %")
        lines.append(text)
    return "\n".join(lines)


def looks(task: Task) -> list[tuple[bool, dict[str, float], float]]:
    """What the weights are found from: (in the comparison, facts, log of what is left over what was spent)."""
    strategy, asked, seconds, session = _whole(task)
    found, done = [], set()
    for share in LOOKS:
        history = [one for one in asked if one.spent <= share * seconds][-1]
        view = View(history, session.surface.space, session.surface.profile, "speed", strategy.surface)
        known = facts(strategy, view)
        done.add(history.spent)
        if known is not None and seconds - history.spent > 1.0:
            found.append((confirmation_begun(view), known, math.log((seconds - history.spent) / history.spent)))
    return found


def weights(found: Sequence[tuple[dict[str, float], float]]) -> dict[str, tuple[float, ...]]:
    """Quantile regression by linear programming."""
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, eye, hstack

    names = list(found[0][0])
    facts_of = csr_matrix(np.array([[known[name] for name in names] for known, _ in found]))
    wanted = np.array([value for _, value in found])
    columns = []
    for quantile in QUANTILES:
        over, under = np.full(len(wanted), quantile), np.full(len(wanted), 1.0 - quantile)
        price = np.concatenate([np.zeros(2 * len(names)), over, under])
        unit = eye(len(wanted))
        done = linprog(price, A_eq=hstack([facts_of, -facts_of, unit, -unit]), b_eq=wanted, method="highs")
        columns.append(done.x[:len(names)] - done.x[len(names):2 * len(names)])
    return {name: tuple(round(float(column[place]), 3) for column in columns) for place, name in enumerate(names)}


def tasks(names: Iterable[str], seeds: range) -> list[Task]:
    """All tunes of these families and seeds."""
    return [(name, version, seed, budget) for name in names for version in VERSIONS[:1 if name == RECORDED else 3]
            for budget in BUDGETS[:1 if name == RECORDED else 2] for seed in seeds]


def main(argv: list[str] | None = None) -> int:
    """Plays tunes and prints the table, or the weights."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_left", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=12, help="seeds of each family, version and budget")
    parser.add_argument("--seed", type=int, default=700000)
    parser.add_argument("--families", default="held-out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--again", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep each tune there, a line each")
    options = parser.parse_args(argv)
    held_out = [name for name in families.FAMILIES if name not in FITTED]
    names = {"held-out": [*held_out, RECORDED], "fitted": list(FITTED), "all": [*families.FAMILIES, RECORDED]}.get(
        options.families, options.families.split(","))
    seeds = range(options.seed, options.seed + options.sessions)
    if options.again:
        rows = [json.loads(line) for line in options.again.read_text(encoding="utf-8").splitlines()]
        print(table(rows, oracle if "rests" in rows[0] else summary))
        return 0
    with ProcessPoolExecutor(options.workers) as pool:
        if options.fit:
            seen = [one for part in pool.map(looks, tasks(FITTED, FITTED_SEEDS), chunksize=8) for one in part]
            for comparison in (False, True):
                mine = [(known, value) for begun, known, value in seen if begun == comparison]
                print(json.dumps(weights(mine), indent=1))
            return 0
        rows = list(pool.map(forked if options.oracle else told, tasks(names, seeds), chunksize=2))
    if options.json:
        options.json.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    print(table(rows, oracle if options.oracle else summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
