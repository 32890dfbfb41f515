"""The owner's web UI is in the way: waited for, or asked to be closed; never ended, never measured in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.agent.may_run import Situation
from tests.agent.test_agent import BUSY, DAY, FREE, change, settled
from tests.agent.world import BETTER, Life

OPEN = Situation(webui_runs=True, gpu_present=True, gpu_percent=0.0, gpu_memory=9000.0)
"""It runs, renders nothing, and holds its memory."""
ASK = "Please close your web UI when you can spare it"
AGAIN = "You can start your web UI again"


def titles(life: Life) -> list[str]:
    return [title for title, _ in life.world.told]


def test_asked_once_and_told_when_it_is_over(tmp_path: Path) -> None:
    life = settled(tmp_path, webui_running="ask")
    life.world.scene = OPEN
    change(life, driver="new")
    life.run(DAY / 2)
    assert titles(life) == [ASK]
    assert life.world.told[0][1].startswith("driver 535.98 → new. ")
    assert life.world.status["asked"]
    life.restart()  # a kill is no reason to ask anew
    life.run(DAY / 4)
    assert titles(life) == [ASK]
    assert life.kinds() == []
    life.world.scene = FREE
    life.run(DAY / 4)
    assert life.kinds() == ["tune"]
    assert titles(life) == [ASK, AGAIN]
    assert life.world.status["asked"] is None


def test_asked_again_a_day_later_also_when_the_clock_was_set_back(tmp_path: Path) -> None:
    life = settled(tmp_path, webui_running="ask")
    life.world.scene = OPEN
    change(life, driver="new")
    life.run(3.5 * DAY)
    assert titles(life) == [ASK] * 4


@pytest.mark.parametrize(
    ("scene", "config"),
    [
        (OPEN, {"webui_running": "wait"}),
        (BUSY, {}),
        (replace(OPEN, gpu_percent=80.0), {}),
        (replace(OPEN, temperature=95.0), {}),
        (replace(OPEN, on_battery=True), {}),
        (OPEN, {"hours": ((60, 61),), "days": ("sun",)}),
        (OPEN, {"sessions_a_week": 0}),
    ],
)
def test_nobody_is_asked_where_it_would_not_help(scene: Situation, config: dict[str, Any], tmp_path: Path) -> None:
    life = settled(tmp_path, **{"webui_running": "ask", **config})
    life.world.scene = scene
    change(life, driver="new")
    life.run(DAY)
    assert titles(life) == []
    assert life.kinds() == []


def test_who_is_at_the_machine_is_asked(tmp_path: Path) -> None:
    life = settled(tmp_path, webui_running="ask")
    life.world.scene = replace(OPEN, user_idle=1.0)
    change(life, driver="new")
    life.run(600.0)
    assert titles(life) == [ASK]


def test_told_only_after_the_result_is_written_too(tmp_path: Path) -> None:
    life = settled(tmp_path, webui_running="ask", policy="apply")
    life.world.results["tune"] = (0, BETTER)
    life.world.scene = OPEN
    change(life, driver="new")
    life.run(600.0)
    life.world.scene = FREE
    life.run(DAY / 4)
    assert life.kinds() == ["tune", "apply"]
    assert titles(life) == [ASK, "Flags were changed", AGAIN]
