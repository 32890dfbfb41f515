"""Comparison of the baseline with another set by fresh interleaved pairs: the only samples behind a verdict's
speedup."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from autotune.decide import noise, sequential, start_noise
from autotune.decide.assumptions import NOISE, RULES
from autotune.decide.rounds import Round
from autotune.language.translate import _
from autotune.model.flagset import Space
from autotune.model.study import History, Interval
from autotune.model.workload import DecideSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ONLY_AT_START = "xformers"
"""The attention class that works only in a process that was started with it."""
FRESH_PURPOSES = ("confirm", "ablate")
"""Purposes of clips that the search did not use to choose a set: a decision may rest on them."""

ComparisonAnswer = Literal["better", "not better", "not sure"]


@dataclass(frozen=True, slots=True)
class StartPair:
    """One pair of the comparison: the rounds of one cold start of the baseline and one of the other set, or of one
    start in which both were rendered in turn. ``number``: the samples' ``block``."""

    number: int
    baseline: tuple[Round, ...]
    winner: tuple[Round, ...]

    @property
    def shares_process(self) -> bool:
        """Whether both sides were rendered in one process, in turn."""
        return self.baseline[0].launch == self.winner[0].launch


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of a comparison so far.

    ``gain``: logarithm of baseline time over the other set's time, ``error``: its standard error, ``half_width``: half
    the width of its interval in log seconds; ``interval``: the same as a ratio. ``distribution``: how likely each gain
    is.

    While the question is open the interval is the one that decides, which holds at every look. Once the answer is
    "better" it is the plain one, since how much better is asked after the decision; the other stays as
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
    """Whether the current flags and the other set can be rendered in turn in a process that was started for either of
    them."""
    left, right = space[space.baseline], space[other]
    live = {dimension.name for dimension in space.dimensions if dimension.live}
    differing = {name for name, _ in left.differing_levels(right)}
    return (left.launch_key == right.launch_key and differing <= live
            and ONLY_AT_START not in (left.effective.attention, right.effective.attention))


def block_rounds(rounds: tuple[Round, ...], history: History, candidate: str) -> dict[int, tuple[Round, ...]]:
    """Fresh rounds of a set by block number, each from one cold process of exactly that set, or from a cold process of
    another set that was switched to it ("ablate"). Of two such processes in a block the one with more rounds counts,
    the later of equals."""
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
                   least_rounds: int = 1) -> tuple[StartPair, ...]:
    """All pairs, in order, of which both sides have at least ``least_rounds`` rounds."""
    left = block_rounds(rounds, history, baseline)
    right = block_rounds(rounds, history, winner)
    found = {number: StartPair(number, left[number], right[number]) for number in left.keys() & right.keys()}
    found.update(_shared_process_pairs(rounds, history, baseline, winner))
    return tuple(pair for _, pair in sorted(found.items()) if min(len(pair.baseline), len(pair.winner)) >= least_rounds)


def _shared_process_pairs(rounds: tuple[Round, ...], history: History, baseline: str,
                          winner: str) -> dict[int, StartPair]:
    """Pairs whose sides were rendered in one cold process of either set, by block number: of several processes the one
    with most rounds."""
    cold = {launch.number for launch in history.launches if launch.cold and launch.candidate in (baseline, winner)}
    sides: dict[tuple[int, int], tuple[list[Round], list[Round]]] = {}
    for one in rounds:
        if one.purpose == "confirm" and one.block is not None and one.launch in cold and one.candidate in (
                baseline, winner):
            sides.setdefault((one.block, one.launch), ([], []))[one.candidate == winner].append(one)
    found: dict[int, StartPair] = {}
    for (number, __), (left, right) in sorted(sides.items()):
        if left and right and (number not in found or min(len(left), len(right)) >= len(found[number].baseline)):
            found[number] = StartPair(number, tuple(left), tuple(right))
    return found


