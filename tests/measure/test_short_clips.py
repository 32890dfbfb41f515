"""Short clips in the search: used to predict whole ones, and trusted only while whole clips agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

import benchmarks
from autotune.measure import short_clips
from autotune.model.study import Proposal, Purpose, Sample, SampleState
from autotune.model.workload import Workload

CLIP = Workload(512, 512, 16, 20)
FIXED, STEP = 0.8, 0.32
LOOK = Proposal("base", "screen", 1)


def seconds(steps: int, per_step: float = STEP, fixed: float = FIXED) -> float:
    return fixed + per_step * steps


def sample(number: int, name: str, took: float, state: SampleState = "ok", purpose: Purpose = "screen",
           steps: int | None = None, launch: int = 0) -> Sample:
    return Sample(number, name, purpose, launch, False, 0, 0, state, took, took, steps=steps)


def rendered_both_ways(name: str, per_step: float, off: float = 0.0, start: int = 0) -> list[Sample]:
    return [sample(start, name, seconds(20, per_step) * (1.0 + off)),
            sample(start + 1, name, seconds(10, per_step), "check", steps=10)]


def test_whole_clips_until_another_set_was_told_right() -> None:
    base = rendered_both_ways("base", STEP)
    assert short_clips.short_clip([], 0, CLIP, "base") is None
    assert short_clips.short_clip(base, 0, CLIP, "base") is None
    short = short_clips.short_clip([*base, *rendered_both_ways("sdp", 0.2, start=2)], 0, CLIP, "base")
    assert short is not None
    assert short.fixed == pytest.approx(FIXED)
    assert short.whole_seconds(seconds(10, 0.25)) == pytest.approx(seconds(20, 0.25))
    assert short.short_seconds(short.whole_seconds(3.3)) == pytest.approx(3.3)


@given(fixed=st.floats(-1.0, 60.0), took=st.floats(0.01, 600.0), more=st.floats(0.001, 1.0))
def test_a_whole_clip_takes_longer_than_its_short_one_whatever_the_line_says(
        fixed: float, took: float, more: float) -> None:
    short = short_clips.ShortClip(10, 20, fixed)
    assert short.whole_seconds(took) > took
    assert short.whole_seconds(took + more) > short.whole_seconds(took)
    assert short.short_seconds(short.whole_seconds(took)) == pytest.approx(took, rel=1e-6)


def test_a_set_that_was_told_wrong_ends_it_unless_others_outvote_it() -> None:
    base = rendered_both_ways("base", STEP)
    wrong = rendered_both_ways("sdp", 0.2, off=0.2, start=2)
    assert short_clips.short_clip([*base, *wrong], 0, CLIP, "base") is None
    right = [*rendered_both_ways("v1", 0.6, start=4), *rendered_both_ways("none", 0.4, start=6)]
    assert short_clips.short_clip([*base, *wrong, *right[:2]], 0, CLIP, "base") is None
    assert short_clips.short_clip([*base, *wrong, *right], 0, CLIP, "base") is not None


def test_a_stalled_clip_of_the_current_flags_does_not_bend_the_line() -> None:
    base = rendered_both_ways("base", STEP, off=0.12)
    others = [*rendered_both_ways("sdp", 0.2, start=2), *rendered_both_ways("v1", 0.6, start=4)]
    short = short_clips.short_clip([*base, *others], 0, CLIP, "base")
    assert short is not None
    assert short.fixed == pytest.approx(FIXED, abs=0.1)


def test_time_that_does_not_grow_with_steps_is_never_told_forward() -> None:
    """Most of such a clip is encoding or waiting: a short one saves nothing."""
    flat = [sample(0, "base", 8.0), sample(1, "base", 7.5, "check", steps=10)]
    assert short_clips.short_clip([*flat, *rendered_both_ways("sdp", 0.2, start=2)], 0, CLIP, "base") is None
    assert not short_clips.check_due(flat, 0, CLIP, "base", Proposal("sdp", "screen", 1))


def test_who_is_rendered_both_ways_and_when() -> None:
    whole = [sample(0, "base", seconds(20))]
    assert short_clips.check_due(whole, 0, CLIP, "base", LOOK)
    assert not short_clips.check_due(whole, 0, CLIP, "base", Proposal("base", "confirm", 1, fresh=True))
    base = rendered_both_ways("base", STEP)
    assert not short_clips.check_due(base, 0, CLIP, "base", LOOK)
    other = Proposal("sdp", "screen", 1)
    assert short_clips.check_due([*base, sample(2, "sdp", seconds(20, 0.2))], 0, CLIP, "base", other)
    trusted = [*base, *rendered_both_ways("sdp", 0.2, start=2)]
    assert not short_clips.check_due(trusted, 0, CLIP, "base", Proposal("v1", "screen", 1))
    wrong = list(base)
    for number, name in enumerate(("a", "b", "c")):
        assert short_clips.check_due(wrong, 0, CLIP, "base", Proposal(name, "screen", 1))
        wrong += rendered_both_ways(name, 0.2, off=0.3, start=2 + 2 * number)
    assert not short_clips.check_due(wrong, 0, CLIP, "base", Proposal("d", "screen", 1))


@pytest.mark.parametrize("state", ["too_slow", "discarded"])
def test_a_clip_that_does_not_count_is_not_checked(state: SampleState) -> None:
    base = rendered_both_ways("base", STEP)
    samples = [*base, sample(2, "v1", seconds(20, 0.9), state)]
    assert not short_clips.check_due(samples, 0, CLIP, "base", Proposal("v1", "screen", 1))
    again = [*samples, sample(3, "v1", seconds(20, 0.9))]
    assert short_clips.check_due(again, 0, CLIP, "base", Proposal("v1", "screen", 1))


def test_a_clip_that_is_short_already_stays_whole() -> None:
    assert short_clips.short_steps(Workload(128, 128, 8, 2)) is None
    assert short_clips.short_steps(Workload(512, 512, 16, 8)) == 4


def test_a_workflow_stays_whole_whatever_its_steps() -> None:
    mine = Workload(512, 512, 16, 20, workflow="w.json", workflow_digest="0" * 16)
    assert short_clips.short_steps(replace(CLIP)) == 10 and short_clips.short_steps(mine) is None
    samples = rendered_both_ways("base", STEP) + rendered_both_ways("v1", 0.9, start=2)
    assert short_clips.short_clip(samples, 0, CLIP, "base") is not None
    assert short_clips.short_clip(samples, 0, mine, "base") is None
    assert not short_clips.check_due([], 0, mine, "base", LOOK)


def test_the_fixed_part_is_the_same_for_all_classes_on_the_h200() -> None:
    """Why one line serves all sets: what does not grow with steps, by attention class, on the real web UI."""
    lines = (Path(benchmarks.__file__).parent / "data" / "a1111-h200.jsonl").read_text(encoding="utf-8").splitlines()
    fixed: dict[str, list[float]] = {}
    for row in map(json.loads, lines):
        if (row["kind"] == "clip" and row["workload"] == "512x512x16x20" and not row["flags"] and row.get("seconds")
                and not row["first_of_launch"] and row["rep"] >= 0):
            fixed.setdefault(row["attention"], []).append(row["seconds"] - row["sample_s"])
    found = {name: median(times) for name, times in fixed.items()}
    assert len(found) >= 6
    assert max(found.values()) - min(found.values()) < 0.15
