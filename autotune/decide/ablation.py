"""What each flag of a tuned set contributes: measured by fresh pairs without it, otherwise a model's expectation.

A flag's effect is the set's time without it over its time with it. It is measured by pairs of the same block, as a
verdict's speedup is; for a set with a single flag it is the verdict's own interval. What no pair measured is what the
model of all clips (``decide.surface``) expects, adjusted to what was measured, and never called significant: such a
figure rests on what other machines did.

The rows of one result must agree with its speedup. Leaving flags out one by one need not add up to the whole: flags act
on each other. Expectations take up what the measured ones leave of the verdict's speedup, by generalised least squares
(Rao 1973, Linear Statistical Inference, 4a); what is left between measured ones is a row of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from autotune.decide.assumptions import EFFECTS, RULES
from autotune.decide.compare import FRESH_PURPOSES, StartPair, compare
from autotune.decide.rounds import Round
from autotune.decide.surface import Posterior, Surface
from autotune.language.translate import N_
from autotune.model.flagset import Candidate, Space
from autotune.model.study import Ablation, Interval

TOGETHER = N_("all together, beyond each alone")
"""Name of the row for what measured flags do to each other."""


@dataclass(frozen=True, slots=True)
class FlagEffect:
    """The measured effect of one flag. ``gain``: the logarithm of the set's time without it over its time with it;
    ``error``: the standard error of that; ``interval``: the same as a ratio; ``pairs``: how many fresh pairs it comes
    from."""

    gain: float
    error: float
    interval: Interval
    pairs: int


def differing_dimensions(space: Space, candidate: Candidate) -> tuple[str, ...]:
    """Names of the dimensions on which a candidate differs from the baseline, in the space's order."""
    return tuple(name for name, _ in candidate.differing_levels(space[space.baseline]))


def without_flag(space: Space, candidate: Candidate, dimension: str) -> Candidate | None:
    """The set that equals ``candidate`` except for the baseline's level on ``dimension``; None if the space has
    none."""
    wanted = dict(candidate.levels)
    wanted[dimension] = dict(space[space.baseline].levels)[dimension]
    for other in space.candidates:
        if dict(other.levels) == wanted:
            return other
    return None


def flag_words(candidate: Candidate, reduced: Candidate, dimension: str) -> str:
    """The words or settings that a dimension adds to a set, as the user would write them."""
    words = [word for word in candidate.flags.words if word not in reduced.flags.words]
    if words:
        return " ".join(words)
    gone = [word for word in reduced.flags.words if word not in candidate.flags.words]
    if gone:
        return "without " + " ".join(gone)
    return f"{dimension}={dict(candidate.levels)[dimension]}"


def flag_pairs(rounds: tuple[Round, ...], candidate: str, reduced: str) -> tuple[StartPair, ...]:
    """The fresh pairs of a set without one flag (``reduced``) and with it (``candidate``), in the order of their
    blocks.

    Rounds without the flag have the purpose "ablate"; those with it are of the same block, whatever the block was made
    for: from the same process where that rendered both, else from another one.
    """
    gap: dict[int, list[Round]] = {}
    right: dict[int, list[Round]] = {}
    for one in rounds:
        if one.block is None or one.short:
            continue
        if one.candidate == reduced and one.purpose in FRESH_PURPOSES:
            gap.setdefault(one.block, []).append(one)
        elif one.candidate == candidate and one.purpose in FRESH_PURPOSES:
            right.setdefault(one.block, []).append(one)
    found = []
    for block in sorted(gap.keys() & right.keys()):
        here = {one.launch for one in gap[block]}
        same = tuple(one for one in right[block] if one.launch in here)
        found.append(StartPair(block, tuple(gap[block]), same or tuple(right[block])))
    return tuple(found)


def measured_effects(space: Space, candidate: Candidate, rounds: tuple[Round, ...],
                     confidence: float) -> dict[str, FlagEffect]:
    """The effect of each dimension on which the set differs from the baseline, where fresh pairs measured it."""
    found = {}
    for dimension in differing_dimensions(space, candidate):
        reduced = without_flag(space, candidate, dimension)
        pairs = flag_pairs(rounds, candidate.id, reduced.id) if reduced else ()
        seen = compare(pairs, rounds, 0.0, confidence)
        if seen is not None:
            found[dimension] = FlagEffect(seen.gain, seen.error, seen.interval, len(pairs))
    return found


def flat_surface(space: Space) -> Surface:
    """A model of the sets that expects no level to be faster than another, so that credit rests on clips alone."""
    return Surface(space, dict.fromkeys(EFFECTS.effect_mean, 0.0))


