"""Which Python ComfyUI runs in, where nobody but its owner knows: each place it may be named or guessed from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.webui.comfyui import interpreter
from autotune.webui.comfyui.hosts import Host
from tests.webui.comfyui import installs
from tests.webui.installs import python_of, venv, write

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and scripts of POSIX")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return installs.comfyui(tmp_path / "place/ComfyUI", environment=None)


def found(root: Path, environ: dict[str, str], launch_file: Path | None = None) -> Path | None:
    return interpreter.find(root, Host(), root, environ, launch_file).python


SCRIPTS = {
    "its interpreter": ("run.bat", "@echo off\r\n{env}\\Scripts\\python.exe main.py\r\n"),
    "in quotes": ("run.bat", '"{env}\\Scripts\\python.exe" -s "main.py" --lowvram\r\n'),
    "beside the file": ("run.cmd", "%~dp0my env\\Scripts\\python.exe main.py\r\n"),
    "its activate": ("run.bat", 'call "{env}\\Scripts\\activate.bat"\r\npython main.py\r\n'),
    "a shell's activate": ("start.sh", '#!/bin/sh\n. "{env}/bin/activate"\nexec python main.py\n'),
    "a shell's interpreter": ("start", '#!/bin/sh\nexec "{env}/bin/python" main.py "$@"\n'),
}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
@pytest.mark.parametrize("folder", ["my env", "環境"])
def test_the_owners_script_names_it(root: Path, name: str, folder: str) -> None:
    if (name, folder) in (("beside the file", "環境"), ("its interpreter", "my env")):
        pytest.skip("its name is written there; a blank needs quotes")
    file, text = SCRIPTS[name]
    venv(root / "venv", installs.PACKAGES)
    environment = root.parent / folder
    python = venv(environment, installs.PACKAGES)
    if file.endswith((".bat", ".cmd")) and sys.platform != "win32":
        python = write(environment / "Scripts/python.exe", "x")
        write(environment / "Scripts/activate.bat")
    if name in ("beside the file", "in quotes"):
        text = text.replace("%~dp0my env\\Scripts\\python.exe", '"%~dp0my env\\Scripts\\python.exe"')
    script = write(root.parent / file, text.format(env=environment))
    expected = python_of(environment) if name == "its activate" else python
    assert found(root, {}, script) == expected
    commented = write(root.parent / f"old-{file}", ("rem " if "." in file and file != "start.sh" else "# ") +
                      text.format(env=environment).splitlines()[1 if text.startswith(("@", "#")) else 0])
    assert found(root, {}, commented) == python_of(root / "venv")


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_the_active_environment_is_taken_where_comfyui_was_installed(root: Path, tmp_path: Path, variable: str) -> None:
    ours = venv(tmp_path / "ours", installs.PACKAGES)
    other = venv(tmp_path / "other", {"torch": "2.7.0", "torchsde": "0.2.6"})
    assert found(root, {variable: str(tmp_path / "ours")}) == ours
    assert found(root, {variable: str(tmp_path / "other")}) is None
    write(root / "requirements.txt", "torch\ntorchsde\n")  # as before 2025
    assert found(root, {variable: str(tmp_path / "other")}) == other


def test_of_condas_environments_the_only_one_that_fits(root: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    environ = {"USERPROFILE" if os.name == "nt" else "HOME": str(home)}
    folders = [tmp_path / name for name in ("base", "comfy 環境", "second")]
    wanted = [venv(folders[0], {"numpy": "2"}), venv(folders[1], installs.PACKAGES)][1]
    write(home / ".conda/environments.txt", "\n".join(map(str, folders)) + "\n")
    assert found(root, environ) == wanted
    venv(folders[2], installs.PACKAGES)
    seen = interpreter.find(root, Host(), root, environ)
    assert seen.python is None and set(folders) <= set(seen.looked), "which of two is meant nobody knows"


@posix
def test_the_python_on_the_path_where_it_has_comfyuis_packages(root: Path, tmp_path: Path) -> None:
    fits, bare = venv(tmp_path / "a", installs.PACKAGES), venv(tmp_path / "b", {"numpy": "2"})
    assert found(root, {"PATH": str(fits.parent)}) == fits
    assert found(root, {"PATH": str(bare.parent)}) is None


@posix
def test_a_running_comfyui_tells_its_own(root: Path, tmp_path: Path) -> None:
    write(root / "main.py", "import sys\nprint('up', flush=True)\nsys.stdin.read()\n")
    python = tmp_path / "elsewhere/bin/python3"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    process = subprocess.Popen([str(python), "main.py", "--port", "8190"], cwd=root, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        assert found(root, {}) == python
    finally:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
    assert found(root, {}) is None


def test_one_with_torch_goes_before_one_without(root: Path) -> None:
    venv(root / "venv", {"numpy": "2"})
    assert found(root, {}) == python_of(root / "venv")
    assert found(root, {}) != venv(root / ".venv", installs.PACKAGES)  # not there when it was asked
    assert found(root, {}) == python_of(root / ".venv")
