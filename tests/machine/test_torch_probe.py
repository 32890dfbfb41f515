"""Asking the web UI's interpreter: real ones, broken ones, slow ones."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from venv import EnvBuilder

import psutil
import pytest

from autotune.machine import torch_probe
from tests.waiting import wait_for
from tests.webui.installs import venv, write

pytestmark = pytest.mark.slow

scripts = pytest.mark.skipif(os.name == "nt", reason="a shell's script stands in for the interpreter")


def script(path: Path, text: str) -> Path:
    write(path, f"#!/bin/sh\n{text}\n").chmod(0o755)
    return path


def test_a_real_interpreter_with_torch() -> None:
    torch = pytest.importorskip("torch")
    has, warnings = torch_probe.ask(Path(sys.executable))
    assert warnings == []
    assert has.python == platform.python_version()
    assert has.torch is not None and has.torch.startswith(importlib.metadata.version("torch").split("+")[0])
    assert "math" in has.sdp_backends
    metal = torch.backends.mps.is_available()
    assert has.device == ("cuda" if torch.cuda.is_available() else "mps" if metal else "cpu")


def test_a_venv_without_torch(tmp_path: Path) -> None:
    has, warnings = torch_probe.ask(venv(tmp_path / "venv"))
    assert has.python == platform.python_version() and has.torch is None and warnings == []


@scripts
def test_an_interpreter_without_torch(tmp_path: Path) -> None:
    python = script(tmp_path / "python", f'exec "{sys.executable}" -S -E "$@"')
    has, warnings = torch_probe.ask(python)
    assert has.python == platform.python_version() and has.torch is None and warnings == []


@scripts
def test_a_broken_torch_is_named(tmp_path: Path) -> None:
    write(tmp_path / "site/torch/__init__.py", "raise OSError('libcudart.so.11 cannot open shared object file')\n")
    python = script(tmp_path / "python", f'PYTHONPATH="{tmp_path}/site" exec "{sys.executable}" -S "$@"')
    has, warnings = torch_probe.ask(python)
    assert has.python and has.torch is None
    assert warnings == ["in the web UI's Python: torch: OSError: libcudart.so.11 cannot open shared object file"]


@scripts
def test_torch_with_a_missing_part_is_not_mistaken_for_absent(tmp_path: Path) -> None:
    write(tmp_path / "site/torch/__init__.py", "import typing_extensions_that_is_gone\n")
    python = script(tmp_path / "python", f'PYTHONPATH="{tmp_path}/site" exec "{sys.executable}" -S "$@"')
    _, warnings = torch_probe.ask(python)
    assert len(warnings) == 1 and "typing_extensions_that_is_gone" in warnings[0]


@scripts
def test_an_interpreter_that_fails_is_named(tmp_path: Path) -> None:
    _, warnings = torch_probe.ask(script(tmp_path / "a", "echo no such library >&2; exit 3"))
    assert "exit code 3" in warnings[0] and "no such library" in warnings[0]
    _, warnings = torch_probe.ask(script(tmp_path / "b", "kill -SEGV $$"))
    assert "signal 11" in warnings[0]
    _, warnings = torch_probe.ask(script(tmp_path / "c", "echo autotune-runtime:{"))
    assert "not JSON" in warnings[0]
    _, warnings = torch_probe.ask(tmp_path / "gone")
    assert "cannot be run" in warnings[0]


@scripts
def test_one_that_never_answers_is_ended_with_its_children(tmp_path: Path) -> None:
    mark = f"sleep {9000 + os.getpid() / 1e6}"
    python = script(tmp_path / "python", f"{mark} &\n{mark}")
    before = time.monotonic()
    has, warnings = torch_probe.ask(python, time_limit=0.5)
    assert time.monotonic() - before < 30
    assert has.torch is None and "within 0.5 s" in warnings[0]
    left = [p for p in psutil.process_iter(["cmdline"]) if " ".join(p.info["cmdline"] or []) == mark]
    psutil.wait_procs(left, timeout=10)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)


@scripts
def test_noise_on_stdout_does_no_harm(tmp_path: Path) -> None:
    python = script(tmp_path / "python", f'echo "hello"; exec "{sys.executable}" -S "$@"')
    has, warnings = torch_probe.ask(python)
    assert has.python == platform.python_version() and warnings == []


@scripts
def test_files_of_the_web_uis_folder_do_not_shadow_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "json.py", "raise SystemExit(9)\n")
    write(tmp_path / "torch.py", "raise SystemExit(9)\n")
    python = script(tmp_path / "venv/bin/python", f'exec "{sys.executable}" -S "$@"')
    has, warnings = torch_probe.ask(python)
    assert has.python and has.torch is None and warnings == []


TORCH = """\
__version__ = "2.7.0"
class cuda:
    is_available = staticmethod(lambda: False)
