"""Response surfaces to tune on: drawn ones from recorded figures, and recorded ones.

Where the ranges come from (benchmarks/data):
attention per GPU: a card drawn from webui-benchmarks-2023.csv (benchmarks.cards); classes that it does not hold and
the AnimateDiff workloads: a1111-h200.jsonl; clip outliers: article-rtx3090.json; channels-last from +9 % (RTX 3080) and
-3 % (RTX 3070) in web UI threads to -6 % (article) and -0.5 % (H200); batch_cond_uncond off: up to 10 % slower; starts
8-60 s.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from autotune.model.flagset import Candidate, Dimension, Effective, FlagSet, Space
from autotune.model.study import Failure
from autotune.model.workload import DecideSpec, Profile, SearchSpec, Workload
from benchmarks.cards import Card, cards, ratios
from benchmarks.virtual import Clip, Process
from benchmarks.weather import Weather

ATTENTION = ("split", "xformers", "sdp-no-mem", "sdp", "sub-quad", "v1", "invokeai", "none")
FLAG = {
    ("attention", "xformers"): "--xformers", ("attention", "sdp"): "--opt-sdp-attention",
    ("attention", "sdp-no-mem"): "--opt-sdp-no-mem-attention", ("attention", "sub-quad"): "--opt-sub-quad-attention",
    ("attention", "v1"): "--opt-split-attention-v1", ("attention", "invokeai"): "--opt-split-attention-invokeai",
    ("attention", "none"): "--disable-opt-split-attention", ("channelslast", "true"): "--opt-channelslast",
    ("no_half_vae", "true"): "--no-half-vae", ("precision", "half"): "--precision half",
    ("precision", "upcast"): "--upcast-sampling",
    ("memory", "medvram"): "--medvram", ("memory", "lowvram"): "--lowvram",
}
MULTIPLIES = ("attention", "batch_cond_uncond")
MIDDLE = 0.85
"""The clip that a range's percentages are of, relative to one with Doggettx: between that and sdp (0.68)."""
FIXED = 0.76 / 7.17
"""Share of a clip of Doggettx's that does not grow with steps (H200 recordings, 20 steps)."""
WARM_SHARE = 0.2
"""A warm-up clip of 2 of 20 steps: a tenth of the sampling, and all of decoding and encoding (H200: 0.55 of 4.9 s)."""


def space(dimensions: tuple[Dimension, ...], baseline: dict[str, str]) -> Space:
    """The full product of the dimensions as a space, ids and launch keys made from the levels."""
    candidates = []
    for levels in itertools.product(*(d.levels for d in dimensions)):
        pairs = tuple((d.name, level) for d, level in zip(dimensions, levels, strict=True))
        candidates.append(_candidate(pairs, dimensions, baseline))
    wanted = {d.name: baseline[d.name] for d in dimensions}
    current = next(c.id for c in candidates if dict(c.levels) == wanted)
    return Space(dimensions, tuple(candidates), current)


def _candidate(pairs: tuple[tuple[str, str], ...], dimensions: tuple[Dimension, ...],
               baseline: dict[str, str]) -> Candidate:
    levels = dict(pairs)
    words = tuple(w for pair in pairs if pair in FLAG for w in FLAG[pair].split())
    settings = (("batch_cond_uncond", False),) if levels.get("batch_cond_uncond") == "false" else ()
    key = " ".join(f"{d.name}={levels[d.name]}" for d in dimensions if not d.live)
    changes = sum(1 for name, level in pairs if baseline[name] != level)
    effective = Effective(
        levels.get("attention", "split").replace("split", "doggettx"), levels.get("channelslast") == "true", "fp16",
        "fp32" if levels.get("no_half_vae") == "true" else "fp16", levels.get("precision", "autocast"),
        levels.get("precision") == "upcast", levels.get("memory", "none"), levels.get("batch_cond_uncond") != "false")
    return Candidate(" ".join(f"{n}={v}" for n, v in pairs), FlagSet(words, settings), effective, key, pairs,
                     (len(words) + len(settings), changes))


