"""What the samples so far say about every set of the space, measured or not: a Gaussian mixed model.

log seconds = mean + main effects + pairwise interactions + a rest of each set
            + the process's own shift + the shift of this set in this process + clip noise.
Effects are normal with the standard deviations of decide.assumptions, so sets lend each other strength: what
channels-last does is learnt from every set that has it. With these variances given, the posterior is one linear solve
(the best linear unbiased prediction of mixed models; Henderson 1975, Biometrics 31:423).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.decide import noise
from autotune.decide.assumptions import CLIPS, EFFECTS, NOISE
from autotune.decide.rounds import Round
from autotune.model.flagset import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def clip_variance(sd: float, count: int) -> float:
    """Variance of the robust mean of ``count`` clips of one set in one process."""
    return sd**2 / count + (CLIPS.stall_sd / count) ** 2 / count


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


def _alike(column: list[str], same: NDArray[np.bool_], sd: float, families: Mapping[str, float]) -> Array:
    """Correlation of a dimension's effects: 1 for equal levels, near 1 within a family, else 0."""
    import numpy as np

    family = np.array([EFFECTS.family.get(level, "") for level in column])
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


def _multiplied(n: int, columns: dict[str, list[str]], effect_sd: Mapping[str, float],
                families: Mapping[str, float]) -> Array:
    """Covariance of ``n`` sets' log seconds by what multiplies, by interactions and by what is each set's own;
    ``columns``: each dimension's levels."""
    import numpy as np

    cov = np.full((n, n), 25.0) + EFFECTS.rest_sd**2 * np.eye(n)
    before: list[NDArray[np.bool_]] = []
    for name, column in columns.items():
        same = _same(column)
        if name in EFFECTS.multiplies:
            sd = effect_sd.get(name, EFFECTS.other_sd)
            cov += sd**2 * _alike(column, same, sd, families)
        for other in before:
            cov += EFFECTS.pair_sd**2 * (same & other)
        before.append(same)
    return cov


def _added(n: int, columns: dict[str, list[str]], effect_sd: Mapping[str, float]) -> Array:
    """The same by the effects that are added seconds, in shares of a clip of usual speed."""
    import numpy as np

    cov = np.zeros((n, n))
    for name, column in columns.items():
        if name not in EFFECTS.multiplies:
            cov += effect_sd.get(name, EFFECTS.other_sd) ** 2 * _same(column)
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
    wide = variance + CLIPS.stalled_sd**2
    calm = (1.0 - CLIPS.stalled) * np.exp(-0.5 * left**2 / variance) / np.sqrt(variance)
    late = CLIPS.stalled * np.exp(-0.5 * (left - CLIPS.stalled_by) ** 2 / wide) / np.sqrt(wide)
    chance = np.where(single, late / np.maximum(calm + late, 1e-300), 0.0)
    return chance * CLIPS.stalled_by, chance * (CLIPS.stalled_sd**2 + (1.0 - chance) * CLIPS.stalled_by**2)


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
    calm = _evidence(gap, ground.calm[places] + looks.apart) + math.log(1.0 - EFFECTS.wild)
    wild = _evidence(gap, ground.wild[places] + looks.apart) + math.log(EFFECTS.wild)
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

    ``prior``: expected log seconds of (dimension, level) pairs, in place of EFFECTS.effect_mean where it names them.
    ``doubt``: factor on EFFECTS.effect_sd, below 1 where the prior comes from this very machine.
    """

    def __init__(self, space: Space, prior: dict[tuple[str, str], float] | None = None,
                 doubt: float = 1.0) -> None:
        import numpy as np

        self.index = {c.id: i for i, c in enumerate(space.candidates)}
        levels = [dict(c.levels) for c in space.candidates]
        columns = {d.name: [level.get(d.name, "") for level in levels] for d in space.dimensions}
        calm = {name: doubt * value for name, value in EFFECTS.effect_sd.items()}
        self.calm = _multiplied(len(levels), columns, calm, EFFECTS.family_sd)
        wild = {**EFFECTS.effect_sd, **EFFECTS.wild_effect_sd}
        self.wild = _multiplied(len(levels), columns, wild, EFFECTS.wild_family_sd)
        self.added = _added(len(levels), columns, calm)
        table = {**EFFECTS.effect_mean, **(prior or {})}
        scaled = [[pair for pair in c.levels if pair[0] not in EFFECTS.multiplies] for c in space.candidates]
        self.mean_added: Array = np.array([sum(table.get(pair, 0.0) for pair in pairs) for pairs in scaled])
        self.mean: Array = np.array([sum(table.get(pair, 0.0) for pair in c.levels) for c in space.candidates])
        self.attention = columns.get("attention", [])
        column = np.array(self.attention)
        self.of_class = {name: np.flatnonzero(column == name) for name in self.attention}
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
        own = 0.5 * NOISE.between_sd**2
        here = launch[:, None] == launch[None, :]
        apart = own * here * (1.0 + (where[:, None] == where[None, :]))
        apart += CLIPS.short_sd**2 * short[:, None] * short[None, :]
        apart += CLIPS.drift_sd**2 * np.exp(-np.abs(when[:, None] - when[None, :]) / CLIPS.drift_rounds)
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
            level = {name: float(mean[self.of_class[name]].mean()) for name in self.expected}
            start = level.get("split", sum(level[k] - v for k, v in self.expected.items()) / len(level))
            times = {name: math.exp(start - found) for name, found in level.items()}
            weight = EFFECTS.middle * np.array([times[name] for name in self.attention])
            weight = weight.clip(*EFFECTS.weights)
        added = self.added * weight[:, None] * weight[None, :]
        return _Ground(self.mean + (weight - 1.0) * self.mean_added, self.calm + added, self.wild + added)

    def ahead(self, posterior: Posterior, places: NDArray[np.int_], live: int | None,
              short: bool = False) -> tuple[Array, Array]:
        """What one more look at each of these sets would go with: covariance of every set's score with the looks,
        and of the looks with each other, before clip noise. ``live``: number of the process they would be made
        in, None: a new one. ``short``: they would be short clips."""
        import numpy as np

        prior = posterior.prior
        own = 0.5 * NOISE.between_sd**2
        size = len(places)
        among = prior[np.ix_(places, places)] + own + CLIPS.drift_sd**2 + own * np.eye(size)
        if short:
            among = among + CLIPS.short_sd**2
        cross = prior[:, places]
        seen = posterior.seen
        if seen is None:
            return cross, among
        now = float(seen.when.max()) + 1.0
        with_seen = prior[np.ix_(seen.where, places)]
        with_seen = with_seen + (CLIPS.drift_sd**2 * np.exp(-(now - seen.when) / CLIPS.drift_rounds))[:, None]
        if short:
            with_seen = with_seen + (CLIPS.short_sd**2 * seen.short)[:, None]
        if live is not None:
            here = seen.launch == live
            with_seen = with_seen + own * here[:, None] * (1.0 + (seen.where[:, None] == places[None, :]))
        solved = seen.inverse @ with_seen
        return cross - seen.cross @ solved, among - with_seen.T @ solved
