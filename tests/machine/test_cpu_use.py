"""Whose CPU time counts as a web UI's work: its own and its programs', not that of the commands the tab starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from autotune.machine.cpu_use import CpuMeter
from tests.system import under_wine
from tests.waiting import wait_for

SPINS = "while True:\n    pass\n"
PARENT = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", sys.argv[1]])
"""
WORK = 0.5
"""Seconds of CPU time that the child has used."""


def used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@pytest.mark.skipif(under_wine(), reason="wine tells the asking program's own times of every process")
@pytest.mark.parametrize(("module", "counts"), [("renderer", True), ("autotune", False)])
def test_what_a_command_of_autotune_computes_is_no_work_of_its_web_ui(
    tmp_path: Path, module: str, counts: bool
) -> None:
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").touch()
    (tmp_path / module / "__main__.py").write_text(SPINS)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, module], cwd=tmp_path)
    try:
        family = psutil.Process(parent.pid)
        assert wait_for(lambda: bool(family.children()), 20)
        (child,) = family.children()
        meter = CpuMeter()
        meter.read(parent.pid)
        before = used(child)
        assert wait_for(lambda: used(child) > before + WORK, 60)
        use = meter.read(parent.pid)
        assert use is not None
        assert (use.cores * use.seconds > WORK / 2) is counts
    finally:
        for process in psutil.Process(parent.pid).children(recursive=True):
            process.kill()
        parent.kill()
        parent.wait()
