"""A fresh reference web UI per test, and the program run as its user would run it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import reference
from tests.e2e import asked_once
from tests.waiting import wait_for

SMALL = """\
name = "small"
[[workload]]
width = 64
height = 64
frames = 4
steps = 1
[search]
attention = ["sdp", "v1", "invokeai"]
channelslast = [false, true]
[budget]
minutes = 4
"""


@dataclass
class Bench:
    """One install, one state folder, and runs of the program on them."""

    root: Path
    state: Path
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = asked_once.PLAIN

    @property
    def launch_file(self) -> Path:
        return self.root / ("webui-user.bat" if sys.platform == "win32" else "webui-user.sh")

    @property
    def profile(self) -> Path:
        path = self.folder / "small.toml"
        path.write_text(SMALL)
        return path

    def command(self, *words: str) -> list[str]:
        return [sys.executable, *self.program, "--webui", str(self.root), "--state-dir", str(self.state), *words]

    def environment(self, faults: str = "") -> dict[str, str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith(("AUTOTUNE_", "COMMANDLINE_"))}
        env.update(self.env)
        if faults:
            env["AUTOTUNE_ENGINE_FAULTS"] = faults
        return env

    def run(self, *words: str, faults: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*words), env=self.environment(faults), capture_output=True, encoding="utf-8", errors="replace",
            stdin=subprocess.DEVNULL, timeout=280, check=False,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str, faults: str = "", code: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run(*words, "--json", "-q", faults=faults, code=code).stdout)
        assert document["schema"] == 1
        return document

    def start(self, *words: str, faults: str = "") -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words), env=self.environment(faults), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL,
        )

    def give(self, words: str) -> None:
        """Sets the launch file's flags as its owner would."""
        if sys.platform == "win32":
            text = f"@echo off\r\nrem mine\r\nset COMMANDLINE_ARGS={words}\r\ncall webui.bat\r\n"
        else:
            text = f'#!/bin/bash\n# mine\nexport COMMANDLINE_ARGS="{words}"\n'
        self.launch_file.write_bytes(text.encode())

    def samples(self) -> list[dict[str, Any]]:
        """All samples recorded so far, whole lines only."""
        found = []
        for path in sorted(self.state.glob("installs/*/studies/*/samples.jsonl")):
            for line in path.read_bytes().split(b"\n")[:-1]:
                record = json.loads(line)
                if record["kind"] == "sample":
                    found.append(record)
        return found

    def tree(self, without: tuple[str, ...] = ()) -> str:
        """A hash over every file of the install: names, contents, modes; caches that the contract excepts left out,
        and so are the names in ``without``."""
        total = hashlib.sha256()
        for path in sorted(self.root.rglob("*")):
            if path.name in without:
                continue
            if "__pycache__" in path.parts or "venv" in path.parts or "cache" in path.relative_to(self.root).parts[:1]:
                continue
            total.update(str(path.relative_to(self.root)).encode())
            if path.is_file():
                total.update(path.read_bytes() + str(path.stat().st_mode).encode())
        return total.hexdigest()

    def leftovers(self) -> list[str]:
        """Processes and run folders that a run left behind."""
        found = [path.name for path in (self.state / "runs").iterdir()] if (self.state / "runs").is_dir() else []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                if str(self.root) in " ".join(words) or str(self.state) in " ".join(words):
                    found.append(f"{process.pid} {words}")
            except (psutil.Error, OSError):  # psutil passes on what Windows says of one that is just ending
                continue
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    root = reference.copy(tmp_path / "stable-diffusion-webui")
    one = Bench(root, tmp_path / "state", tmp_path, program=asked_once.program())
    yield one
    assert wait_for(lambda: not one.leftovers(), 20), one.leftovers()
