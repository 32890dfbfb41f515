"""The reference web UI as a real process, for the tests that start it."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from tests.waiting import wait_for

START_LIMIT = 120.0


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Live:
    """One process and its API."""

    process: subprocess.Popen[bytes]
    port: int
    log_file: Path
    auth: tuple[str, str] | None = None
    session: requests.Session = field(default_factory=requests.Session)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url(f"/sdapi/v1/{path}"), auth=self.auth, timeout=120, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.session.post(self.url(f"/sdapi/v1/{path}"), json=body, auth=self.auth, timeout=120, **options)

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def wait_for_log(self, words: str, limit: float = 60.0) -> None:
        assert wait_for(lambda: words in self.log(), limit, 0.02), f"{words!r} never came:\n{self.log()}"

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without what could leak into the web UI."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOTUNE_", "COMMANDLINE", "IGNORE_CMD"))}
    return {**kept, "OMP_NUM_THREADS": "1", **extra}


def launch(root: Path, words: list[str], log: Path, **env: str) -> subprocess.Popen[bytes]:
    """Start launch.py of an install with the interpreter of its own venv."""
    python = root / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    with log.open("wb") as out:
        return subprocess.Popen([str(python), str(root / "launch.py"), *words], cwd=root, stdout=out, stderr=out,
                                stdin=subprocess.DEVNULL, env=environment(**env))


@contextmanager
def serving(root: Path, log: Path, *words: str, auth: tuple[str, str] | None = None, **env: str) -> Iterator[Live]:
    """A web UI that answers; killed at the end. With ``auth`` the credentials go through COMMANDLINE_ARGS."""
    port = free_port()
    if auth:
        env["COMMANDLINE_ARGS"] = f"--api-auth {auth[0]}:{auth[1]}"
    process = launch(root, ["--api", "--port", str(port), "--server-name", "127.0.0.1", *words], log, **env)
    live = Live(process, port, log, auth)

    def answers() -> bool:
        assert process.poll() is None, live.log()
        try:
            requests.get(live.url("/"), timeout=5)
        except requests.RequestException:
            return False
        return True

    try:
        assert wait_for(answers, START_LIMIT), live.log()
        yield live
    finally:
        live.session.close()
        process.kill()
        process.wait(30)


def body(frames: int = 4, size: int = 64, steps: int = 1, seed: int = 1, **changes: Any) -> dict[str, Any]:
    """A small AnimateDiff request; ``changes`` go into AnimateDiff's arguments, or with `_` in front beside them."""
    args = {"model": "mm_sd15_v2.safetensors", "enable": True, "video_length": frames, "batch_size": frames,
            "fps": 8, "format": ["GIF"]}
    args.update({k: v for k, v in changes.items() if not k.startswith("_")})
    outer = {k[1:]: v for k, v in changes.items() if k.startswith("_")}
    return {"prompt": "a cat", "negative_prompt": "bad", "steps": steps, "width": size, "height": size,
            "seed": seed, "sampler_name": "Euler a", "cfg_scale": 7,
            "alwayson_scripts": {"AnimateDiff": {"args": [args]}}, **outer}


def frames_of(answer: requests.Response, number: int = 0) -> list[Image.Image]:
    """The frames of an answer's image, a GIF or a PNG."""
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][number])))
    found = []
    for index in range(getattr(picture, "n_frames", 1)):
        picture.seek(index)
        found.append(picture.convert("RGB"))
    return found


def colours(frames: list[Image.Image]) -> set[tuple[int, int, int]]:
    """The colours that the frames hold."""
    pixels = [frame.tobytes() for frame in frames]
    return {(data[i], data[i + 1], data[i + 2]) for data in pixels for i in range(0, len(data), 3)}


def info_of(answer: requests.Response) -> dict[str, Any]:
    """An answer's `info`, read."""
    found: dict[str, Any] = json.loads(answer.json()["info"])
    return found


def ended(process: subprocess.Popen[bytes], limit: float = 60.0) -> int:
    """The exit code, once it has ended."""
    return process.wait(limit)


TERM, INT = signal.SIGTERM, signal.SIGINT
