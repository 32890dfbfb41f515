"""What each flag of a tuned set does: measured by fresh comparisons without it, else told as an expectation.

A flag's effect is the set's time without it over its time with it. It is measured by pairs of the same block, as a
verdict's speedup is; of a set with one flag it is the verdict's own interval. What no pair measured is what the model
of all clips (``decide.surface``) expects, made to agree with what was measured, and never called clear of zero: such a
figure rests on what other machines did.

One document must not contradict itself. Leaving flags out one by one need not come to the whole: flags act on each
other. Expectations take up what the measured ones leave of the verdict's speedup, by generalised least squares (Rao
1973, Linear Statistical Inference, 4a); what is left between measured ones is told as a row of its own.
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
from autotune.model.flagset import Candidate, Space
from autotune.model.study import Ablation, Interval

TOGETHER = "all together, beyond each alone"
"""Name of the row that tells what measured flags do to each other."""


@dataclass(frozen=True, slots=True)
class FlagEffect:
    """A measured effect of one flag: ``gain`` its logarithm, ``error`` that one's standard error."""

    gain: float
    error: float
    interval: Interval
    pairs: int


def differing_dimensions(space: Space, candidate: Candidate) -> tuple[str, ...]:
    """Dimensions on which a candidate differs from the baseline, in the space's order."""
    base = dict(space[space.baseline].levels)
    return tuple(name for name, level in candidate.levels if base.get(name) != level)


def without_flag(space: Space, candidate: Candidate, dimension: str) -> Candidate | None:
    """The set that equals ``candidate`` but for the baseline's level on ``dimension``; None if there is none."""
    wanted = dict(candidate.levels)
    wanted[dimension] = dict(space[space.baseline].levels)[dimension]
    for other in space.candidates:
        if dict(other.levels) == wanted:
            return other
    return None


def flag_words(candidate: Candidate, less: Candidate, dimension: str) -> str:
    """The words or settings that the dimension adds, as the user would write them."""
    words = [word for word in candidate.flags.words if word not in less.flags.words]
    if words:
        return " ".join(words)
    gone = [word for word in less.flags.words if word not in candidate.flags.words]
    if gone:
        return "without " + " ".join(gone)
    return f"{dimension}={dict(candidate.levels)[dimension]}"


def flag_pairs(rounds: tuple[Round, ...], candidate: str, less: str) -> tuple[StartPair, ...]:
    """The fresh pairs of a set without a flag and with it, in the order of their blocks.

    Rounds without it have the purpose "ablate"; those with it are of the same block, whatever it was made for: in the
    same process where that has some, else in another one.
    """
    left: dict[int, list[Round]] = {}
    right: dict[int, list[Round]] = {}
    for one in rounds:
        if one.block is None or one.short:
            continue
        if one.candidate == less and one.purpose in FRESH_PURPOSES:
            left.setdefault(one.block, []).append(one)
        elif one.candidate == candidate and one.purpose in FRESH_PURPOSES:
            right.setdefault(one.block, []).append(one)
    found = []
    for block in sorted(left.keys() & right.keys()):
        here = {one.launch for one in left[block]}
        same = tuple(one for one in right[block] if one.launch in here)
        found.append(StartPair(block, tuple(left[block]), same or tuple(right[block])))
    return tuple(found)


def measured_effects(space: Space, candidate: Candidate, rounds: tuple[Round, ...],
                     confidence: float) -> dict[str, FlagEffect]:
    """What fresh pairs say of each dimension on which the set differs, as far as there are any."""
    found = {}
    for dimension in differing_dimensions(space, candidate):
        less = without_flag(space, candidate, dimension)
        pairs = flag_pairs(rounds, candidate.id, less.id) if less else ()
        seen = compare(pairs, rounds, 0.0, confidence)
        if seen is not None:
            found[dimension] = FlagEffect(seen.gain, seen.error, seen.interval, len(pairs))
    return found


def flat_surface(space: Space) -> Surface:
    """A surface on which no level is expected to be faster than another: credit is not for what was hoped."""
    return Surface(space, dict.fromkeys(EFFECTS.effect_mean, 0.0))