def posterior_by_clips_alone(space: Space, rounds: tuple[Round, ...]) -> Posterior:
    """What the clips say about every set when no level was expected to help beforehand."""
    return flat_surface(space).posterior(rounds)


def ablation_rows(space: Space, candidate: Candidate, posterior: Posterior, total: Interval, pairs: int,
                  known: Mapping[str, FlagEffect]) -> tuple[Ablation, ...]:
    """One row for each dimension on which the set differs from the baseline, as the result shows them.

    ``total``: the verdict's speedup, from ``pairs`` pairs; ``known``: the effects that fresh pairs measured. The
    product of the rows lies in the verdict's interval.
    """
    single_flags = [(name, reduced) for name in differing_dimensions(space, candidate)
                    if (reduced := without_flag(space, candidate, name)) is not None and reduced.id in posterior.index]
    if len(single_flags) == 1 and len(differing_dimensions(space, candidate)) == 1:
        name, reduced = single_flags[0]
        title = flag_words(candidate, reduced, name)
        return (Ablation(title, total.estimate, total.low, total.high, total.low > 1.0, True, pairs),)
    z = NormalDist().inv_cdf(0.5 + 0.5 * total.confidence)
    open_sets = [reduced for name, reduced in single_flags if name not in known]
    expected_sum = None
    if len(single_flags) == len(differing_dimensions(space, candidate)):
        expected_sum = math.log(total.estimate) - sum(effect.gain for effect in known.values())
    variance = _standard_error(total, z) ** 2 + sum(effect.error**2 for effect in known.values())
    expected = iter(_expected_effects(posterior, candidate, open_sets, expected_sum, variance))
    rows = []
    for name, reduced in single_flags:
        title = flag_words(candidate, reduced, name)
        if name in known:
            one = known[name]
            low, high = one.interval.low, one.interval.high
            rows.append(Ablation(title, one.interval.estimate, low, high, low > 1.0, True, one.pairs))
        else:
            mean, sd = next(expected)
            sd *= RULES.expected_sd_factor
            low, high = math.exp(mean - z * sd), math.exp(mean + z * sd)
            rows.append(Ablation(title, math.exp(mean), low, high, False, False, 0))
    return (*rows, *_joint_row(tuple(rows), total, math.sqrt(variance), z))


def _standard_error(interval: Interval, z: float) -> float:
    """Standard error of a log ratio, from its interval; ``z``: the normal quantile of its confidence."""
    return math.log(interval.high / interval.low) / (2.0 * z)


def _expected_effects(posterior: Posterior, candidate: Candidate, sets: list[Candidate], expected_sum: float | None,
                      variance: float) -> list[tuple[float, float]]:
    """(mean, standard deviation) of the expected log effect of leaving each flag out, given that all of them together
    come to ``rest`` with variance ``doubt`` (None: their sum is not known)."""
    import numpy as np

    if not sets:
        return []
    home = posterior.index[candidate.id]
    places = np.array([posterior.index[one.id] for one in sets])
    mean = posterior.mean[places] - posterior.mean[home]
    cov = (posterior.cov[np.ix_(places, places)] - posterior.cov[places, home][:, None]
           - posterior.cov[home, places][None, :] + posterior.cov[home, home])
    spread = cov.sum(axis=1) if expected_sum is not None else np.zeros(len(sets))
    share = spread / max(float(spread.sum()), 1e-12)
    mean = mean + share * ((expected_sum or 0.0) - float(mean.sum()))
    kept = np.eye(len(sets)) - np.outer(share, np.ones(len(sets)))
    cov = kept @ cov @ kept.T + variance * np.outer(share, share)
    deviations = np.sqrt(np.maximum(np.diag(cov), 1e-12))
    return list(zip(mean.tolist(), deviations.tolist(), strict=True))


def _joint_row(rows: tuple[Ablation, ...], total: Interval, error: float, z: float) -> tuple[Ablation, ...]:
    """The row for the gap between the product of the flags' effects and the verdict's speedup, where it exceeds its
    error."""
    gap = math.log(total.estimate) - sum(math.log(row.effect) for row in rows)
    product = math.prod(row.effect for row in rows)
    if not rows or total.low <= product <= total.high:
        return ()
    low, high = math.exp(gap - z * error), math.exp(gap + z * error)
    return (Ablation(TOGETHER, math.exp(gap), low, high, False, all(row.measured for row in rows), 0),)
