"""What the samples so far say about every set of the space, measured or not: a Gaussian mixed model.

log seconds = mean + main effects + pairwise interactions + a rest of each set
            + the process's own shift + the shift of this set in this process + clip noise.
Effects are normal with the standard deviations below, so sets lend each other strength: what channels-last does
is learnt from every set that has it. With these variances given, the posterior is one linear solve
(the best linear unbiased prediction of mixed models; Henderson 1975, Biometrics 31:423).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.decide import noise
from autotune.decide.rounds import Round
from autotune.model.flagset import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

EFFECT_SD = {
    "attention": 0.2,          # sdp or xformers against Doggettx on one card: 0.15-0.26 (webui-benchmarks-2023.csv)
    "batch_cond_uncond": 0.04,
    "channelslast": 0.024,     # -3 % to +9 % reported; article -6 %; H200 -0.5 %
    "no_half_vae": 0.012,      # decode +0.08 s of 4.9 s on the H200
    "precision": 0.06,         # sampling 12 % faster on the H200, whole clips 20-30 % slower
    "memory": 0.1,             # medvram +1.1 s of 4.9 s on the H200
}
"""Of one level; two levels differ by the square root of two times as much."""
EFFECT_MEAN = {
    ("attention", "sdp"): -0.25,            # H200 at 512 x 512 x 16 x 20: 4.9 s, Doggettx 7.2, InvokeAI 7.2,
    ("attention", "sdp-no-mem"): -0.25,     # sub-quadratic 7.9, none 8.2, V1 13.5
    ("attention", "xformers"): -0.2,        # within a few percent of sdp in webui-benchmarks-2023.csv
    ("attention", "sub-quad"): 0.09,
    ("attention", "none"): 0.13,
    ("attention", "v1"): 0.4,
    ("batch_cond_uncond", "false"): 0.04,   # speed for memory: 5.60 against 4.21 GB on a 4090
    ("no_half_vae", "true"): 0.018,         # decode +0.08 s of 4.9 s on the H200
    ("precision", "half"): -0.05,           # sampling 10-12 % faster on the H200
    ("precision", "upcast"): 0.01,               # +0.04 s on the H200
    ("memory", "medvram"): 0.15,            # +1.1 s of 4.9 to 7.2 s on the H200
    ("memory", "lowvram"): 0.6,
    ("precision", "no-half"): 0.4,
    ("precision", "full"): 0.4,
}
"""Expected log seconds of a level, all others 0. It only says where to look first: two clips outweigh it."""
FAMILY = {"sdp": "fused", "sdp-no-mem": "fused", "xformers": "fused"}
"""Attention classes that run fused kernels are alike: on one card they lie within a few percent of each other
(webui-benchmarks-2023.csv), whatever they gain over the others; FAMILY_SD is how far apart they are
(AnimateDiff stretches it; 0.09 and 0.12 had less regret than 0.06 in 1,000 drawn sessions)."""
FAMILY_SD = {"fused": 0.09}
WILD_EFFECT_SD, WILD_FAMILY_SD = {"attention": 0.6}, {"fused": 0.4}
"""The same on a card where the classes are nothing alike: sdp 5 times as slow as xformers on a GTX 1070, twice on an
RTX 4060 Laptop, xformers 2.6 times as slow as sdp on a V100S (webui-benchmarks-2023.csv). In 1,000 drawn sessions a
family of 0.25 instead of 0.4 had a quarter more regret."""
WILD = 0.2
"""Chance beforehand that this card is of that sort; the samples decide. At least 3 of the CSV's 29 are, and most of the
others were not seen with all classes; 0.1 and 0.2 have the same regret in 1,000 drawn sessions."""
MULTIPLIES = ("attention", "batch_cond_uncond")
"""Dimensions that act on the sampling and multiply; what the others add or save is seconds (H200, see _ground)."""
MIDDLE = 0.85
"""The clip that EFFECT_SD's shares are of, relative to one with Doggettx: between that and sdp (0.68)."""
WEIGHTS = (0.4, 3.0)
"""Bounds of how much more an added second counts beside a faster attention class."""
OTHER_SD = 0.05
"""Standard deviation of a dimension's effect that the table does not name."""
PAIR_SD = 0.003
"""Interactions of two dimensions; REST_SD: what is a set's own beyond that."""
REST_SD = 0.002
STALL_SD = 0.02
"""What a single clip's score may be off by beyond the clip noise: a stalled clip or one that loaded kernels after
a live switch; n clips together show and outvote it, so it counts 1/n as much (in standard deviation)."""
STALLED, STALLED_BY, STALLED_SD = 0.05, 0.07, 0.03
"""Share of clips that something else on the machine stalls, by how many log seconds, and how widely that varies: 3 of
the article's 38 clips are 5 to 8 % slower than their set's median, the others at most 2.1 %. A single clip that is far
slower than all others together say is taken for one of these in part, until it is measured again."""
DRIFT_SD = 0.004
"""Slow drift of the machine (clocks, heat) that forgets itself over DRIFT_ROUNDS clips."""
DRIFT_ROUNDS = 15.0


