"""The drift check: is what an earlier tune measured still true? It takes minutes where a tune takes longer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from autotune.decide import noise, sequential
from autotune.decide.assumptions import NOISE
from autotune.decide.compare import FRESH_PURPOSES
from autotune.decide.rounds import rounds
from autotune.language.translate import _
from autotune.model.study import History, Interval, Proposal
from autotune.model.workload import Profile

ROUNDS = 2
"""Rounds of each set in a drift check."""
CONFIDENCE = 0.95
"""Confidence of its interval."""

DriftAnswer = Literal["holds", "changed", "unknown"]


@dataclass(frozen=True, slots=True)
class RecordedSpeedup:
    """What an earlier tune measured, to compare with: the set in use (``current``) and the one before it (``stock``),
    each with its mean log score in the confirmation."""

    current: str
    stock: str
    current_score: float
    stock_score: float


@dataclass(frozen=True, slots=True)
class Drift:
    """The answer of a drift check. ``gain``: stock time over current time now, None when that was not needed or could
    not be measured."""

    answer: DriftAnswer
    gain: Interval | None
    reason: str


def recorded_speedup(history: History, profile: Profile, current: str, stock: str) -> RecordedSpeedup | None:
    """What a finished study's confirmation says of the two sets; None when it did not compare them."""
    scores: dict[str, list[float]] = {}
    for one in rounds(history, profile):
        if one.purpose in FRESH_PURPOSES:
            scores.setdefault(one.candidate, []).append(one.score)
    if not scores.get(current) or not scores.get(stock):
        return None
    sd = noise.within_sd(scores.values())
    return RecordedSpeedup(current, stock, noise.robust_mean(scores[current], sd), noise.robust_mean(scores[stock], sd))


def next_proposal(history: History, profile: Profile, before: RecordedSpeedup) -> Proposal | None:
    """The next measurement of a drift check, None when it is over.

    The set in use comes first. If its time is what it was, that is the answer, after one start. If not, the set before
    it (switched live where one process serves both) distinguishes a slower machine from a lost gain.
    """
    limit = 8 * ROUNDS * max(1, len(profile.workloads))
    if _failed_sets(history) & {before.current, before.stock} or len(history.samples) > limit:
        return None
    done = _scores(history, profile)
    for name in dict.fromkeys((before.current, before.stock)):
        left = ROUNDS - len(done.get(name, []))
        if left > 0:
            return Proposal(name, "drift", left, why=_("drift check: the set in use against the one before it"))
        if name == before.current and _is_unchanged(done[name], before):
            return None
    return None


def drift_of(history: History, profile: Profile, before: RecordedSpeedup) -> Drift:
    """Whether what an earlier tune recorded is still true.

    "changed" when the speedup seen now differs from the recorded one by more than the error of both (two starts a side,
    few clips: about 6 %), or when a set that rendered then fails now: a tune is due, warm-started. "holds" says that no
    change was seen, not that nothing better exists.
    """
    if _failed_sets(history) & {before.current, before.stock}:
        return Drift("changed", None, _("a set that rendered before fails now"))
    scores = _scores(history, profile)
    mine = scores.get(before.current)
    if not mine or len(mine) < ROUNDS:
        return Drift("unknown", None, _("the drift check could not be finished"))
    if _is_unchanged(mine, before):
        return Drift("holds", None, _("a clip takes as long as it did when this set was confirmed"))
    theirs = scores.get(before.stock)
    if not theirs:
        return Drift("unknown", None, _("the drift check could not be finished"))
    sd = noise.within_sd([mine, theirs])
    gain = noise.robust_mean(theirs, sd) - noise.robust_mean(mine, sd)
    half_width = math.sqrt(2.0) * _half_width([mine, theirs])
    now = Interval(math.exp(gain), math.exp(gain - half_width), math.exp(gain + half_width), CONFIDENCE)
    then = before.stock_score - before.current_score
    speedups = _("{now:.3f} times as fast as before tuning, {then:.3f} when it was confirmed").format(
        now=now.estimate, then=math.exp(then))
    if abs(gain - then) > math.sqrt(1.5) * half_width:
        return Drift("changed", now, _("the set in use is now {speedups}").format(speedups=speedups))
    return Drift("holds", now, _("the set in use is {speedups}").format(speedups=speedups))


def _scores(history: History, profile: Profile) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {}
    for one in rounds(history, profile):
        if one.purpose == "drift":
            scores.setdefault(one.candidate, []).append(one.score)
    return scores


def _failed_sets(history: History) -> set[str]:
    failed = {s.candidate for s in history.samples if s.state == "failed" and s.failure != "interrupted"}
    return failed | {launch.candidate for launch in history.launches if launch.failure is not None}


def _half_width(groups: list[list[float]]) -> float:
    """Half width of the interval of one set's mean log score from one start."""
    sd = noise.within_sd(groups)
    variance = noise.prior_start_variance(sd**2) + sd**2 / ROUNDS
    return sequential.t_bound(1.0 - CONFIDENCE, NOISE.between_df) * math.sqrt(variance)


def _is_unchanged(scores: list[float], before: RecordedSpeedup) -> bool:
    """Whether the set's time is the recorded one within the noise of starts (the record had several)."""
    if len(scores) < ROUNDS:
        return False
    sd = noise.within_sd([scores])
    return abs(noise.robust_mean(scores, sd) - before.current_score) <= math.sqrt(1.5) * _half_width([scores])
