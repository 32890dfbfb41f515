"""What an open question still needs: how many pairs, how many minutes, and whether the budget was the reason."""

from __future__ import annotations

import math
from statistics import median

from autotune.decide import sequential
from autotune.decide.assumptions import RULES
from autotune.decide.compare import Comparison, can_share_process, look_level
from autotune.decide.rounds import clip_costs, warmup_costs
from autotune.language.translate import _, ngettext
from autotune.model.flagset import Space
from autotune.model.study import History
from autotune.model.workload import DecideSpec

WARMUP_CLIPS = 1.0
"""Clips' time that warming up a process is assumed to take before it was seen (11.3 against 4.9 s on the H200)."""
SPARE_FACTOR = 1.1
"""A suggested budget is this much larger than what is expected to be needed: starts vary."""


def pair_seconds(history: History, space: Space, other: str) -> float | None:
    """Seconds that one more pair takes with one clip of each workload a side, each side from a fresh start or both from
    one; None before the current flags were timed. A set without a whole clip is assumed to be as slow as the current
    flags."""
    costs = clip_costs(history, space.baseline)
    if not costs:
        return None
    baseline_seconds = sum(costs.values())
    starts = [launch.startup for launch in history.launches if launch.failure is None]
    warm = warmup_costs(history)[0]
    start = (median(starts) if starts else 0.0) + (median(warm) if warm else WARMUP_CLIPS * baseline_seconds)
    shared = other != space.baseline and can_share_process(space, other)
    other_seconds = sum(clip_costs(history, other).values()) or baseline_seconds
    return (1.0 if shared else 2.0) * start + baseline_seconds + other_seconds


def pairs_to_settle(found: Comparison, rule: DecideSpec) -> int | None:
    """How many more pairs would answer the question if they show on average what the pairs so far do; None: more than
    are ever made.

    A half width shrinks with the root of the number of pairs, and with the level that looks have left for it.
    """
    done = len(found.pairs)
    wanted_gain = math.log1p(rule.min_gain)
    now = _bound(rule, done)
    for count in range(done + 1, RULES.max_blocks + 1):
        half_width = found.half_width * _bound(rule, count) / now * math.sqrt(done / count)
        if (found.gain - half_width > 0.0 and found.gain >= wanted_gain) or found.gain + half_width < wanted_gain:
            return count - done
    return None


def _bound(rule: DecideSpec, count: int) -> float:
    return sequential.t_bound(look_level(rule.confidence, count, RULES.max_blocks), count + 2.0)


def why_left_open(history: History, space: Space, other: str | None, pairs: int | None, next_pairs: int) -> str:
    """Why a question stayed open, and what it would take, as the end of a sentence.

    ``pairs``: fresh pairs that would settle it; None: more than are ever made. ``next_pairs``: how many of them come
    next, all or none. The budget is given as the reason only where it has no room for these.
    """
    one = pair_seconds(history, space, other or space.baseline)
    left = history.budget - history.spent
    if left > 0.0 and (one is None or left >= SPARE_FACTOR * next_pairs * one):
        failed = sum(launch.failure is not None for launch in history.launches)
        count = len(history.launches)
        starts = ngettext("{count} start", "{count} starts", count) if not failed else ngettext(
            "{count} start ({failed} failed)", "{count} starts ({failed} failed)", count)
        return _("no more was measured after {starts}, with {time} of the budget left").format(
            starts=starts.format(count=count, failed=failed), time=_minutes(left))
    if pairs is None:
        return _("the budget ended, and even {count} pairs would hardly settle it").format(
            count=RULES.max_blocks)
    if one is None:
        return _("the budget ended")
    return _("the budget ended: {advice}").format(advice=suggest_budget(history, pairs * one))


def suggest_budget(history: History, seconds: float) -> str:
    """How much more time ``seconds`` more of measuring ask for, and the option that gives it."""
    more = max(SPARE_FACTOR * seconds - max(0.0, history.budget - history.spent), 60.0)
    total = math.ceil((max(history.budget, history.spent) + more) / 60.0)
    return _("about {time} more: `--budget {minutes}m`").format(time=_minutes(more), minutes=total)


def _minutes(seconds: float) -> str:
    return _("{minutes} min").format(minutes=max(1, math.ceil(seconds / 60.0)))
