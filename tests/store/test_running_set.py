"""Which set ran when the machine went down: told by the boot it was written in, and by nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.store.running_set import CLOCK_TOLERANCE, Boot, RunningSet, same_boot, this_boot

THEN = Boot("11111111-2222", 0.0, 0.0)
AGAIN = Boot("99999999-2222", 0.0, 0.0)


def entry(folder: Path) -> Path:
    return RunningSet(folder, THEN).path


def test_a_set_that_ran_when_the_machine_went_down_is_told_until_it_is_asked_for(tmp_path: Path) -> None:
    before = RunningSet(tmp_path, THEN)
    before.begin("attention=sdp", ("--opt-sdp-attention",), "tune")
    before.begin("attention=v1", ("--opt-split-attention-v1",), "tune")  # a switch: this one runs now
    after = RunningSet(tmp_path, AGAIN)
    after.record_machine_down()
    assert [(one["candidate"], one["flags"], one["verb"]) for one in after.machine_down_sets()] == [
        ("attention=v1", ["--opt-split-attention-v1"], "tune")]
    assert not after.path.exists()
    after.begin("attention=sdp", (), "proof")
    third = RunningSet(tmp_path, Boot("3", 0.0, 0.0))
    third.record_machine_down()
    assert {one["candidate"] for one in third.machine_down_sets()} == {"attention=v1", "attention=sdp"}
    third.forget_machine_down()
    assert third.machine_down_sets() == []


def test_what_ended_or_was_killed_on_a_machine_that_stayed_up_is_not_blamed(tmp_path: Path) -> None:
    one = RunningSet(tmp_path, THEN)
    with one.during("a", (), "tune"):
        assert one.path.exists()
    RunningSet(tmp_path, AGAIN).record_machine_down()
    one.begin("a", (), "tune")  # and then kill -9, its guard too
    same = RunningSet(tmp_path, THEN)
    same.record_machine_down()
    assert same.machine_down_sets() == [] and not same.path.exists()
    assert RunningSet(tmp_path, this_boot()).machine_down_sets() == []


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"candidate": "a"}', '{"candidate": "a", "boot": 5}',
                                     '{"candidate": "a", "boot": {"id": 1}}', '{"boot": {}, "candidate": null}'])
def test_a_damaged_entry_blames_nobody_and_stops_nothing(tmp_path: Path, damaged: str) -> None:
    entry(tmp_path).write_text(damaged, encoding="utf-8")
    (tmp_path / "machine-down.json").write_text(damaged, encoding="utf-8")
    after = RunningSet(tmp_path, AGAIN)
    after.record_machine_down()
    assert after.machine_down_sets() == [] and not after.path.exists()


def test_this_machine_has_not_gone_down_since(tmp_path: Path) -> None:
    first, second = this_boot(), this_boot()
    assert same_boot(first, second)
    RunningSet(tmp_path, first).begin("a", (), "tune")
    assert Boot(**json.loads(entry(tmp_path).read_text())["boot"]) == Boot(**asdict(first))


@given(st.floats(0, 2e9), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(-CLOCK_TOLERANCE / 2, CLOCK_TOLERANCE / 2))
def test_without_a_name_of_the_boot_the_clock_tells(began: float, up: float, later: float, moved: float) -> None:
    """Windows and macOS. The clock may be set a little; a machine that started anew is up for less, or since later."""
    then = Boot(None, began, up)
    assert same_boot(then, Boot(None, began + moved, up + later))
    restarted = began + up + 20.0  # no machine is up again within 20 s
    assert not same_boot(then, Boot(None, restarted, min(up, later) / 2 - 1.0))
    if up > 2 * CLOCK_TOLERANCE:
        assert not same_boot(then, Boot(None, restarted + moved, up + later))
