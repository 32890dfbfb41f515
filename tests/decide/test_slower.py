"""Since when clips are slower: SciPy judges the chances, a generator that knows nothing of the rule all else."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from autotune.decide import slower
from autotune.decide.slower import Use
from benchmarks import slower as years

VALUES = st.lists(st.floats(-1, 1), min_size=3, max_size=9, unique=True)


def quiet(rng: random.Random, count: int, level: float = 0.0, series: str = "") -> list[Use]:
    return [Use(level + rng.gauss(0.0, 0.015), series) for _ in range(count)]


def updated(uses: list[Use]) -> list[Use]:
    return [Use(uses[0].value, uses[0].series, updated=True), *uses[1:]]


@given(VALUES, VALUES)
def test_the_chance_is_that_of_the_exact_test(before: list[float], after: list[float]) -> None:
    both = before + after
    if len(set(both)) < len(both):
        return
    wins = sum(a < b for a in before for b in after)
    expected = mannwhitneyu(after, before, alternative="greater", method="exact").pvalue
    assert slower.tail(len(before), len(after), wins) == pytest.approx(expected)


def test_the_chance_counts_every_order_once() -> None:
    orders = [sum(a < b for a in set(range(7)) - set(late) for b in late) for late in combinations(range(7), 3)]
    for wins in range(13):
        share = sum(found >= wins for found in orders) / math.comb(7, 3)
        assert slower.tail(4, 3, wins) == pytest.approx(share)


@pytest.mark.parametrize(("by", "most"), [(0.05, 9), (0.1, 5), (0.3, 5)])
def test_a_lasting_slowdown_is_found_soon_at_its_place(by: float, most: int) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        early, late = quiet(rng, 45), updated(quiet(rng, most, math.log1p(by)))
        found = next(filter(None, (slower.find_change(early + late[:count]) for count in range(1, most + 1))), None)
        assert found is not None and found.slower and found.at == 45, seed
        assert found.first <= 45 <= found.last
        assert found.ratio.low <= found.ratio.estimate <= found.ratio.high


def test_a_gain_is_told_as_one() -> None:
    rng = random.Random(1)
    found = slower.find_change(quiet(rng, 40) + quiet(rng, 8, -0.2))
    assert found is not None and not found.slower and found.at == 40


def test_where_nothing_was_updated_more_is_asked_for() -> None:
    rng = random.Random(2)
    early, late = quiet(rng, 60), quiet(rng, 5, 0.3)
    assert slower.find_change(early + updated(late)[:4]) is not None
    assert slower.find_change(early + late[:4]) is None
    assert slower.find_change(early + late) is not None


def test_two_uses_are_never_enough_and_nothing_is_said_of_a_short_past() -> None:
    rng = random.Random(3)
    assert slower.find_change(quiet(rng, 85) + updated(quiet(rng, 2, 1.0))) is None
    assert slower.find_change(quiet(rng, 8) + updated(quiet(rng, 4, 1.0))) is None


def test_only_like_is_compared_with_like() -> None:
    """Larger clips take longer, and say nothing until they were seen before; then each sort speaks for all."""
    rng = random.Random(4)
    assert slower.find_change(quiet(rng, 40) + updated(quiet(rng, 12, 0.5, "large"))) is None
    mixed = [use for _ in range(20) for use in (*quiet(rng, 1), *quiet(rng, 1, 0.5, "large"))]
    late = [use for _ in range(3) for use in (*quiet(rng, 1, 0.2), *quiet(rng, 1, 0.7, "large"))]
    found = slower.find_change(mixed + updated(late))
    assert found is not None and found.at == 40 and 1.15 < found.ratio.estimate < 1.3


def test_a_machine_that_has_games_beside_it_needs_more_of_them() -> None:
    rng = random.Random(5)
    games = [Use(0.3, updated=True), Use(0.32), Use(0.28), Use(0.31)]
    assert slower.find_change(quiet(rng, 60) + games) is not None
    past = quiet(rng, 60)
    for at in (10, 25, 40, 55):
        past[at] = Use(0.3 + 0.01 * at / 10)
    assert slower.find_change(past + games) is None


@given(st.lists(st.floats(-0.5, 0.5), min_size=20, max_size=40, unique=True))
def test_stretching_all_times_changes_no_chance(values: list[float]) -> None:
    """Ranks are all that counts, whatever the noise looks like."""
    before, after = values[:-5], values[-5:]
    chance = slower.chance_alone(before, after)
    bent = [[math.exp(3 * value) for value in group] for group in (before, after)]
    kept = len(set(map(math.exp, values))) == len(values)
    if kept and slower._is_elsewhere(before, after) == slower._is_elsewhere(*bent):
        assert slower.chance_alone(*bent) == pytest.approx(chance)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(years.FAMILIES))
def test_years_of_daily_use_hardly_ever_call_a_change_that_is_none(family: str) -> None:
    """Five years here; two hundred of each are in docs/statistics.md."""
    assert years.false_alarms(family, 5, seed=800_000) <= 0.4


@pytest.mark.slow
@pytest.mark.parametrize("family", ["plain", "tails", "games", "memory", "seasons", "kinds"])
def test_a_tenth_slower_is_found_and_placed(family: str) -> None:
    found = years.detection(family, 0.1, 20, 800_000, marked=True)
    assert found.found >= 0.9 and found.within >= 0.9
