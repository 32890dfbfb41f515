"""A machine that crashes: the set that ran is not tried again unasked, whatever the strategy; a kill is no crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.decide.rounds import failures
from autotune.decide.verdict import verdict
from autotune.store.running_set import Boot, RunningSet
from autotune.tune.document import trials_json
from tests.verbs.test_budget import Clock, Run, WebUI, tune  # noqa: F401

pytestmark = pytest.mark.slow

OTHER = Boot("another boot", 0.0, 0.0)


def went_down(folder: Path, candidate: str) -> None:
    """Leaves what a machine leaves that goes down while a set runs."""
    RunningSet(folder, OTHER).begin(candidate, (), "tune")


@pytest.mark.parametrize("strategy", ["screen", "exhaustive", "random"])
def test_the_set_that_ran_is_not_tried_again(tune: Callable[..., Run], tmp_path: Path, strategy: str) -> None:  # noqa: F811
    space = tune(20.0, WebUI(Clock(), 3.0, 0.4, {})).space
    for candidate in space.candidates:
        if candidate.id == space.baseline:
            continue
        RunningSet(tmp_path, OTHER).forget_machine_down()
        went_down(tmp_path, candidate.id)
        run = tune(600.0, WebUI(Clock(), 3.0, 0.4, {}), 1, strategy)
        mine = [one for one in run.study.samples if one.candidate == candidate.id]
        assert [one.failure for one in mine] == ["machine_down"]
        assert all(one.candidate != candidate.id for one in run.study.launches)
        assert any("the machine went down while this set ran" in line for line in run.said)
        history = run.study.history(600.0, 0.0, None)
        found = verdict(history, run.space, run.profile, "speed")
        assert found.winner is None or found.winner.candidate != candidate.id
        row = next(row for row in trials_json(history, run.space) if row["failure"] == "machine_down")
        assert row["launch"] is None and "the machine went down" in row["detail"]


def test_the_current_flags_are_not_measured_again_either(tune: Callable[..., Run], tmp_path: Path) -> None:  # noqa: F811
    baseline = tune(20.0, WebUI(Clock(), 3.0, 0.4, {})).space.baseline
    went_down(tmp_path, baseline)
    run = tune(600.0, WebUI(Clock(), 3.0, 0.4, {}))
    assert run.wall == 0.0 and not run.study.launches
    broken = failures(run.study.history(600.0, 0.0, None), run.space).baseline
    assert broken == "the machine went down while the current flags ran"
