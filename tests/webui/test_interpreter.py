"""Which interpreter the start script would use, and what it has."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.machine import python_packages
from autotune.webui.a1111 import interpreter
from tests.system import bash
from tests.webui.installs import python_of, venv, webui, write

PACKAGE = """@echo off\r
\r
set DIR=%~dp0system\r
\r
set PATH=C:\\Windows\\system32;C:\\Windows;%DIR%\\git\\bin;%DIR%\\python;%DIR%\\python\\Scripts\r
set PY_LIBS=%DIR%\\python\\Scripts\\Lib;%DIR%\\python\\Scripts\\Lib\\site-packages\r
set PY_PIP=%DIR%\\python\\Scripts\r
set SKIP_VENV=1\r
set PIP_INSTALLER_LOCATION=%DIR%\\python\\get-pip.py\r
set TRANSFORMERS_CACHE=%DIR%\\transformers-cache\r
"""
"""environment.bat of A1111's ready-made Windows package."""


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("venv_dir", "python_cmd", "VENV_DIR", "PYTHON", "SKIP_VENV"):
        monkeypatch.delenv(name, raising=False)


def test_the_venv_beside_the_web_ui(tmp_path: Path) -> None:
    root = webui(tmp_path)
    assert interpreter.find(root, root / "webui-user.sh") == python_of(root / "venv")


def test_a_windows_venv(tmp_path: Path) -> None:
    python = write(tmp_path / "venv/Scripts/python.exe")
    assert interpreter.find(tmp_path, None) == python


@pytest.mark.parametrize("line", ['venv_dir="other"', "export venv_dir=other", "venv_dir='other'"])
def test_venv_dir_of_a_shell_file(tmp_path: Path, line: str) -> None:
    root = webui(tmp_path / "w")
    other = venv(root / "other")
    file = write(root / "webui-user.sh", f"#!/bin/bash\n#venv_dir=\"no\"\n{line}\n")
    assert interpreter.find(root, file) == other


@pytest.mark.parametrize("line", ['set "VENV_DIR=other"', "@set VENV_DIR=other", 'SET venv_dir="other"'])
def test_venv_dir_of_a_batch_file(tmp_path: Path, line: str) -> None:
    root = webui(tmp_path / "w")
    other = venv(root / "other")
    file = write(root / "webui-user.bat", f"@echo off\r\nREM set VENV_DIR=no\r\nset PYTHON=\r\n{line}\r\n")
    assert interpreter.find(root, file) == other


def test_an_absolute_venv_dir(tmp_path: Path) -> None:
    root = webui(tmp_path / "w")
    other = venv(tmp_path / "elsewhere")
    file = write(root / "webui-user.sh", f'venv_dir="{tmp_path}/elsewhere"\n')
    assert interpreter.find(root, file) == other


def test_no_venv_wanted(tmp_path: Path) -> None:
    root = webui(tmp_path)
    file = write(root / "webui-user.sh", f"venv_dir=-\npython_cmd='{sys.executable}'\n")
    assert interpreter.find(root, file) == Path(sys.executable)
    file = write(root / "webui-user.bat", f"set PYTHON={sys.executable}\r\nset SKIP_VENV=1\r\n")
    assert interpreter.find(root, file) == Path(sys.executable)


def test_an_environment_variable_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = webui(tmp_path / "w")
    other = venv(tmp_path / "other")
    monkeypatch.setenv("venv_dir", str(tmp_path / "other"))
    start = write(root / "webui-user.bat", "call webui.bat\r\n") if sys.platform == "win32" else root / "webui-user.sh"
    assert interpreter.find(root, start) == other
    assert interpreter.find(root, None) == other


def test_webui_settings_bat_wins(tmp_path: Path) -> None:
    root = webui(tmp_path / "w")
    other = venv(root / "other")
    file = write(root / "webui-user.bat", "set VENV_DIR=no\r\n")
    write(root / "webui.settings.bat", "@echo off\r\nset VENV_DIR=other\r\n")
    assert interpreter.find(root, file) == other