class backends:
    mps = None
"""
PACKAGES = {  # what its import does -> what is told of it
    "states": ("__version__ = '2.2.0'", "2.2.0", ""),
    "by_its_files": ("", "3.1", ""),
    "tells_nothing": ("", "unknown", ""),
    "lacks_a_part": ("import a_part_that_is_gone", None, "lacks_a_part: No module named 'a_part_that_is_gone'"),
    "broken": ("raise OSError('libcudart is missing')", None, "broken: OSError: libcudart is missing"),
    "absent": (None, None, ""),
}


@scripts
def test_packages_that_are_asked_about_are_tried(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write(site / "torch/__init__.py", TORCH)
    write(site / "by_its_files-3.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: by-its-files\nVersion: 3.1\n")
    for name, (text, _, _) in PACKAGES.items():
        if text is not None:
            write(site / name / "__init__.py", text + "\n")
    python = script(tmp_path / "python", f'PYTHONPATH="{site}" exec "{sys.executable}" -S "$@"')
    has, warnings = torch_probe.ask(python, packages=tuple(PACKAGES))
    assert has.packages == {name: told for name, (_, told, _) in PACKAGES.items() if told}
    assert warnings == [f"in the web UI's Python: {fault}" for _, _, fault in PACKAGES.values() if fault]
    assert torch_probe.ask(python)[0].packages == {}


ASKER = "import sys; from pathlib import Path; from autotune.machine.torch_probe import ask; ask(Path(sys.argv[1]))"
SLOW_TORCH = """\
import os, subprocess, sys, time
begun = subprocess.Popen([sys.executable, "-c", "import sys, time; sys.stdin.read(); time.sleep(600)"])
with open({note!r} + ".new", "w") as note:
    note.write(str(os.getpid()) + " " + str(begun.pid))
os.replace({note!r} + ".new", {note!r})
time.sleep(600)
"""


def test_it_ends_with_the_one_that_asked(tmp_path: Path) -> None:
    """Killed, that is: by the task manager, or because the machine ran out of memory."""
    EnvBuilder(with_pip=False, symlinks=os.name == "posix").create(tmp_path / "venv")
    note, python = tmp_path / "note", tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    lib = "Lib" if os.name == "nt" else f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
    folder = tmp_path / "venv" / lib / "site-packages"
    assert folder.is_dir()
    write(folder / "torch.py", SLOW_TORCH.format(note=str(note)))
    asker = subprocess.Popen([sys.executable, "-c", ASKER, str(python)])
    try:
        assert wait_for(note.exists, 60)
        asked, begun = (psutil.Process(int(pid)) for pid in note.read_text().split())
        assert asked.is_running()
    finally:
        asker.kill()
        asker.wait()
    assert wait_for(lambda: not asked.is_running() or asked.status() == psutil.STATUS_ZOMBIE, 20)
    if os.name == "posix":
        assert wait_for(lambda: not begun.is_running() or begun.status() == psutil.STATUS_ZOMBIE, 20)
    elif begun.is_running():
        begun.kill()  # Windows tells nobody who began whom once that is gone
