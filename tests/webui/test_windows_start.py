"""How cmd.exe is made to run a start script, whatever its folder is called: seen on Windows alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

from autotune.model.errors import NothingToWorkOn
from autotune.webui.a1111 import start_by_script
from tests.system import under_wine

HOSTILE = (
    "plain", "with blank", " leading", "two  blanks", "(brackets)", "a (x86) b", "R&D", "a & b", "caret^", "^^a^b",
    "100%", "%PATH%", "%~dp0", "bang!", "!PATH!", "semi;colon", "comma,equals=", "apostrophe's", "Müller",
    "アニメ", "#1 + 'x' @y", "{curly} [square]", "-dash", "%AUTOTUNE_SCRIPT%", "a^&(b) %x% !y!",
)

WINE_EXPANDS_TWICE = ("%PATH%", "%AUTOTUNE_SCRIPT%")
"""Wine 8 fills in variables of a variable's value once more (and crashes where it names itself); Windows does not."""


@pytest.mark.skipif(sys.platform != "win32", reason="cmd.exe's own rules for quotes")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_script_runs_from_any_folder(tmp_path: Path, name: str) -> None:
    if name in WINE_EXPANDS_TWICE and under_wine():
        pytest.skip("wine's cmd expands variables twice")
    folder = tmp_path / name
    folder.mkdir()
    script = folder / "webui-user.bat"
    script.write_bytes(b"@echo off\r\nset COMMANDLINE_ARGS=--api\r\ncall webui.bat\r\n")
    (folder / "webui.bat").write_bytes(b"@echo off\r\necho %COMMANDLINE_ARGS%>ran.txt\r\n")
    env = {**os.environ, start_by_script.SCRIPT: str(script), "PATHS": "x"}
    line = start_by_script.cmd_line(os.environ.get("COMSPEC", "cmd.exe"))
    done = subprocess.run(line, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          timeout=60)
    assert (folder / "ran.txt").is_file(), done
    assert (folder / "ran.txt").read_text().strip() == "--api"


@pytest.mark.skipif(sys.platform != "win32", reason="cmd.exe's own rules for quotes")
@pytest.mark.parametrize("name", ["sd.webui", "My (sd) Kunst, Ü 100%"])
def test_a_ready_made_package_sets_its_variables_first(tmp_path: Path, name: str) -> None:
    root = tmp_path / name / "webui"
    root.mkdir(parents=True)
    package, script = root.parent / "environment.bat", root / "webui-user.bat"
    package.write_bytes(b"@echo off\r\nset DIR=%~dp0system\r\nset SKIP_VENV=1\r\n")
    script.write_bytes(b"@echo off\r\nset VENV_DIR=\r\ncall webui.bat\r\n")
    (root / "webui.bat").write_bytes(b'@echo off\r\necho %SKIP_VENV% >ran.txt\r\necho "%DIR%">>ran.txt\r\n')
    env = {**os.environ, start_by_script.SCRIPT: str(script), start_by_script.PACKAGE: str(package),
           start_by_script.FOLDER: str(root)}
    line = start_by_script.cmd_line(os.environ.get("COMSPEC", "cmd.exe"), True)
    done = subprocess.run(line, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          timeout=60)
    assert (root / "ran.txt").is_file(), done
    told = (root / "ran.txt").read_bytes().splitlines()
    assert told[0].strip() == b"1" and told[1].strip().endswith(b'\\system"') and b"sd" in told[1]


@pytest.mark.parametrize("root", [r"\\server\share\webui", r"\\?\UNC\server\share\webui", "C:\\" + "a" * 250])
def test_where_cmd_cannot_work_no_start_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    """Seen on Windows alone: elsewhere the folder is an ordinary name."""
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(NothingToWorkOn, match=r"cmd\.exe cannot work|letters") as told:
        start_by_script.start_of(PureWindowsPath(root), tmp_path, (), {})  # type: ignore[arg-type]
    assert "W:" in told.value.hint and not (tmp_path / "shim").exists()
