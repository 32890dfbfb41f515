"""A machine that crashes: the set that ran is not tried again unasked, whatever the strategy; a kill is no crash."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotune.decide.rounds import failures
from autotune.decide.verdict import verdict
from autotune.store.running_set import Boot, RunningSet
from autotune.tune.document import trials_json
from tests.e2e.verbs.conftest import Bench
from tests.verbs.test_budget import Clock, Run, WebUI, tune  # noqa: F401
from tests.waiting import wait_for

OTHER = Boot("another boot", 0.0, 0.0)


def went_down(folder: Path, candidate: str) -> None:
    """Leaves what a machine leaves that goes down while a set runs."""
    RunningSet(folder, OTHER).begin(candidate, (), "tune")


@pytest.mark.parametrize("strategy", ["screen", "exhaustive", "random", "tpe"])
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


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_kill_is_no_crash_and_a_crash_asks(bench: Bench) -> None:
    words = ("tune", "--profile", str(bench.profile), "--budget", "240s")

    def measured(number: signal.Signals, *more: str) -> None:
        """Tunes until a clip is recorded, then ends it."""
        before = len(bench.samples())
        running = bench.start(*words, *more)
        try:
            assert wait_for(lambda: len(bench.samples()) > before or running.poll() is not None, 200)
            assert running.poll() is None, running.communicate()
            told.update(json.loads(next(bench.state.glob("installs/*/in-flight.json")).read_text()))
        finally:
            running.send_signal(number)
            running.communicate(timeout=200)

    told: dict[str, Any] = {}
    measured(signal.SIGKILL)
    note = next(bench.state.glob("installs/*")) / "in-flight.json"
    assert told["flags"] == [] and told["verb"] == "tune"
    assert wait_for(lambda: not note.exists(), 30)  # its guard took it away with the last process
    measured(signal.SIGTERM)  # goes on as ever
    assert not note.exists()
    # The same entry, left by another boot.
    note.write_text(json.dumps({**told, "boot": {**told["boot"], "id": "another boot", "began": 1.0}}))
    refused = bench.json(*words, code=4)
    assert "the machine went down while the current flags ran" in refused["message"] and "--fresh" in refused["hint"]
    assert "went down" in bench.json("verify", code=4)["message"]  # nor does verify start it
    measured(signal.SIGTERM, "--fresh")  # asked: it is tried again
    assert not note.exists()
