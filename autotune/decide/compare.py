"""Baseline against winner in fresh interleaved pairs: the only samples that a verdict's speedup uses."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from autotune.decide import noise, sequential, start_noise
from autotune.decide.assumptions import NOISE, RULES
from autotune.decide.rounds import Round
from autotune.model.flagset import Space
from autotune.model.study import History, Interval
from autotune.model.workload import DecideSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ONLY_AT_START = "xformers"
"""The attention class that is there only in a process that was started with it."""
FRESH_PURPOSES = ("confirm", "ablate")
"""Purposes of clips that the search did not use: they may decide."""

ComparisonAnswer = Literal["better", "not better", "not sure"]


@dataclass(frozen=True, slots=True)
class StartPair:
    """One confirmation block: the rounds of one cold launch of the baseline and one of the winner, or of one launch
    in which both were taken in turn."""

    number: int
    baseline: tuple[Round, ...]
    winner: tuple[Round, ...]

    @property
    def shares_process(self) -> bool:
        """Both sides in one process, in turn."""
        return self.baseline[0].launch == self.winner[0].launch


@dataclass(frozen=True, slots=True)
class Comparison:
    """``gain``: logarithm of baseline time over winner time, ``error`` its standard error, ``half_width`` the half
    width of its interval; ``interval`` the same as a ratio.

    While the question is open the interval is the one that decides, which holds at every look. Once the answer is
    "better" it is the plain one: how much better is told after the question whether is settled; the other stays as
    ``at_every_look``.
    """

    pairs: tuple[StartPair, ...]
    gain: float
    error: float
    half_width: float
    interval: Interval
    at_every_look: Interval
    answer: ComparisonAnswer
    distribution: StudentMixture

    def chance(self, gain: float) -> float:
        """Chance that the logarithm of the gain exceeds ``gain``."""
        return 1.0 - self.distribution.chance_below(gain)


def can_share_process(space: Space, other: str) -> bool:
    """Whether the current flags and the other set can be taken in turn in a process that either was started for."""
    left, right = space[space.baseline], space[other]
    live = {dimension.name for dimension in space.dimensions if dimension.live}
    apart = {name for (name, mine), (_, theirs) in zip(left.levels, right.levels, strict=True) if mine != theirs}
    return (left.launch_key == right.launch_key and apart <= live
            and ONLY_AT_START not in (left.effective.attention, right.effective.attention))


def block_rounds(rounds: tuple[Round, ...], history: History, candidate: str) -> dict[int, tuple[Round, ...]]:
    """Fresh rounds of a set by block, each block's from one cold process of exactly that set, or shown as a further
    arm in a cold process of another one: the one with most rounds (the later of equals), should there be two."""
    cold = {launch.number for launch in history.launches if launch.cold and launch.candidate == candidate}
    fresh = {launch.number for launch in history.launches if launch.cold}
    by_block: dict[int, dict[int, list[Round]]] = {}
    for one in rounds:
        if (one.purpose in FRESH_PURPOSES and one.block is not None and one.candidate == candidate
            and one.launch in (fresh if one.purpose == "ablate" else cold)):
            by_block.setdefault(one.block, {}).setdefault(one.launch, []).append(one)
    return {
        block: tuple(max(launches.items(), key=lambda item: (len(item[1]), item[0]))[1])
        for block, launches in by_block.items()
    }


def was_started_cold(history: History, candidate: str) -> bool:
    """Whether a process was started with exactly this set's words and rendered fresh clips of it."""
    cold = {launch.number for launch in history.launches if launch.cold and launch.candidate == candidate}
    return any(s.launch in cold and s.candidate == candidate and s.purpose in FRESH_PURPOSES and s.state == "ok"
               for s in history.samples)


def complete_pairs(rounds: tuple[Round, ...], history: History, baseline: str, winner: str,
                   least: int = 1) -> tuple[StartPair, ...]:
    """The complete blocks, in order: both sides have at least ``least`` rounds."""
    left = block_rounds(rounds, history, baseline)
    right = block_rounds(rounds, history, winner)
    found = {number: StartPair(number, left[number], right[number]) for number in left.keys() & right.keys()}
    found.update(_shared_process_pairs(rounds, history, baseline, winner))
    return tuple(block for _, block in sorted(found.items()) if min(len(block.baseline), len(block.winner)) >= least)


