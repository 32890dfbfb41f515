"""What a question that stayed open would still need, and whether it was the budget that ended it."""

from __future__ import annotations

import math
from statistics import median

from autotune.decide import sequential
from autotune.decide.assumptions import RULES
from autotune.decide.compare import Comparison, can_share_process, look_level
from autotune.decide.rounds import is_usable
from autotune.model.flagset import Space
from autotune.model.study import History
from autotune.model.workload import DecideSpec

WARMUP_CLIPS = 1.0
"""Clips' time that warming up a process is taken for before it was seen (11.3 against 4.9 s on the H200)."""
SPARE_FACTOR = 1.1
"""A budget is named this much larger than what is expected to be needed: starts vary."""


def pair_seconds(history: History, space: Space, other: str) -> float | None:
    """Seconds that one more pair takes with a clip of each workload a side, from a fresh start a side or one for both;
    None before the current flags were timed. A set that has no whole clip is taken for as slow as they are."""
    theirs = _round_seconds(history, space.baseline)
    if theirs is None:
        return None
    starts = [launch.startup for launch in history.launches if launch.failure is None]
    warm = _first_warmups(history)
    begin = (median(starts) if starts else 0.0) + (median(warm) if warm else WARMUP_CLIPS * theirs)
    together = other != space.baseline and can_share_process(space, other)
    return (1.0 if together else 2.0) * begin + theirs + (_round_seconds(history, other) or theirs)


def _round_seconds(history: History, candidate: str) -> float | None:
    """Seconds of the session that a whole clip of every workload takes."""
    costs: dict[int, list[float]] = {}
    for one in history.samples:
        if one.candidate == candidate and is_usable(one) and one.steps is None:
            costs.setdefault(one.workload, []).append(one.cost)
    return sum(map(median, costs.values())) if costs else None


def _first_warmups(history: History) -> list[float]:
    """Seconds that each process took to warm up the set it was started for."""
    first: dict[int, str] = {}
    spent: dict[int, float] = {}
    for one in history.samples:
        if one.state == "warmup" and first.setdefault(one.launch, one.candidate) == one.candidate:
            spent[one.launch] = spent.get(one.launch, 0.0) + one.cost
    return list(spent.values())


def pairs_to_settle(found: Comparison, rule: DecideSpec) -> int | None:
    """How many more pairs would settle it, if they go on to show what the ones so far do; None: more than are made.

    A half width shrinks with the root of the number of pairs, and with the level that looks have left for it.
    """
    done = len(found.pairs)
    wanted = math.log1p(rule.min_gain)
    now = _bound(rule, done)
    for count in range(done + 1, RULES.max_blocks + 1):
        reach = found.half_width * _bound(rule, count) / now * math.sqrt(done / count)
        if (found.gain - reach > 0.0 and found.gain >= wanted) or found.gain + reach < wanted:
            return count - done
    return None


def _bound(rule: DecideSpec, count: int) -> float:
    return sequential.t_bound(look_level(rule.confidence, count, RULES.max_blocks), count + 2.0)


def why_left_open(history: History, space: Space, other: str | None, pairs: int | None, first: int) -> str:
    """Why a question stayed open, and what it would take, as the end of a sentence.

    ``pairs``: fresh pairs that would settle it; None: more than are ever made. ``first``: how many of them come next,
    all or none. That the budget ended is said only where it has no room for these.
    """
    one = pair_seconds(history, space, other or space.baseline)
    left = history.budget - history.spent
    if left > 0.0 and (one is None or left >= SPARE_FACTOR * first * one):
        failed = sum(launch.failure is not None for launch in history.launches)
        count = len(history.launches)
        starts = f"{count} start" + "s" * (count != 1) + (f" ({failed} failed)" if failed else "")
        return f"no more was measured after {starts}, with {_minutes(left)} of the budget left"
    if pairs is None:
        return f"the budget ended, and even {RULES.max_blocks} pairs would hardly settle it"
    return f"the budget ended: {suggest_budget(history, pairs * one)}" if one is not None else "the budget ended"


def suggest_budget(history: History, need: float) -> str:
    """What ``need`` more seconds of measuring ask for: how much more time, and the option that gives it."""
    more = max(SPARE_FACTOR * need - max(0.0, history.budget - history.spent), 60.0)
    total = math.ceil((max(history.budget, history.spent) + more) / 60.0)
    return f"about {_minutes(more)} more: `--budget {total}m`"


def _minutes(seconds: float) -> str:
    return f"{max(1, math.ceil(seconds / 60.0))} min"
