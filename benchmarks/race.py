"""Whole tunes of the reference web UI side by side: autotune's search, Optuna's TPE on the same trials, every set.

    python -m benchmarks.race --out FILE.json [--rounds 3] [--seed 0] [--budget 4m] [--profile tiny]
        [--webui DIR] [--strategies exhaustive,screen,tpe]
    python -m benchmarks.race --read FILE.json [FILE.json ...]

Each round runs one fresh study of every strategy, in an order that turns, so that a drift of the machine weighs on
all alike. FILE keeps every study as `autotune export` gives it, written anew after each, so that a run cut short
keeps its whole rounds; several FILEs of one machine are read as one. The truth is what all studies of strategy
``exhaustive`` say together (the mixed model of decide/surface.py over their rounds, every set measured in each of
them); the other strategies' clips do not enter it. For each study: seconds of clips and starts until the set that
its own samples put first lies within 2 % (``--within``) of the truly best one and stays there, seconds to the
verdict, and how far the set that it would leave in the launch file is from the best.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from autotune.decide.rounds import Round, rounds
from autotune.decide.surface import Surface
from autotune.model import codec
from autotune.model.flagset import Space
from autotune.model.study import History, Launch, Sample
from autotune.workload import profile as profiles

STRATEGIES = ("exhaustive", "screen", "tpe")


def command(webui: Path, state: Path, *words: str) -> list[str]:
    """This program's own command line."""
    return [sys.executable, "-m", "autotune", "--webui", str(webui), "--state-dir", str(state), *words]


def measure(webui: Path, given: argparse.Namespace) -> None:
    """Runs the tunes and writes their exports. Raises CalledProcessError when one fails."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="autotune-race-") as folder:
        for number in range(given.rounds):
            order = given.strategies.split(",")
            turn = (given.seed + number) % len(order)
            for strategy in (*order[turn:], *order[:turn]):
                state = Path(folder) / f"{number}-{strategy}"
                asked = ("tune", "--profile", given.profile, "--budget", given.budget, "--strategy", strategy,
                         "--seed", str(given.seed + number), "--fresh", "--json", "-q")
                subprocess.run(command(webui, state, *asked), check=True, stdout=subprocess.DEVNULL)
                out = subprocess.run(command(webui, state, "export", "-q"), check=True, capture_output=True)
                found.append(json.loads(out.stdout))
                given.out.write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
                print(f"round {number + 1}, {strategy}: {found[-1]['cost']['wall']:.0f} s", file=sys.stderr)


def whole_rounds(document: dict[str, Any]) -> tuple[tuple[Round, ...], tuple[Sample, ...], tuple[Launch, ...]]:
    """The complete rounds of an exported study, and what they were made of."""
    samples = tuple(codec.load(Sample, row) for row in document["samples"])
    launches = tuple(codec.load(Launch, row) for row in document["launches"])
    profile = profiles.from_json(document["study"]["profile"])
    return rounds(History(samples, launches), profile), samples, launches


def truth(documents: Sequence[dict[str, Any]], space: Space) -> dict[str, float]:
    """Log score of each set by all exhaustive studies together; their processes are kept apart."""
    pooled: list[Round] = []
    for number, document in enumerate(documents):
        found, *_ = whole_rounds(document)
        pooled += [Round(one.candidate, one.launch + 1000 * number, one.purpose, one.block, one.score, one.memory,
                         one.place + 1000 * number) for one in found]
    posterior = Surface(space).posterior(tuple(pooled))
    return {name: float(posterior.mean[posterior.index[name]]) for name in posterior.tried}


def reached(document: dict[str, Any], space: Space, score: dict[str, float], close: float) -> float | None:
    """Seconds of starts and clips after which the set that the study puts first stays within ``close`` (log seconds)
    of the best; None if it does not by its end."""
    found, samples, launches = whole_rounds(document)
    goal = min(score.values()) + close
    since: float | None = None
    for count in range(1, len(found) + 1):
        posterior = Surface(space).posterior(found[:count])
        first = min(posterior.tried, key=lambda name: (posterior.mean[posterior.index[name]], name))
        if score.get(first, math.inf) > goal:
            since = None
        elif since is None:
            last = found[count - 1].place
            begun = max(s.launch for s in samples[: last + 1])
            since = (sum(s.cost for s in samples[: last + 1])
                     + sum(launch.startup for launch in launches if launch.number <= begun))
    return since


def table(documents: Sequence[dict[str, Any]], within: float) -> str:
    """The comparison as text: medians with the least and the greatest. ``within``: percent of the best that is near."""
    close = math.log1p(within / 100.0)
    space = codec.load(Space, documents[0]["study"]["space"])
    by_strategy = {name: [one for one in documents if one["study"]["strategy"] == name] for name in STRATEGIES}
    score = truth(by_strategy["exhaustive"], space)
    best = min(score, key=score.__getitem__)
    near = sum(value <= score[best] + close for value in score.values())
    lines = [f"{len(score)} sets; best {best} at {math.exp(score[best] - score[space.baseline]):.3f} of the current "
             f"flags' time; {near} sets within {within:g} % of it",
             f"{'strategy':12}{f's to within {within:g} %':>24}{'s to verdict':>24}{'starts':>8}{'clips':>7}"
             f"{'regret %':>20}"]
    for name, studies in by_strategy.items():
        if not studies:
            continue
        times = [value for one in studies if (value := reached(one, space, score, close)) is not None]
        walls = [float(one["cost"]["wall"]) for one in studies]
        left = [_left(one["result"], score, space) for one in studies]
        lines.append(
            f"{name:12}{_spread(times, 0) + f' ({len(times)}/{len(studies)})':>24}{_spread(walls, 0):>24}"
            f"{median(len(one['launches']) for one in studies):>8.0f}"
            f"{median(sum(row['state'] != 'warmup' for row in one['samples']) for one in studies):>7.0f}"
            f"{_spread([100 * value for value in left], 1):>20}")
    return "\n".join(lines)


def _left(result: dict[str, Any], score: dict[str, float], space: Space) -> float:
    """How much slower than the best the set is that the launch file would hold after the verdict."""
    winner = result["winner"]
    name = next((c.id for c in space.candidates if list(c.flags.words) == winner["flags"]
                 and dict(c.flags.settings) == winner["settings"]), space.baseline)
    return math.exp(score.get(name, score[space.baseline]) - min(score.values())) - 1.0


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main(words: Sequence[str] | None = None) -> int:
    """Measures or reads, then prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    parser.add_argument("--webui", type=Path, help="an install of the reference web UI, else a new tiny one")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--read", type=Path, nargs="+")
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--budget", default="4m")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--within", type=float, default=2.0, help="percent of the best set's time that is near it")
    parser.add_argument("--strategies", default=",".join(STRATEGIES), help="some alone, to be read with others")
    parser.add_argument("--seed", type=int, default=0, help="of the first round; the next ones count on")
    given = parser.parse_args(words)
    if given.read is None:
        if given.out is None:
            parser.error("give --out, or --read")
        with tempfile.TemporaryDirectory(prefix="autotune-race-") as folder:
            webui = given.webui
            if webui is None:
                webui = Path(folder) / "webui"
                subprocess.run([sys.executable, "-m", "autotune", "engine", "create", str(webui), "-q"], check=True,
                               stdout=subprocess.DEVNULL)
            measure(webui.resolve(), given)
    files = given.read or [given.out]
    print(table([one for file in files for one in json.loads(file.read_text(encoding="utf-8"))],
                given.within))
    return 0


if __name__ == "__main__":
    sys.exit(main())
