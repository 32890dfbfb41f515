"""Families of surfaces, most of which the search's model does not know: a family is a function of a seed.

Nothing here, nor anything that it imports, knows how autotune searches or decides. `drawn` is what benchmarks.surfaces
draws; each other family breaks one assumption: how flags go together (`interactions-1`, `-3`, `-6`, `rest-3`, `mixed`,
`surprise`, `gpus`) or how times scatter (`starts`, `tails`, `drift`, `regimes`, `start-regimes`). `factorial-*` are
recorded on a GPU (benchmarks.factorial) and are there once their file is.

Every surface also comes with all sets truly equal (``equal``), with a best set that is faster by a known gain
(``with_gain``), and with a flag that does nothing (``with_idle_flag``), under the same noise.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median

from benchmarks import factorial, surfaces
from benchmarks.cards import SLOWEST, cards
from benchmarks.surfaces import Drawn, Effects, Levels, Noise
from benchmarks.weather import Weather

Family = Callable[[int], Drawn]
UNEXPECTED = ("sub-quad", "v1", "invokeai", "none")
"""Attention classes that no record of any card names as the best."""
TRIPLES = 0.1
"""Share of the combinations of three flags that go together otherwise than their pairs say."""
IDLE = (("channelslast", "true"), ("no_half_vae", "true"), ("batch_cond_uncond", "false"))
"""Flags that may do nothing, or help only together."""
NOTHING = 0.001
"""Log seconds that a flag must save to be worth its place."""


def shifted(surface: Drawn, change: dict[str, float]) -> Drawn:
    """The surface with sets that take more or less (log seconds), all of it in what grows with steps."""
    score = {name: value + change.get(name, 0.0) for name, value in surface.score.items()}
    fixed = {name: min(0.9, share * math.exp(-change.get(name, 0.0))) for name, share in surface.fixed.items()}
    return replace(surface, score=score, fixed=fixed)


def interactions(seed: int, sd: float) -> Drawn:
    """Every pair of levels, and some triples, adds its own part to the log seconds, with this standard deviation."""
    rng = random.Random(f"interactions {seed}")
    surface = surfaces.drawn(seed)
    known: dict[object, float] = {}
    change = {}
    for c in surface.space.candidates:
        total = 0.0
        for group in itertools.chain(itertools.combinations(c.levels, 2), itertools.combinations(c.levels, 3)):
            if group not in known:
                some = len(group) == 2 or rng.random() < TRIPLES
                known[group] = rng.gauss(0.0, sd) if some else 0.0
            total += known[group]
        change[c.id] = total
    return shifted(surface, change)


def rest(seed: int, sd: float) -> Drawn:
    """Every set has a part of its own that no flag explains."""
    rng = random.Random(f"rest {seed}")
    surface = surfaces.drawn(seed)
    return shifted(surface, {c.id: rng.gauss(0.0, sd) for c in surface.space.candidates})


def starts(seed: int) -> Drawn:
    """Starts of the same set differ by 1 to 8 % (standard deviation, evenly on a logarithmic scale)."""
    rng = random.Random(f"starts {seed}")
    noise = Noise(clip=rng.uniform(0.007, 0.03), launch=math.exp(rng.uniform(math.log(0.01), math.log(0.08))))
    return surfaces.drawn(seed, noise)


def tails(seed: int) -> Drawn:
    """Clips scatter by 5 % with heavy tails: Student's t with three degrees of freedom, or one clip in ten stalled by
    a tenth to a half; starts by 2 %."""
    if random.Random(f"tails {seed}").random() < 0.5:
        return surfaces.drawn(seed, Noise(clip=0.05, launch=0.02, tails=3.0))
    return surfaces.drawn(seed, Noise(clip=0.05, launch=0.02, outliers=0.1, stall=(0.1, 0.5)))


def drift(seed: int) -> Drawn:
    """The machine becomes up to 6 % an hour slower or faster, swings slowly by 1 to 3 %, and is up to 3 % faster for
    the first minutes after a start, when it has cooled."""
    rng = random.Random(f"drift {seed}")
    weather = Weather(rng.uniform(-0.06, 0.06), rng.uniform(0.01, 0.03), rng.uniform(600.0, 3600.0),
                      rng.uniform(0.0, 2.0 * math.pi), rng.uniform(0.0, 0.03), rng.uniform(20.0, 180.0))
    surface = surfaces.drawn(seed)
    return replace(surface, noise=replace(surface.noise, weather=weather))


def regimes(seed: int) -> Drawn:
    """The machine switches between two speeds 5 to 15 % apart and stays for some minutes in each (boost clocks)."""
    rng = random.Random(f"regimes {seed}")
    weather = Weather(gap=rng.uniform(0.05, 0.15), fast=60.0 * rng.uniform(2.0, 12.0),
                      slow=60.0 * rng.uniform(2.0, 12.0), seed=seed)
    surface = surfaces.drawn(seed)
    return replace(surface, noise=replace(surface.noise, weather=weather))


def start_regimes(seed: int) -> Drawn:
    """Every start is by chance of one of two kinds, 5 to 15 % apart, for as long as it lives."""
    rng = random.Random(f"start regimes {seed}")
    surface = surfaces.drawn(seed)
    return replace(surface, noise=replace(surface.noise, two_kinds=rng.uniform(0.05, 0.15)))


def mixed(seed: int) -> Drawn:
    """What adds seconds and what multiplies is mixed otherwise than on the H200: attention mostly saves seconds, the
    other flags mostly multiply, each by its own share and each set a little differently."""
    rng = random.Random(f"mixed {seed}")
    shares: dict[tuple[str, str], float] = {}

    def parts(levels: Levels, effects: Effects) -> float:
        log, added = 0.0, 1.0
        for level in levels:
            if level not in shares:
                shares[level] = rng.uniform(0.0, 0.5) if level[0] == "attention" else rng.uniform(0.5, 1.0)
            share = min(1.0, max(0.0, shares[level] + rng.gauss(0.0, 0.2)))
            log += share * effects.get(level, 0.0)
            added += math.expm1((1.0 - share) * effects.get(level, 0.0))
        return log + math.log(max(0.05, added))

    return surfaces.drawn(seed, parts=parts)


def surprise(seed: int) -> Drawn:
    """Something helps that no expectation names: an odd attention class is the best, a flag that saves memory or is
    for safety makes clips faster, channels-last helps one class only, or two flags help only together."""
    rng = random.Random(f"surprise {seed}")
    surface = surfaces.drawn(seed)
    kinds = [_odd_class, _odd_flag, _one_class_only, _only_together]
    return rng.choice(kinds)(surface, rng)


def _behind(surface: Drawn, names: list[str]) -> float:
    """How far the best of these sets is behind the best of all valid ones."""
    valid = [surface.score[c.id] for c in surface.space.candidates if c.id not in surface.failing]
    return min(surface.score[name] for name in names) - min(valid)


def _better(surface: Drawn, names: list[str], change: float) -> Drawn:
    """These sets render, and take ``change`` less log seconds."""
    failing = {name: failure for name, failure in surface.failing.items() if name not in names}
    return shifted(replace(surface, failing=failing), dict.fromkeys(names, -change))


def _having(surface: Drawn, *levels: tuple[str, str]) -> list[str]:
    return [c.id for c in surface.space.candidates if set(levels) <= set(c.levels)]


def _odd_class(surface: Drawn, rng: random.Random) -> Drawn:
    there = [name for name in surface.space.dimensions[0].levels if name in UNEXPECTED]
    names = _having(surface, ("attention", rng.choice(there)))
    return _better(surface, names, _behind(surface, names) + rng.uniform(0.05, 0.25))


def _odd_flag(surface: Drawn, rng: random.Random) -> Drawn:
    there = [(d.name, level) for d in surface.space.dimensions for level in d.levels
             if (d.name, level) in {("memory", "medvram"), ("memory", "lowvram"), ("no_half_vae", "true"),
                                    ("precision", "upcast"), ("batch_cond_uncond", "false")}]
    level = rng.choice(there)
    names = _having(surface, level)
    others = [c.id for c in surface.space.candidates if c.id not in names and c.id not in surface.failing]
    known = {surface.space[name].levels: name for name in names}
    # The flag's own mean effect is turned into a gain.
    effect = []
    for name in others:
        twin = tuple((d, level[1] if d == level[0] else v) for d, v in surface.space[name].levels)
        if twin in known:
            effect.append(surface.score[known[twin]] - surface.score[name])
    return _better(surface, names, median(effect) + rng.uniform(0.03, 0.12))


def _one_class_only(surface: Drawn, rng: random.Random) -> Drawn:
    """The class is one whose best set is within 6 % of the best."""
    near = [name for name in surface.space.dimensions[0].levels
            if _behind(surface, _having(surface, ("attention", name))) < 0.06]
    chosen = rng.choice(near)
    change = {}
    for name in _having(surface, ("channelslast", "true")):
        twin = tuple((d, "false" if d == "channelslast" else v) for d, v in surface.space[name].levels)
        without = next(c.id for c in surface.space.candidates if c.levels == twin)
        helps = ("attention", chosen) in surface.space[name].levels
        change[name] = surface.score[without] - surface.score[name] + (-0.09 if helps else rng.uniform(0.0, 0.03))
    return shifted(surface, change)


def _only_together(surface: Drawn, rng: random.Random) -> Drawn:
    """Two flags that each cost up to 4 % take 6 to 12 % off together."""
    base = dict(surface.space[surface.space.baseline].levels)
    other = {d.name: rng.choice([level for level in d.levels if level != base[d.name]])
             for d in surface.space.dimensions if d.name in dict(IDLE)}
    first, second = rng.sample(sorted(other), 2)
    alone, gain = (rng.uniform(0.0, 0.04), rng.uniform(0.0, 0.04)), rng.uniform(0.06, 0.12)
    by_levels = {c.levels: c.id for c in surface.space.candidates}
    change = {}
    for c in surface.space.candidates:
        levels = dict(c.levels)
        mine = (levels[first] == other[first], levels[second] == other[second])
        plain = tuple((d, base[d] if d in (first, second) else v) for d, v in c.levels)
        wanted = -gain if all(mine) else sum(cost for cost, on in zip(alone, mine, strict=True) if on)
        if any(mine) or levels[first] != base[first] or levels[second] != base[second]:
            change[c.id] = surface.score[by_levels[plain]] + wanted - surface.score[c.id]
    return shifted(surface, change)


def gpus(seed: int) -> Drawn:
    """Attention as recorded on one of the 29 GPUs of webui-benchmarks-2023.csv, in turn: only the classes recorded
    there, each at the median of as many of its runs, drawn with replacement, as there are; nothing scaled."""
    rng = random.Random(f"gpus {seed}")
    card = cards()[seed % len(cards())]
    found = {}
    for level, value in card.measured.items():
        runs = card.runs[level]
        found[level] = math.exp(min(SLOWEST, value + median(rng.choices(runs, k=len(runs)))))
    return surfaces.drawn(seed, recorded=found, card=card)


def equal(surface: Drawn) -> Drawn:
    """All sets are truly equal (A/A) under the surface's own noise; none fails."""
    return surfaces.with_best_gain(surface, 0.0, 0)