@dataclass(frozen=True)
class Noise:
    """``clip``: CV of a clip; ``launch``: SD between launches; ``outliers``: share of clips that are 3-12 %
    slow (``stall``); ``drift``: log change per hour; ``tails``: degrees of freedom of Student's t for clip noise, None
    for normal; ``weather``: how the machine's speed changes; ``two_kinds``: log seconds between the two kinds of start
    that a machine makes, by chance, half of them each; ``recorded``: recorded starts to draw from instead: what each
    start differed by, and its clips; ``own``: what sets in a process differed by, where that was told apart."""

    clip: float = 0.02
    launch: float = 0.015
    outliers: float = 0.05
    drift: float = 0.0
    tails: float | None = None
    stall: tuple[float, float] = (0.03, 0.12)
    weather: Weather | None = None
    two_kinds: float = 0.0
    recorded: tuple[tuple[float, tuple[float, ...]], ...] = ()
    own: tuple[float, ...] = ()

    def of_start(self, rng: random.Random) -> float:
        """What a process differs by: half of the variance between launches, unless it was told apart."""
        if self.own:
            return rng.choice(self.recorded)[0]
        if self.recorded:
            return rng.choice(self.recorded)[0] * math.sqrt(0.5)
        return rng.gauss(0.0, self.launch * math.sqrt(0.5))

    def of_set(self, rng: random.Random) -> float:
        """What a set within a process differs by: the other half."""
        return rng.choice(self.own) if self.own else self.of_start(rng)

    def of_clip(self, rng: random.Random) -> float:
        """What one clip differs by, stalled ones included."""
        if self.recorded:
            return rng.choice(rng.choice(self.recorded)[1])
        if self.tails is None:
            log = rng.gauss(0.0, self.clip)
        else:
            log = self.clip * rng.gauss(0.0, 1.0) / math.sqrt(rng.gammavariate(self.tails / 2, 2) / self.tails)
        return log + (rng.uniform(*self.stall) if rng.random() < self.outliers else 0.0)


@dataclass(frozen=True)
class Drawn:
    """A surface given by its true log seconds, with noise, costs and failures; ``fixed``: share of each set's clip
    that does not grow with steps; ``card``: where its attention comes from."""

    space: Space
    profile: Profile
    score: dict[str, float]
    memory: dict[str, float]
    failing: dict[str, Failure] = field(default_factory=dict)
    flaky: dict[str, float] = field(default_factory=dict)
    noise: Noise = Noise()
    startup: float = 20.0
    penalty: float = 8.0
    fixed: dict[str, float] = field(default_factory=dict)
    card: Card | None = None

    def true_score(self, candidate: str) -> float:
        """See Surface."""
        return math.inf if candidate in self.failing else self.score[candidate]

    def process(self, candidate: Candidate, rng: random.Random) -> Process:  # noqa: ARG002
        """See Surface."""
        return DrawnProcess(self, rng)


class DrawnProcess:
    """A process on a drawn surface: half of the between-launch variance is the process's, half each set's."""

    def __init__(self, surface: Drawn, rng: random.Random) -> None:
        self.surface = surface
        self.rng = rng
        self.startup = surface.startup * math.exp(rng.gauss(0.0, 0.08))
        self.failure: Failure | None = None
        self.shift = surface.noise.of_start(rng)
        if surface.noise.two_kinds:
            self.shift += surface.noise.two_kinds * (rng.random() < 0.5)
        self.own: dict[str, float] = {}
        self.begun: float | None = None

    def clip(self, candidate: Candidate, workload: int, now: float, warmup: bool, steps: float = 1.0) -> Clip:
        """See Process."""
        surface, rng, noise = self.surface, self.rng, self.surface.noise
        workloads = surface.profile.workloads
        size = _size(workloads[workload]) / _size(workloads[0])
        base = math.exp(surface.score[candidate.id]) * size
        failure = surface.failing.get(candidate.id)
        if failure is None and rng.random() < surface.flaky.get(candidate.id, 0.0):
            failure = "crash"
        if failure is not None:
            return Clip(base * rng.uniform(0.2, 1.0), failure, None)
        if candidate.id not in self.own:
            self.own[candidate.id] = noise.of_set(rng)
        log = self.shift + self.own[candidate.id] + noise.drift * now / 3600.0 + noise.of_clip(rng)
        if noise.weather is not None:
            log += noise.weather.at(now, 0.0 if self.begun is None else now - self.begun)
        fixed = surface.fixed.get(candidate.id, FIXED)
        seconds = base * math.exp(log) * (WARM_SHARE if warmup else fixed + (1.0 - fixed) * steps)
        if self.begun is None:
            seconds += surface.penalty
            self.begun = now
        return Clip(seconds, None, surface.memory[candidate.id])


def _size(workload: Workload) -> float:
    return float(workload.steps * workload.frames * workload.width * workload.height)


