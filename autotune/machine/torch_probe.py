"""Which torch, CUDA, xformers and attention kernels the web UI has: its own interpreter is run to tell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from autotune.disk.programs import HIDDEN
from autotune.language.translate import _
from autotune.model.machine import Runtime

TIME_LIMIT_S = 180.0
"""Seconds: importing torch and starting CUDA takes 2 to 20, longer from a cold disk or beside a busy GPU."""
_SCRIPT = Path(__file__).with_name("torch_probe_script.py")
_MARK = "autotune-runtime:"
_UNKNOWN = Runtime(python=None, torch=None, cuda=None, cudnn=None, xformers=None)


def ask(
    python: Path, time_limit: float = TIME_LIMIT_S, packages: Sequence[str] = ()
) -> tuple[Runtime, list[str]]:
    """Runs torch_probe_script.py in ``python``; returns (what it has, warnings).

    ``packages``: names that it tries to import beyond torch and xformers. A broken interpreter is a warning, never an
    exception. ``time_limit`` in seconds, then it is killed. It runs from the interpreter's own folder, so that no file
    of the web UI's can stand in for a module.
    """
    command = [str(python), "-c", _SCRIPT.read_text(encoding="utf-8"), *packages]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
    for name in ("PYTHONPATH", "PYTHONHOME"):
        environment.pop(name, None)  # ours, not the web UI's: its start script sets none
    # Files, not pipes: a grandchild that outlives a killed interpreter would keep a pipe open. Its input is a pipe:
    # the other end closes when we die, however we die, and then the interpreter ends as well.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command, cwd=python.parent, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=errors,
                start_new_session=True, creationflags=HIDDEN,
            )
        except OSError as fault:
            return _UNKNOWN, [_("{python} cannot be run: {reason}").format(python=python, reason=fault)]
        try:
            code = process.wait(time_limit)
        except subprocess.TimeoutExpired:
            return _UNKNOWN, [_("{python} did not tell what torch it has within {seconds:g} s").format(
                python=python, seconds=time_limit)]
        finally:
            _end(process)
        return _understand(python, code, _all(out), _all(errors))


def _understand(python: Path, code: int, out: str, errors: str) -> tuple[Runtime, list[str]]:
    line = next((one for one in reversed(out.splitlines()) if one.startswith(_MARK)), None)
    if line is None:
        return _UNKNOWN, [_died(python, code, errors)]
    try:
        said = json.loads(line.removeprefix(_MARK))
    except ValueError:
        return _UNKNOWN, [_("{python} gave an answer that is not JSON").format(python=python)]
    return _read(said), [_("in the web UI's Python: {error}").format(error=error) for error in said.get("errors", ())]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the interpreter, and on POSIX whatever it started, if it is still there."""
    if process.poll() is None:
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _all(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def _read(said: dict[str, object]) -> Runtime:
    """The script's answer as a Runtime; a value that is no text counts as missing."""
    switches, packages = said.get("switches"), said.get("packages")
    backends, texts = said.get("sdp_backends"), {key: one for key, one in said.items() if isinstance(one, str)}
    return Runtime(
        python=texts.get("python"), torch=texts.get("torch"), cuda=texts.get("cuda"), cudnn=texts.get("cudnn"),
        xformers=texts.get("xformers"), device=texts.get("device") or "cpu",
        compute_capability=texts.get("compute_capability"),
        sdp_backends=tuple(map(str, backends)) if isinstance(backends, list) else (),
        switches=switches if isinstance(switches, dict) else {},
        packages=packages if isinstance(packages, dict) else {},
    )


def _died(python: Path, code: int, errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.strip()]
    text = _("{python} ended with exit code {code} while it was asked for torch: {message}")
    if code < 0:
        text = _("{python} was ended by signal {code} while it was asked for torch: {message}")
    return text.format(python=python, code=abs(code), message=lines[-1].strip() if lines else _("no message"))
