"""In mid-tune the machine is the user's as soon as their web UI starts a job, and ours again when it is done."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from autotune.measure import guards
from autotune.measure.observations import Observations
from autotune.tune.give_way import GiveWay, OwnWork
from tests.e2e.engine.live import Live, body, serving
from tests.e2e.verbs.conftest import Bench
from tests.trial import sockets
from tests.trial.own_webui import install, up
from tests.waiting import wait_for

IDLE, WORKS, STARTING = '{"status": 404}', '{"status": 404, "burn": true}', '{"port": false}'
WITHIN = 5.0
"""Seconds that the promise gives."""


@contextmanager
def watching(root: Path, gpu: bool = False) -> Iterator[tuple[GiveWay, list[float]]]:
    """A watch with the times at which it handed back."""
    handed: list[float] = []
    way = GiveWay(root, gpu, lambda: handed.append(time.monotonic()))
    way.start()
    try:
        yield way, handed
    finally:
        way.stop()


@sockets.told
def test_a_job_takes_the_machine_and_its_end_gives_it_back(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    with watching(root) as (way, handed), up(root, IDLE):
        for count in (1, 2):
            with up(root, WORKS):
                assert wait_for(way.taken.is_set, WITHIN)
                assert "has a job running" in way.why and len(handed) == count
                assert not way.wait_free(0.2)
            assert way.wait_free(20.0), way.why  # the idle one does not keep it
    assert len(handed) == 2


def test_one_that_starts_takes_it_until_it_is_up(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    with watching(root) as (way, handed):
        with up(root, STARTING):
            assert wait_for(way.taken.is_set, WITHIN) and "starting" in way.why
        assert way.wait_free(20.0) and len(handed) == 1


def test_on_a_gpu_one_that_is_up_takes_it(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    with watching(root, gpu=True) as (way, _), up(root, IDLE):
        assert wait_for(way.taken.is_set, WITHIN) and "holds GPU memory" in way.why


@sockets.told
def test_what_was_done_beside_a_clip_is_seen_afterwards(tmp_path: Path) -> None:
    """However short: nobody has to look at the right moment."""
    root = install(tmp_path / "mine")
    seen = OwnWork(root)

    def clip() -> str:
        """A clip's worth of work of our own, some tenths of a second."""
        seen.before()
        hashlib.pbkdf2_hmac("sha256", b"a clip", b"of ours", 1_000_000)
        seen.after()
        return seen.seen().disturbed

    assert clip() == ""
    with up(root, IDLE):
        assert clip() == ""
    with up(root, WORKS):
        assert "worked meanwhile" in clip()
        seen.before()
        with up(root, IDLE) as other:
            seen.after()
            assert str(other.pid) in seen.seen().disturbed or "worked" in seen.seen().disturbed
    seen.before()
    with up(root, IDLE):
        seen.after()
        assert "was started" in seen.seen().disturbed
    assert guards.discard(Observations(disturbed="why"), 1.0, 1.0) == "why"
    assert guards.discard(Observations(), 1.0, 1.0) is None


# With the reference web UI

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


@pytest.mark.e2e
@pytest.mark.parametrize("access", ["api", "no api", "unknown"])
def test_idle_or_rendering_before_a_tune(bench: Bench, access: str) -> None:
    with owner(bench, access) as live:
        status = live.get("progress").status_code
        assert status == {"api": 200, "no api": 404, "unknown": 401}[access]
        assert machine_is_free(bench).startswith("no job runs")
        with rendering(live):
            said = bench.json("tune", "--profile", str(bench.profile), code=6)
            assert "has a job running" in said["message"]


@pytest.mark.e2e
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
