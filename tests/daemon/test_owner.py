"""The owner comes back while a clip renders: the machine is free within five seconds, the tune goes on later."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from autotune.daemon.activity import Activity, job_of
from tests.daemon.test_loop import agent, status, webui
from tests.daemon.test_runner import until

__all__ = ["webui"]
YIELDS = int(os.environ.get("AUTOTUNE_YIELDS", "1"))
JOB = {
    "prompt": "a cat",
    "width": 128,
    "height": 128,
    "steps": 150,
    "seed": 1,
    "alwayson_scripts": {
        "AnimateDiff": {
            "args": [
                {
                    "enable": True,
                    "model": "mm_sd15_v2.safetensors",
                    "video_length": 8,
                    "batch_size": 8,
                    "format": ["GIF"],
                }
            ]
        }
    },
}


@contextmanager
def owner(root: Path) -> Iterator[int]:
    """The owner's own web UI, started from its folder; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    words = [
        sys.executable,
        "launch.py",
        "--api",
        "--nowebui",
        "--server-name",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (root.parent / "owner.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=root, stdout=log, stderr=log)
    try:
        assert until(lambda: job_of(port) == "", 60), (root.parent / "owner.log").read_text()[-2000:]
        yield port
    finally:
        process.kill()
        process.wait()


def post(port: int, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/sdapi/v1/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()
    except (urllib.error.URLError, OSError):
        return  # killed with the web UI at the end of the test


def trials() -> list[psutil.Process]:
    """Web UIs that a tune has started, of whichever test: they carry its mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if "launch.py" in " ".join(process.cmdline()) and "AUTOTUNE_RUN" in process.environ():
                found.append(process)
        except psutil.Error:
            continue
    return found


def of(root: Path) -> list[psutil.Process]:
    """Those of one install."""
    found = []
    for process in trials():
        try:
            if Path(process.cwd()) == root or str(root) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.e2e
def test_the_owners_job_is_seen_and_our_own_web_ui_is_not(webui: Path) -> None:
    look = Activity(webui)
    assert look.situation(frozenset(), False).webui_runs is False
    with owner(webui) as port:
        assert until(lambda: look.situation(frozenset(), False).webui_runs, 10)
        assert look.situation(frozenset(), False).job is None
        (pid,) = look.webui_pids(frozenset())
        assert look.listens(pid) == (port,)
        assert look.webui_pids(frozenset({pid})) == ()
        work = threading.Thread(target=post, args=(port, "txt2img", JOB), daemon=True)
        work.start()
        assert until(lambda: look.situation(frozenset(), False).job is not None, 10)
        post(port, "interrupt", {})
        work.join(30)
        assert look.situation(frozenset(), False).job is None
    assert until(lambda: not look.situation(frozenset(), False).webui_runs, 10)


@pytest.mark.e2e
def test_the_machine_is_free_within_five_seconds(webui: Path) -> None:
    """Once here; fifty times with AUTOTUNE_YIELDS=50."""
    model = webui / "extensions" / "sd-webui-animatediff" / "model"
    slowest = 0.0
    with owner(webui) as port, agent(webui):
        (model / "mm_new.safetensors").write_bytes((model / "mm_sd15_v2.safetensors").read_bytes())
        for number in range(YIELDS):
            assert until(lambda: bool(of(webui)), 120), status(webui)
            assert until(lambda: any(p.net_connections() for p in of(webui)), 60)
            time.sleep(number % 7 * 0.5)  # at different moments of a clip
            work = threading.Thread(target=post, args=(port, "txt2img", JOB), daemon=True)
            work.start()
            began = time.monotonic()
            assert until(lambda: not of(webui), 5.0), f"not free within five seconds: {status(webui)}"
            slowest = max(slowest, time.monotonic() - began)
            assert until(lambda: any("the web UI renders" in why for why in status(webui)["waiting"]), 5.0)
            assert status(webui)["last"]["outcome"] == "yielded"
            post(port, "interrupt", {})
            work.join(60)
        assert until(lambda: status(webui)["doing"].startswith("running"), 120), status(webui)
        assert status(webui)["last"]["outcome"] == "yielded"
    print(f"slowest of {YIELDS}: {slowest:.1f} s")
