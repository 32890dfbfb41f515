"""The folders of a Python from the Microsoft Store are named as every program finds them."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PureWindowsPath

import pytest

from autotune.agent import service_files
from autotune.agent.service import TaskScheduler
from autotune.config import config
from autotune.disk import windows_package
from autotune.store.places import state_dir

LOCAL = PureWindowsPath(r"C:\Users\Müller\AppData\Local")
STORE = "PythonSoftwareFoundation.Python.3.11_qbz5n2kfra8p0"
PRIVATE = LOCAL / "Packages" / STORE / "LocalCache" / "Local"


@pytest.mark.parametrize(("path", "package", "real"), [
    (LOCAL / "autotune", STORE, PRIVATE / "autotune"),
    (PureWindowsPath(r"c:\users\müller\appdata\local\autotune\daemon"), STORE, PRIVATE / "autotune" / "daemon"),
    (LOCAL / "autotune", "PythonSoftwareFoundation.Python.3.14_3847v3x7pw1km", None),
    (LOCAL / "autotune", "Microsoft.WindowsTerminal_8wekyb3d8bbwe", LOCAL / "autotune"),
    (LOCAL / "autotune", "PythonSoftwareFoundation.PythonManager_3847v3x7pw1km", LOCAL / "autotune"),
    (PRIVATE / "autotune", STORE, PRIVATE / "autotune"),
    (PureWindowsPath(r"D:\records"), STORE, PureWindowsPath(r"D:\records")),
    (LOCAL.parent / "Roaming" / "autotune", STORE, LOCAL.parent / "Roaming" / "autotune"),
    (LOCAL.parent / "LocalLow" / "x", STORE, LOCAL.parent / "LocalLow" / "x"),
])
def test_where_the_stores_python_writes(path: PureWindowsPath, package: str, real: PureWindowsPath | None) -> None:
    found = windows_package.redirected(path, LOCAL, package)
    assert found == (real or LOCAL / "Packages" / package / "LocalCache" / "Local" / "autotune")
    assert windows_package.redirected(found, LOCAL, package) == found


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process of the Store's Python; the true folder of its AppData\\Local."""
    local = tmp_path / "AppData" / "Local"
    monkeypatch.setattr(windows_package, "family", lambda: STORE)
    monkeypatch.setenv("LOCALAPPDATA", str(local))
    monkeypatch.delenv("AUTOTUNE_STATE_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_state_dir", lambda *_, **__: str(local / "autotune"))
    monkeypatch.setattr("platformdirs.user_config_dir", lambda *_, **__: str(local / "autotune"))
    return local / "Packages" / STORE / "LocalCache" / "Local"


def test_state_and_configuration_are_told_as_they_are(store: Path) -> None:
    assert state_dir(None).root == store / "autotune"
    assert config.default_path() == store / "autotune" / "config.toml"
    assert "uninstalled" in windows_package.warning(state_dir(None).root)
    usual = Path(os.environ["LOCALAPPDATA"], "autotune", "config.toml")  # made with an editor, read from there
    usual.parent.mkdir(parents=True)
    usual.touch()
    assert config.default_path() == usual


def test_the_scheduler_finds_the_task_and_the_task_the_records(store: Path, tmp_path: Path) -> None:
    on = TaskScheduler(tmp_path, False)
    what = service_files.agent_command("python.exe", tmp_path / "webui", state_dir(None).root, None)
    ((file, content),) = on.files(what).items()
    assert file == store / "autotune" / "autotune-agent.xml" and str(file) in " ".join(on.start_commands(True)[1])
    assert str(store / "autotune") in content.decode("utf-16")
    assert on.possible_files[0] == file


def test_a_program_that_was_installed_as_usual_is_of_no_package(tmp_path: Path) -> None:
    """Under wine and on Linux; the Store's Python would say its family."""
    assert windows_package.family() is None
    assert windows_package.real(tmp_path) == tmp_path and windows_package.warning(tmp_path) == ""
    if sys.platform == "win32":
        import ctypes

        assert hasattr(ctypes.WinDLL("kernel32"), "GetCurrentPackageFamilyName")
