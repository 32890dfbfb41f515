"""What a look is forecast to cost: all that goes before and beside its clip."""

from __future__ import annotations

import dataclasses

import pytest

from autotune import decide
from autotune.decide import more_steps
from autotune.decide.surface import Surface
from autotune.measure import short_clips
from autotune.model.study import History, Launch, Sample, SampleState
from autotune.search.thresholds import THRESHOLDS
from autotune.search.view import View
from benchmarks import surfaces
from tests.decide.test_rules import PROFILE, SPACE, name
from tests.search.test_sessions import play, small

BASE, SDP, MEM, V1 = SPACE.baseline, name("sdp"), name("sdp-no-mem"), name("v1")


def history(*clips: tuple[str, SampleState, float, int | None]) -> History:
    samples = tuple(Sample(number, candidate, "screen", 0, False, 0, 0, state, cost, cost, steps=steps)
                    for number, (candidate, state, cost, steps) in enumerate(clips))
    return History(samples, (Launch(0, BASE, SPACE[BASE].launch_key, False, 20.0),), 100.0, 1800.0, 0)


def view(*clips: tuple[str, SampleState, float, int | None]) -> View:
    return View(history(*clips), SPACE, PROFILE, "speed", Surface(SPACE))


RECORDED: tuple[tuple[str, SampleState, float, int | None], ...] = (  # 768x768x24x8 on an H200, one process
    (BASE, "warmup", 12.1, 2), (BASE, "ok", 15.5, None), (BASE, "check", 9.36, 4),
    (SDP, "warmup", 5.3, 2), (SDP, "warmup", 5.3, 2), (SDP, "ok", 9.25, None), (SDP, "check", 6.94, 4),
    (MEM, "warmup", 5.12, 2), (MEM, "ok", 9.38, None),
)


def test_a_look_at_a_new_set_is_forecast_with_its_warm_up_and_its_check() -> None:
    seen = view(*RECORDED)
    expected = seen.round_cost(V1)
    ratio = (9.36 / 15.5 + 6.94 / 9.25) / 2.0
    assert seen.cost(V1, 1) == pytest.approx(expected * (1.0 + ratio) + (5.3 + 5.3 + 5.12) / 2.0, rel=0.01)
    assert seen.cost(SDP, 1) == pytest.approx(seen.round_cost(SDP))  # warm, and checked already


def test_no_check_is_forecast_where_none_is_made() -> None:
    before = view(*RECORDED[:2])
    assert before.check_share == 0.0
    trusted = view(*RECORDED, (MEM, "ok", 6.6, 4))
    assert trusted.check_share == 0.0
    enough = view(*RECORDED, (MEM, "check", 6.7, 4), (V1, "ok", 30.0, None), (V1, "check", 16.0, 4))
    assert enough.check_share == 0.0 and THRESHOLDS.short_clip_checks == short_clips.MOST_CHECKS


def eight_steps(steps: int = 8) -> surfaces.Drawn:
    drawn = small()
    clip = dataclasses.replace(drawn.profile.workloads[0], steps=steps)
    return dataclasses.replace(drawn, profile=dataclasses.replace(drawn.profile, workloads=(clip,)))


@pytest.mark.parametrize("strategy", ["screen", "random"])
def test_a_proven_gain_is_checked_with_one_clip_a_side_of_as_many_steps_as_people_use(strategy: str) -> None:
    surface = eight_steps()
    session, verdict = play(surface, strategy, budget=7200.0)
    assert verdict.decision == "apply" and verdict.winner is not None
    checks = [one for one in session.samples if one.purpose == "confirm" and one.block is None]
    assert sorted(one.candidate for one in checks if one.state == "check") == sorted(
        (surface.space.baseline, verdict.winner.candidate))
    assert {one.steps for one in checks if one.state == "check"} == {20}
    rows = more_steps.speedups_at_steps(session.history(), surface.space, surface.profile, verdict.winner.candidate)
    assert [(row.steps, row.checked) for row in rows] == [(20, True), (30, False)]
    others = [one for one in session.samples if one not in checks]
    alone = dataclasses.replace(session.history(), samples=tuple(others))
    assert decide.verdict(alone, surface.space, surface.profile, "speed").speedup == verdict.speedup


@pytest.mark.slow
def test_no_clip_is_rendered_only_to_check_where_nothing_is_proven_or_it_tells_nothing_new() -> None:
    same = eight_steps()
    same = dataclasses.replace(same, score=dict.fromkeys(same.score, 2.0))
    for surface in (eight_steps(20), eight_steps(2), same):
        session, _ = play(surface, budget=7200.0)
        assert not [one for one in session.samples if one.purpose == "confirm" and one.block is None]


def test_at_the_profiles_own_steps_it_is_the_verdicts_interval() -> None:
    surface = eight_steps(20)
    session, verdict = play(surface, budget=7200.0)
    assert verdict.winner is not None
    rows = more_steps.speedups_at_steps(session.history(), surface.space, surface.profile, verdict.winner.candidate)
    assert [(row.steps, row.speedup, row.checked) for row in rows][:1] == [(20, verdict.speedup, True)]
