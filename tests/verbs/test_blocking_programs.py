"""Programs that hold a launch file or the web UI: what they do not allow, judged by real ones."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from autotune.install import blocking_programs
from tests.launchfile import judges
from tests.system import under_wine
from tests.trial.own_webui import install, up
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wine that is set up; Windows needs none."""
    return tmp_path_factory.mktemp("wine") / "prefix"


@contextmanager
def cmd(folder: Path, prefix: Path, *words: str) -> Iterator[None]:
    """cmd.exe, waiting in the ``pause`` of a batch file."""
    process = subprocess.Popen([*(judges.cmd() or ()), "/c", *words], cwd=folder, env=judges.bare_environment(prefix),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None and process.stdout.readline().strip() == b"up"
        yield
    finally:
        process.communicate(b"\r\n", timeout=60)


@pytest.mark.slow
@pytest.mark.skipif(judges.cmd() is None, reason="wine is not installed, so there is no cmd.exe")
@pytest.mark.skipif(under_wine(), reason="wine 8 tells a Windows program no names of others")
def test_a_batch_file_that_cmd_runs_is_not_replaced(tmp_path: Path, prefix: Path) -> None:
    mine, other = install(tmp_path / "mine"), install(tmp_path / "other")
    for root in (mine, other):
        (root / "webui-user.bat").write_bytes(b"@echo off\r\necho up\r\npause\r\n")
    file = mine / "webui-user.bat"
    with cmd(mine, prefix, "webui-user.bat"):
        busy = blocking_programs.against_writing(mine, [file])
        assert busy is not None and "webui-user.bat is being run by cmd" in busy.message and "Close" in busy.hint
        assert blocking_programs.against_writing(mine, [mine / "webui-user.sh"]) is None
        assert blocking_programs.against_writing(other, [other / "webui-user.bat"]) is None, "the same name elsewhere"
    assert wait_for(lambda: blocking_programs.against_writing(mine, [file]) is None, 20)
    with cmd(tmp_path, prefix, r"mine\webui-user.bat"):
        assert blocking_programs.against_writing(mine, [file]) is not None
        assert blocking_programs.against_writing(other, [other / "webui-user.bat"]) is None


def test_a_batch_file_is_held_as_long_as_a_web_ui_of_cmd_runs(tmp_path: Path) -> None:
    """Started from a prompt, cmd does not name the file: the web UI that descends from it tells."""
    if sys.platform == "win32":
        pytest.skip("a stand-in for cmd.exe, for systems without it")
    root = install(tmp_path / "mine")
    file = root / "webui-user.bat"
    file.write_bytes(b"")
    shell = tmp_path / "cmd.exe"
    shutil.copy(shutil.which("bash") or "/bin/bash", shell)
    line = [str(shell), "-c", f"{sys.executable} launch.py '{{}}'; true"]
    process = subprocess.Popen(line, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        assert psutil.Process(process.pid).name() == "cmd.exe"
        busy = blocking_programs.against_writing(root, [file])
        assert busy is not None and str(process.pid) in busy.message
    finally:
        process.communicate(timeout=30)
    assert blocking_programs.against_writing(root, [file]) is None


def test_while_it_runs_no_second_one_is_started_and_what_is_written_counts_later(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    assert blocking_programs.against_starting(root) is None and blocking_programs.next_start_note(root) is None
    with up(root, '{"status": 404}') as process:
        busy = blocking_programs.against_starting(root)
        assert busy is not None and busy.code == 6
        assert str(process.pid) in busy.message and "--no-start" in busy.hint
        assert "next start" in str(blocking_programs.next_start_note(root))
    with up(root, "{}", env={"AUTOTUNE_RUN": "1-2"}):
        assert blocking_programs.against_starting(root) is None