SHORT_SD = 0.04
"""What all scores told from short clips may be off by together: they hang on one line (measure.fidelity)."""


def clip_variance(sd: float, count: int) -> float:
    """Variance of the robust mean of ``count`` clips of one set in one process."""
    return sd**2 / count + (STALL_SD / count) ** 2 / count


@dataclass(frozen=True)
class Seen:
    """The observations behind a posterior: set and process of each, place in the study's order, and the inverse
    of their covariance; ``short``: 1 where it was told from short clips, else 0; ``cross``: covariance of every set
    with them."""

    where: NDArray[np.int_]
    launch: NDArray[np.int_]
    short: Array
    when: Array
    inverse: Array
    cross: Array


@dataclass(frozen=True)
class Posterior:
    """``mean`` and ``cov`` of log seconds of each candidate, in the space's order; ``index`` their places;
    ``sd`` the clip noise used; ``tried`` rounds per candidate; ``prior``: covariance before any round; ``seen`` what
    it rests on, None before any round."""

    index: dict[str, int]
    mean: Array
    cov: Array
    sd: float
    tried: dict[str, int]
    prior: Array
    seen: Seen | None = None

    def gain(self, reference: str, other: str) -> tuple[float, float]:
        """Log of reference time over other time: mean and standard deviation."""
        i, j = self.index[reference], self.index[other]
        variance = float(self.cov[i, i] + self.cov[j, j] - 2.0 * self.cov[i, j])
        return float(self.mean[i] - self.mean[j]), math.sqrt(max(variance, 1e-12))


def _alike(column: list[str], same: NDArray[np.bool_], sd: float, families: dict[str, float]) -> Array:
    """Correlation of a dimension's effects: 1 for equal levels, near 1 within a family, else 0."""
    import numpy as np

    family = np.array([FAMILY.get(level, "") for level in column])
    found = same.astype(np.float64)
    for name, apart in families.items():
        member = family == name
        kin = member[:, None] & member[None, :] & ~same
        found[kin] = max(0.0, 1.0 - 0.5 * (apart / sd) ** 2)
    return found


def _same(column: list[str]) -> NDArray[np.bool_]:
    import numpy as np

    codes = np.unique(column, return_inverse=True)[1]
    same: NDArray[np.bool_] = codes[:, None] == codes[None, :]
    return same


def _multiplied(n: int, columns: dict[str, list[str]], effect_sd: dict[str, float],
                families: dict[str, float]) -> Array:
    """Covariance of ``n`` sets' log seconds by what multiplies, by interactions and by what is each set's own;
    ``columns``: each dimension's levels."""
    import numpy as np

    cov = np.full((n, n), 25.0) + REST_SD**2 * np.eye(n)
    before: list[NDArray[np.bool_]] = []
    for name, column in columns.items():
        same = _same(column)
        if name in MULTIPLIES:
            sd = effect_sd.get(name, OTHER_SD)
            cov += sd**2 * _alike(column, same, sd, families)
        for other in before:
            cov += PAIR_SD**2 * (same & other)
        before.append(same)
    return cov


def _added(n: int, columns: dict[str, list[str]], effect_sd: dict[str, float]) -> Array:
    """The same by the effects that are added seconds, in shares of a clip of usual speed."""
    import numpy as np

    cov = np.zeros((n, n))
    for name, column in columns.items():
        if name not in MULTIPLIES:
            cov += effect_sd.get(name, OTHER_SD) ** 2 * _same(column)
    return cov


def _inverse(matrix: Array) -> Array:
    import numpy as np

    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _evidence(gap: Array, observed: Array) -> float:
    """Log density of these deviations from expectation under their covariance."""
    import numpy as np

    root = np.linalg.cholesky(observed)
    white = np.linalg.solve(root, gap)
    return float(-0.5 * white @ white - np.log(np.diag(root)).sum())