def _shared_process_pairs(rounds: tuple[Round, ...], history: History, baseline: str,
                          winner: str) -> dict[int, StartPair]:
    """Blocks of both sides in one launch, which was a cold one of either: the fullest of each number."""
    cold = {launch.number for launch in history.launches if launch.cold and launch.candidate in (baseline, winner)}
    sides: dict[tuple[int, int], tuple[list[Round], list[Round]]] = {}
    for one in rounds:
        if one.purpose == "confirm" and one.block is not None and one.launch in cold and one.candidate in (
                baseline, winner):
            sides.setdefault((one.block, one.launch), ([], []))[one.candidate == winner].append(one)
    found: dict[int, StartPair] = {}
    for (number, _), (left, right) in sorted(sides.items()):
        if left and right and (number not in found or min(len(left), len(right)) >= len(found[number].baseline)):
            found[number] = StartPair(number, tuple(left), tuple(right))
    return found


def clip_noise(rounds: tuple[Round, ...]) -> tuple[float, float, float]:
    """(standard deviation, variance after clipping, its degrees of freedom) of one round's score within a process,
    from all rounds."""
    groups: dict[object, list[float]] = {}
    for one in rounds:
        groups.setdefault((one.launch, one.candidate, one.short), []).append(one.score)
    sd = noise.within_sd(groups.values())
    freedom = NOISE.within_df + sum(len(group) - 1 for group in groups.values())
    return sd, noise.clipped_variance(groups, sd), freedom


def compare(pairs: tuple[StartPair, ...], rounds: tuple[Round, ...], min_gain: float, confidence: float,
            earlier: bool = False, most: int = RULES.max_blocks) -> Comparison | None:
    """The comparison after these blocks, None before ``min_blocks`` of them. ``rounds``: all of the study, from which
    only the noises are taken.

    Each block gives one difference of two robust means, so drift slower than a block cancels. Its variance is that of
    two starts, or of two sets in one process, plus the clips' own. How much starts differ is a belief over many values
    (``decide.start_noise``) and the interval is averaged over it: given the start noise, the mean difference is
    Student's t with what is known of the clips' noise (Satterthwaite 1946, Biometrics Bulletin 2:110). The level is
    that of ``look_level``; where a gain of this size may not be believed before some pairs, looks before them spend no
    error.

    "better": the whole interval lies above 1 and the estimate reaches the minimum gain. "not better": the
    whole interval lies below 1 + ``min_gain``, or the estimate does when no look is left.

    ``earlier``: by the rule of studies that were made before this one, so that their verdicts stand. ``most``: looks
    that there will be at most (``looks_planned``).
    """
    count = len(pairs)
    if count < RULES.min_blocks:
        return None
    sd, clip_variance, clip_freedom = clip_noise(rounds)
    if earlier:
        return _by_older_rule(pairs, sd, clip_variance, clip_freedom, DecideSpec(min_gain, confidence))
    belief = start_noise.noise_posterior(rounds, sd, clip_variance)
    found = StudentMixture.of(pairs, belief, sd, clip_variance, clip_freedom)
    gain, error = found.moments()
    first = least_pairs(gain, all(pair.shares_process for pair in pairs))
    level = look_level(confidence, count, most, first if count >= first else RULES.min_blocks)
    low, high = found.quantile(level / 2.0), found.quantile(1.0 - level / 2.0)
    answer = _answer(gain, low, high, pairs, min_gain)
    steady = Interval(math.exp(gain), math.exp(low), math.exp(high), confidence)
    if answer == "better":
        low, high = found.quantile(0.5 - 0.5 * confidence), found.quantile(0.5 + 0.5 * confidence)
    interval = Interval(math.exp(gain), math.exp(low), math.exp(high), confidence)
    return Comparison(pairs, gain, error, 0.5 * (high - low), interval, steady, answer, found)


