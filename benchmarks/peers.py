"""What others do, on the same surfaces: each peer measures through the same virtual web UI and picks a set.

A peer adopts the set that looks best to it when that is better than the baseline's own mean by the minimum gain;
none of them tests that, which is the point of comparing false adoptions.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from autotune.model.flagset import Space
from autotune.model.study import Proposal, Purpose
from benchmarks.near import near_equal
from benchmarks.virtual import Session, Surface

FOREVER = 1e12
MIN_GAIN = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one session of one strategy ended. Times in seconds of the virtual GPU; ``thinking`` in real seconds;
    ``near``: seconds spent among sets that hardly differ (benchmarks.near)."""

    chosen: str
    adopted: bool
    seconds: float
    launches: int
    clips: int
    wasted: float
    thinking: float = 0.0
    near: float = 0.0


class Bench:
    """A session that a peer measures with: clips on demand, in the live process where it serves."""

    def __init__(self, surface: Surface, seed: int) -> None:
        self.session = Session(surface, random.Random(f"peer {seed}"), FOREVER)
        self.space: Space = surface.space
        self.seen: dict[str, list[float]] = {}
        self.failed: set[str] = set()

    def clips(self, name: str, count: int, cold: bool = False, purpose: Purpose = "screen") -> list[float]:
        """Seconds of ``count`` clips of a set (fewer if it fails); ``cold``: from a start of its own."""
        if name in self.failed:
            return []
        if cold:
            self.session.live = None
        before = len(self.session.samples)
        self.session.execute(Proposal(name, purpose, count))
        new = [s for s in self.session.samples[before:] if s.candidate == name]
        if any(s.state == "failed" for s in new):
            self.failed.add(name)
        times = [s.seconds for s in new if s.state == "ok" and s.seconds is not None]
        self.seen.setdefault(name, []).extend(times)
        return times

    def done(self, score: Callable[[list[float]], float] = fmean) -> Outcome:
        """The peer's end: the best set it saw, if it looks better than the baseline by the minimum gain."""
        base = self.space.baseline
        valid = {name: score(times) for name, times in self.seen.items() if times and name not in self.failed}
        best = min(valid, key=lambda name: (valid[name], name)) if valid else base
        if best != base and base in valid and valid[base] / valid[best] < 1.0 + MIN_GAIN:
            best = base
        return self.outcome(best)

    def outcome(self, chosen: str) -> Outcome:
        """The end with a set of the peer's own choice."""
        session = self.session
        clips = sum(1 for s in session.samples if s.state != "warmup")
        return Outcome(chosen, chosen != self.space.baseline, session.now, len(session.launches), clips,
                       session.wasted, near=near_equal(session.surface, session.samples, session.launches))


def by_hand(surface: Surface, seed: int) -> Outcome:
    """Every set by the article's protocol: a start of its own, ten clips, the best mean."""
    bench = Bench(surface, seed)
    for candidate in surface.space.candidates:
        bench.clips(candidate.id, 10, cold=True)
    return bench.done()


def grouped(surface: Surface, seed: int) -> Outcome:
    """Every set with ten clips, but as few starts as live switching allows."""
    bench = Bench(surface, seed)
    for candidate in sorted(surface.space.candidates, key=lambda c: c.launch_key):
        bench.clips(candidate.id, 10)
    return bench.done()


def at_random(surface: Surface, seed: int, trials: int = 40, repeats: int = 1) -> Outcome:
    """Sets in random order, no set twice."""
    bench = Bench(surface, seed)
    names = [c.id for c in surface.space.candidates if c.id != surface.space.baseline]
    random.Random(f"order {seed}").shuffle(names)
    bench.clips(surface.space.baseline, repeats)
    for name in names[: trials - 1]:
        bench.clips(name, repeats)
    return bench.done()


