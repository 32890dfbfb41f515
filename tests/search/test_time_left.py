"""The time left of a tune: a range that holds, and scales with the machine. The judge is how long drawn tunes took."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, median

import pytest

from autotune.model.study import History
from autotune.search.confirm import confirmation_begun
from autotune.search.screen import Screen
from autotune.search.time_left import COMPARISON, SEARCH, facts, time_left
from autotune.search.view import View
from benchmarks.time_left import BUDGETS, Noting, begin, summary, tasks, told

NEW_SEEDS = 910000
"""Seeds that no weight was found on."""


def histories(seed: int) -> tuple[Screen, list[History]]:
    session, strategy = begin(("drawn", "drawn", seed, 3600.0))
    noting = Noting(strategy)
    session.run(noting)
    return strategy, noting.asked


def slower(history: History, factor: float) -> History:
    """The same on a machine on which everything takes ``factor`` times as long."""
    def times(seconds: float | None) -> float | None:
        return None if seconds is None else seconds * factor

    samples = tuple(replace(one, seconds=times(one.seconds), rendered=times(one.rendered), cost=factor * one.cost)
                    for one in history.samples)
    launches = tuple(replace(one, startup=factor * one.startup) for one in history.launches)
    return replace(history, samples=samples, launches=launches, spent=factor * history.spent,
                   budget=factor * history.budget)


@pytest.mark.slow
def test_it_is_a_range_within_the_budget_and_the_same_for_the_same_history() -> None:
    strategy, asked = histories(3)
    found = [time_left(strategy, one) for one in asked]
    assert found[0] is None, "nothing is known before the current flags are timed"
    known = [(one, left) for one, left in zip(asked, found, strict=True) if left is not None]
    assert len(known) == len(asked) - 1 >= 10
    for history, left in known:
        assert 0.0 <= left.low <= left.likely <= left.high <= history.budget - history.spent + 1e-9
        assert time_left(strategy, history) == left
    soon = time_left(strategy, replace(asked[5], budget=asked[5].spent + 3.0))
    assert soon is not None and soon.high <= 3.0


@pytest.mark.slow
def test_a_machine_half_as_fast_takes_twice_as_long() -> None:
    strategy, asked = histories(4)
    for history in asked[4::6]:
        left, twice = time_left(strategy, history), time_left(strategy, slower(history, 2.0))
        assert left is not None and twice is not None
        for one, other in ((left.low, twice.low), (left.likely, twice.likely), (left.high, twice.high)):
            assert math.isclose(2.0 * one, other, rel_tol=0.02)


@pytest.mark.slow
def test_every_weight_belongs_to_a_fact_and_every_fact_has_one() -> None:
    strategy, asked = histories(3)
    seen: dict[bool, set[str]] = {False: set(), True: set()}
    for history in asked[1:]:
        view = View(history, strategy.space, strategy.profile, "speed", strategy.surface)
        seen[confirmation_begun(view)] |= set(facts(strategy, view) or ())
    assert seen == {False: set(SEARCH), True: set(COMPARISON)}
    assert all(len(three) == 3 and all(map(math.isfinite, three)) for three in (*SEARCH.values(), *COMPARISON.values()))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ranges_hold_and_likely_times_are_not_biased_on_new_tunes() -> None:
    asked = tasks(("rest-3", "regimes"), range(NEW_SEEDS, NEW_SEEDS + 4))
    rows = [told(task) for task in asked if task[3] == BUDGETS[-1]]
    assert len(rows) == 24
    found = summary(rows)
    # 648 new tunes: 82 % and 68 % held, the likely time was as often too long as too short, 57 % of the ends were near.
    # The bounds are what 24 such tunes leave of that, less three standard errors.
    assert found["held"] >= 0.58, found
    assert found["all"] >= 0.52, found
    assert 0.55 <= median(found["ratio"]) <= 1.8, found
    assert found["end"] >= 0.28, found
    assert fmean(row["known"] / row["decisions"] for row in rows) > 0.8