def clip_noise(rounds: tuple[Round, ...]) -> tuple[float, float, float]:
    """How much clips of one process scatter, from all rounds: (standard deviation of log seconds, variance after
    outliers are cut off, its degrees of freedom)."""
    groups: dict[object, list[float]] = {}
    for one in rounds:
        groups.setdefault((one.launch, one.candidate, one.short), []).append(one.score)
    sd = noise.within_sd(groups.values())
    freedom = NOISE.within_df + sum(len(group) - 1 for group in groups.values())
    return sd, noise.clipped_variance(groups, sd), freedom


def compare(pairs: tuple[StartPair, ...], rounds: tuple[Round, ...], min_gain: float, confidence: float,
            older_rule: bool = False, most_pairs: int = RULES.max_blocks) -> Comparison | None:
    """The comparison of both sides of these pairs, None before RULES.min_blocks of them. ``rounds``: all of the study,
    from which only the noise is estimated.

    Each pair gives one difference of two robust means, so drift slower than a pair cancels. Its variance is that of two
    starts, or of two sets in one process, plus the clips' own. How much starts differ is not one figure but a
    distribution (``decide.start_noise``) over which the interval is averaged: given the start noise, the mean
    difference is Student's t with what is known of the clips' noise (Satterthwaite 1946, Biometrics Bulletin 2:110).
    The level is that of ``look_level``; where a gain of this size does not count before some pairs, looks before them
    spend no error.

    "better": the whole interval lies above 1 and the estimate reaches the minimum gain. "not better": the whole
    interval lies below 1 + ``min_gain``, or the estimate does when no look is left.

    ``older_rule``: by the rule of studies without a precision, so that their verdicts do not change. ``most_pairs``:
    looks that there will be at most (``looks_planned``).
    """
    count = len(pairs)
    if count < RULES.min_blocks:
        return None
    sd, clip_variance, clip_freedom = clip_noise(rounds)
    if older_rule:
        return _by_older_rule(pairs, sd, clip_variance, clip_freedom, DecideSpec(min_gain, confidence))
    starts = start_noise.noise_posterior(rounds, sd, clip_variance)
    found = StudentMixture.of(pairs, starts, sd, clip_variance, clip_freedom)
    gain, error = found.moments()
    first = least_pairs(gain, all(pair.shares_process for pair in pairs))
    level = look_level(confidence, count, most_pairs, first if count >= first else RULES.min_blocks)
    low, high = found.quantile(level / 2.0), found.quantile(1.0 - level / 2.0)
    answer = _answer(gain, low, high, pairs, min_gain)
    at_every_look = Interval(math.exp(gain), math.exp(low), math.exp(high), confidence)
    if answer == "better":
        low, high = found.quantile(0.5 - 0.5 * confidence), found.quantile(0.5 + 0.5 * confidence)
    interval = Interval(math.exp(gain), math.exp(low), math.exp(high), confidence)
    return Comparison(pairs, gain, error, 0.5 * (high - low), interval, at_every_look, answer, found)


def _by_older_rule(pairs: tuple[StartPair, ...], sd: float, clip_variance: float, clip_freedom: float,
                   rule: DecideSpec) -> Comparison:
    """The comparison as it was decided in studies that know of no precision.

    The variance of the pairs is moderated by one figure for the noise between starts (Smyth 2004, Stat. Appl. Genet.
    Mol. Biol. 3:3), and two clocks are not considered. Where starts differ by 8 % it adopted one equal set in seven; it
    is kept for the verdicts of those studies alone.
    """
    import numpy as np

    count, wanted_gain = len(pairs), math.log1p(rule.min_gain)
    gaps = [_mean_score(block.baseline, sd) - _mean_score(block.winner, sd) for block in pairs]
    gain = sum(gaps) / count
    shares = sum(1.0 / len(b.baseline) + 1.0 / len(b.winner) for b in pairs) / count
    between, within = 2.0 * noise.prior_start_variance(clip_variance), clip_variance * shares
    known = noise.combined_freedom(between, within, clip_freedom)
    freedom = known + count - 1
    variance = (known * (between + within) + sum((gap - gain) ** 2 for gap in gaps)) / freedom
    error = math.sqrt(variance / count)
    level = sequential.nominal_alpha(rule.confidence, min(count, RULES.max_blocks), RULES.min_blocks, RULES.max_blocks)
    half_width = sequential.t_bound(level, freedom) * error
    interval = Interval(math.exp(gain), math.exp(gain - half_width), math.exp(gain + half_width), rule.confidence)
    answer: ComparisonAnswer = "not sure"
    if gain - half_width > 0.0 and gain >= wanted_gain:
        answer = "better"
    elif gain + half_width < wanted_gain or (count >= RULES.max_blocks and gain < wanted_gain):
        answer = "not better"
    distribution = StudentMixture(np.array([gain]), np.array([error]), np.array([freedom]), np.ones(1))
    return Comparison(pairs, gain, error, half_width, interval, interval, answer, distribution)


