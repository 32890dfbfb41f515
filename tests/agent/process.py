"""The agent as a real process, for the tests that start it: its command, its state, a life with an end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_for

HEAVY = ("optuna", "torch", "scipy", "numpy", "requests", "rich", "jinja2", "PIL", "click")

CONFIG = """\
profile = "tiny"
[agent]
first_tune = false
settle_seconds = 1
[when]
idle_minutes = 0
quiet_minutes = 0
cpu_busy_percent = 100
"""

PROGRAM = """\
import sys
from pathlib import Path
from autotune.agent.daemon import run
from autotune.model.errors import AutotuneError
try:
    code = run(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), once="--once" in sys.argv)
except AutotuneError as error:
    sys.exit(f"{error.code} {error.message}")
print([name for name in sys.argv[4].split(",") if name in sys.modules], flush=True)
sys.exit(code)
"""


def command(webui: Path, *more: str) -> list[str]:
    place = webui.parent
    words = [str(webui), str(place / "state"), str(place / "config.toml"), ",".join(HEAVY), *more]
    return [sys.executable, "-c", PROGRAM, *words]


@contextmanager
def agent(
    webui: Path, environment: dict[str, str] | None = None, doing: str = "watching"
) -> Iterator[subprocess.Popen[str]]:
    """A living agent that watches; ended by SIGTERM at the end, whatever happened."""
    pipe, env = subprocess.PIPE, {**os.environ, **(environment or {})}
    process = subprocess.Popen(command(webui), stdout=pipe, stderr=pipe, text=True, env=env)
    try:
        assert wait_for(lambda: running(webui, process.pid) == doing, 20), process.poll()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def running(webui: Path, pid: int) -> object:
    """What the agent of that process says it does; None before it has said so."""
    said = status(webui)
    return said.get("doing") if said.get("pid") == pid else None


def status(webui: Path) -> dict[str, Any]:
    try:
        written = (webui.parent / "state" / "daemon" / "status.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(written)
    except (OSError, ValueError):
        return {}
    return found


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """A small file system that can be filled; skips where none may be mounted."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
    except OSError:
        pytest.skip("needs mount")
    if done.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def touched(path: Path) -> bool:
    """Writes a file as it is: an event for whoever watches its folder."""
    path.write_bytes(path.read_bytes())
    return True
