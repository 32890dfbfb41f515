"""The agent without a window: which Python its task runs, and that nothing is amiss where there is no screen at all."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from autotune.daemon import units
from autotune.daemon.service import TaskScheduler
from autotune.disk import programs

SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


@pytest.mark.parametrize("names", [["python.exe", "pythonw.exe"], ["python.exe"], ["pythonw.exe"], ["python3.11.exe"]])
@pytest.mark.parametrize("timer", [False, True])
def test_the_task_runs_the_python_that_opens_no_window(names: list[str], timer: bool, tmp_path: Path) -> None:
    folder = tmp_path / "venv (1) Ü" / "Scripts"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    python = str(folder / names[0])
    what = units.target(python, tmp_path / "webui", tmp_path / "state", None)
    (content,) = TaskScheduler(tmp_path, timer).files(what).values()
    command = ElementTree.fromstring(content).findtext(f".//{SPACE}Command")
    assert command == str(folder / names[-1])
    assert programs.console_python(str(command)) == python


@pytest.mark.parametrize("python", ["/usr/bin/python3", "/opt/python", r"C:\nowhere\python.exe", ""])
def test_a_python_without_the_other_stands_for_both(python: str) -> None:
    assert programs.windowless_python(python) == programs.console_python(python) == python
