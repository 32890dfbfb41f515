"""Whole tunes under known noise: the case of long clips is what it is called, and the table has a line a noise."""

from __future__ import annotations

import json
import random

import pytest

from benchmarks import noisy
from benchmarks.virtual import regret


def test_the_machine_of_long_clips_is_the_one_that_was_seen() -> None:
    surface = noisy.slow_clips(1)
    base = surface.space[surface.space.baseline]
    assert regret(surface, base.id) == pytest.approx(0.12)
    process = surface.process(base, random.Random(1))
    assert process.startup == pytest.approx(20.0, rel=0.3)
    assert process.clip(base, 0, 0.0, True).seconds == pytest.approx(35.0, rel=0.1)
    times = [process.clip(base, 0, 0.0, False).seconds for _ in range(200)]
    mean = sum(times) / len(times)
    assert mean == pytest.approx(25.0, rel=0.06)
    assert (sum((one - mean) ** 2 for one in times) / len(times)) ** 0.5 / mean == pytest.approx(0.06, rel=0.2)


@pytest.mark.slow
def test_the_command_prints_one_line_for_each_gain(capsys: pytest.CaptureFixture[str]) -> None:
    assert noisy.main(["--sessions", "2", "--parts", "slow-clips", "--workers", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["slow-clips"]
    assert [row["gain"] for row in rows] == [0.0, 0.12]
    assert all(0.0 <= row["adopted"] <= 1.0 and row["seconds"] <= noisy.SLOW_BUDGET + 120.0 for row in rows)