def levels_of(rng: random.Random) -> tuple[Dimension, ...]:
    """Dimensions of a space of 96 to 192 effective sets."""
    attention = rng.choice((6, 7, 8))
    names = ATTENTION if attention == 8 else tuple(a for a in ATTENTION if a != "xformers")[:attention]
    extra = rng.choice((Dimension("precision", ("autocast", "half"), False),
                        Dimension("precision", ("autocast", "upcast"), False),
                        Dimension("memory", ("none", "medvram"), False)))
    if attention == 8 and rng.random() < 0.5:
        extra = Dimension("memory", ("none", "medvram", "lowvram"), False)
    return (Dimension("attention", names, True), Dimension("channelslast", ("false", "true"), False),
            Dimension("no_half_vae", ("false", "true"), False),
            Dimension("batch_cond_uncond", ("true", "false"), True), extra)


def _effects(rng: random.Random, ratios: dict[str, float]) -> dict[tuple[str, str], float]:
    """One draw of every level's effect on log seconds."""
    found = {("attention", name): math.log(ratios[name]) + rng.gauss(0.0, 0.03) for name in ATTENTION}
    found[("channelslast", "true")] = min(0.06, max(-0.09, rng.gauss(0.0, 0.03)))
    found[("no_half_vae", "true")] = rng.uniform(0.0, 0.04)
    found[("batch_cond_uncond", "false")] = rng.uniform(-0.02, 0.10)
    found[("precision", "half")] = rng.uniform(-0.12, 0.03) if rng.random() < 0.7 else rng.uniform(0.03, 0.3)
    found[("precision", "upcast")] = rng.uniform(0.0, 0.05)
    found[("memory", "medvram")] = rng.uniform(0.05, 0.25)
    found[("memory", "lowvram")] = rng.uniform(0.4, 1.0)
    return found


Levels = tuple[tuple[str, str], ...]
Effects = dict[tuple[str, str], float]
Parts = Callable[[Levels, Effects], float]
"""Log seconds of a set, but for a constant, from its levels and every level's effect."""


def _parts(levels: Levels, effects: Effects) -> float:
    """Log seconds of a set from its levels' effects. Attention and batch_cond_uncond act on the sampling and
    multiply; what the other flags add or save is the same seconds beside a fast attention class as beside a slow one
    (H200, sdp and Doggettx: medvram +1.1 and +1.2 s, half +1.7 and +1.7 s), so that their percentages differ."""
    log = sum(effects.get(level, 0.0) for level in levels if level[0] in MULTIPLIES)
    added = sum(math.expm1(effects.get(level, 0.0)) for level in levels if level[0] not in MULTIPLIES)
    return math.log(math.exp(log) + MIDDLE * added)


def other_ratios(rng: random.Random) -> dict[str, float]:
    """Times of the attention classes relative to Doggettx where no record of a card tells (the H200's, widened)."""
    sdp = math.exp(-rng.uniform(0.0, 0.4))
    return {"split": 1.0, "xformers": sdp * math.exp(rng.gauss(0.0, 0.05)), "sdp": sdp,
            "sdp-no-mem": sdp * math.exp(rng.gauss(0.0, 0.015)), "sub-quad": math.exp(rng.uniform(0.0, 0.25)),
            "v1": math.exp(rng.uniform(0.1, 0.65)), "invokeai": math.exp(rng.uniform(-0.02, 0.1)),
            "none": math.exp(rng.uniform(-0.05, 0.2))}


