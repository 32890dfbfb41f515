"""Asking the web UI's interpreter: real ones, broken ones, slow ones."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from pathlib import Path

import psutil
import pytest

from autotune.probe import runtime
from tests.probe.installs import venv, write

scripts = pytest.mark.skipif(os.name == "nt", reason="a shell's script stands in for the interpreter")


def script(path: Path, text: str) -> Path:
    write(path, f"#!/bin/sh\n{text}\n").chmod(0o755)
    return path


def test_a_real_interpreter_with_torch() -> None:
    pytest.importorskip("torch")
    has, warnings = runtime.ask(Path(sys.executable))
    assert warnings == []
    assert has.python == platform.python_version()
    assert has.torch is not None and has.torch.startswith(importlib.metadata.version("torch").split("+")[0])
    assert "math" in has.sdp_backends
    assert has.device in ("cpu", "cuda", "mps")


def test_a_venv_without_torch(tmp_path: Path) -> None:
    has, warnings = runtime.ask(venv(tmp_path / "venv"))
    assert has.python == platform.python_version() and has.torch is None and warnings == []


@scripts
def test_an_interpreter_without_torch(tmp_path: Path) -> None:
    python = script(tmp_path / "python", f'exec "{sys.executable}" -S -E "$@"')
    has, warnings = runtime.ask(python)
    assert has.python == platform.python_version() and has.torch is None and warnings == []


@scripts
def test_a_broken_torch_is_named(tmp_path: Path) -> None:
    write(tmp_path / "site/torch/__init__.py", "raise OSError('libcudart.so.11 cannot open shared object file')\n")
    python = script(tmp_path / "python", f'PYTHONPATH="{tmp_path}/site" exec "{sys.executable}" -S "$@"')
    has, warnings = runtime.ask(python)
    assert has.python and has.torch is None
    assert warnings == ["in the web UI's Python: torch: OSError: libcudart.so.11 cannot open shared object file"]


@scripts
def test_torch_with_a_missing_part_is_not_mistaken_for_absent(tmp_path: Path) -> None:
    write(tmp_path / "site/torch/__init__.py", "import typing_extensions_that_is_gone\n")
    python = script(tmp_path / "python", f'PYTHONPATH="{tmp_path}/site" exec "{sys.executable}" -S "$@"')
    _, warnings = runtime.ask(python)
    assert len(warnings) == 1 and "typing_extensions_that_is_gone" in warnings[0]


@scripts
def test_an_interpreter_that_fails_is_named(tmp_path: Path) -> None:
    _, warnings = runtime.ask(script(tmp_path / "a", "echo no such library >&2; exit 3"))
    assert "exit code 3" in warnings[0] and "no such library" in warnings[0]
    _, warnings = runtime.ask(script(tmp_path / "b", "kill -SEGV $$"))
    assert "signal 11" in warnings[0]
    _, warnings = runtime.ask(script(tmp_path / "c", "echo autotune-runtime:{"))
    assert "not JSON" in warnings[0]
    _, warnings = runtime.ask(tmp_path / "gone")
    assert "cannot be run" in warnings[0]


@scripts
def test_one_that_never_answers_is_ended_with_its_children(tmp_path: Path) -> None:
    mark = f"sleep {9000 + os.getpid() / 1e6}"
    python = script(tmp_path / "python", f"{mark} &\n{mark}")
    before = time.monotonic()
    has, warnings = runtime.ask(python, time_limit=0.5)
    assert time.monotonic() - before < 30
    assert has.torch is None and "within 0.5 s" in warnings[0]
    left = [p for p in psutil.process_iter(["cmdline"]) if " ".join(p.info["cmdline"] or []) == mark]
    psutil.wait_procs(left, timeout=10)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)


@scripts
def test_noise_on_stdout_does_no_harm(tmp_path: Path) -> None:
    python = script(tmp_path / "python", f'echo "hello"; exec "{sys.executable}" -S "$@"')
    has, warnings = runtime.ask(python)
    assert has.python == platform.python_version() and warnings == []


@scripts
def test_files_of_the_web_uis_folder_do_not_shadow_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "json.py", "raise SystemExit(9)\n")
    write(tmp_path / "torch.py", "raise SystemExit(9)\n")
    python = script(tmp_path / "venv/bin/python", f'exec "{sys.executable}" -S "$@"')
    has, warnings = runtime.ask(python)
    assert has.python and has.torch is None and warnings == []