def _by_older_rule(pairs: tuple[StartPair, ...], sd: float, clip_variance: float, clip_freedom: float,
                   rule: DecideSpec) -> Comparison:
    """The comparison as studies decided it that know of no precision: the variance of the pairs moderated by one
    figure for the noise between starts (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3:3), and no regard to two clocks.
    Where starts differ by 8 % it adopted one equal set in seven; it is here for their verdicts alone."""
    import numpy as np

    count, wanted = len(pairs), math.log1p(rule.min_gain)
    gaps = [_mean_score(block.baseline, sd) - _mean_score(block.winner, sd) for block in pairs]
    gain = sum(gaps) / count
    shares = sum(1.0 / len(b.baseline) + 1.0 / len(b.winner) for b in pairs) / count
    between, within = 2.0 * noise.prior_start_variance(clip_variance), clip_variance * shares
    known = noise.combined_freedom(between, within, clip_freedom)
    freedom = known + count - 1
    variance = (known * (between + within) + sum((gap - gain) ** 2 for gap in gaps)) / freedom
    error = math.sqrt(variance / count)
    level = sequential.nominal_alpha(rule.confidence, min(count, RULES.max_blocks), RULES.min_blocks, RULES.max_blocks)
    reach = sequential.t_bound(level, freedom) * error
    interval = Interval(math.exp(gain), math.exp(gain - reach), math.exp(gain + reach), rule.confidence)
    answer: ComparisonAnswer = "not sure"
    if gain - reach > 0.0 and gain >= wanted:
        answer = "better"
    elif gain + reach < wanted or (count >= RULES.max_blocks and gain < wanted):
        answer = "not better"
    belief = StudentMixture(np.array([gain]), np.array([error]), np.array([freedom]), np.ones(1))
    return Comparison(pairs, gain, error, reach, interval, interval, answer, belief)


@dataclass(frozen=True)
class StudentMixture:
    """What the blocks say of the gain, for each start noise that is possible: Student's t."""

    centre: Array
    scale: Array
    freedom: Array
    weight: Array

    @classmethod
    def of(cls, pairs: tuple[StartPair, ...], belief: start_noise.StartNoise, sd: float, clip_variance: float,
           clip_freedom: float) -> StudentMixture:
        """From the blocks' differences, each weighted by what is known of it."""
        import numpy as np

        gaps = np.array([_mean_score(block.baseline, sd) - _mean_score(block.winner, sd) for block in pairs])
        clips = clip_variance * np.array([1.0 / len(b.baseline) + 1.0 / len(b.winner) for b in pairs])
        between = belief.sd[:, None] ** 2 * np.array([1.0 if block.shares_process else 2.0 for block in pairs])
        precision = 1.0 / (between + clips)
        total = precision.sum(axis=1)
        share = (precision**2 * clips).sum(axis=1) / total  # of the clips in the variance of the mean
        return cls(precision @ gaps / total, total**-0.5, clip_freedom / share**2, belief.weight)

    def moments(self) -> tuple[float, float]:
        """Expectation and standard deviation."""
        mean = float(self.weight @ self.centre)
        return mean, math.sqrt(float(self.weight @ (self.scale**2 + (self.centre - mean) ** 2)))

    def chance_below(self, value: float) -> float:
        """Chance that the gain is smaller."""
        from scipy.special import stdtr

        return float(self.weight @ stdtr(self.freedom, (value - self.centre) / self.scale))

    def quantile(self, chance: float) -> float:
        """The value that the gain is smaller than with that chance."""
        from scipy.optimize import brentq
        from scipy.special import stdtrit

        each = self.centre + self.scale * stdtrit(self.freedom, chance)
        low, high = float(each.min()) - 1e-9, float(each.max()) + 1e-9
        return float(brentq(lambda value: self.chance_below(value) - chance, low, high, xtol=1e-7))


def confirmation_result(history: History, space: Space, scored: tuple[Round, ...], winner: str,
                        rule: DecideSpec) -> Comparison | None:
    """The comparison of the baseline with ``winner`` as it stands, None before ``min_blocks`` pairs; what is still
    open and futile is "not better"."""
    found = compare(complete_pairs(scored, history, space.baseline, winner), scored, rule.min_gain, rule.confidence,
                    rule.uses_older_rule, looks_planned(history))
    if found is None or found.answer != "not sure":
        return found
    futile = found.chance(math.log1p(rule.min_gain)) < RULES.futile_chance
    return replace(found, answer="not better") if futile else found


def describe_pairs(pairs: tuple[StartPair, ...]) -> str:
    """What was compared, in words."""
    if pairs and all(pair.shares_process for pair in pairs):
        return f"{len(pairs)} fresh starts that ran both in turn"
    return f"{len(pairs)} pairs of fresh starts"


def is_precise(found: Comparison, rule: DecideSpec) -> bool:
    """Whether it is known well enough how much better: to within the profile's precision or, of a large gain, a fixed
    share of it."""
    return found.half_width <= precise_half_width(found.gain, rule)


def precise_half_width(gain: float, rule: DecideSpec) -> float:
    """Half width, in log seconds, of an interval for this gain that needs no more pairs."""
    return max(math.log1p(rule.precision), RULES.precise_share * gain)


