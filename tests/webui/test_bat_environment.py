"""What a start by a batch file makes of the environment, and which interpreter it picks: as cmd runs the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.webui.a1111 import environment, interpreter, layout

START = "call webui.bat\n"
PATH = "/usr/bin:/bin"
ENVIRONMENT: tuple[tuple[str, dict[str, str | None]], ...] = (
    ("set PATH=%~dp0zluda;%PATH%\n" + START, {"PATH": "@D@\\zluda;" + PATH}),
    ("set PATH=%PATH%;%~dp0zluda\n" + START, {"PATH": PATH + ";@D@\\zluda"}),
    ("set PATH=%Path%;D:\\zluda\n" + START, {"PATH": PATH + ";D:\\zluda"}),
    (START + "set CUDA_VISIBLE_DEVICES=1\n", {"CUDA_VISIBLE_DEVICES": None}),
    ("if exist nowhere.txt (\n  set CUDA_VISIBLE_DEVICES=1\n)\n" + START, {"CUDA_VISIBLE_DEVICES": None}),
    ("if not exist nowhere.txt (\n  set CUDA_VISIBLE_DEVICES=1\n)\n" + START, {"CUDA_VISIBLE_DEVICES": "1"}),
    ("set A=1& set CUDA_VISIBLE_DEVICES=1\n" + START, {"A": "1", "CUDA_VISIBLE_DEVICES": "1"}),
    ("@call set CUDA_VISIBLE_DEVICES=1\n" + START, {"CUDA_VISIBLE_DEVICES": "1"}),
    ("set PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:64^\n,garbage_collection_threshold:0.9\n" + START,
     {"PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:64,garbage_collection_threshold:0.9"}),
    ("set X=50%%\n" + START, {"X": "50%"}),
    ("set \"HIP_VISIBLE_DEVICES=0\" trailing\n" + START, {"HIP_VISIBLE_DEVICES": "0"}),
    ("set CUDA_VISIBLE_DEVICES =1\n" + START, {"CUDA_VISIBLE_DEVICES": None}),
    ("set /a CUDA_VISIBLE_DEVICES=1\n" + START, {"CUDA_VISIBLE_DEVICES": None}),
    ("set A=one\nset A=\n" + START, {"A": None}),
    ("goto over\nset A=1\n:over\n" + START, {"A": None}),
    ("setlocal\nset A=1\nendlocal\nset B=2\n" + START, {"A": None, "B": "2"}),
    ("set path=%path:/usr/bin:=%\n" + START, {"PATH": "/bin"}),
    ("set A=%PATH:~0,4%\n" + START, {"A": "/usr"}),
    ("cmd /c set A=1\n" + START, {"A": None}),
    ("set Git_Exe=x\nset A=%GIT_EXE%y\n" + START, {"A": "xy"}),
)


@pytest.mark.parametrize(("text", "wanted"), ENVIRONMENT, ids=[text[:40] for text, _ in ENVIRONMENT])
def test_variables(text: str, wanted: dict[str, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", PATH)
    for name in wanted:
        if name != "PATH":
            monkeypatch.delenv(name, raising=False)
    file = tmp_path / "webui-user.bat"
    file.write_bytes(text.replace("\n", "\r\n").encode())
    found = environment.read_bat(file).variables
    assert {name: found.get(name) for name in wanted} == {
        name: value and value.replace("@D@", str(tmp_path)) for name, value in wanted.items()}


@pytest.mark.parametrize("named", ["webui-user.bat", "webui.settings.bat"])
def test_both_files_in_cmds_order(named: str, tmp_path: Path) -> None:
    (tmp_path / "webui-user.bat").write_bytes(
        b"set VENV_DIR=elsewhere\r\nset HIP_VISIBLE_DEVICES=1\r\nset A=first\r\nset GONE=1\r\ncall webui.bat\r\n")
    (tmp_path / "webui.settings.bat").write_bytes(
        b"set COMMANDLINE_ARGS=--xformers\r\nset A=%A%-second\r\nset GONE=\r\n")
    found = environment.of_start_script(tmp_path, tmp_path / named)
    assert found.variables["HIP_VISIBLE_DEVICES"] == "1" and found.variables["A"] == "first-second"
    assert "GONE" not in found.variables and found.shell == {"venv_dir": "elsewhere"}
    assert interpreter.settings(tmp_path / named)["venv_dir"] == "elsewhere"


def test_a_ready_made_package_sets_variables_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", PATH)
    for name in ("GIT", "DIR", "HIP_VISIBLE_DEVICES", "SKIP_VENV", "COMMANDLINE_ARGS"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "webui"
    root.mkdir()
    user = root / "webui-user.bat"
    (tmp_path / "environment.bat").write_bytes(
        b"@echo off\r\nset DIR=%~dp0system\r\nset PATH=C:\\Windows;%DIR%\\git\\bin;%DIR%\\python\r\nset SKIP_VENV=1\r\n"
        b"set HIP_VISIBLE_DEVICES=1\r\nset GONE=1\r\nset COMMANDLINE_ARGS=--theme dark\r\n")
    user.write_bytes(
        b"set GONE=\r\nset A=%DIR%-a\r\nset COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --api\r\ncall webui.bat\r\n")
    # Another program's environment.bat is not called.
    assert "DIR" not in environment.of_start_script(user.parent, user).variables
    (tmp_path / "run.bat").write_bytes(
        b"@echo off\r\ncall environment.bat\r\ncd %~dp0webui\r\ncall webui-user.bat\r\n")
    (root / "webui.settings.bat").write_bytes(b"set B=%DIR%-b\r\n")
    found = environment.of_start_script(user.parent, user)
    system = f"{tmp_path}\\system"
    wanted = {"DIR": system, "PATH": f"C:\\Windows;{system}\\git\\bin;{system}\\python", "SKIP_VENV": "1",
              "HIP_VISIBLE_DEVICES": "1", "A": f"{system}-a", "B": f"{system}-b"}
    assert found.problem is None and {name: found.variables.get(name) for name in wanted} == wanted
    assert "GONE" not in found.variables
    (root / "launch.py").touch()
    (root / "modules").mkdir()
    (root / "modules" / "cmd_args.py").touch()
    assert layout.in_effect(root, layout.recognise(root, "win32", {}), {}).words == ("--theme", "dark", "--api")


def test_what_only_the_start_tells_is_said_and_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "before")
    file = tmp_path / "webui-user.bat"
    file.write_bytes(b"set /p CUDA_VISIBLE_DEVICES=which? \r\ncall webui.bat\r\n")
    found = environment.of_start_script(file.parent, file)
    assert found.variables["CUDA_VISIBLE_DEVICES"] == "before"
    assert found.problem and "CUDA_VISIBLE_DEVICES" in found.problem and "line 1" in found.problem


VENV = {
    "dp0": "@echo off\nset PYTHON=%~dp0venv\\Scripts\\python.exe\nset VENV_DIR=%~dp0venv\n" + START,
    "dp0-quoted": 'set "VENV_DIR=%~dp0venv"\n' + START,
    "cd": "set VENV_DIR=%CD%\\venv\n" + START,
    "reset": "set VENV_DIR=elsewhere\nset VENV_DIR=\n" + START,
    "block": "if exist nowhere.txt (\n set VENV_DIR=elsewhere\n)\n" + START,
    "block-else": "if exist nowhere.txt (\n set VENV_DIR=elsewhere\n) else (\n set VENV_DIR=venv\n)\n" + START,
    "relative-quoted": 'cd /d "%~dp0"\nset VENV_DIR=.\\venv\n' + START,
    "relative": "cd /d %~dp0\nset VENV_DIR=.\\venv\n" + START,
    "after": "set VENV_DIR=\n" + START + "set VENV_DIR=elsewhere\n",
    "commented": "rem set VENV_DIR=elsewhere\n:: set VENV_DIR=elsewhere\n" + START,
    "if-exist": 'set VENV_DIR=elsewhere\nif exist "%~dp0venv\\bin" set VENV_DIR=%~dp0venv\n' + START,
    "shared-home": "@chcp 65001 >nul\nset A1111_HOME=@ROOT@/../shared\nset VENV_DIR=%A1111_HOME%/venv\n"
                   "set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% ^\n --ckpt-dir %A1111_HOME%/models\n" + START,
}


@pytest.mark.parametrize("name", VENV)
def test_the_venv(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VENV_DIR", raising=False)
    root = tmp_path / "Müllers アニメ 1"
    for venv in (root / "venv", root / "elsewhere", tmp_path / "shared/venv"):
        (venv / "bin").mkdir(parents=True)
        (venv / "bin/python").write_bytes(b"")
    file = root / "webui-user.bat"
    file.write_bytes(VENV[name].replace("@ROOT@", str(root)).replace("\n", "\r\n").encode())
    found = interpreter.find(root, file)
    wanted = tmp_path / "shared/venv" if name == "shared-home" else root / "venv"
    assert found is not None and found.samefile(wanted / "bin/python")


def test_an_uncertain_venv_is_none_and_said(tmp_path: Path) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").write_bytes(b"")
    file = tmp_path / "webui-user.bat"
    file.write_bytes(b"call choose.bat\r\ncall webui.bat\r\n")
    assert interpreter.find(tmp_path, file) is None
    assert "the file called in line 1" in (interpreter.why_uncertain(tmp_path, file) or "")
