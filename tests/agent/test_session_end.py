"""How long the agent waits before it tries again, however often it has tried."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autotune.agent import session_end
from autotune.agent.verb_process import VerbResult


@given(st.integers(0, 10**9), st.sampled_from(["retune", "drift", "apply"]),
       st.sampled_from([-9, -15, 130, 6, 1, 4, 0]))
def test_a_pause_has_an_end_after_any_number_of_attempts(attempts: int, kind: str, code: int) -> None:
    end = session_end.of_result(kind, VerbResult(code, None), attempts)
    assert 0.0 <= end.retry <= session_end.LONGEST_PAUSE
    if code < 0:
        sooner = session_end.of_result(kind, VerbResult(code, None), max(0, attempts - 1)).retry
        assert session_end.PAUSE_INTERRUPTED <= sooner <= end.retry


def test_each_pause_is_twice_the_one_before_up_to_an_hour() -> None:
    attempts = (0, 1, 2, 5, 6, 1023, 1024)
    pauses = [session_end.of_result("retune", VerbResult(-9, None), number).retry for number in attempts]
    assert pauses == [60.0, 120.0, 240.0, 1920.0, 3600.0, 3600.0, 3600.0]
