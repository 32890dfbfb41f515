"""A profile with several workloads: one set for all, and what each would rather have."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from autotune.decide.per_workload import workload_outcomes
from autotune.model.study import History, Launch, Sample
from autotune.model.workload import Workload
from autotune.report import words
from tests.decide.test_rules import PROFILE, SPACE, name

BASE, SDP, MEM, V1 = SPACE.baseline, name("sdp"), name("sdp-no-mem"), name("v1")
TWO = replace(PROFILE, workloads=(Workload(512, 512, 16, 8), Workload(768, 768, 24, 6)))


def tune(times: dict[str, tuple[float, float]], seed: object, compared: str = SDP, noise: float = 0.01) -> History:
    """Two clips a set and workload in one process, then three pairs of ``compared``."""
    rng = random.Random(str(seed))
    samples: list[Sample] = []
    launches: list[Launch] = []

    def begin(candidate: str, cold: bool) -> float:
        launches.append(Launch(len(launches), candidate, SPACE[candidate].launch_key, cold, 20.0))
        return rng.gauss(0.0, 0.014)

    def render(candidate: str, shift: float, block: int | None = None) -> None:
        for workload, seconds in enumerate(times[candidate]):
            took = seconds * math.exp(shift + rng.gauss(0.0, noise))
            samples.append(Sample(
                len(samples), candidate, "screen" if block is None else "confirm", len(launches) - 1, block is not None,
                workload, 0, "ok", took, took, block=block))

    shift = begin(BASE, False)
    for candidate in (*times, *times):
        render(candidate, shift)
    for block in range(3):
        for candidate in (BASE, compared):
            render(candidate, begin(candidate, True), block)
    return History(tuple(samples), tuple(launches), 500.0, 1800.0)


APART = {BASE: (7.2, 57.0), SDP: (4.9, 30.0), MEM: (5.3, 26.0), V1: (13.0, 90.0)}


def test_each_workload_has_its_own_gain_and_says_what_it_alone_would_have() -> None:
    first = 0
    for seed in range(40):
        rows = workload_outcomes(tune(APART, seed), SPACE, TWO, SDP, SDP)
        assert [row.workload for row in rows] == [0, 1]
        assert rows[0].speedup is not None and rows[1].speedup is not None
        first += rows[0].speedup.low <= 7.2 / 4.9 <= rows[0].speedup.high
        first += rows[1].speedup.low <= 57.0 / 30.0 <= rows[1].speedup.high
        assert rows[0].preferred is None
        other = rows[1].preferred
        assert other is not None and other.candidate == MEM
        assert other.gain == pytest.approx(30.0 / 26.0, rel=0.05)
        assert not other.sure  # these two were never compared by fresh starts
    assert first >= 72


def test_what_the_pairs_say_is_sure_and_never_against_the_verdicts_own_interval() -> None:
    """The current flags are better for one workload, the compared set for the other."""
    apart = {BASE: (4.9, 30.0), SDP: (5.6, 24.0)}
    for seed in range(40):
        history = tune(apart, seed)
        stay, leave = (workload_outcomes(history, SPACE, TWO, SDP, chosen) for chosen in (BASE, SDP))
        assert stay[0].preferred is None and leave[1].preferred is None
        for row, gain in ((stay[1], 30.0 / 24.0), (leave[0], 5.6 / 4.9)):
            assert row.speedup is not None and row.preferred is not None
            assert row.preferred.gain == pytest.approx(gain, rel=0.08)
            outside = row.speedup.low > 1.0 if row is stay[1] else row.speedup.high < 1.0
            assert row.preferred.sure == outside


@pytest.mark.slow
def test_sets_that_are_alike_are_hardly_ever_told_apart() -> None:
    alike = {BASE: (7.2, 57.0), SDP: (4.9, 30.0), MEM: (4.9, 30.0)}
    wrong = sum(row.preferred is not None
                for seed in range(100) for row in workload_outcomes(tune(alike, seed), SPACE, TWO, SDP, SDP))
    assert wrong <= 10


def test_one_workload_has_nothing_to_say_beside_the_verdict() -> None:
    assert workload_outcomes(tune(APART, 0), SPACE, replace(TWO, workloads=TWO.workloads[:1]), SDP, SDP) == ()
    assert [row.speedup for row in workload_outcomes(History(), SPACE, TWO, None, BASE)] == [None, None]


def test_it_is_said_in_plain_words() -> None:
    clips = [words.workload({"width": 512, "height": 512, "frames": 16, "steps": 8}),
             words.workload({"width": 768, "height": 768, "frames": 24, "context": 16, "steps": 6})]
    told = {"estimate": 1.9, "low": 1.7, "high": 2.1, "confidence": 0.95}
    other = {"flags": ["--opt-sdp-no-mem-attention"], "settings": {}, "expected_gain": 1.15, "sure": True}
    lines = words.workloads([{"workload": 0, "speedup": told, "best_other": None},
                             {"workload": 1, "speedup": None, "best_other": other},
                             {"workload": 1, "speedup": None, "best_other": {**other, "sure": False}}], clips)
    wants = "alone it would rather have --opt-sdp-no-mem-attention, {} 15.0 % faster"
    assert lines == [
        f"Clip 1, {clips[0]}: 1.90 times as fast (95 % interval 1.70 to 2.10); no set that was measured is better for "
        "it alone.", f"Clip 2, {clips[1]}; {wants.format('surely')}.",
        f"Clip 2, {clips[1]}; {wants.format('expected')}."]
    assert clips[1] == "768 × 768, 24 frames in windows of 16, 6 steps"
    assert words.workloads([{"workload": 0, "speedup": None, "best_other": None}], clips) == []
