"""What was not measured, and why."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from autotune.decide.unmeasured import UnmeasuredLevel, unmeasured_levels
from autotune.model.study import History, Launch
from tests.decide.test_rules import PROFILE, SPACE, name, sample

BASE, SDP = SPACE.baseline, name("sdp")


def told(history: History, chosen: str = SDP, objective: str = "speed") -> dict[tuple[str, str], UnmeasuredLevel]:
    rows = unmeasured_levels(history, SPACE, PROFILE, objective, chosen)
    assert len({(row.dimension, row.level) for row in rows}) == len(rows)
    return {(row.dimension, row.level): row for row in rows}


def searched(*more: object, spent: float = 300.0, budget: float = 1800.0) -> History:
    samples = [sample(0, BASE, 7.2, memory_peak=20_000.0), sample(1, SDP, 4.9, memory_peak=6_000.0),
               sample(2, name("sdp-no-mem"), 4.95, memory_peak=6_000.0), *more]
    return History(tuple(samples), (Launch(0, BASE, SPACE[BASE].launch_key, False, 20.0),), spent, budget)  # type: ignore[arg-type]


def test_a_level_that_no_timed_set_had_is_told_with_what_was_expected_of_it() -> None:
    rows = told(searched())
    assert set(rows) == {("attention", "v1"), ("channelslast", "true"), ("no_half_vae", "true")}
    vae = rows["no_half_vae", "true"]
    assert vae.flag == "--no-half-vae" and vae.expected is not None and vae.expected < 1.0
    assert vae.reason == f"expected {100 * (1 / vae.expected - 1):.1f} % slower"
    assert "slower" in rows["attention", "v1"].reason


def test_a_level_that_adds_no_flag_is_called_by_its_name() -> None:
    history = History((sample(0, SDP, 4.9),), (), 300.0, 1800.0)
    row = told(history)["attention", "split"]
    assert row.flag == "attention=split" and row.reason


def test_a_level_that_was_timed_anywhere_is_not_listed() -> None:
    more = (sample(3, name("v1", True), 13.0, state="too_slow"), sample(4, name("split", False, True), 7.3))
    assert told(searched(*more)) == {}


@pytest.mark.parametrize(("more", "launches", "reason"), [
    ((sample(3, name("sdp", True), None, failure="oom"),), (),
     "out of memory with --opt-sdp-attention --opt-channelslast"),
    ((), (Launch(1, name("split", True), SPACE[name("split", True)].launch_key, True, 5.0, "startup"),),
     "with --opt-channelslast"),
])
def test_a_level_that_failed_says_how_and_beside_what(more: tuple[object, ...], launches: tuple[Launch, ...],
                                                      reason: str) -> None:
    history = searched(*more)
    found = told(replace(history, launches=(*history.launches, *launches)))["channelslast", "true"]
    assert reason in found.reason.replace("  ", " ")


def test_a_level_expected_to_gain_says_whether_there_was_time_for_it() -> None:
    """Beside v1 chosen, sdp's neighbours are expected to be much faster."""
    history = History((sample(0, BASE, 7.2), sample(1, name("v1"), 13.0)),
                      (Launch(0, BASE, SPACE[BASE].launch_key, False, 20.0),), 100.0, 1800.0)
    assert told(history, BASE)["attention", "sdp"].reason.endswith("not worth another start")
    late = told(replace(history, spent=1720.0), BASE)["attention", "sdp"]  # two pairs of starts take 110 s
    assert late.reason.endswith("but no budget was left for it") and late.expected is not None and late.expected > 1.02


def test_nothing_measured_says_so() -> None:
    late = told(History(budget=10.0, spent=12.0), BASE)
    assert {row.reason for row in late.values()} == {"the budget ended before it"}
    assert {row.expected for row in told(History(), BASE).values()} == {None}


def test_an_objective_that_counts_memory_is_told_in_its_own_words() -> None:
    rows = told(searched(), objective="vram")
    assert all(row.expected is None or math.isfinite(row.expected) for row in rows.values())
    assert not any("faster" in row.reason or "slower" in row.reason for row in rows.values())
