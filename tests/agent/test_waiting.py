"""Why it waits, seen as its owner sees it: the machine told by its own places, the reason read in `status`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.agent import situation
from autotune.agent.may_run import Situation
from autotune.report.plain import status_lines
from tests import nvml_fake
from tests.agent.process import CONFIG, command
from tests.agent.test_agent import change, settled

pytestmark = pytest.mark.slow

FREE = Situation(gpu_present=True, gpu_percent=0.0)


def why(root: Path, environment: dict[str, str]) -> list[str]:
    """One pass of a real agent that has a tune to do, then the lines of `status` that say why it waits."""
    env = {**os.environ, **environment}
    done = subprocess.run(
        command(root, "--once"), capture_output=True, text=True, check=False, timeout=60, env=env
    )
    assert done.returncode == 0, done.stderr
    place = ["--webui", str(root), "--state-dir", str(root.parent / "state")]
    told = subprocess.run(
        [sys.executable, "-m", "autotune", "status", *place], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "  due:     retune: never tuned here" in told
    return [line.partition("waiting: ")[2] for line in told if "waiting: " in line]


@pytest.fixture
def card(webui: Path) -> nvml_fake.Fake:
    """One GPU that is cool and idle, and an agent that would tune now."""
    file = webui.parent / "config.toml"
    file.write_text(CONFIG.replace("first_tune = false", "first_tune = true") + "minutes_a_day = 0\n")
    try:
        return nvml_fake.build(webui.parent / "nvml", gpus=1)
    except nvml_fake.NoCompiler as reason:
        pytest.skip(str(reason))


USED_UP = "0 minutes today, 0 are allowed"
"""Keeps every pass of these tests from measuring; without it an idle machine has no reason to wait."""


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        ({}, ""),
        ({"utilisation": 55}, "other programs use the GPU (55 %)"),
        ({"compute": '"4190001:3000 4190002:2000"'}, "other programs hold 5000 MiB of GPU memory"),
        ({"drawing": '"4190001:300"'}, ""),
        ({"compute": '"4190001:-"'}, ""),
        ({"temperature": 91}, "the GPU is hot (91 °C)"),
        ({"utilisation": None, "temperature": None}, ""),
    ],
)
def test_other_programs_on_the_gpu(
    card: nvml_fake.Fake, webui: Path, readings: dict[str, Any], reason: str
) -> None:
    card.set(0, **{key: str(value).strip('"') if value is not None else None for key, value in readings.items()})
    assert why(webui, card.environment()) == [*([reason] if reason else []), USED_UP]


def test_nvml_gone_while_it_waits_is_no_reason(card: nvml_fake.Fake, webui: Path) -> None:
    card.set(0, utilisation=90)
    assert why(webui, card.environment())[0].startswith("other programs use the GPU")
    card.vanish()
    assert why(webui, card.environment()) == [USED_UP]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks a desktop through gdbus")
def test_the_desktops_idle_clock(card: nvml_fake.Fake, webui: Path) -> None:
    folder = webui.parent / "bin"
    folder.mkdir()
    asked = folder / "gdbus"
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}
    file = webui.parent / "config.toml"
    file.write_text(file.read_text().replace("idle_minutes = 0", "idle_minutes = 10"))
    for answer, reason in (
        ("(uint64 120000,)", ["you were here 2 min ago, waiting for 10 min"]),
        ("(uint64 1500,)", ["you are back"]),
        ("(uint64 3600000,)", []),
        ("Error: no such service", []),
    ):
        asked.write_text(f"#!/bin/sh\necho '{answer}'\n")
        asked.chmod(0o755)
        assert why(webui, {**card.environment(), **environment}) == [*reason, USED_UP]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /sys/class/power_supply")
@pytest.mark.parametrize(("online", "state", "battery"), [(1, "Charging", False), (0, "Discharging", True)])
def test_the_battery_as_the_kernel_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, online: int, state: str, battery: bool
) -> None:
    files = {"AC/online": online, "BAT0/capacity": 80, "BAT0/status": state, "BAT0/energy_now": 400}
    for name, value in {**files, "BAT0/energy_full": 500, "BAT0/power_now": 100}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    monkeypatch.setattr("psutil._pslinux.POWER_SUPPLY_PATH", str(tmp_path))
    assert situation.on_battery() is battery


@pytest.mark.parametrize(
    ("scene", "config", "reason"),
    [
        (replace(FREE, on_battery=True), {}, "on battery"),
        (replace(FREE, webui_runs=True), {}, "your web UI is running and holds the GPU"),
        (replace(FREE, job="job txt2img", webui_runs=True), {}, "the web UI renders (job txt2img)"),
        (Situation(job_unknown="the web UI may have a job", webui_runs=True), {}, "the web UI may have a job"),
        (replace(FREE, gpu_percent=44.0), {}, "other programs use the GPU (44 %)"),
        (replace(FREE, gpu_memory=6000.0), {}, "other programs hold 6000 MiB of GPU memory"),
        (replace(FREE, temperature=88.0), {}, "the GPU is hot (88 °C)"),
        (replace(FREE, user_idle=60.0), {}, "you were here 1 min ago, waiting for 10 min"),
        (Situation(cpu_percent=99.0), {}, "the CPU is busy (99 %)"),
        (FREE, {"hours": ((22 * 60, 23 * 60),)}, "outside your hours"),
        (FREE, {"days": ("sun",)}, "outside your hours"),
        (FREE, {"sessions_a_week": 0}, "0 sessions this week, 0 are allowed"),
        (FREE, {"minutes_a_day": 0.0}, USED_UP),
    ],
)
def test_each_reason_stands_in_status(
    scene: Situation, config: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    life = settled(tmp_path, **config)
    life.world.scene = scene
    change(life, driver="new")
    life.run(600.0)
    assert life.kinds() == []
    assert life.world.status["waiting"] == [reason]
    told = status_lines({"daemon": {**life.world.status, "running": True, "pid": os.getpid()}})
    assert f"  waiting: {reason}" in told
    assert any(line.startswith("  due:     retune: driver ") for line in told)
