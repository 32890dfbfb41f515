"""A tune recorded on a real web UI is a surface with its own times, on which it can be tuned again."""

from __future__ import annotations

import dataclasses
import json
import math
from statistics import fmean

import pytest

from autotune.model.study import Launch, Sample
from benchmarks import replayed, surfaces
from benchmarks.near import near_equal


@pytest.mark.parametrize("name", replayed.TUNES)
def test_what_was_recorded_takes_as_long_when_it_is_drawn_anew(name: str) -> None:
    tune = replayed.load(name)
    drawn = fmean(replayed.again(tune, seed) for seed in range(20))
    assert drawn == pytest.approx(tune.wall, rel=0.04)
    assert replayed.again(tune, 3) == replayed.again(tune, 3)


def test_measured_sets_take_what_was_measured_and_the_others_are_marked_as_stand_ins() -> None:
    tune = replayed.load("article512")
    measured = {one.candidate for one in tune.samples if one.state in ("ok", "too_slow")}
    assert not measured & tune.stand_ins
    assert measured | tune.stand_ins == {c.id for c in tune.space.candidates}
    whole = [one.seconds for one in tune.samples
             if one.candidate == tune.space.baseline and one.state == "ok" and one.steps is None and one.seconds]
    assert min(whole) <= math.exp(tune.true_score(tune.space.baseline)) <= max(whole)
    levels = {dict(c.levels)["attention"]: tune.true_score(c.id) for c in tune.space.candidates}
    assert levels["sdp"] < levels["split"] < levels["v1"]


def test_a_recorded_tune_ends_as_recorded_when_it_is_tuned_again() -> None:
    tune = replayed.load("article768")
    ends = [replayed.one(tune, seed) for seed in range(3)]
    assert all(replayed.same(tune, verdict) for _, verdict, _ in ends)
    assert all(0.0 < stood <= session.now < tune.budget + 60.0 for session, _, stood in ends)


def test_the_command_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed.main(["--tunes", "precision512", "--sessions", "1", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["precision512"]
    assert row["recorded_seconds"] == pytest.approx(391.3, abs=0.1)
    assert 0.0 <= row["near"] <= row["within_min_gain"] <= 1.0


def test_time_among_sets_that_hardly_differ_counts_clips_and_starts_of_the_search() -> None:
    surface = surfaces.drawn(1)
    score = {c.id: 3.0 for c in surface.space.candidates}
    names = list(score)
    score[names[1]], score[names[2]] = 2.0, 2.005
    surface = dataclasses.replace(surface, score=score)

    def clip(number: int, name: str, launch: int, purpose: str = "screen") -> Sample:
        return Sample(number, name, purpose, launch, False, 0, 0, "ok", 10.0, 10.0)  # type: ignore[arg-type]

    launches = [Launch(0, names[0], "a", False, 20.0), Launch(1, names[2], "b", False, 30.0)]
    samples = [clip(0, names[0], 0), clip(1, names[1], 0), clip(2, names[1], 0)]
    assert near_equal(surface, samples, launches) == 0.0
    samples.append(clip(3, names[2], 1))
    assert near_equal(surface, samples, launches) == 40.0
    samples.append(clip(4, names[1], 1))
    assert near_equal(surface, samples, launches) == 50.0
    samples.append(clip(5, names[2], 1, "confirm"))
    assert near_equal(surface, samples, launches) == 50.0