def pairs_until_better(pairs: tuple[StartPair, ...], rounds: tuple[Round, ...], rule: DecideSpec,
                       most: int = RULES.max_blocks) -> int | None:
    """After how many pairs the answer has been "better" first, None while it never was. What was measured after a
    pair does not speak for it. ``most``: see ``compare``."""
    for count in range(RULES.min_blocks, len(pairs) + 1):
        last = max(one.place for one in (*pairs[count - 1].baseline, *pairs[count - 1].winner))
        seen = tuple(one for one in rounds if one.place <= last)
        found = compare(pairs[:count], seen, rule.min_gain, rule.confidence, rule.uses_older_rule, most)
        if found is not None and found.answer == "better":
            return count
    return None


def pairs_needed(gain: float, variance: float, rule: DecideSpec, live: bool, most: int = RULES.most_planned_blocks,
                 room: int = RULES.max_blocks) -> int | None:
    """Pairs after which a log gain is expected to be proven, and told precisely, when one pair's difference has this
    variance; None when ``most`` are not enough. ``live``: both sides in one process; ``room``: pairs there is time for.
    """
    for count in range(least_pairs(gain, live), most + 1):
        error, freedom = math.sqrt(variance / count), 2.0 * count
        bound = sequential.t_bound(look_level(rule.confidence, count, room, least_pairs(gain, live)), freedom)
        told = sequential.t_bound(1.0 - rule.confidence, freedom)
        if bound * error <= gain and told * error <= precise_half_width(gain, rule):
            return count
    return None


def least_pairs(gain: float, live: bool) -> int:
    """Pairs before which chance may have sorted the starts of a card with two clocks. In one process both sides have
    the same clock, and one that changes within a block can feign half of what lies between them."""
    return RULES.min_blocks if gain >= RULES.two_clock_gain * (0.5 if live else 1.0) else RULES.two_clock_pairs


def look_level(confidence: float, count: int, most: int, first: int = RULES.min_blocks) -> float:
    """Two-sided level of the interval after ``count`` pairs, when there are ``most`` at most and an answer is given
    after ``first`` of them at the earliest: the nominal one of ``looks``, of RULES.error_share of what confidence
    leaves.
    """
    spent, last = 1.0 - RULES.error_share * (1.0 - confidence), max(first, most)
    return sequential.nominal_alpha(spent, min(count, last), first, last)


def looks_planned(history: History) -> int:
    """How many pairs there is time for, by what the first one took: where clips take half a minute the error that the
    confidence allows need not be spread over looks that will never be. RULES.max_blocks before the first pair.

    Known before the first look, and by times of the whole pair alone, so that it does not hang on what pairs say.
    """
    place = next((place for place, one in enumerate(history.samples) if one.purpose == "confirm"), None)
    if place is None:
        return RULES.max_blocks
    block = history.samples[place].block
    pair = [one for one in history.samples[place:] if one.purpose == "confirm" and one.block == block]
    used = {one.launch for one in pair}
    seconds = sum(one.cost for one in pair) + sum(one.startup for one in history.launches if one.number in used)
    before = sum(one.cost for one in history.samples[:place]) + sum(
        one.startup for one in history.launches if one.number < min(used))
    return looks_that_fit(history.budget - before, seconds)


def looks_that_fit(left: float, seconds: float) -> int:
    """Pairs of so many ``seconds`` that there will be in the time ``left``, at least one more than the fewest."""
    room = min(left / max(seconds, 1e-3), float(RULES.max_blocks))
    return max(RULES.min_blocks + 1, round(room))


def chance_above(mean: float, sd: float, threshold: float) -> float:
    """Chance that a normal quantity exceeds ``threshold``."""
    return 1.0 - NormalDist(mean, sd).cdf(threshold)


def _mean_score(rounds: tuple[Round, ...], sd: float) -> float:
    return noise.robust_mean([one.score for one in rounds], sd)


def _answer(gain: float, low: float, high: float, pairs: tuple[StartPair, ...], min_gain: float) -> ComparisonAnswer:
    wanted, count = math.log1p(min_gain), len(pairs)
    if low > 0.0 and gain >= wanted:
        return "better" if count >= least_pairs(gain, all(pair.shares_process for pair in pairs)) else "not sure"
    if high < wanted or (count >= RULES.max_blocks and gain < wanted):
        return "not better"
    return "not sure"
