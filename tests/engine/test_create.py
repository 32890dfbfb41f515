"""The folder that `create` lays out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.engine import weights
from autotune.engine.create import UNFINISHED, create
from autotune.engine.install_files import CannotCreate, _copy_embedded


def test_looks_like_an_install(install: Path) -> None:
    for name in ("launch.py", "webui.py", "webui.sh", "webui-user.sh", "webui.bat", "webui-user.bat", "config.json",
                 "ui-config.json", "modules/cmd_args.py", "CHANGELOG.md", "reference-webui.json",
                 "models/Stable-diffusion/reference-tiny.safetensors",
                 "extensions/sd-webui-animatediff/model/mm_sd15_v2.safetensors",
                 "extensions/sd-webui-animatediff/scripts/animatediff.py"):
        assert (install / name).is_file(), name
    assert (install / "CHANGELOG.md").read_text(encoding="utf-8").startswith("## 1.10.1\n")
    marker = json.loads((install / "reference-webui.json").read_text(encoding="utf-8"))
    assert (marker["flavour"], marker["version"], marker["size"], marker["device"]) == (
        "reference", "1.10.1", "tiny", "cpu")
    assert not (install / "outputs").exists()


def test_line_ends_modes_and_defaults(install: Path) -> None:
    for name in ("webui.bat", "webui-user.bat"):
        data = (install / name).read_bytes()
        assert data.count(b"\r\n") == data.count(b"\n") > 5
    assert b"\r\nset COMMANDLINE_ARGS=\r\n" in (install / "webui-user.bat").read_bytes()
    text = (install / "webui-user.sh").read_text(encoding="utf-8")
    assert '\n#export COMMANDLINE_ARGS=""\n' in text
    assert "\r" not in text
    if sys.platform != "win32":
        assert (install / "webui.sh").stat().st_mode & 0o111 == 0o111


def test_same_seed_same_weights(install: Path, tmp_path: Path) -> None:
    other = create(tmp_path / "other", "tiny", "cpu")
    for name in ("models/Stable-diffusion/reference-tiny.safetensors",
                 "extensions/sd-webui-animatediff/model/mm_sd15_v2.safetensors"):
        assert weights.sha256(other / name) == weights.sha256(install / name)
    assert (other / "config.json").read_bytes() == (install / "config.json").read_bytes()


def test_sd15_holds_a_seed_instead_of_gigabytes(tmp_path: Path) -> None:
    root = create(tmp_path / "big", "sd15", "cuda")
    assert sum(p.stat().st_size for p in (root / "models").rglob("*") if p.is_file()) < 10_000
    assert weights.sha256(root / "models" / "Stable-diffusion" / "reference-sd15.safetensors")


def test_its_interpreter_sees_our_packages(install: Path) -> None:
    python = install / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    code = "import sys, numpy, safetensors, autotune.engine; print(sys.prefix)"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd=install)
    assert Path(done.stdout.strip()) == install / "venv"


def test_refusals(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("x", encoding="utf-8")
    for force in (False, True):
        with pytest.raises(CannotCreate):
            create(taken, force=force)
    assert [p.name for p in taken.iterdir()] == ["mine.txt"]
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(CannotCreate):
        create(file)
    root = create(tmp_path / "ours")
    (root / "stale").touch()
    with pytest.raises(CannotCreate, match="--force"):
        create(root)
    create(root, force=True)
    assert not (root / "stale").exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_failure_half_way_leaves_nothing(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "half"
    if there:
        root.mkdir()
    monkeypatch.setattr(sys, "_base_executable", str(broken_python(tmp_path)), raising=False)
    with pytest.raises(CannotCreate, match="virtual environment"):
        create(root)
    assert root.exists() is there and not list(root.glob("*"))
    monkeypatch.undo()
    assert (create(root) / "reference-webui.json").is_file()


def broken_python(folder: Path) -> Path:
    """An interpreter that can make no virtual environment."""
    path = folder / ("python.bat" if sys.platform == "win32" else "python")
    path.write_text("@exit /b 1\r\n" if sys.platform == "win32" else "#!/bin/sh\nexit 1\n", encoding="ascii")
    path.chmod(0o755)
    return path


def test_what_a_kill_half_way_leaves_is_laid_out_again(tmp_path: Path) -> None:
    root = tmp_path / "half"
    words = [sys.executable, "-m", "autotune.engine", "create", str(root)]
    package = Path(__file__).resolve().parents[2]
    child = subprocess.Popen(words, cwd=package, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None and not (root / "modules" / "cmd_args.py").exists():
        pass
    child.kill()
    child.wait()
    assert (root / UNFINISHED).is_file() and not (root / "reference-webui.json").exists()
    create(root)
    assert (root / "reference-webui.json").is_file() and not (root / UNFINISHED).exists()


def test_the_command_line(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "autotune.engine", "create", str(tmp_path / "x")]
    package = Path(__file__).resolve().parents[2]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=package)
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "x"))
    again = subprocess.run(words, capture_output=True, text=True, check=False, cwd=package)
    assert again.returncode == 2 and "is not empty" in again.stderr
    wrong = subprocess.run([*words, "--size", "big"], capture_output=True, text=True, check=False, cwd=package)
    assert wrong.returncode == 2


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has a Python without the module venv")
def test_the_embeddable_python_lends_itself_by_a_copy(tmp_path: Path) -> None:
    _copy_embedded(Path(sys.base_prefix), tmp_path / "Umgebung (Ü)")
    python = tmp_path / "Umgebung (Ü)" / "Scripts" / "python.exe"
    program = "import sys, ssl, ctypes, sqlite3; sys.stdout.buffer.write(sys.prefix.encode())"
    done = subprocess.run([str(python), "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout.decode()) == (0, str(tmp_path / "Umgebung (Ü)")), done.stderr
