"""Baseline against winner on fresh interleaved launches: the only samples that a verdict's speedup uses."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

from autotune.decide import looks, noise
from autotune.decide.assumptions import NOISE, RULES
from autotune.decide.rounds import Round
from autotune.decide.surface import Surface
from autotune.model.flagset import Space
from autotune.model.study import History, Interval
from autotune.model.workload import DecideSpec

Answer = Literal["better", "not better", "not sure"]


@dataclass(frozen=True, slots=True)
class Block:
    """One confirmation block: the rounds of one cold launch of the baseline and one of the winner."""

    number: int
    baseline: tuple[Round, ...]
    winner: tuple[Round, ...]


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
    only the noise between clips of one process is taken.

    Each block gives one difference of two launches' robust means, so drift slower than a block cancels. Its
    variance is moderated (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3:3): what the blocks show, with one
    degree of freedom less than blocks, is pooled with what is known beforehand, that is twice the between-launch
    variance of ``noise``, of which little is known, plus the clips' own variance as measured here on all sets, of
    which much is (``noise.known_freedom``). Student's t, the nominal level of ``looks`` for this number of looks.

    "better": the whole interval lies above 1 and the estimate reaches the minimum gain. "not better": the
    whole interval lies below 1 + ``min_gain``, or the estimate does when no look is left.
    """
    count = len(pairs)
    if count < RULES.min_blocks:
        return None
    sd, clip_variance, clip_freedom = clip_noise(rounds)
    gaps = [_centre(block.baseline, sd) - _centre(block.winner, sd) for block in pairs]
    gain = sum(gaps) / count
    shares = sum(1.0 / len(b.baseline) + 1.0 / len(b.winner) for b in pairs) / count
    between, within = 2.0 * noise.between_variance(clip_variance), clip_variance * shares
    expected = between + within
    known = noise.known_freedom(between, within, clip_freedom)
    seen = sum((gap - gain) ** 2 for gap in gaps)
    freedom = known + count - 1
    variance = (known * expected + seen) / freedom
    error = math.sqrt(variance / count)
    level = looks.nominal_alpha(confidence, min(count, RULES.max_blocks), RULES.min_blocks, RULES.max_blocks)
    reach = looks.t_bound(level, freedom) * error
    interval = Interval(math.exp(gain), math.exp(gain - reach), math.exp(gain + reach), confidence)
    return Comparison(pairs, gain, error, reach, interval, _answer(gain, reach, count, min_gain))


def confirmed(history: History, space: Space, scored: tuple[Round, ...], winner: str,
              rule: DecideSpec) -> Comparison | None:
    """The comparison of the baseline with ``winner`` as it stands, None before ``min_blocks`` pairs; what is still
    open and futile is "not better"."""
    found = compare(blocks(scored, history, space.baseline, winner), scored, rule.min_gain, rule.confidence)
    if found is None or found.answer != "not sure":
        return found
    mean, sd = Surface(space).posterior(scored).gain(space.baseline, winner)
    futile = chance_above(mean, sd, math.log1p(rule.min_gain)) < RULES.futile
    return replace(found, answer="not better") if futile else found


def chance_above(mean: float, sd: float, threshold: float) -> float:
    """Chance that a normal quantity exceeds ``threshold``."""
    return 1.0 - NormalDist(mean, sd).cdf(threshold)


def _centre(rounds: tuple[Round, ...], sd: float) -> float:
    return noise.location([one.score for one in rounds], sd)


def _answer(gain: float, reach: float, count: int, min_gain: float) -> Answer:
    wanted = math.log1p(min_gain)
    if gain - reach > 0.0 and gain >= wanted:
        return "better"
    if gain + reach < wanted or (count >= RULES.max_blocks and gain < wanted):
        return "not better"
    return "not sure"
