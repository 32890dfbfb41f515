"""One short tune of the reference web UI with its owner at work beside it, watched from outside while it runs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import reference
from tests.e2e.verbs.conftest import Bench
from tests.waiting import wait_for

PASSWORD, BUDGET = "opensesame4711", "28s"
WORDS = f"--opt-split-attention-v1 --listen --port 7999 --api-auth me:{PASSWORD}"


def new_bench(folder: Path) -> Bench:
    """A fresh install of the tiny reference web UI with a state folder beside it."""
    root = reference.copy(folder / "stable-diffusion-webui")
    return Bench(root, folder / "state", folder)


class Owner(threading.Thread):
    """Saves files in the install as its owner would: new ones, a line more in a list, one away, one renamed.

    ``expected``: what must be there afterwards, by path; ``gone``: what must not.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.expected: dict[Path, bytes] = {}
        self.gone: list[Path] = []
        self.enough = threading.Event()

    def run(self) -> None:
        """One round of saving every half second."""
        number = 0
        while not self.enough.wait(0.5):
            number += 1
            self._save(f"wildcards/animals-{number}.txt", b"cat\ndog\n")
            self._save(f"outputs/txt2img-images/mine-{number}.png", b"\x89PNG mine")
            styles = self.root / "styles.csv"
            held = styles.read_bytes() if styles.exists() else b"name,prompt,negative_prompt\n"
            self._save("styles.csv", held + f"style {number},a cat,\n".encode())
            old, new = self.root / f"wildcards/animals-{number - 1}.txt", f"wildcards/renamed-{number - 1}.txt"
            if number % 3 == 0:
                old.rename(self.root / new)
                self.expected[self.root / new] = self.expected.pop(old)
                self.gone.append(old)

    def _save(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.expected[path] = data

    def stop(self) -> None:
        """Ends the saving and waits for it."""
        self.enough.set()
        self.join()


@dataclass
class Watched:
    """What was seen from outside of the trial servers: command lines, and (host, port) of their listeners."""

    lines: set[str] = field(default_factory=set)
    listens: set[tuple[str, int]] = field(default_factory=set)
    pids: set[int] = field(default_factory=set)

    def look(self, tune: psutil.Process) -> None:
        """Looks once at everything that the tune started."""
        try:
            family = tune.children(recursive=True)
        except psutil.Error:
            return
        for process in family:
            try:
                self.lines.add(" ".join(process.cmdline()))
                self.pids.add(process.pid)
                for one in process.net_connections(kind="inet"):
                    if one.status == psutil.CONN_LISTEN:
                        self.listens.add((one.laddr.ip, one.laddr.port))
            except (psutil.Error, OSError):
                continue


@dataclass
class Tuned:
    """A tune that ended, and all that was seen of it."""

    bench: Bench
    document: dict[str, Any]
    said: str
    before: dict[Path, bytes]
    owner: Owner
    watched: Watched


def contents(root: Path) -> dict[Path, bytes]:
    """Every file of the install with its bytes; its venv and the caches that the contract excepts left out."""
    found = {}
    for path in root.rglob("*"):
        inside = path.relative_to(root).parts
        if path.is_file() and "__pycache__" not in inside and inside[0] not in ("venv", "cache"):
            found[path] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuned]:
    """A tune of about half a minute, its owner saving files all the while."""
    bench = new_bench(tmp_path_factory.mktemp("tuned"))
    bench.give(WORDS)
    before = contents(bench.root)
    owner, watched = Owner(bench.root), Watched()
    running = bench.start("tune", "--profile", str(bench.profile), "--budget", BUDGET, "--json")
    owner.start()
    try:
        seen = psutil.Process(running.pid)
        ended = threading.Event()
        looking = threading.Thread(target=lambda: _watch(watched, seen, ended), daemon=True)
        looking.start()
        out, err = running.communicate(timeout=250)
        ended.set()
        looking.join()
    finally:
        owner.stop()
        if running.poll() is None:
            running.kill()
            running.wait()
    assert running.returncode == 0, err
    yield Tuned(bench, json.loads(out), out + err, before, owner, watched)
    assert wait_for(lambda: not bench.leftovers(), 20), bench.leftovers()


def _watch(watched: Watched, tune: psutil.Process, ended: threading.Event) -> None:
    while not ended.wait(0.2):
        watched.look(tune)


CLIP = {"enable": True, "model": "mm_sd15_v2.safetensors", "video_length": 8, "batch_size": 8, "format": ["GIF"]}
LONG_JOB = {"prompt": "a cat", "width": 128, "height": 128, "steps": 150, "seed": 1,
            "alwayson_scripts": {"AnimateDiff": {"args": [CLIP]}}}


@contextmanager
def rendering_web_ui(root: Path) -> Iterator[None]:
    """The owner's own web UI, started from its folder, with a long job running."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    words = ["launch.py", "--api", "--nowebui", "--server-name", "127.0.0.1", "--port", str(port)]
    with (root.parent / "owner.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *words], cwd=root, stdout=log, stderr=log)
    try:
        assert wait_for(lambda: _asked(port, "progress") is not None, 60)
        job = threading.Thread(target=_asked, args=(port, "txt2img", LONG_JOB), daemon=True)
        job.start()
        assert wait_for(lambda: ((_asked(port, "progress") or {}).get("state") or {}).get("job_count"), 30)
        yield
    finally:
        process.kill()
        process.wait()


def _asked(port: int, what: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """An answer of its API, None without one."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/sdapi/v1/{what}", data,
                                     {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except (urllib.error.URLError, OSError, ValueError):
        return None