def drawn(seed: int, noise: Noise | None = None, parts: Parts | None = None,
          recorded: dict[str, float] | None = None, card: Card | None = None) -> Drawn:
    """A drawn surface; the same seed gives the same one.

    ``parts``: how effects come together, in place of what was seen on the H200. ``recorded`` and ``card``: times of
    the attention classes relative to Doggettx as they are, which are then the only classes of the space."""
    rng = random.Random(f"surface {seed}")
    dimensions = levels_of(rng)
    if recorded is not None:
        dimensions = (Dimension("attention", tuple(a for a in ATTENTION if a in recorded), True), *dimensions[1:])
    fast = rng.choice(("xformers", "sdp", "sdp-no-mem"))
    usual = "split" if "split" in dimensions[0].levels else dimensions[0].levels[0]
    baseline = {"attention": fast if fast in dimensions[0].levels and rng.random() < 0.5 else usual,
                "channelslast": rng.choice(("false", "false", "false", "true")),
                "no_half_vae": rng.choice(("false", "false", "true")), "batch_cond_uncond": "true",
                "precision": "autocast", "memory": rng.choice(("none", "none", "none", "medvram"))}
    where = space(dimensions, baseline)
    card = card or random.Random(f"card {seed}").choice(cards())
    effects = _effects(rng, ratios(card, other_ratios(rng), random.Random(f"ratios {seed}")))
    effects |= {("attention", name): math.log(value) for name, value in (recorded or {}).items()}
    together = parts or _parts
    pairs: dict[object, float] = {}
    clip = math.exp(rng.uniform(math.log(5.0), math.log(30.0)))
    score, memory = {}, {}
    failing: dict[str, Failure] = {}
    bad = {a: rng.random() < p for a, p in (("none", 0.2), ("v1", 0.1), ("xformers", 0.1))}
    bad_half = rng.random() < 0.15
    current = where[where.baseline].effective
    for c in where.candidates:
        log = math.log(clip) + rng.gauss(0.0, 0.0015) + together(c.levels, effects)
        for pair in itertools.combinations(c.levels, 2):
            log += pairs.setdefault(pair, rng.gauss(0.0, 0.003))
        score[c.id] = log
        slim = {"none": 1.0, "medvram": 0.7, "lowvram": 0.5}[c.effective.memory]
        memory[c.id] = slim * (14000.0 if c.effective.attention in ("doggettx", "v1", "invokeai") else 9000.0)
        memory[c.id] *= 1.0 if c.effective.batch_cond_uncond else 0.75
        if c.id != where.baseline:
            runs = (baseline["attention"], current.memory) == (dict(c.levels)["attention"], c.effective.memory)
            if bad.get(dict(c.levels)["attention"]) and c.effective.memory == "none" and not runs:
                failing[c.id] = "oom"
            if bad_half and c.effective.precision == "half":
                failing[c.id] = "nan"
    fixed = _fixed(where, score, effects, clip, random.Random(f"fixed {seed}"))
    used = noise or Noise(clip=rng.uniform(0.007, 0.03), launch=rng.uniform(0.01, 0.02), outliers=0.05)
    return Drawn(where, profile(), score, memory, failing, {}, used, math.exp(rng.uniform(math.log(8), math.log(60))),
                 rng.uniform(6.0, 11.0), fixed, card)


def _fixed(where: Space, score: dict[str, float], effects: dict[tuple[str, str], float], clip: float,
           rng: random.Random) -> dict[str, float]:
    """Share of each set's clip that does not grow with steps. What `--no-half-vae` adds is in the VAE alone,
    channels-last acts on VAE and sampling in parts that differ from card to card, and of what `--medvram` adds
    nearly all is moving models once a job (H200: 0.9 of 1.1 s)."""
    share = {("no_half_vae", "true"): 1.0, ("channelslast", "true"): rng.random(), ("memory", "medvram"): 0.85,
             ("memory", "lowvram"): rng.uniform(0.0, 0.3)}
    own = clip * FIXED * math.exp(rng.gauss(0.0, 0.3))
    found = {}
    for c in where.candidates:
        seconds = own + clip * MIDDLE * sum(part * math.expm1(effects.get(level, 0.0))
                                            for level, part in share.items() if level in c.levels)
        found[c.id] = min(0.9, max(0.01, seconds / math.exp(score[c.id])))
    return found


def profile(minutes: float = 60.0, min_gain: float = 0.02, confidence: float = 0.95) -> Profile:
    """The profile that the benchmarks tune for: one clip of 512 x 512 x 16 frames."""
    rule = DecideSpec(min_gain, confidence)
    return Profile("benchmark", (Workload(512, 512, 16, 20),), SearchSpec(()), rule, minutes)


def with_best_gain(surface: Drawn, gain: float, seed: int) -> Drawn:
    """The surface with other current flags, such that the best valid set is faster by exactly ``gain`` (0.05 = 5 %):
    one of the sets whose distance from the best is about that, drawn, and all distances stretched or shrunk alike by
    what is missing. (Pressing together only what is faster than the current flags would give every flag one effect
    above them and another below.) 0: all sets equal (A/A)."""
    if gain == 0.0:
        base = surface.score[surface.space.baseline]
        same = surface.fixed[surface.space.baseline]
        return replace(surface, score=dict.fromkeys(surface.score, base), failing={},
                       fixed=dict.fromkeys(surface.score, same))
    valid = [c for c in surface.space.candidates if c.id not in surface.failing]
    best = min(surface.score[c.id] for c in valid)
    behind = {c.id: surface.score[c.id] - best for c in valid if surface.score[c.id] > best}
    wanted = math.log1p(gain)
    nearest = sorted(behind, key=lambda name: abs(math.log(behind[name] / wanted)))[:5]
    chosen = random.Random(f"baseline {seed}").choice(nearest)
    factor = wanted / behind[chosen]
    return replace(surface, space=space(surface.space.dimensions, dict(surface.space[chosen].levels)),
                   score={name: best + factor * (value - best) for name, value in surface.score.items()})