def _stalled(gap: Array, inverse: Array, single: NDArray[np.bool_]) -> tuple[Array, Array]:
    """How late each observation is expected to be, and the variance of that, from how far it lies above what all the
    others say of it (leave-one-out residual r_i = (K^-1 gap)_i / (K^-1)_ii with variance 1 / (K^-1)_ii; Rasmussen
    and Williams 2006, 5.12): a mixture of a calm clip and a stalled one, brought to its first two moments."""
    import numpy as np

    variance = 1.0 / np.diag(inverse)
    left = (inverse @ gap) * variance
    wide = variance + STALLED_SD**2
    calm = (1.0 - STALLED) * np.exp(-0.5 * left**2 / variance) / np.sqrt(variance)
    late = STALLED * np.exp(-0.5 * (left - STALLED_BY) ** 2 / wide) / np.sqrt(wide)
    chance = np.where(single, late / np.maximum(calm + late, 1e-300), 0.0)
    return chance * STALLED_BY, chance * (STALLED_SD**2 + (1.0 - chance) * STALLED_BY**2)


@dataclass(frozen=True)
class _Ground:
    """What is believed before any round: ``mean`` and covariance, on a ``calm`` card and on a ``wild`` one."""

    mean: Array
    calm: Array
    wild: Array


@dataclass(frozen=True)
class _Looks:
    """Rounds by set and process: see Seen; ``score`` their robust means, ``apart`` the covariance of what they are
    off by from the true scores, ``single`` those of one clip."""

    where: NDArray[np.int_]
    launch: NDArray[np.int_]
    short: Array
    when: Array
    score: Array
    apart: Array
    single: NDArray[np.bool_]


def _solve(ground: _Ground, looks: _Looks) -> tuple[Array, Array, Array, Seen]:
    """Mean and covariance of every set, the prior covariance that was used, and what they rest on.

    Calm or wild, whichever explains the looks better (empirical Bayes; Rasmussen and Williams 2006, 5.4)."""
    import numpy as np

    where = looks.where
    places = np.ix_(where, where)
    gap = looks.score - ground.mean[where]
    calm = _evidence(gap, ground.calm[places] + looks.apart) + math.log(1.0 - WILD)
    wild = _evidence(gap, ground.wild[places] + looks.apart) + math.log(WILD)
    prior = ground.wild if wild > calm else ground.calm
    observed: Array = prior[places] + looks.apart
    cross = prior[:, where]
    late, doubt = _stalled(gap, _inverse(observed), looks.single)
    observed[np.diag_indices_from(observed)] += doubt
    inverse = _inverse(observed)
    mean = ground.mean + cross @ (inverse @ (gap - late))
    cov = prior - cross @ inverse @ cross.T
    return mean, cov, prior, Seen(where, looks.launch, looks.short, looks.when, inverse, cross)


