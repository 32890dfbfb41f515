"""How many looks at a comparison are planned: as many as there is time for, known before the first of them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.decide import sequential
from autotune.decide.assumptions import RULES
from autotune.decide.compare import looks_planned, looks_that_fit
from autotune.model.study import History, Launch, Sample


def confirmed(budget: float, pairs: int, clip: float = 25.0, start: float = 55.0) -> History:
    """A search of one start and one clip, then so many pairs of one cold start and two clips a side."""
    launches = [Launch(0, "a", "k", True, start)]
    samples = [Sample(0, "a", "screen", 0, True, 0, 0, "ok", clip, clip)]
    for block in range(pairs):
        for name in ("a", "b"):
            launches.append(Launch(len(launches), name, "k", True, start))
            samples += [Sample(len(samples) + turn, name, "confirm", len(launches) - 1, True, 0, turn, "ok", clip, clip,
                               block=block) for turn in range(2)]
    spent = sum(one.cost for one in samples) + sum(one.startup for one in launches)
    return History(tuple(samples), tuple(launches), spent, budget, None)


@pytest.mark.parametrize(("budget", "planned"), [(80.0 + 4 * 210.0, 4), (80.0 + 4.4 * 210.0, 4), (80.0 + 7 * 210.0, 7),
                                                 (100.0, 3), (1e6, RULES.max_blocks), (math.inf, RULES.max_blocks)])
def test_as_many_as_there_is_time_for(budget: float, planned: int) -> None:
    """By what the first pair took, of what the search had left."""
    assert looks_planned(confirmed(budget, 1)) == planned


def test_before_the_first_pair_nothing_is_known() -> None:
    """Then the most are planned."""
    assert looks_planned(confirmed(1000.0, 0)) == RULES.max_blocks


@given(budget=st.floats(300.0, 20_000.0), pairs=st.integers(1, 8), scale=st.floats(0.5, 2.0))
def test_later_pairs_do_not_change_the_plan(budget: float, pairs: int, scale: float) -> None:
    """Looks are planned before the first: what later pairs took or said cannot move the level of one."""
    history = confirmed(budget, pairs)
    changed = tuple(replace(one, seconds=scale * (one.seconds or 0.0), cost=scale * one.cost)
                    if one.block else one for one in history.samples)
    assert looks_planned(replace(history, samples=changed)) == looks_planned(confirmed(budget, 1))


@given(left=st.floats(0.0, 1e9), seconds=st.floats(0.0, 1e6))
def test_the_count_stays_in_its_bounds(left: float, seconds: float) -> None:
    """One look more than the fewest at least, never more than are ever made."""
    assert RULES.min_blocks < looks_that_fit(left, seconds) <= RULES.max_blocks


@pytest.mark.parametrize("most", [3, 4, 5, 8, 16])
@pytest.mark.parametrize("first", [2, 4])
def test_all_looks_together_err_as_often_as_was_asked_for(first: int, most: int) -> None:
    """However many are planned, from whichever on: drawn sums of normal differences cross one bound as often."""
    import numpy as np
    from scipy.special import ndtri

    last = max(first, most)
    sums = np.cumsum(np.random.default_rng(7).standard_normal((40_000, last)), axis=1)
    crossed = np.zeros(len(sums), bool)
    for count in range(first, last + 1):
        bound = -ndtri(sequential.nominal_alpha(0.95, count, first, last) / 2.0)
        crossed |= np.abs(sums[:, count - 1]) / math.sqrt(count) > bound
    assert abs(crossed.mean() - 0.05) < 0.005
