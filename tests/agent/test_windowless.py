"""The agent without a window: which Python its task runs, and that nothing is amiss where there is no screen at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from autotune.agent import service_files
from autotune.agent.service import TaskScheduler
from autotune.disk import programs
from tests import reference

pytestmark = pytest.mark.slow

SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


@pytest.mark.parametrize("names", [["python.exe", "pythonw.exe"], ["python.exe"], ["pythonw.exe"], ["python3.11.exe"],
                                   ["python3.11.exe", "pythonw3.11.exe"], ["PYTHON.EXE", "PYTHONw.EXE"]])
@pytest.mark.parametrize("timer", [False, True])
def test_the_task_runs_the_python_that_opens_no_window(names: list[str], timer: bool, tmp_path: Path) -> None:
    folder = tmp_path / "venv (1) Ü" / "Scripts"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    python = str(folder / names[0])
    what = service_files.agent_command(python, tmp_path / "webui", tmp_path / "state", None)
    (content,) = TaskScheduler(tmp_path, timer).files(what).values()
    command = ElementTree.fromstring(content).findtext(f".//{SPACE}Command")
    assert command == str(folder / names[-1])
    assert programs.console_python(str(command)) == python


@pytest.mark.parametrize("python", ["/usr/bin/python3", "/opt/python", r"C:\nowhere\python.exe", ""])
def test_a_python_without_the_other_stands_for_both(python: str) -> None:
    assert programs.windowless_python(python) == programs.console_python(python) == python


NO_SCREEN = """\
import sys
sys.stdin = sys.stdout = sys.stderr = sys.__stdin__ = sys.__stdout__ = sys.__stderr__ = None
{before}
sys.argv = ["autotune", *sys.argv[1:]]
from autotune.cli.main import main
main()
"""
CONFIG = """\
[agent]
first_tune = false
settle_seconds = 1
[when]
idle_minutes = 0
quiet_minutes = 0
"""


def without_screen(folder: Path, *words: str, before: str = "") -> int:
    """The exit code of ``autotune WORDS`` in a process that has neither input nor output, as under pythonw.exe."""
    env = {**os.environ, "AUTOTUNE_STATE_DIR": str(folder / "state"), "AUTOTUNE_WEBUI": str(folder / "webui")}
    program = NO_SCREEN.format(before=before)
    return subprocess.run([sys.executable, "-c", program, *words], env=env, check=False, timeout=120).returncode


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("no screen")
    reference.copy(folder / "webui")
    (folder / "config.toml").write_text(CONFIG)
    return folder


def test_the_agent_needs_no_screen(place: Path) -> None:
    assert without_screen(place, "--config", str(place / "config.toml"), "daemon", "--once") == 0
    text = (place / "state" / "daemon" / "agent.log").read_text(encoding="utf-8")
    assert f"the agent begins: {place / 'webui'}" in text
    assert text.splitlines()[-1].endswith("the agent ends")
    assert (place / "state" / "daemon" / "output.log").read_bytes() == b""


@pytest.mark.parametrize("words", ["status --json", "--help", "no-such-verb", "apply", "history"])
def test_no_verb_needs_a_screen(words: str, place: Path) -> None:
    env = {**os.environ, "AUTOTUNE_STATE_DIR": str(place / "state"), "AUTOTUNE_WEBUI": str(place / "webui")}
    seen = subprocess.run([sys.executable, "-m", "autotune", *words.split()], env=env, check=False, timeout=120,
                          stdin=subprocess.DEVNULL, capture_output=True)
    assert without_screen(place, *words.split()) == seen.returncode != 1, seen.stderr


def test_why_the_agent_did_not_begin_stands_beside_its_log(place: Path) -> None:
    output = place / "state" / "daemon" / "output.log"
    assert without_screen(place, "--webui", str(place / "gone"), "daemon") == 3
    assert f"{place / 'gone'}" in output.read_text(encoding="utf-8")
    fault = "import autotune.agent.daemon as l\nl.run = lambda *a, **k: 1 / 0"
    assert without_screen(place, "daemon", before=fault) == 1
    assert "ZeroDivisionError" in output.read_text(encoding="utf-8")
    output.write_bytes(b"x" * (1 << 21))
    assert without_screen(place, "--webui", str(place / "gone"), "daemon") == 3
    assert output.stat().st_size < 1000
    assert without_screen(place, "--state-dir", str(place / "webui" / "state"), "daemon") == 2
    assert not (place / "webui" / "state").exists()
