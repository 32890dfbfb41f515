"""In mid-tune the machine is the user's as soon as the reference web UI of theirs starts a job."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import requests

from tests.e2e.engine.live import Live, body, serving
from tests.e2e.verbs.conftest import Bench
from tests.verbs.test_give_way import WITHIN
from tests.waiting import wait_for


@contextmanager
def owner(bench: Bench, access: str) -> Iterator[Live]:
    """The user's own web UI, by how it can be asked: "api", "no api", "known" or "unknown" credentials."""
    script = bench.root / "launch.py"
    text = script.read_text()
    more = {"no api": "sys.argv.remove('--api')", "unknown": "sys.argv += ['--api-auth', 'ada:hunter2']"}.get(access)
    if more:
        script.write_text(f"import os, sys\nif 'AUTOTUNE_RUN' not in os.environ:\n    {more}\n{text}")
    try:
        auth = ("ada", "hunter2") if access == "known" else None
        with serving(bench.root, bench.folder / "owner.log", auth=auth) as live:
            yield live
    finally:
        script.write_text(text)


@contextmanager
def rendering(live: Live, steps: int = 2000) -> Iterator[float]:
    """A long job, started as the page starts it, ended with its web UI; when it was started."""
    request = {"data": [body(frames=8, size=128, steps=steps)]}

    def press() -> None:
        try:
            requests.post(live.url("/run/predict"), json=request, timeout=300)
        except requests.RequestException:
            return  # killed with the web UI

    work = threading.Thread(target=press, daemon=True)
    began = time.monotonic()
    work.start()
    yield began
    live.process.kill()
    work.join(30)


def trials(bench: Bench) -> list[psutil.Process]:
    """Web UIs that a tune has started from this install."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(bench.root) in " ".join(process.cmdline()) and "AUTOTUNE_RUN" in process.environ():
                found.append(process)
        except psutil.Error:
            continue
    return found


def machine_is_free(bench: Bench) -> str:
    """What doctor says of it."""
    import subprocess

    done = subprocess.run(bench.command("doctor", "--json"), env=bench.environment(), capture_output=True, check=False)
    return str(next(row["detail"] for row in json.loads(done.stdout)["checks"] if row["name"] == "machine is free"))


@pytest.mark.parametrize("access", ["api", "no api", "unknown"])
def test_idle_or_rendering_before_a_tune(bench: Bench, access: str) -> None:
    with owner(bench, access) as live:
        status = live.get("progress").status_code
        assert status == {"api": 200, "no api": 404, "unknown": 401}[access]
        assert machine_is_free(bench).startswith("no job runs")
        with rendering(live):
            said = bench.json("tune", "--profile", str(bench.profile), code=6)
            assert "has a job running" in said["message"]


@pytest.mark.skipif(sys.platform == "win32", reason="reads another process's environment")
def test_a_job_in_mid_tune_pauses_it(bench: Bench) -> None:
    """Without --api, on the CPU: free within five seconds, no clip counts against its set, and it goes on."""
    with owner(bench, "no api") as live:
        running = bench.start("tune", "--profile", str(bench.profile), "--budget", "240s")
        try:
            assert wait_for(lambda: len(bench.samples()) >= 2 or running.poll() is not None, 120)
            with rendering(live) as began:
                assert wait_for(lambda: not trials(bench), WITHIN), running.poll()
                took = time.monotonic() - began
                last = max(one["launch"] for one in bench.samples())
            again = wait_for(lambda: any(one["launch"] > last for one in bench.samples()), 120)
            assert again or running.poll() is not None
            assert running.poll() is None, running.communicate()
        finally:
            running.terminate()
            _, said = running.communicate(timeout=60)
    assert took <= WITHIN
    assert "paused, the machine is yours: the web UI" in said and "going on" in said
    assert not [one for one in bench.samples() if one["state"] == "failed"]
