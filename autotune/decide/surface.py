"""Estimate of every set of the space, measured or not, from the samples so far: a Gaussian mixed model.

    log seconds = mean + main effects + pairwise interactions + a rest of each set
                + the process's own shift + the shift of this set in this process + clip noise

Effects are normal with the standard deviations of decide.assumptions, so that sets inform each other: what
channels-last does is learnt from every set that has it. How much flags act on each other, how alike fused attention
classes are and what starts differ by is estimated (decide.covariance). With these variances given, the posterior is one
linear solve (the best linear unbiased prediction of mixed models; Henderson 1975, Biometrics 31:423).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.decide import noise
from autotune.decide.assumptions import ASSUMED, CLIPS, Assumptions
from autotune.decide.covariance import Hypothesis, covariance_bases, hypotheses
from autotune.decide.rounds import Round
from autotune.model.flagset import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def clip_mean_variance(sd: float, count: int) -> float:
    """Variance of the robust mean of ``count`` clips of one set in one process."""
    return sd**2 / count + (CLIPS.stall_sd / count) ** 2 / count


@dataclass(frozen=True)
class FittedRounds:
    """The observations behind a posterior, one for each set and process: ``set_index`` and ``launch`` of each, its mean
    ``place`` in the study, ``short``: 1 where it comes from short clips, else 0; ``inverse``: of their covariance;
    ``cross``: covariance of every set with them (sets x observations)."""

    set_index: NDArray[np.int_]
    launch: NDArray[np.int_]
    short: Array
    place: Array
    inverse: Array
    cross: Array


@dataclass(frozen=True)
class Posterior:
    """Mean and covariance of log seconds of every set after some rounds.

    ``mean`` and ``cov``: in the space's order; ``index``: place of each candidate; ``sd``: the clip noise used;
    ``tried``: rounds per candidate; ``prior``: covariance before any round, ``start_sd``: deviation between starts,
    both as the samples suggest for this machine; ``observations``: None before any round.
    """

    index: dict[str, int]
    mean: Array
    cov: Array
    sd: float
    tried: dict[str, int]
    prior: Array
    start_sd: float
    observations: FittedRounds | None = None

    def gain(self, reference: str, other: str) -> tuple[float, float]:
        """Log of the time of ``reference`` over the time of ``other``: mean and standard deviation."""
        i, j = self.index[reference], self.index[other]
        variance = float(self.cov[i, i] + self.cov[j, j] - 2.0 * self.cov[i, j])
        return float(self.mean[i] - self.mean[j]), math.sqrt(max(variance, 1e-12))


@dataclass(frozen=True)
class _GroupedRounds:
    """Rounds grouped by set and process, as FittedRounds has them: ``score``: their robust means; ``shared``: how much
    of the variance between starts each two of them share; ``noise``: covariance of the other deviations from the true
    scores; ``single``: which are of one clip."""

    set_index: NDArray[np.int_]
    launch: NDArray[np.int_]
    short: Array
    place: Array
    score: Array
    shared: Array
    noise: Array
    single: NDArray[np.bool_]


@dataclass(frozen=True)
class _WeighedPrior:
    """The prior after the sorts of machine are weighed: mean and covariance of every set, variance between starts."""

    mean: Array
    prior: Array
    between: float


def _inverse(matrix: Array) -> Array:
    import numpy as np

    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _log_evidence(gaps: Array, observed: Array) -> Array:
    """Log density of these deviations from expectation under their covariance, for each sort of machine."""
    import numpy as np

    root = np.linalg.cholesky(observed)
    white = np.linalg.solve(root, gaps[:, :, None])[:, :, 0]
    found: Array = -0.5 * (white**2).sum(axis=1) - np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    return found


def _expected_stall(gap: Array, inverse: Array, single: NDArray[np.bool_]) -> tuple[Array, Array]:
    """By how much each observation is expected to be late because its clip was stalled, and the variance of that.

    Judged by how far it lies above what all the others predict for it (leave-one-out residual r_i = (K^-1 gap)_i /
    (K^-1)_ii with variance 1 / (K^-1)_ii; Rasmussen and Williams 2006, 5.12): a mixture of a calm clip and a stalled
    one, reduced to its first two moments.
    """
    import numpy as np

    variance = 1.0 / np.diag(inverse)
    left = (inverse @ gap) * variance
    wide = variance + CLIPS.stalled_sd**2
    calm = (1.0 - CLIPS.stalled) * np.exp(-0.5 * left**2 / variance) / np.sqrt(variance)
    late = CLIPS.stalled * np.exp(-0.5 * (left - CLIPS.stalled_by) ** 2 / wide) / np.sqrt(wide)
    chance = np.where(single, late / np.maximum(calm + late, 1e-300), 0.0)
    return chance * CLIPS.stalled_by, chance * (CLIPS.stalled_sd**2 + (1.0 - chance) * CLIPS.stalled_by**2)


class Surface:
    """The mixed model of one space before any sample. Depends on its arguments alone, so that it can be reused.

    ``prior``: expected log seconds of (dimension, level) pairs, in place of the assumed ones where it names them.
    ``doubt``: factor on the effects' deviations, below 1 where the prior comes from this very machine.
    """

    def __init__(self, space: Space, prior: dict[tuple[str, str], float] | None = None,
                 doubt: float = 1.0, assumed: Assumptions = ASSUMED) -> None:
        import numpy as np

        effects = assumed.effects
        self.effects = effects
        self.index = {c.id: i for i, c in enumerate(space.candidates)}
        self.kernel = covariance_bases(space, effects)
        self.hypotheses: tuple[Hypothesis, ...] = hypotheses(self.kernel.names, assumed, doubt)
        self.chances: Array = np.array([one.log_chance for one in self.hypotheses])
        self.variances: Array = np.stack([one.variances for one in self.hypotheses])
        self.between: Array = np.array([one.start_sd**2 for one in self.hypotheses])
        self.table_holds: Array = np.array([float(one.table_holds) for one in self.hypotheses])
        table = {**effects.effect_mean, **(prior or {})}
        scaled = [[pair for pair in c.levels if pair[0] not in effects.multiplies] for c in space.candidates]
        self.mean_added: Array = np.array([sum(table.get(pair, 0.0) for pair in pairs) for pairs in scaled])
        self.mean: Array = np.array([sum(table.get(pair, 0.0) for pair in c.levels) for c in space.candidates])
        self.attention = [dict(c.levels).get("attention", "") for c in space.candidates]
        if not any(self.attention):
            self.attention = []
        column = np.array(self.attention)
        self.of_class = {name: np.flatnonzero(column == name) for name in self.attention}
        self.expected = {level: table.get(("attention", level), 0.0) for level in self.attention}

    def posterior(self, rounds: tuple[Round, ...]) -> Posterior:
        """The estimate of every set after these rounds (of whatever purpose)."""
        groups: dict[tuple[int, str, bool], list[Round]] = {}
        for one in rounds:
            if one.candidate in self.index:
                groups.setdefault((one.launch, one.candidate, one.short), []).append(one)
        sd = noise.within_sd([one.score for one in group] for group in groups.values())
        tried: dict[str, int] = {}
        for (_, name, _), group in groups.items():
            tried[name] = tried.get(name, 0) + len(group)
        if not groups:
            weighed = self._weighed(self._weights(self.mean), None)
            return Posterior(self.index, self.mean, weighed.prior, sd, tried, weighed.prior, math.sqrt(weighed.between))
        grouped = self._grouped(groups, sd)
        weight = self._weights(self.mean)
        if self.attention:
            weight = self._weights(self._solved(weight, grouped)[0])
        mean, weighed, seen = self._solved(weight, grouped)
        cov = weighed.prior - seen.cross @ seen.inverse @ seen.cross.T
        return Posterior(self.index, mean, cov, sd, tried, weighed.prior, math.sqrt(weighed.between), seen)

    def _grouped(self, groups: dict[tuple[int, str, bool], list[Round]], sd: float) -> _GroupedRounds:
        import numpy as np

        where = np.array([self.index[name] for _, name, _ in groups])
        launch = np.array([number for number, _, _ in groups])
        short = np.array([float(is_short) for _, _, is_short in groups])
        scores = [[one.score for one in group] for group in groups.values()]
        when = np.array([sum(o.place for o in group) / len(group) for group in groups.values()])
        here = launch[:, None] == launch[None, :]
        shared = 0.5 * here * (1.0 + (where[:, None] == where[None, :]))
        deviations = CLIPS.short_sd**2 * short[:, None] * short[None, :]
        deviations += CLIPS.drift_sd**2 * np.exp(-np.abs(when[:, None] - when[None, :]) / CLIPS.drift_rounds)
        deviations[np.diag_indices_from(deviations)] += [clip_mean_variance(sd, len(group)) for group in scores]
        means = np.array([noise.robust_mean(group, sd) for group in scores])
        return _GroupedRounds(where, launch, short, when, means, shared, deviations,
                              np.array([len(group) == 1 for group in scores]))

    def _weights(self, mean: Array) -> Array:
        """How much more an added second counts in each set than in one of usual speed, when the sets' log seconds are
        about ``mean``.

        What a launch-only flag adds or saves is the same number of seconds beside every attention class (H200, sdp and
        Doggettx: medvram +1.1 and +1.2 s, half +1.7 and +1.7 s), so it counts for more beside a fast one. To first
        order.
        """
        import numpy as np

        if not self.attention:
            return np.ones(len(mean))
        level = {name: float(mean[self.of_class[name]].mean()) for name in self.expected}
        start = level.get("split", sum(level[k] - v for k, v in self.expected.items()) / len(level))
        times = {name: math.exp(start - found) for name, found in level.items()}
        weight = self.effects.middle_clip * np.array([times[name] for name in self.attention])
        return np.asarray(weight.clip(*self.effects.weight_bounds))

    def _bases(self, weight: Array, places: NDArray[np.int_] | None = None) -> Array:
        """The covariance matrices, for all sets or those at ``places``; those of added seconds scaled by ``weight``."""
        import numpy as np

        held = self.kernel.bases
        if places is not None:
            held, weight = held[:, places[:, None], places[None, :]], weight[places]
        held = held.copy()
        held[self.kernel.added_seconds] *= weight[:, None] * weight[None, :]
        return np.asarray(held)

    def _summed(self, variances: Array, weight: Array) -> Array:
        """The covariance matrices of all sets, each times its variance, summed."""
        import numpy as np

        scaled, bases = self.kernel.added_seconds, self.kernel.bases
        added: Array = np.tensordot(variances[scaled], bases[scaled], axes=1)
        return np.asarray(np.tensordot(variances[~scaled], bases[~scaled], axes=1)
                          + added * weight[:, None] * weight[None, :])

    def _weighed(self, weight: Array, grouped: _GroupedRounds | None) -> _WeighedPrior:
        """All sorts of machine together, each weighted by its chance after these observations (None: beforehand): a
        weighted sum of the same matrices.

        How well a sort explains the observations is its evidence (Rasmussen and Williams 2006, 5.4).
        """
        import numpy as np

        usual, strange = self.mean + (weight - 1.0) * self.mean_added, self.mean - self.mean_added
        chances = self.chances
        if grouped is not None:
            nearby = self._bases(weight, grouped.set_index)
            observed = (np.tensordot(self.variances, nearby, axes=1) + grouped.noise[None]
                        + self.between[:, None, None] * grouped.shared[None])
            tabled = self.table_holds[:, None]
            gaps = grouped.score - (tabled * usual[grouped.set_index] + (1.0 - tabled) * strange[grouped.set_index])
            chances = chances + _log_evidence(gaps, observed)
        share = np.exp(chances - chances.max())
        share /= share.sum()
        tabled_share = float(share @ self.table_holds)
        prior = self._summed(share @ self.variances, weight)
        return _WeighedPrior(tabled_share * usual + (1.0 - tabled_share) * strange, prior, float(share @ self.between))

    def _solved(self, weight: Array, grouped: _GroupedRounds) -> tuple[Array, _WeighedPrior, FittedRounds]:
        """Mean of every set, the prior that was used, and the observations that it rests on."""
        import numpy as np

        weighed = self._weighed(weight, grouped)
        where, prior = grouped.set_index, weighed.prior
        gap = grouped.score - weighed.mean[where]
        observed: Array = prior[np.ix_(where, where)] + grouped.noise + weighed.between * grouped.shared
        cross = prior[:, where]
        late, doubt = _expected_stall(gap, _inverse(observed), grouped.single)
        observed[np.diag_indices_from(observed)] += doubt
        inverse = _inverse(observed)
        mean = weighed.mean + cross @ (inverse @ (gap - late))
        return mean, weighed, FittedRounds(where, grouped.launch, grouped.short, grouped.place, inverse, cross)

    def next_clip_covariance(self, posterior: Posterior, places: NDArray[np.int_], process: int | None,
                             short: bool = False) -> tuple[Array, Array]:
        """Covariance of one more observation of each of these sets: with every set's score, and of the observations
        with each other, before clip noise. ``process``: number of the process in which they would be made, None: a new
        one. ``short``: they would be short clips."""
        import numpy as np

        prior = posterior.prior
        own = 0.5 * posterior.start_sd**2
        size = len(places)
        among = prior[np.ix_(places, places)] + own + CLIPS.drift_sd**2 + own * np.eye(size)
        if short:
            among = among + CLIPS.short_sd**2
        cross = prior[:, places]
        seen = posterior.observations
        if seen is None:
            return cross, among
        now = float(seen.place.max()) + 1.0
        with_seen = prior[np.ix_(seen.set_index, places)]
        with_seen = with_seen + (CLIPS.drift_sd**2 * np.exp(-(now - seen.place) / CLIPS.drift_rounds))[:, None]
        if short:
            with_seen = with_seen + (CLIPS.short_sd**2 * seen.short)[:, None]
        if process is not None:
            here = seen.launch == process
            with_seen = with_seen + own * here[:, None] * (1.0 + (seen.set_index[:, None] == places[None, :]))
        solved = seen.inverse @ with_seen
        return cross - seen.cross @ solved, among - with_seen.T @ solved
