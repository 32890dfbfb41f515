"""The objectives speed, vram and balanced: what counts as better; and the Pareto front of time against memory."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median

from autotune.decide.assumptions import RULES
from autotune.decide.compare import Comparison, ComparisonAnswer, compare, complete_pairs, confirmation_result
from autotune.decide.rounds import Round
from autotune.language.translate import _
from autotune.model.errors import UsageProblem
from autotune.model.flagset import Space
from autotune.model.study import History
from autotune.model.workload import DecideSpec

OBJECTIVES = ("speed", "vram", "balanced")


def require_objective(objective: str) -> None:
    """Raises UsageProblem for an objective that does not exist."""
    if objective not in OBJECTIVES:
        raise UsageProblem(_("unknown objective {objective!r}").format(objective=objective),
                           _("one of {values}").format(values=", ".join(OBJECTIVES)))


def score_rounds(rounds: tuple[Round, ...], objective: str) -> tuple[Round, ...]:
    """Rounds with the objective's score, smaller is better.

    speed: log seconds. vram: log of the memory peak. balanced: mean of the two, so that a tenth less time is worth a
    tenth less memory. Rounds whose memory is unknown are left out where memory counts.
    """
    if objective == "speed":
        return rounds
    share = 1.0 if objective == "vram" else 0.5
    return tuple(
        replace(one, score=share * math.log(one.memory) + (1.0 - share) * one.score)
        for one in rounds if one.memory is not None and one.memory > 0.0
    )


def answer_on_time(speed: Comparison) -> ComparisonAnswer:
    """Whether a set that saves memory is at most RULES.slower_at_most slower: "better" when that is sure, "not better"
    when the contrary is."""
    least = 1.0 - RULES.slower_at_most
    if speed.interval.low >= least:
        return "better"
    return "not better" if speed.interval.high < least else "not sure"


def compare_by_objective(history: History, space: Space, all_rounds: tuple[Round, ...], winner: str, rule: DecideSpec,
                         objective: str) -> Comparison | None:
    """The comparison of the baseline with ``winner`` by the objective; where memory counts it is settled only when the
    time is, too. None before RULES.min_blocks pairs."""
    found = confirmation_result(history, space, score_rounds(all_rounds, objective), winner, rule)
    if objective == "speed" or found is None:
        return found
    pairs = complete_pairs(all_rounds, history, space.baseline, winner)
    speed = compare(pairs, all_rounds, rule.min_gain, rule.confidence)
    time = answer_on_time(speed) if speed is not None else "not sure"
    return replace(found, answer=time) if found.answer == "better" or time == "not better" else found


def pareto(points: dict[str, tuple[float, float]]) -> tuple[str, ...]:
    """Names of the points (seconds, MiB) that no other point beats in one and equals or beats in the other, fastest
    first."""
    front: list[str] = []
    least = math.inf
    for name, (__, memory) in sorted(points.items(), key=lambda item: (item[1], item[0])):
        if memory < least:
            front.append(name)
            least = memory
    return tuple(front)


def pareto_front(rounds: tuple[Round, ...]) -> tuple[str, ...]:
    """The Pareto front of the measured sets: median score against median memory peak."""
    times: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {}
    for one in rounds:
        if one.memory is not None:
            times.setdefault(one.candidate, []).append(one.score)
            peaks.setdefault(one.candidate, []).append(one.memory)
    return pareto({name: (median(times[name]), median(peaks[name])) for name in times})