def with_gain(surface: Drawn, gain: float, seed: int) -> Drawn:
    """Other current flags, such that the best set is truly faster by ``gain`` (see surfaces.with_best_gain)."""
    return surfaces.with_best_gain(surface, gain, seed)


def with_idle_flag(surface: Drawn, seed: int) -> tuple[Drawn, tuple[str, str]] | None:
    """One flag that neither the current nor the best set has does nothing: with it each set is as without it. The
    surface and that flag; None where they have every flag that could be it."""
    base, best = (dict(surface.space[name].levels) for name in (surface.space.baseline, best_of(surface)))
    levels = sorted(level for level in IDLE if level[1] not in (base.get(level[0]), best.get(level[0])))
    if not levels:
        return None
    name, level = random.Random(f"idle {seed}").choice(levels)
    by_levels = {c.levels: c.id for c in surface.space.candidates}
    score, fixed, failing = dict(surface.score), dict(surface.fixed), dict(surface.failing)
    for one in _having(surface, (name, level)):
        twin = by_levels[tuple((d, base[name] if d == name else v) for d, v in surface.space[one].levels)]
        score[one], fixed[one] = score[twin], fixed[twin]
        failing.pop(one, None)
        if twin in failing:
            failing[one] = failing[twin]
    return replace(surface, score=score, fixed=fixed, failing=failing), (name, level)