def posterior_by_clips_alone(space: Space, rounds: tuple[Round, ...]) -> Posterior:
    """What the clips say, without such hopes."""
    return flat_surface(space).posterior(rounds)


def ablation_rows(space: Space, candidate: Candidate, posterior: Posterior, total: Interval, pairs: int,
                  known: Mapping[str, FlagEffect]) -> tuple[Ablation, ...]:
    """A row for each dimension on which the set differs from the baseline.

    ``total``: the verdict's speedup from so many ``pairs``; ``known``: what fresh pairs measured. The rows' product
    lies in the verdict's interval.
    """
    apart = [(name, less) for name in differing_dimensions(space, candidate)
             if (less := without_flag(space, candidate, name)) is not None and less.id in posterior.index]
    if len(apart) == 1 and len(differing_dimensions(space, candidate)) == 1:
        name, less = apart[0]
        title = flag_words(candidate, less, name)
        return (Ablation(title, total.estimate, total.low, total.high, total.low > 1.0, True, pairs),)
    z = NormalDist().inv_cdf(0.5 + 0.5 * total.confidence)
    open_sets = [less for name, less in apart if name not in known]
    rest = None
    if len(apart) == len(differing_dimensions(space, candidate)):
        rest = math.log(total.estimate) - sum(effect.gain for effect in known.values())
    doubt = _standard_error(total, z) ** 2 + sum(effect.error**2 for effect in known.values())
    expected = iter(_expected_effects(posterior, candidate, open_sets, rest, doubt))
    rows = []
    for name, less in apart:
        title = flag_words(candidate, less, name)
        if name in known:
            one = known[name]
            low, high = one.interval.low, one.interval.high
            rows.append(Ablation(title, one.interval.estimate, low, high, low > 1.0, True, one.pairs))
        else:
            mean, sd = next(expected)
            sd *= RULES.expected_sd_factor
            low, high = math.exp(mean - z * sd), math.exp(mean + z * sd)
            rows.append(Ablation(title, math.exp(mean), low, high, False, False, 0))
    return (*rows, *_joint_row(tuple(rows), total, math.sqrt(doubt), z))


def _standard_error(interval: Interval, z: float) -> float:
    """Standard error of a log ratio, from its interval."""
    return math.log(interval.high / interval.low) / (2.0 * z)


def _expected_effects(posterior: Posterior, candidate: Candidate, sets: list[Candidate], rest: float | None,
                      doubt: float) -> list[tuple[float, float]]:
    """(mean, standard deviation) of the expected log effects of leaving each flag out, once it is known that together
    they come to ``rest`` with variance ``doubt`` (None: what they come to is not known)."""
    import numpy as np

    if not sets:
        return []
    home = posterior.index[candidate.id]
    places = np.array([posterior.index[one.id] for one in sets])
    mean = posterior.mean[places] - posterior.mean[home]
    cov = (posterior.cov[np.ix_(places, places)] - posterior.cov[places, home][:, None]
           - posterior.cov[home, places][None, :] + posterior.cov[home, home])
    spread = cov.sum(axis=1) if rest is not None else np.zeros(len(sets))
    pull = spread / max(float(spread.sum()), 1e-12)
    mean = mean + pull * ((rest or 0.0) - float(mean.sum()))
    kept = np.eye(len(sets)) - np.outer(pull, np.ones(len(sets)))
    cov = kept @ cov @ kept.T + doubt * np.outer(pull, pull)
    deviations = np.sqrt(np.maximum(np.diag(cov), 1e-12))
    return list(zip(mean.tolist(), deviations.tolist(), strict=True))


def _joint_row(rows: tuple[Ablation, ...], total: Interval, error: float, z: float) -> tuple[Ablation, ...]:
    """The row for what is left between the flags' effects and the verdict, where that is more than its doubt."""
    left = math.log(total.estimate) - sum(math.log(row.effect) for row in rows)
    product = math.prod(row.effect for row in rows)
    if not rows or total.low <= product <= total.high:
        return ()
    low, high = math.exp(left - z * error), math.exp(left + z * error)
    return (Ablation(TOGETHER, math.exp(left), low, high, False, all(row.measured for row in rows), 0),)
