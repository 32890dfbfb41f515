"""The Windows package through the command line: applied, shown, verified, rolled back; cmd and Python judge."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.webui.comfyui.installs import comfyui
from tests.webui.installs import write

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "win32", reason="batch files start it on Windows")]

LINE = ".\\python_embeded\\python.exe -s ComfyUI\\main.py --windows-standalone-build"
FLAGS = ("--use-pytorch-cross-attention", "--fast", "fp16_accumulation")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A portable with a genuine Python, whose main.py tells what it was given."""
    above = tmp_path / "Müller (x86) & co" / "ComfyUI_windows_portable"
    made = comfyui(above / "ComfyUI", environment=None)
    write(made / "main.py", "import json, sys\nopen('told.json', 'w').write(json.dumps(sys.argv[1:]))\n")
    embedded = above / "python_embeded"
    embedded.mkdir()
    home = Path(sys.base_prefix)
    for one in home.iterdir():
        if one.suffix.lower() in (".exe", ".dll", ".zip"):
            shutil.copy(one, embedded / one.name)
    (embedded / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = true\nversion = 3.11.0\n")
    write(above / "run_nvidia_gpu.bat", f"{LINE}\r\npause\r\n")
    write(above / "run_cpu.bat", f"{LINE} --cpu\r\npause\r\n")
    return made


def autotune(root: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """(exit code, the document) of a command on this install."""
    whole = [sys.executable, "-m", "autotune", *words, "--json", "--webui", str(root), "--state-dir",
             str(root.parent.parent / "state")]
    done = subprocess.run(whole, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=120)
    assert done.stdout, done.stderr.decode("utf-8", "replace")
    return done.returncode, json.loads(done.stdout)


def started(file: Path) -> list[str]:
    """What main.py is given when the file is run, as a double click does."""
    subprocess.run([os.environ.get("COMSPEC", "cmd.exe"), "/d", "/c", file.name], cwd=file.parent, check=False,
                   stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    told: list[str] = json.loads((file.parent / "told.json").read_text())
    return told


def test_apply_verify_and_rollback(root: Path) -> None:
    file = root.parent / "run_nvidia_gpu.bat"
    before = file.read_bytes()
    assert started(file) == ["--windows-standalone-build"]
    code, applied = autotune(root, "apply", "--flags", " ".join(FLAGS), "--yes", "--no-start")
    assert code == 0 and applied["changed"] and Path(applied["file"]) == file
    assert started(file) == ["--windows-standalone-build", *FLAGS] == applied["after"]
    assert file.read_bytes() == before.replace(b"-build", b"-build " + " ".join(FLAGS).encode())
    code, again = autotune(root, "apply", "--flags", " ".join(FLAGS), "--yes", "--no-start")
    assert code == 0 and not again["changed"]
    code, verified = autotune(root, "verify", "--no-start")
    assert code == 0 and all(row["in_file"] for row in verified["flags"])
    code, status = autotune(root, "status")
    assert code == 0 and status["drift"] is None and status["applied"]["flags"] == list(FLAGS)
    code, _ = autotune(root, "rollback", "--yes")
    assert code == 0 and file.read_bytes() == before and started(file) == ["--windows-standalone-build"]


def test_of_several_files_the_named_one_is_written_and_then_counts(root: Path) -> None:
    fast = write(root.parent / "run_fast.bat", f"@echo off\r\n{LINE} --lowvram %*\r\npause\r\n")
    files = {path: path.read_bytes() for path in root.parent.glob("*.bat")}
    code, refused = autotune(root, "apply", "--flags", "--cache-none", "--yes", "--no-start")
    assert code == 5 and "run_fast.bat" in refused["message"]
    assert {path: path.read_bytes() for path in files} == files
    code, probed = autotune(root, "probe")
    assert code == 0 and not probed["webui"]["certain"]
    assert any("run_fast.bat" in warning and "run_nvidia_gpu.bat" in warning for warning in probed["warnings"])
    named = ("--launch-file", str(fast))
    code, applied = autotune(root, "apply", "--flags", "--use-pytorch-cross-attention", "--yes", "--no-start", *named)
    assert code == 0 and Path(applied["file"]) == fast
    assert started(fast) == applied["after"]
    # From now on it is the one that counts, without being named.
    code, probed = autotune(root, "probe")
    assert code == 0 and probed["webui"]["flags"] == applied["after"] and probed["webui"]["certain"]
    code, _ = autotune(root, "rollback", "--yes")
    assert code == 0 and {path: path.read_bytes() for path in files} == files