def best_of(surface: Drawn) -> str:
    """The truly best set."""
    return min((c.id for c in surface.space.candidates), key=surface.true_score)


def useless(surface: Drawn, chosen: str) -> bool:
    """True when a set has a flag more than it needs: the set without it, as the current flags are, is simpler and at
    most NOTHING slower."""
    base = dict(surface.space[surface.space.baseline].levels)
    by_levels = {c.levels: c for c in surface.space.candidates}
    mine = surface.space[chosen]
    for dimension, level in mine.levels:
        less = by_levels[tuple((d, base[d] if d == dimension else v) for d, v in mine.levels)]
        saves = surface.true_score(less.id) - surface.true_score(chosen)
        if level != base[dimension] and less.simplicity < mine.simplicity and saves <= NOTHING:
            return True
    return False


FAMILIES: dict[str, Family] = {
    "drawn": surfaces.drawn,
    "interactions-1": lambda seed: interactions(seed, 0.01),
    "interactions-3": lambda seed: interactions(seed, 0.03),
    "interactions-6": lambda seed: interactions(seed, 0.06),
    "rest-3": lambda seed: rest(seed, 0.03),
    "starts": starts,
    "tails": tails,
    "drift": drift,
    "regimes": regimes,
    "start-regimes": start_regimes,
    "mixed": mixed,
    "surprise": surprise,
    "gpus": gpus,
    **{name: partial(factorial.surface, path) for name, path in factorial.files().items()},
}
"""Every family by name."""