@dataclass(frozen=True)
class StudentMixture:
    """Distribution of the log gain: a mixture of Student's t distributions, one for each possible start noise (arrays
    of equal length: ``centre``, ``scale``, ``freedom``, ``weight``)."""

    centre: Array
    scale: Array
    freedom: Array
    weight: Array

    @classmethod
    def of(cls, pairs: tuple[StartPair, ...], starts: start_noise.StartNoise, sd: float, clip_variance: float,
           clip_freedom: float) -> StudentMixture:
        """The mixture for the pairs' differences, each difference weighted by its precision."""
        import numpy as np

        gaps = np.array([_mean_score(block.baseline, sd) - _mean_score(block.winner, sd) for block in pairs])
        clips = clip_variance * np.array([1.0 / len(b.baseline) + 1.0 / len(b.winner) for b in pairs])
        between = starts.sd[:, None] ** 2 * np.array([1.0 if block.shares_process else 2.0 for block in pairs])
        precision = 1.0 / (between + clips)
        total = precision.sum(axis=1)
        share = (precision**2 * clips).sum(axis=1) / total  # of the clips in the variance of the mean
        return cls(precision @ gaps / total, total**-0.5, clip_freedom / share**2, starts.weight)

    def moments(self) -> tuple[float, float]:
        """Expectation and standard deviation."""
        mean = float(self.weight @ self.centre)
        return mean, math.sqrt(float(self.weight @ (self.scale**2 + (self.centre - mean) ** 2)))

    def chance_below(self, value: float) -> float:
        """Chance that the gain is smaller than ``value``."""
        from scipy.special import stdtr

        return float(self.weight @ stdtr(self.freedom, (value - self.centre) / self.scale))

    def quantile(self, chance: float) -> float:
        """The value below which the gain lies with the given chance."""
        from scipy.optimize import brentq
        from scipy.special import stdtrit

        each = self.centre + self.scale * stdtrit(self.freedom, chance)
        low, high = float(each.min()) - 1e-9, float(each.max()) + 1e-9
        return float(brentq(lambda value: self.chance_below(value) - chance, low, high, xtol=1e-7))


def confirmation_result(history: History, space: Space, scored: tuple[Round, ...], winner: str,
                        rule: DecideSpec) -> Comparison | None:
    """The comparison of the baseline with ``winner`` so far, None before RULES.min_blocks pairs; one that is open but
    hopeless (RULES.futile_chance) counts as "not better"."""
    found = compare(complete_pairs(scored, history, space.baseline, winner), scored, rule.min_gain, rule.confidence,
                    rule.uses_older_rule, looks_planned(history))
    if found is None or found.answer != "not sure":
        return found
    futile = found.chance(math.log1p(rule.min_gain)) < RULES.futile_chance
    return replace(found, answer="not better") if futile else found


def describe_pairs(pairs: tuple[StartPair, ...]) -> str:
    """What was compared, in words for the user."""
    if pairs and all(pair.shares_process for pair in pairs):
        return _("{count} fresh starts that ran both in turn").format(count=len(pairs))
    return _("{count} pairs of fresh starts").format(count=len(pairs))


def is_precise(found: Comparison, rule: DecideSpec) -> bool:
    """Whether the size of the gain is known well enough: to within the profile's precision or, for a large gain, a
    fixed share of it."""
    return found.half_width <= precise_half_width(found.gain, rule)


def precise_half_width(gain: float, rule: DecideSpec) -> float:
    """Half width, in log seconds, of an interval for this gain that needs no more pairs."""
    return max(math.log1p(rule.precision), RULES.precise_share * gain)


