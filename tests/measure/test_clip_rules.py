"""The rules for one clip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.measure.clip_rules import clock_too_low, fixed_seconds, spilled, warmup_count, why_discarded
from autotune.measure.observations import Observations

SECONDS = st.floats(0.01, 1000)


@pytest.mark.parametrize(("seen", "seconds", "process_time", "why"), [
    (Observations(), 5.0, 4.99, None),
    (Observations(), 5.0, None, None),
    (Observations(), 9.0, 5.0, "waited 4.0 s"),
    (Observations(), 5.0, 4.2, None),
    (Observations(), 5.0, -3595.0, None), (Observations(), 5.0, 3605.0, None),
    (Observations(), 5.0, float("nan"), None),
    (Observations(throttled=("hw_thermal",)), 5.0, 5.0, "throttled (hw_thermal)"),
    (Observations(foreign=(12,)), 5.0, 5.0, "pid 12"),
])
def test_discard(seen: Observations, seconds: float, process_time: float | None, why: str | None) -> None:
    found = why_discarded(seen, seconds, process_time)
    assert (found is None) if why is None else (found is not None and why in found)


@pytest.mark.parametrize(("seconds", "expected"), [
    ([], None), ([10.0], None), ([10.0, 5.0], None), ([10.0, 5.0, 5.1], 1), ([10.0, 7.0, 5.0, 5.1], 2),
    ([5.0, 5.0, 5.0], 1), ([9.0, 8.0, 7.0, 6.0], None), ([9.0, 8.0, 7.0, 6.0, 5.0], 4), ([9.0, 8.0, 7.0, 6.0, 6.1], 3),
])
def test_warm_ups_end_when_stable(seconds: list[float], expected: int | None) -> None:
    assert warmup_count(seconds) == expected


@given(st.lists(SECONDS, max_size=12), st.integers(1, 6))
def test_warm_ups_are_bounded_and_never_change_their_mind(seconds: list[float], most: int) -> None:
    found = warmup_count(seconds, most=most)
    assert found is None or 1 <= found <= most
    assert found is not None or len(seconds) <= most
    if found is not None:
        assert warmup_count([*seconds, 3.0], most=most) == found


def test_warm_ups_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="warm-up"):
        warmup_count([1.0], most=0)


@given(st.floats(0, 10), st.floats(0.001, 10), st.integers(1, 40), st.integers(1, 100))
def test_two_step_counts_tell_what_is_fixed(fixed: float, per_step: float, few: int, more: int) -> None:
    many = few * 2 + more
    found = fixed_seconds((many, fixed + per_step * many), (few, fixed + per_step * few))
    assert found == pytest.approx(fixed, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("short", "long"), [
    ((4, 2.0), (5, 2.5)), ((4, 2.0), (8, 2.0)), ((4, 2.0), (8, 1.0)), ((4, 1.0), (8, 3.0)), ((0, 1.0), (8, 3.0)),
    ((4, 0.0), (8, 1.0)), ((4, float("nan")), (8, 1.0)),
])
def test_no_line_where_there_is_none(short: tuple[int, float], long: tuple[int, float]) -> None:
    assert fixed_seconds(short, long) is None


def test_recorded_clips_lie_on_a_line() -> None:
    # sampling at 20 and 25 steps of the recorded H200 runs differs in size too, so the check is on the model itself
    assert fixed_seconds((10, 2.6), (20, 4.9)) == pytest.approx(0.3)


@pytest.mark.parametrize(("seconds", "full", "moved", "family", "expected"), [
    (40.0, 0.99, None, [5.0, 6.0, 7.0], True), (40.0, 0.80, None, [5.0, 6.0], False), (40.0, None, None, [5.0], False),
    (40.0, 0.99, None, [], False), (14.0, 0.99, None, [4.9, 7.2, 7.9, 8.2], False),
    (9.5, 0.91, 900.0, [5.0, 6.0, 7.0], True), (9.5, None, 900.0, [5.0, 6.0, 7.0], True),
    (8.5, 0.99, 900.0, [5.0, 6.0, 7.0], False), (40.0, 0.91, 900.0, [], False),
])
def test_spilling_is_full_and_far_outside_or_seen_and_slower(
    seconds: float, full: float | None, moved: float | None, family: list[float], expected: bool
) -> None:
    assert spilled(Observations(memory_full=full, spilled=moved), seconds, family) is expected


def test_clocks_far_below_the_usual() -> None:
    assert clock_too_low(900, [1700, 1710, 1695]) and not clock_too_low(1600, [1700, 1710, 1695])
    assert not clock_too_low(None, [1, 2, 3]) and not clock_too_low(900, [1700])