def optuna_sampler(surface: Surface, seed: int, kind: str, trials: int = 40, repeats: int = 1) -> Outcome:
    """An Optuna study driven the usual way: ask, measure, tell; the baseline is enqueued first."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed, deterministic_objective=False),
        "brute": lambda: optuna.samplers.BruteForceSampler(seed=seed),
    }
    bench = Bench(surface, seed)
    space = surface.space
    study = optuna.create_study(sampler=samplers[kind]())
    by_levels = {c.levels: c.id for c in space.candidates}
    distributions: dict[str, Any] = {
        d.name: optuna.distributions.CategoricalDistribution(d.levels) for d in space.dimensions}
    study.enqueue_trial(dict(space[space.baseline].levels))
    for _ in range(trials):
        trial = study.ask(distributions)
        name = by_levels[tuple((d.name, trial.params[d.name]) for d in space.dimensions)]
        times = bench.clips(name, repeats)
        if times:
            study.tell(trial, fmean(times))
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if kind == "brute" and len(bench.seen) + len(bench.failed) >= len(space.candidates):
            break
    return bench.done()


def hill_climbing(surface: Surface, seed: int, repeats: int = 3) -> Outcome:
    """Coordinate hill climbing, as Triton Model Analyzer's quick search goes from the default: along one
    dimension at a time to the best of its levels, until a whole pass changes nothing."""
    bench = Bench(surface, seed)
    space = surface.space
    by_levels = {c.levels: c.id for c in space.candidates}
    here = space.baseline
    bench.clips(here, repeats)
    for _ in range(4):
        start = here
        for dimension in space.dimensions:
            options = []
            for level in dimension.levels:
                levels = tuple((n, level if n == dimension.name else v) for n, v in space[here].levels)
                name = by_levels.get(levels)
                if name is not None and name not in bench.seen:
                    bench.clips(name, repeats)
                if name is not None and bench.seen.get(name) and name not in bench.failed:
                    options.append(name)
            here = min(options, key=lambda name: (fmean(bench.seen[name]), name), default=here)
        if here == start:
            break
    return bench.done()


def one_at_a_time(surface: Surface, seed: int) -> Outcome:
    """One flag at a time from the current set, kept when its one clip is faster; the sum of the kept ones is
    confirmed once against the baseline, as ggrun does for llama.cpp."""
    bench = Bench(surface, seed)
    space = surface.space
    by_levels = {c.levels: c.id for c in space.candidates}
    base = space[space.baseline]
    first = bench.clips(base.id, 1)
    kept = dict(base.levels)
    for dimension in space.dimensions:
        best = first[0] if first else FOREVER
        for level in dimension.levels:
            levels = tuple((n, level if n == dimension.name else v) for n, v in base.levels)
            if levels == base.levels or levels not in by_levels:
                continue
            times = bench.clips(by_levels[levels], 1)
            if times and times[0] < best:
                best, kept[dimension.name] = times[0], level
    name = by_levels.get(tuple((n, kept[n]) for n, _ in base.levels), base.id)
    before = bench.clips(base.id, 1, cold=True)
    after = bench.clips(name, 1, cold=True)
    better = bool(before and after and after[0] < before[0])
    return bench.outcome(name if better else base.id)


def smac(surface: Surface, seed: int, trials: int = 40) -> Outcome:
    """SMAC3's facade for categorical spaces, asked and told one clip at a time; the baseline is measured first.

    It is no dependency of this project: `pip install smac` in an environment of its own."""
    import tempfile

    from ConfigSpace import Categorical, ConfigurationSpace
    from smac import HyperparameterOptimizationFacade, Scenario
    from smac.runhistory import StatusType, TrialValue

    bench = Bench(surface, seed)
    space = surface.space
    by_levels = {c.levels: c.id for c in space.candidates}
    configs = ConfigurationSpace(seed=seed)
    configs.add([Categorical(d.name, list(d.levels), default=dict(space[space.baseline].levels)[d.name])
                 for d in space.dimensions])
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(configs, n_trials=trials, deterministic=True, seed=seed, output_directory=Path(folder))
        design = HyperparameterOptimizationFacade.get_initial_design(scenario, n_configs=8)
        facade = HyperparameterOptimizationFacade(
            scenario, lambda config, seed: 0.0,  # noqa: ARG005 - never called: trials are asked for and told
            initial_design=design, logging_level=False, overwrite=True)
        bench.clips(space.baseline, 1)
        for _ in range(trials - 1):
            trial = facade.ask()
            name = by_levels[tuple((d.name, trial.config[d.name]) for d in space.dimensions)]
            times = bench.clips(name, 1)
            status = StatusType.SUCCESS if times else StatusType.CRASHED
            facade.tell(trial, TrialValue(cost=fmean(times) if times else FOREVER, status=status))
    return bench.done()


PEERS: dict[str, Callable[[Surface, int], Outcome]] = {
    "exhaustive-10": by_hand,
    "exhaustive-10-grouped": grouped,
    "random": at_random,
    "tpe": lambda surface, seed: optuna_sampler(surface, seed, "tpe"),
    "gp": lambda surface, seed: optuna_sampler(surface, seed, "gp"),
    "brute": lambda surface, seed: optuna_sampler(surface, seed, "brute"),
    "hill": hill_climbing,
    "one-flag": one_at_a_time,
    "smac": smac,
    "random-80x3": lambda surface, seed: at_random(surface, seed, 80, 3),
    "tpe-40x3": lambda surface, seed: optuna_sampler(surface, seed, "tpe", 40, 3),
    "tpe-80": lambda surface, seed: optuna_sampler(surface, seed, "tpe", 80, 1),
    "tpe-80x3": lambda surface, seed: optuna_sampler(surface, seed, "tpe", 80, 3),
}
