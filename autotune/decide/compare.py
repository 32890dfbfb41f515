"""Baseline against winner on fresh interleaved launches: the only samples that a verdict's speedup uses."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from autotune.decide import looks, noise, starts
from autotune.decide.assumptions import NOISE, RULES
from autotune.decide.rounds import Round
from autotune.model.flagset import Space
from autotune.model.study import History, Interval
from autotune.model.workload import DecideSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Answer = Literal["better", "not better", "not sure"]


@dataclass(frozen=True, slots=True)
class Block:
    """One confirmation block: the rounds of one cold launch of the baseline and one of the winner."""

    number: int
    baseline: tuple[Round, ...]
    winner: tuple[Round, ...]

    @property
    def live(self) -> bool:
        """Both sides in one process, in turn."""
        return self.baseline[0].launch == self.winner[0].launch


@dataclass(frozen=True, slots=True)
class Comparison:
    """``gain``: logarithm of baseline time over winner time, ``error`` its standard error, ``reach`` the half
    width of its interval at this look; ``interval`` the same as a ratio."""

    blocks: tuple[Block, ...]
    gain: float
    error: float
    reach: float
    interval: Interval
    answer: Answer
    belief: Mixture

    def chance(self, gain: float) -> float:
        """Chance that the logarithm of the gain exceeds ``gain``."""
        return 1.0 - self.belief.below(gain)


def block_rounds(rounds: tuple[Round, ...], history: History, candidate: str) -> dict[int, tuple[Round, ...]]:
    """Confirm rounds of a set by block, each block's from one cold process of exactly that set: the one with
    most rounds (the later of equals), should a crash have made it two."""
    cold = {launch.number for launch in history.launches if launch.cold and launch.candidate == candidate}
    by_block: dict[int, dict[int, list[Round]]] = {}
    for one in rounds:
        if (one.purpose == "confirm" and one.block is not None and one.candidate == candidate
                and one.launch in cold):
            by_block.setdefault(one.block, {}).setdefault(one.launch, []).append(one)
    return {
        block: tuple(max(launches.items(), key=lambda item: (len(item[1]), item[0]))[1])
        for block, launches in by_block.items()
    }


def blocks(rounds: tuple[Round, ...], history: History, baseline: str, winner: str,
           least: int = 1) -> tuple[Block, ...]:
    """The complete blocks, in order: both sides have at least ``least`` rounds."""
    left = block_rounds(rounds, history, baseline)
    right = block_rounds(rounds, history, winner)
    return tuple(
        Block(number, left[number], right[number])
        for number in sorted(left.keys() & right.keys())
        if len(left[number]) >= least and len(right[number]) >= least
    )


def clip_noise(rounds: tuple[Round, ...]) -> tuple[float, float, float]:
    """(standard deviation, variance after clipping, its degrees of freedom) of one round's score within a process,
    from all rounds."""
    groups: dict[object, list[float]] = {}
    for one in rounds:
        groups.setdefault((one.launch, one.candidate, one.short), []).append(one.score)
    sd = noise.within_sd(groups.values())
    freedom = NOISE.within_df + sum(len(group) - 1 for group in groups.values())
    return sd, noise.clipped_variance(groups, sd), freedom


def compare(pairs: tuple[Block, ...], rounds: tuple[Round, ...], min_gain: float,
            confidence: float) -> Comparison | None:
    """The comparison after these blocks, None before ``min_blocks`` of them. ``rounds``: all of the study, from which
    only the noises are taken.

    Each block gives one difference of two robust means, so drift slower than a block cancels. Its variance is that of
    two starts, or of two sets in one process, plus the clips' own. How much starts differ is a belief over many values
    (``decide.starts``) and the interval is averaged over it: given the start noise, the mean difference is Student's t
    with what is known of the clips' noise (Satterthwaite 1946, Biometrics Bulletin 2:110). The level is the nominal
    one of ``looks`` for this number of looks, of RULES.spends of what ``confidence`` leaves.

    "better": the whole interval lies above 1 and the estimate reaches the minimum gain. "not better": the
    whole interval lies below 1 + ``min_gain``, or the estimate does when no look is left.
    """
    count = len(pairs)
    if count < RULES.min_blocks:
        return None
    sd, clip_variance, clip_freedom = clip_noise(rounds)
    belief = starts.believed(rounds, sd, clip_variance)
    found = Mixture.of(pairs, belief, sd, clip_variance, clip_freedom)
    level = _level(confidence, count)
    gain, error = found.moments()
    low, high = found.quantile(level / 2.0), found.quantile(1.0 - level / 2.0)
    interval = Interval(math.exp(gain), math.exp(low), math.exp(high), confidence)
    answer = _answer(gain, low, high, pairs, min_gain)
    return Comparison(pairs, gain, error, 0.5 * (high - low), interval, answer, found)


@dataclass(frozen=True)
class Mixture:
    """What the blocks say of the gain, for each start noise that is possible: Student's t."""

    centre: Array
    scale: Array
    freedom: Array
    weight: Array

    @classmethod
    def of(cls, pairs: tuple[Block, ...], belief: starts.Belief, sd: float, clip_variance: float,
           clip_freedom: float) -> Mixture:
        """From the blocks' differences, each weighted by what is known of it."""
        import numpy as np

        gaps = np.array([_centre(block.baseline, sd) - _centre(block.winner, sd) for block in pairs])
        clips = clip_variance * np.array([1.0 / len(b.baseline) + 1.0 / len(b.winner) for b in pairs])
        between = belief.sd[:, None] ** 2 * np.array([1.0 if block.live else 2.0 for block in pairs])
        precision = 1.0 / (between + clips)
        total = precision.sum(axis=1)
        share = (precision**2 * clips).sum(axis=1) / total  # of the clips in the variance of the mean
        return cls(precision @ gaps / total, total**-0.5, clip_freedom / share**2, belief.weight)

    def moments(self) -> tuple[float, float]:
        """Expectation and standard deviation."""
        mean = float(self.weight @ self.centre)
        return mean, math.sqrt(float(self.weight @ (self.scale**2 + (self.centre - mean) ** 2)))

    def below(self, value: float) -> float:
        """Chance that the gain is smaller."""
        from scipy.special import stdtr

        return float(self.weight @ stdtr(self.freedom, (value - self.centre) / self.scale))

    def quantile(self, chance: float) -> float:
        """The value that the gain is smaller than with that chance."""
        from scipy.optimize import brentq
        from scipy.special import stdtrit

        each = self.centre + self.scale * stdtrit(self.freedom, chance)
        low, high = float(each.min()) - 1e-9, float(each.max()) + 1e-9
        return float(brentq(lambda value: self.below(value) - chance, low, high, xtol=1e-7))