def test_the_ready_made_windows_package_brings_its_python(tmp_path: Path) -> None:
    root = webui(tmp_path / "sd.webui/webui")
    python = write(tmp_path / "sd.webui/system/python/python.exe")
    write(tmp_path / "sd.webui/environment.bat", PACKAGE)
    (tmp_path / "sd.webui/system/python/Lib/site-packages/torch-2.1.2.dist-info").mkdir(parents=True)
    assert interpreter.find(root, root / "webui-user.bat") == python
    assert interpreter.find(root, None) == python
    assert python_packages.package_version(python, "torch") == "2.1.2"
    user = write(root / "webui-user.bat", "@echo off\r\n\r\nset PYTHON=\r\nset GIT=\r\nset VENV_DIR=\r\n"
                 "set COMMANDLINE_ARGS=\r\n\r\ncall webui.bat\r\n")
    assert interpreter.find(root, user) == python
    user.write_bytes(b"set PYTHON=python\r\ncall webui.bat\r\n")  # not the one on our own PATH
    assert interpreter.find(root, user) == python
    write(tmp_path / "sd.webui/environment.bat", PACKAGE.replace("SKIP_VENV=1", "SKIP_VENV=0"))
    assert interpreter.find(root, user) == python_of(root / "venv")
    write(tmp_path / "sd.webui/environment.bat", f"{PACKAGE}set PYTHON={sys.executable}\r\n")
    user.write_bytes(b"call webui.bat\r\n")
    assert interpreter.find(root, user) == Path(sys.executable)


def test_missing(tmp_path: Path) -> None:
    root = webui(tmp_path)
    python_of(root / "venv").unlink()
    assert interpreter.find(root, root / "webui-user.sh") is None


def test_versions_by_files(tmp_path: Path) -> None:
    python = venv(tmp_path / "venv", {"torch": "2.1.2+cu121", "xformers": "0.0.23", "torchvision": "0.16"})
    assert python_packages.version(python) == "3.10.11"
    assert python_packages.package_version(python, "torch") == "2.1.2+cu121"
    assert python_packages.package_version(python, "xformers") == "0.0.23"
    assert python_packages.package_version(python, "torchaudio") is None


def test_packages_that_a_pth_file_adds(tmp_path: Path) -> None:
    python = venv(tmp_path / "venv", {"pip": "23"})
    (tmp_path / "shared/torch-2.5.1.dist-info").mkdir(parents=True)
    site = python_packages.site_packages(python)[0]
    write(site / "creator.pth", f"# a comment\nimport sys\n{tmp_path}/shared\n{tmp_path}/gone\n\n")
    assert python_packages.package_version(python, "torch") == "2.5.1"


def test_a_real_venv_is_read_as_it_sees_itself(tmp_path: Path) -> None:
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = interpreter.find(tmp_path, None)
    assert python is not None
    assert python_packages.version(python) == platform.python_version()
    asked = subprocess.run([python, "-c", "import site; print(site.getsitepackages()[-1])"], capture_output=True,
                           text=True, check=True)
    assert [path.resolve() for path in python_packages.site_packages(python)] == [Path(asked.stdout.strip()).resolve()]


def test_our_own_interpreter_is_read_right() -> None:
    python = Path(sys.executable)
    assert python_packages.package_version(python, "hypothesis") == importlib.metadata.version("hypothesis")
    assert (python_packages.version(python) or "").startswith(".".join(platform.python_version_tuple()[:2]))


SHELL = (
    ('venv_dir="$HOME/sdvenv"', "home/sdvenv"),
    ("venv_dir=~/sdvenv", "home/sdvenv"),
    ('base="@HOME@"\nvenv_dir="$base/sdvenv"', "home/sdvenv"),
    ('export venv_dir="${HOME}"/sdvenv', "home/sdvenv"),
    ('A="$HOME"; B="$A/sd"; venv_dir="${B}venv"', "home/sdvenv"),
    ("venv_dir=elsewhere\nvenv_dir=", "w/venv"),
    ("venv_dir=elsewhere\nunset venv_dir", "w/venv"),
    ("venv_dir='sd venv'", "w/sd venv"),
    ("git pull\nvenv_dir=other", "w/other"),
    ("#venv_dir=elsewhere", "w/venv"),
    ("cat <<X\nvenv_dir=elsewhere\nX", "w/venv"),
    ("exec ./webui.sh\nvenv_dir=elsewhere", "w/venv"),
    ('venv_dir="${NOWHERE_SET:-other}"', "w/other"),
    ('if [ -d /nowhere ]; then\n  venv_dir="/nowhere"\nfi', "w/venv"),
    ('if [ -d models ]; then\n  venv_dir="$HOME/sdvenv"\nfi', "home/sdvenv"),
    ('case "$HOME" in */home) venv_dir=other ;; *) venv_dir=no ;; esac', "w/other"),
    ('pick() { venv_dir="$1"; }\npick other', "w/other"),
)


