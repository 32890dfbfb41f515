"""What a gain at few steps comes to at more: exact where nothing is noisy, and within its interval where clips are."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.decide import more_steps
from autotune.model.study import History, Interval, Launch, Sample, SampleState
from autotune.model.workload import Workload
from tests.decide.test_rules import PROFILE, SPACE, name

BASE, SDP = SPACE.baseline, name("sdp")
WHOLE, SHORT = 8, 4
EIGHT = replace(PROFILE, workloads=(Workload(768, 768, 24, WHOLE),))
Line = tuple[float, float]
"""Fixed seconds and seconds a step."""


class Tune:
    """A tune of two sets whose seconds are affine in steps, in clips that vary by ``clip`` and starts by ``start``."""

    def __init__(self, lines: dict[str, Line], clip: float = 0.0, start: float = 0.0, seed: object = 0) -> None:
        self.lines, self.clip, self.start = lines, clip, start
        self.rng = random.Random(str(seed))
        self.samples: list[Sample] = []
        self.launches: list[Launch] = []
        self.shift = 0.0

    def begin(self, candidate: str, cold: bool = True) -> None:
        number = len(self.launches)
        self.launches.append(Launch(number, candidate, SPACE[candidate].launch_key, cold, 20.0))
        self.shift = self.rng.gauss(0.0, self.start)

    def render(self, candidate: str, steps: int, state: SampleState, block: int | None = None,
               confirm: bool = False) -> None:
        fixed, step = self.lines[candidate]
        took = (fixed + step * steps) * math.exp(self.shift + self.rng.gauss(0.0, self.clip))
        self.samples.append(Sample(
            len(self.samples), candidate, "confirm" if confirm else "screen", len(self.launches) - 1, confirm, 0, 0,
            state, took, took, block=block, steps=None if steps == WHOLE else steps))

    def history(self, pairs: int = 3, short: bool = True, check: int | None = None) -> History:
        self.begin(BASE, cold=False)
        for candidate in self.lines:
            self.render(candidate, 2, "warmup")
            self.render(candidate, WHOLE, "ok")
            if short:
                self.render(candidate, SHORT, "check")
        for block in range(pairs):
            for candidate in self.lines:
                self.begin(candidate)
                self.render(candidate, WHOLE, "ok", block, confirm=True)
                if check is not None and block == pairs - 1:
                    self.render(candidate, check, "check", confirm=True)
        return History(tuple(self.samples), tuple(self.launches), 500.0, 1800.0)


def ratio(lines: dict[str, Line], steps: int) -> float:
    return (lines[BASE][0] + lines[BASE][1] * steps) / (lines[SDP][0] + lines[SDP][1] * steps)


LINES = st.fixed_dictionaries({one: st.tuples(st.floats(0.05, 6.0), st.floats(0.1, 3.0)) for one in (BASE, SDP)})


@settings(max_examples=40, deadline=None)
@given(LINES)
def test_without_noise_it_is_the_ratio_of_the_lines(lines: dict[str, Line]) -> None:
    rows = more_steps.speedups_at_steps(Tune(lines).history(), SPACE, EIGHT, SDP)
    assert [row.steps for row in rows] == list(more_steps.USUAL_STEPS)
    for row in rows:
        assert row.speedup.low <= ratio(lines, row.steps) <= row.speedup.high
        assert row.speedup.estimate == pytest.approx(ratio(lines, row.steps), rel=0.05)
        assert not row.checked and row.measured is None


@pytest.mark.parametrize(("clip", "start"), [(0.01, 0.014), (0.03, 0.02)])
def test_the_interval_holds_the_truth_as_often_as_it_says(clip: float, start: float) -> None:
    rng = random.Random(f"{clip} {start}")
    held = asked = 0
    for seed in range(150):
        step = rng.uniform(0.5, 2.0)
        lines = {BASE: (rng.uniform(0.5, 4.0), step), SDP: (rng.uniform(0.5, 5.0), step / rng.uniform(1.0, 2.5))}
        for row in more_steps.speedups_at_steps(Tune(lines, clip, start, seed).history(), SPACE, EIGHT, SDP):
            asked += 1
            held += row.speedup.low <= ratio(lines, row.steps) <= row.speedup.high
    assert held >= 0.93 * asked


def test_a_clip_of_as_many_steps_checks_the_line() -> None:
    lines = {BASE: (3.0, 1.55), SDP: (4.5, 0.58)}
    checked = agreed = narrower = 0
    for seed in range(60):
        alone = more_steps.speedups_at_steps(Tune(lines, 0.01, 0.014, seed).history(), SPACE, EIGHT, SDP)[0]
        row = more_steps.speedups_at_steps(Tune(lines, 0.01, 0.014, seed).history(check=20), SPACE, EIGHT, SDP)[0]
        assert row.measured == pytest.approx(ratio(lines, 20), rel=0.15)
        checked += 1
        agreed += row.checked
        narrower += row.speedup.high / row.speedup.low < alone.speedup.high / alone.speedup.low
    assert agreed >= 0.95 * checked and narrower >= 0.9 * checked


def test_a_clip_that_misses_the_line_is_said_and_widens_the_interval() -> None:
    """Seconds that are not affine: beyond some steps the slower set gets slower still."""
    lines = {BASE: (3.0, 1.55), SDP: (4.5, 0.58)}
    history = Tune(lines, 0.005, 0.005).history(check=20)
    bent = tuple(replace(one, seconds=1.6 * (one.seconds or 0.0)) if one.candidate == BASE and one.steps == 20 else one
                 for one in history.samples)
    row = more_steps.speedups_at_steps(replace(history, samples=bent), SPACE, EIGHT, SDP)[0]
    assert not row.checked and row.measured is not None
    assert row.speedup.low <= ratio(lines, 20) * 1.02 and row.measured <= row.speedup.high


def test_nothing_is_said_where_all_clips_have_the_same_steps() -> None:
    whole = Tune({BASE: (3.0, 1.5), SDP: (4.0, 0.6)}).history(short=False)
    assert more_steps.speedups_at_steps(whole, SPACE, EIGHT, SDP) == ()
    twenty = replace(PROFILE, workloads=(Workload(512, 512, 16, 20),))
    rows = more_steps.speedups_at_steps(whole, SPACE, twenty, SDP)
    assert [(row.steps, row.checked) for row in rows] == [(20, True)]  # measured is measured
    assert more_steps.speedups_at_steps(History(), SPACE, EIGHT, SDP) == ()


def test_an_interval_of_the_pairs_is_never_made_narrower() -> None:
    clips = [more_steps.clip_groups(Tune({BASE: (3.0, 1.5), SDP: (4.0, 0.6)}).history().samples, one, 0, WHOLE)
             for one in (BASE, SDP)]
    now = Interval(1.6, 1.4, 1.85, 0.95)
    told = more_steps.speedup_at_steps(clips[0], clips[1], WHOLE, 20, now)
    assert told is not None and told.high / told.low >= 1.85 / 1.4


def test_nothing_is_said_of_a_workflow_with_other_steps() -> None:
    lines = {BASE: (1.0, 1.0), SDP: (1.0, 0.8)}
    mine = replace(EIGHT, workloads=(replace(EIGHT.workloads[0], workflow="w.json", workflow_digest="0" * 16),))
    history = Tune(lines).history()
    assert more_steps.speedups_at_steps(history, SPACE, EIGHT, SDP)
    assert more_steps.speedups_at_steps(history, SPACE, mine, SDP) == ()
