"""A tune that the user asked for: begun when it may be, once, whatever is killed meanwhile, and taken back at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.agent.agent import Agent
from autotune.agent.may_run import Situation
from autotune.store import asked_tune
from autotune.store.asked_tune import AskedTune
from tests.agent.test_agent import FREE, settled
from tests.agent.world import FakeWorld, FragileKeeper, Life, settings

OPEN_ON_GPU = Situation(webui_runs=True, gpu_present=True, gpu_percent=0.0, gpu_memory=9000.0)
OPEN_ON_CPU = Situation(webui_runs=True, gpu_present=False, cpu_percent=1.0)
HERE = replace(FREE, user_idle=1.0)
TIGHT = {"hours": ((60, 61),), "days": ("sun",), "sessions_a_week": 0, "minutes_a_day": 0.0}
"""Limits by which the agent would do nothing by itself."""


def is_over(agent: Agent) -> bool:
    return agent.idle


def asked(life: Life, when: Any, name: str = "one") -> None:
    life.world.asked = AskedTune(name, when, life.world.clock)
    life.world.events = True


@pytest.mark.parametrize("scene", [OPEN_ON_GPU, OPEN_ON_CPU])
def test_closed_begins_when_the_web_ui_is_closed_though_the_user_is_there(tmp_path: Path, scene: Situation) -> None:
    life = settled(tmp_path, **TIGHT)
    life.world.scene = replace(scene, user_idle=0.0)
    asked(life, "closed")
    life.run(3600)
    assert life.kinds() == [] and any("web UI is running" in reason for reason in life.world.status["waiting"])
    life.world.scene = replace(life.world.scene, webui_runs=False, gpu_memory=0.0)
    life.run(10)
    assert life.kinds() == ["tune"]
    life.run(3600)
    assert life.kinds() == ["tune"] and life.world.finished and life.world.asked is None
    assert life.state.due is None and life.state.request is None


@pytest.mark.parametrize("idle_minutes", [0.0, 20.0])
def test_away_begins_when_nobody_was_there_for_so_long(tmp_path: Path, idle_minutes: float) -> None:
    life = settled(tmp_path, idle_minutes=idle_minutes, **TIGHT)
    life.world.scene = HERE
    asked(life, "away")
    life.run(3600)
    wanted = (idle_minutes or 10.0) * 60
    life.world.scene = replace(HERE, user_idle=wanted - 5)
    life.run(600)
    assert life.kinds() == []
    life.world.scene = replace(HERE, user_idle=wanted + 5)
    life.run(600)
    assert life.kinds() == ["tune"]


def test_it_gives_way_and_goes_on(tmp_path: Path) -> None:
    life = settled(tmp_path)
    asked(life, "closed")
    life.run(60)
    life.world.scene = OPEN_ON_CPU
    life.run(60)
    assert life.kinds() == ["tune"] and not life.world.finished and life.world.asked is not None
    life.world.scene = replace(OPEN_ON_CPU, webui_runs=False)
    life.run(3600)
    assert life.kinds() == ["tune", "tune"] and len(life.world.finished) == 1 and life.world.asked is None


@pytest.mark.parametrize("seconds", [0, 60])
def test_taken_back_it_does_not_begin_and_what_runs_is_ended(tmp_path: Path, seconds: int) -> None:
    life = settled(tmp_path)
    life.world.scene = FREE if seconds else OPEN_ON_CPU
    asked(life, "closed")
    life.run(60)
    assert len(life.kinds()) == bool(seconds)
    life.world.asked, life.world.events = None, True
    life.run(5)
    life.world.scene = FREE
    life.run(3600)
    assert len(life.kinds()) == bool(seconds) and not life.world.finished
    assert life.state.due is None and life.state.request is None


def test_what_is_due_for_another_cause_stays_due(tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.scene = OPEN_ON_GPU
    life.world.now_parts["driver"] = "new"
    life.world.events = True
    life.run(600)
    asked(life, "closed")
    life.run(60)
    life.world.asked, life.world.events = None, True
    life.run(60)
    assert life.state.due is not None and len(life.state.due.causes) == 1 and "driver" in life.state.due.causes[0]


def test_a_second_wish_after_the_first_is_a_second_tune(tmp_path: Path) -> None:
    life = settled(tmp_path)
    for name in ("one", "two"):
        asked(life, "closed", name)
        life.run(3600)
    assert life.kinds() == ["tune", "tune"] and len(life.world.finished) == 2


@pytest.mark.slow
def test_killed_at_any_instant_it_is_done_once(tmp_path: Path) -> None:
    fuse = 0
    while True:
        life = settled(tmp_path / str(fuse))
        asked(life, "closed")
        life.world.fuse = fuse
        life.run(900)
        assert len(life.world.finished) == 1, f"killed after {fuse} steps"
        assert life.world.asked is None and life.state.request is None and life.state.due is None
        if not life.kills:
            break
        fuse += 2
    assert fuse > 40


def test_the_one_that_only_does_what_was_asked_for_looks_for_no_change(tmp_path: Path) -> None:
    world = FakeWorld()
    world.tuned, world.scene = False, OPEN_ON_CPU
    world.asked = AskedTune("one", "closed", 0.0)
    agent = Agent(world, FragileKeeper(tmp_path, world), settings, only_asked=True)
    steps = 0
    while world.clock < 3600:
        world.clock += max(agent.step(), 0.01)
        steps += 1
    assert not agent.idle and world.looks == 0 and not world.children
    assert steps < 3600, "it hardly ever sleeps"
    world.scene = replace(OPEN_ON_CPU, webui_runs=False)
    while world.clock < 7200 and not is_over(agent):
        world.clock += max(agent.step(), 0.01)
    assert is_over(agent) and [child.kind for child in world.children] == ["tune"]
    assert world.looks == 0 and world.asked is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"id": 1}', b'{"id": "x", "when": "now", "at": 1}', b"\xff"])
def test_a_damaged_wish_is_none_and_can_be_replaced(tmp_path: Path, data: bytes) -> None:
    written = asked_tune.write(tmp_path, "away")
    (tmp_path / "tune.json").write_bytes(data)
    assert asked_tune.read(tmp_path) is None
    again = asked_tune.write(tmp_path, "closed")
    assert asked_tune.read(tmp_path) == again and again.id != written.id
    assert not asked_tune.forget(tmp_path, written.id)
    assert asked_tune.forget(tmp_path, again.id) and asked_tune.read(tmp_path) is None
    assert not asked_tune.forget(tmp_path)