@bash
@pytest.mark.parametrize(("text", "place"), SHELL)
def test_venv_dir_as_bash_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str) -> None:
    """Beside every one of them stands root/venv, which must not be taken for the one that is meant."""
    root, home = webui(tmp_path / "w"), tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    file = write(root / "webui-user.sh", text.replace("@HOME@", str(home)) + "\n")
    python = python_of(root / "venv") if place == "w/venv" else venv(tmp_path / place)
    assert interpreter.find(root, file) == python
    tell = 'tell() { echo "said ${venv_dir:-venv}"; }; exec() { tell; builtin exit; }; git() { :; }'
    judge = subprocess.run(["bash", "-c", f'{tell}; . "{file}"; tell'], cwd=root, text=True, capture_output=True,
                           check=True)
    assert root / judge.stdout.rpartition("said ")[2].strip() == tmp_path / place


@pytest.mark.parametrize("text", [
    'source ./else.sh', 'eval "$(./which.sh)"', "venv_dir=$(cat /nowhere)", "read venv_dir < /nowhere/x",
])
def test_an_uncertain_venv_dir_is_never_another_python(tmp_path: Path, text: str) -> None:
    root = webui(tmp_path / "w")
    file = write(root / "webui-user.sh", f"#!/bin/bash\n{text}\n")
    assert interpreter.find(root, file) is None
    why = interpreter.why_uncertain(root, file) or ""
    assert "venv_dir in" in why and "line 2" in why
    from autotune.model.errors import NothingToWorkOn
    from autotune.webui.a1111 import machine

    with pytest.raises(NothingToWorkOn, match=r"is not certain: venv_dir in .* depends on .*line 2"):
        machine.inspect(root, file, ())


PATHS = (
    "", 'export PATH="$HERE/b:$PATH"', 'PATH="$PATH:$HERE/b"', 'export PATH="$HERE/b:/usr/bin:/bin"',
    'export PATH=$HERE/none:$HERE/b:$PATH', 'PATH=$HERE/b:$PATH\nexport PATH=$HERE/none:$PATH',
)


@bash
@pytest.mark.parametrize("line", PATHS)
@pytest.mark.parametrize("active", [False, True])
def test_a_named_python_is_looked_for_where_the_start_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, active: bool
) -> None:
    root = webui(tmp_path / "w")
    for folder in ("a", "b", "venv/bin"):
        write(tmp_path / folder / "mine", "#!/bin/sh\n").chmod(0o755)
    monkeypatch.setenv("HERE", str(tmp_path))
    start = f"{tmp_path}/a:/usr/bin:/bin"
    monkeypatch.setenv("PATH", f"{tmp_path}/venv/bin:{start}" if active else start)
    if active:  # autotune's own, which a start by its owner does not have
        monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    file = write(root / "webui-user.sh", f"#!/bin/bash\nvenv_dir='-'\npython_cmd=mine\n{line}\n")
    asked = subprocess.run(["bash", "-c", f'. "{file}"; command -v "$python_cmd"'], capture_output=True, text=True,
                           env={"PATH": start, "HERE": str(tmp_path)}, check=True)
    assert interpreter.find(root, file) == Path(asked.stdout.strip())


@pytest.mark.skipif(sys.platform != "win32", reason="a PATH as Windows has it")
@pytest.mark.parametrize(("line", "found"), [
    ("", "a"), ("set PATH=%HERE%\\b;%PATH%", "b"), ("set Path=%PATH%;%HERE%\\b", "a"), ("set PATH=%HERE%\\b", "b")])
def test_a_named_python_of_a_batch_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, found: str
) -> None:
    root = webui(tmp_path / "w")
    for folder in ("a", "b"):
        write(tmp_path / folder / "mine.exe", "")
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "a"))
    file = write(root / "webui-user.bat", f"@echo off\r\nset PYTHON=mine\r\nset VENV_DIR=-\r\n{line}\r\n")
    where = interpreter.find(root, file)
    assert where is not None and where.parent == tmp_path / found