def pairs_until_better(pairs: tuple[StartPair, ...], rounds: tuple[Round, ...], rule: DecideSpec,
                       most_pairs: int = RULES.max_blocks) -> int | None:
    """After how many pairs the answer was "better" first, None while it never was. What was measured after a pair is
    not used for its look. ``most_pairs``: see ``compare``."""
    for count in range(RULES.min_blocks, len(pairs) + 1):
        last = max(one.place for one in (*pairs[count - 1].baseline, *pairs[count - 1].winner))
        seen = tuple(one for one in rounds if one.place <= last)
        found = compare(pairs[:count], seen, rule.min_gain, rule.confidence, rule.uses_older_rule, most_pairs)
        if found is not None and found.answer == "better":
            return count
    return None


def pairs_needed(gain: float, variance: float, rule: DecideSpec, shared: bool,
                 most_pairs: int = RULES.most_planned_blocks,
                 pairs_in_time: int = RULES.max_blocks) -> int | None:
    """How many pairs a log gain is expected to need until it is proven and known precisely; None when ``most_pairs``
    are not enough. ``variance``: of one pair's difference. ``shared``: both sides in one process. ``pairs_in_time``:
    pairs there is time for."""
    for count in range(least_pairs(gain, shared), most_pairs + 1):
        error, freedom = math.sqrt(variance / count), 2.0 * count
        level = look_level(rule.confidence, count, pairs_in_time, least_pairs(gain, shared))
        bound = sequential.t_bound(level, freedom)
        final_bound = sequential.t_bound(1.0 - rule.confidence, freedom)
        if bound * error <= gain and final_bound * error <= precise_half_width(gain, rule):
            return count
    return None


def least_pairs(gain: float, shared: bool) -> int:
    """Pairs before which chance may have given the two sides different clocks on a card with two. In one process both
    sides have the same clock, and one that changes within a pair can feign half of the difference."""
    return RULES.min_blocks if gain >= RULES.two_clock_gain * (0.5 if shared else 1.0) else RULES.two_clock_pairs


def look_level(confidence: float, count: int, most_pairs: int, first: int = RULES.min_blocks) -> float:
    """Two-sided level of the interval after ``count`` pairs, when there are ``most_pairs`` at most and an answer is
    given after ``first`` of them at the earliest: the nominal one of decide/sequential.py, for RULES.error_share of the
    error that the confidence allows."""
    spent, last = 1.0 - RULES.error_share * (1.0 - confidence), max(first, most_pairs)
    return sequential.nominal_alpha(spent, min(count, last), first, last)


def looks_planned(history: History) -> int:
    """How many pairs there is time for, judged by how long the first one took; RULES.max_blocks before it.

    Where clips take half a minute the allowed error need not be spread over looks that will never be. The number is
    fixed before the first look and depends only on the time of the whole pair, not on what the pairs say.
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


def looks_that_fit(seconds_left: float, pair_seconds: float) -> int:
    """How many pairs of ``pair_seconds`` fit into ``seconds_left``, but at least one more than the fewest."""
    room = min(seconds_left / max(pair_seconds, 1e-3), float(RULES.max_blocks))
    return max(RULES.min_blocks + 1, round(room))


def chance_above(mean: float, sd: float, threshold: float) -> float:
    """Chance that a normal quantity exceeds ``threshold``."""
    return 1.0 - NormalDist(mean, sd).cdf(threshold)


def _mean_score(rounds: tuple[Round, ...], sd: float) -> float:
    return noise.robust_mean([one.score for one in rounds], sd)


def _answer(gain: float, low: float, high: float, pairs: tuple[StartPair, ...], min_gain: float) -> ComparisonAnswer:
    wanted_gain, count = math.log1p(min_gain), len(pairs)
    if low > 0.0 and gain >= wanted_gain:
        return "better" if count >= least_pairs(gain, all(pair.shares_process for pair in pairs)) else "not sure"
    if high < wanted_gain or (count >= RULES.max_blocks and gain < wanted_gain):
        return "not better"
    return "not sure"
