"""Each reason to wait, alone and in words; hours over midnight; budgets against a clock set back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.agent.may_run import SessionPart, Situation, in_hours, limits_reached, reasons_to_wait, reasons_to_yield
from tests.agent.world import settings

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=timezone.utc)  # a Wednesday
FREE = Situation(gpu_present=True, gpu_percent=3.0, gpu_memory=500.0, temperature=45.0, user_idle=7200.0)


def reasons(now: Situation = FREE, quiet: float | None = None, spent: Any = (), **config: Any) -> list[str]:
    return reasons_to_wait(now, settings(**config), NOON, quiet, spent)


def test_free() -> None:
    assert reasons() == []
    assert reasons(Situation()) == []


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (Situation(webui_runs=True, job="job txt2img", gpu_present=True), "renders (job txt2img)"),
        (Situation(webui_runs=True, gpu_present=True), "holds the GPU"),
        (Situation(webui_runs=True, job="job 1"), "renders"),
        (Situation(gpu_present=True, gpu_percent=55.0), "use the GPU (55 %)"),
        (Situation(gpu_present=True, gpu_memory=9000.0), "9000 MiB"),
        (Situation(cpu_percent=90.0), "CPU is busy"),
        (Situation(on_battery=True), "battery"),
        (Situation(user_idle=1.0), "you are back"),
        (Situation(user_idle=120.0), "you were here 2 min ago"),
        (Situation(temperature=91.0), "hot (91 °C)"),
    ],
)
def test_one_reason_at_a_time(scene: Situation, words: str) -> None:
    (only,) = reasons(scene)
    assert words in only


def test_an_idle_web_ui_without_a_gpu_blocks_nothing() -> None:
    assert reasons(Situation(webui_runs=True)) == []


def test_a_hundred_percent_means_do_not_ask() -> None:
    assert reasons(Situation(cpu_percent=100.0), cpu_busy_percent=100.0) == []
    assert reasons(Situation(gpu_present=True, gpu_percent=100.0), gpu_busy_percent=100.0) == []


def test_quiet_is_waited_for_only_after_the_noise() -> None:
    assert "waiting for 5 min" in reasons(quiet=60.0)[0]
    assert reasons(quiet=301.0) == []
    busy = Situation(gpu_present=True, gpu_percent=90.0)
    assert len(reasons(busy, quiet=0.0)) == 1


def test_heat_and_hours_do_not_end_a_running_session() -> None:
    assert reasons_to_yield(Situation(temperature=95.0), settings()) == []
    assert reasons_to_yield(Situation(on_battery=True), settings(on_battery=True)) == []
    assert reasons_to_yield(Situation(user_idle=2.0), settings(idle_minutes=0.0)) == []
    assert reasons_to_yield(Situation(user_idle=2.0), settings()) == ["you are back"]


@pytest.mark.parametrize(
    ("hour", "day", "answer"),
    [(23, 2, True), (3, 3, True), (6, 3, True), (7, 3, False), (12, 2, False), (3, 2, False), (22, 3, False)],
)
def test_a_span_over_midnight_belongs_to_the_day_it_begins(hour: int, day: int, answer: bool) -> None:
    """Only the night that begins on Wednesday (2) counts."""
    config = settings(hours=((22 * 60, 7 * 60),), days=("wed",))
    moment = datetime(2026, 11, 23 + day, hour, 0, tzinfo=timezone.utc)
    assert in_hours(moment, config) is answer


@given(st.integers(0, 1439), st.integers(0, 1440), st.integers(0, 1440))
def test_hours_agree_with_walking_the_clock(minute: int, start: int, end: int) -> None:
    if start % 1440 == end % 1440:
        return
    walked, at = False, start
    while at % 1440 != end % 1440:
        walked = walked or at % 1440 == minute
        at += 1
    moment = NOON.replace(hour=minute // 60, minute=minute % 60)
    assert in_hours(moment, settings(hours=((start, end),))) is walked


def test_budgets() -> None:
    hour = timedelta(hours=1).total_seconds()
    now = NOON.timestamp()
    assert limits_reached(NOON, settings(), [SessionPart(now - hour, 600.0)]) == []
    week = [SessionPart(now - i * 12 * hour, 60.0) for i in range(7)]
    assert "7 sessions this week" in limits_reached(NOON, settings(), week)[0]
    old = [SessionPart(now - 8 * 24 * hour - i, 9000.0) for i in range(9)]
    assert limits_reached(NOON, settings(), old) == []
    assert "120 minutes today" in limits_reached(NOON, settings(), [SessionPart(now - hour, 7200.0)])[0]
    assert limits_reached(NOON, settings(), [SessionPart(now - 13 * hour, 7200.0)]) == []


def test_a_session_that_gave_way_often_is_one_session() -> None:
    now = NOON.timestamp()
    sittings = [SessionPart(now - 100.0 * i, 10.0, "a") for i in range(50)]
    assert limits_reached(NOON, settings(), sittings) == []
    full = [*sittings, *(SessionPart(now - 1000.0 * i, 10.0, name) for i, name in enumerate("bcdefg"))]
    assert "7 sessions this week" in limits_reached(NOON, settings(), full)[0]
    assert limits_reached(NOON, settings(), full, due="a") == []
    assert limits_reached(NOON, settings(), full, due="h") != []


def test_a_clock_set_back_does_not_open_the_purse() -> None:
    tomorrow = NOON.timestamp() + 86400
    spent = [SessionPart(tomorrow + i, 1200.0) for i in range(7)]
    assert len(limits_reached(NOON, settings(), spent)) == 2


YEAR = 365 * 86400.0


@pytest.mark.parametrize("ahead", [3 * 86400.0, 30 * 86400.0, YEAR, 100 * YEAR, 1e15, 1e300])
def test_sessions_dated_by_a_clock_that_was_wrong_block_nothing(ahead: float) -> None:
    wrong = [SessionPart(NOON.timestamp() + ahead, 9000.0, f"w{i}") for i in range(9)]
    assert limits_reached(NOON, settings(), wrong) == []
    real = [SessionPart(NOON.timestamp() - 60.0 * i, 60.0, f"r{i}") for i in range(7)]
    assert limits_reached(NOON, settings(), [*wrong, *real]) == ["7 sessions this week, 7 are allowed"]