def confirmed(history: History, space: Space, scored: tuple[Round, ...], winner: str,
              rule: DecideSpec) -> Comparison | None:
    """The comparison of the baseline with ``winner`` as it stands, None before ``min_blocks`` pairs; what is still
    open and futile is "not better"."""
    found = compare(blocks(scored, history, space.baseline, winner), scored, rule.min_gain, rule.confidence)
    if found is None or found.answer != "not sure":
        return found
    futile = found.chance(math.log1p(rule.min_gain)) < RULES.futile
    return replace(found, answer="not better") if futile else found


def pairs_needed(gain: float, variance: float, confidence: float) -> int | None:
    """Pairs after which a log gain is expected to be proven when one pair's difference has this variance, None when
    ``max_blocks`` are not enough."""
    first = RULES.min_blocks if gain >= RULES.two_clocks else RULES.sorted_starts
    for count in range(first, RULES.max_blocks + 1):
        bound = looks.t_bound(_level(confidence, count), 2.0 * count)
        if bound * math.sqrt(variance / count) <= gain:
            return count
    return None


def _level(confidence: float, count: int) -> float:
    """Two-sided level of the interval after ``count`` pairs."""
    spent = 1.0 - RULES.spends * (1.0 - confidence)
    return looks.nominal_alpha(spent, min(count, RULES.max_blocks), RULES.min_blocks, RULES.max_blocks)


def chance_above(mean: float, sd: float, threshold: float) -> float:
    """Chance that a normal quantity exceeds ``threshold``."""
    return 1.0 - NormalDist(mean, sd).cdf(threshold)


def _centre(rounds: tuple[Round, ...], sd: float) -> float:
    return noise.location([one.score for one in rounds], sd)


def _answer(gain: float, low: float, high: float, pairs: tuple[Block, ...], min_gain: float) -> Answer:
    wanted, count = math.log1p(min_gain), len(pairs)
    if low > 0.0 and gain >= wanted:
        return "better" if count >= RULES.sorted_starts or gain >= RULES.two_clocks else "not sure"
    if high < wanted or (count >= RULES.max_blocks and gain < wanted):
        return "not better"
    return "not sure"