class Surface:
    """The prior of one space. Depends on nothing but its arguments, so it may be kept and used again.

    ``prior``: expected log seconds of (dimension, level) pairs, in place of EFFECT_MEAN where it names them.
    ``doubt``: factor on EFFECT_SD, below 1 where the prior comes from this very machine.
    """

    def __init__(self, space: Space, prior: dict[tuple[str, str], float] | None = None,
                 doubt: float = 1.0) -> None:
        import numpy as np

        self.index = {c.id: i for i, c in enumerate(space.candidates)}
        levels = [dict(c.levels) for c in space.candidates]
        columns = {d.name: [level.get(d.name, "") for level in levels] for d in space.dimensions}
        calm = {name: doubt * value for name, value in EFFECT_SD.items()}
        self.calm = _multiplied(len(levels), columns, calm, FAMILY_SD)
        self.wild = _multiplied(len(levels), columns, EFFECT_SD | WILD_EFFECT_SD, WILD_FAMILY_SD)
        self.added = _added(len(levels), columns, calm)
        table = EFFECT_MEAN | (prior or {})
        scaled = [[pair for pair in c.levels if pair[0] not in MULTIPLIES] for c in space.candidates]
        self.mean_added: Array = np.array([sum(table.get(pair, 0.0) for pair in pairs) for pairs in scaled])
        self.mean: Array = np.array([sum(table.get(pair, 0.0) for pair in c.levels) for c in space.candidates])
        self.attention = columns.get("attention", [])
        self.expected = {level: table.get(("attention", level), 0.0) for level in self.attention}

    def posterior(self, rounds: tuple[Round, ...]) -> Posterior:
        """The state of knowledge after these rounds (of whatever purpose)."""
        groups: dict[tuple[int, str, bool], list[Round]] = {}
        for one in rounds:
            if one.candidate in self.index:
                groups.setdefault((one.launch, one.candidate, one.short), []).append(one)
        sd = noise.within_sd([one.score for one in group] for group in groups.values())
        tried: dict[str, int] = {}
        for (_, name, _), group in groups.items():
            tried[name] = tried.get(name, 0) + len(group)
        ground = self._ground(self.mean)
        if not groups:
            return Posterior(self.index, self.mean, ground.calm, sd, tried, ground.calm)
        looks = self._looks(groups, sd)
        mean, cov, prior, seen = _solve(ground, looks)
        if self.attention:
            mean, cov, prior, seen = _solve(self._ground(mean), looks)
        return Posterior(self.index, mean, cov, sd, tried, prior, seen)

    def _looks(self, groups: dict[tuple[int, str, bool], list[Round]], sd: float) -> _Looks:
        import numpy as np

        where = np.array([self.index[name] for _, name, _ in groups])
        launch = np.array([number for number, _, _ in groups])
        short = np.array([float(told) for _, _, told in groups])
        scores = [[one.score for one in group] for group in groups.values()]
        when = np.array([sum(o.place for o in group) / len(group) for group in groups.values()])
        own = 0.5 * noise.BETWEEN_SD**2
        here = launch[:, None] == launch[None, :]
        apart = own * here * (1.0 + (where[:, None] == where[None, :]))
        apart += SHORT_SD**2 * short[:, None] * short[None, :]
        apart += DRIFT_SD**2 * np.exp(-np.abs(when[:, None] - when[None, :]) / DRIFT_ROUNDS)
        apart[np.diag_indices_from(apart)] += [clip_variance(sd, len(group)) for group in scores]
        return _Looks(where, launch, short, when, np.array([noise.location(group, sd) for group in scores]), apart,
                      np.array([len(group) == 1 for group in scores]))

    def _ground(self, mean: Array) -> _Ground:
        """Beliefs when the sets' log seconds are about ``mean``: what a launch-only flag adds or saves is the same
        seconds beside every attention class (H200, sdp and Doggettx: medvram +1.1 and +1.2 s, half +1.7 and
        +1.7 s), so it counts for more beside a fast one. To first order."""
        import numpy as np

        weight = np.ones(len(mean))
        if self.attention:
            column = np.array(self.attention)
            level = {name: float(mean[column == name].mean()) for name in self.expected}
            start = level.get("split", sum(level[k] - v for k, v in self.expected.items()) / len(level))
            weight = np.array([MIDDLE * math.exp(start - level[name]) for name in self.attention]).clip(*WEIGHTS)
        added = self.added * weight[:, None] * weight[None, :]
        return _Ground(self.mean + (weight - 1.0) * self.mean_added, self.calm + added, self.wild + added)

    def ahead(self, posterior: Posterior, places: NDArray[np.int_], live: int | None,
              short: bool = False) -> tuple[Array, Array]:
        """What one more look at each of these sets would go with: covariance of every set's score with the looks,
        and of the looks with each other, before clip noise. ``live``: number of the process they would be made
        in, None: a new one. ``short``: they would be short clips."""
        import numpy as np

        prior = posterior.prior
        own = 0.5 * noise.BETWEEN_SD**2
        size = len(places)
        among = prior[np.ix_(places, places)] + own + DRIFT_SD**2 + own * np.eye(size)
        if short:
            among = among + SHORT_SD**2
        cross = prior[:, places]
        seen = posterior.seen
        if seen is None:
            return cross, among
        now = float(seen.when.max()) + 1.0
        with_seen = prior[np.ix_(seen.where, places)]
        with_seen = with_seen + (DRIFT_SD**2 * np.exp(-(now - seen.when) / DRIFT_ROUNDS))[:, None]
        if short:
            with_seen = with_seen + (SHORT_SD**2 * seen.short)[:, None]
        if live is not None:
            here = seen.launch == live
            with_seen = with_seen + own * here[:, None] * (1.0 + (seen.where[:, None] == places[None, :]))
        solved = seen.inverse @ with_seen
        return cross - seen.cross @ solved, among - with_seen.T @ solved
