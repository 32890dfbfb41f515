"""The small parts of a trial: log, process identity, run folders, ports, waiting for GPU memory, the sweep."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.cli.common_options import clean_up
from autotune.machine import processes
from autotune.model.machine import Gpu
from autotune.overview import status
from autotune.report import plain
from autotune.store.places import Places
from autotune.trial import readiness, run_folder, wait_for_gpu_memory
from autotune.trial.gpu_memory import memory_in_use
from autotune.trial.log import ServerLog
from autotune.trial.sweep import sweep
from autotune.webui.a1111 import isolation
from autotune.webui.a1111.log_lines import LINES

LOG = ("Launching with arguments: --api-auth autotune:PASS --gradio-auth=me:x --hf-token 'a b'\r\n"
       "  0%|          | 0/20\r 50%|#####     | 10/20\r100%|##########| 20/20\r\n"
       "Applying attention optimization: Doggettx... done.\nModel loaded in 2.9s (load: 1.0s).\n"
       "Applying attention optimization: sdp-no-mem... done.\nПривет\n").encode()


@given(st.lists(st.integers(0, len(LOG)), max_size=20))
def test_the_log_is_the_same_in_any_pieces(cuts: list[int]) -> None:
    log = ServerLog(LINES, ("PASS",))
    edges = [0, *sorted(cuts), len(LOG)]
    for begin, end in pairwise(edges):
        log.feed(LOG[begin:end])
    assert log.tail() == (
        "Launching with arguments: --api-auth *** --gradio-auth=*** --hf-token ***",
        "100%|##########| 20/20", "Applying attention optimization: Doggettx... done.",
        "Model loaded in 2.9s (load: 1.0s).", "Applying attention optimization: sdp-no-mem... done.", "Привет")
    assert log.attention == "sdp-no-mem" and log.model_loaded and not log.model_failed


def test_a_vae_that_changed_its_precision_is_told_by_the_log() -> None:
    log = ServerLog(LINES)
    log.feed(b"A tensor with all NaNs was produced in VAE.\n")
    assert not log.spoiled
    log.feed(b"Web UI will now convert VAE into 32-bit float and retry.\n")
    assert log.spoiled


def test_the_log_is_bounded() -> None:
    log = ServerLog(LINES)
    for number in range(3000):
        log.feed(f"line {number}\n".encode())
    log.feed(b"x" * 1_000_000)
    assert len(log.tail(10_000)) <= 401 and max(map(len, log.tail(10_000))) <= 2000


def test_a_failed_model_is_told_by_the_log() -> None:
    log = ServerLog(LINES)
    log.feed(b"Stable diffusion model failed to load\nApplying attention optimization: Doggettx... done.\n")
    assert log.model_failed and not log.model_loaded


def test_identity_tells_processes_apart() -> None:
    own = processes.identity(os.getpid())
    assert own is not None and own == processes.identity(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert processes.identity(child.pid) not in (None, own)
    child.communicate(b"\n")
    assert processes.identity(child.pid) is None


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends a program at once there, it cannot be kind")
def test_ending_tries_to_be_kind_first() -> None:
    code = "import signal,sys;signal.signal(signal.SIGTERM,lambda *_:sys.exit(7));print('up',flush=True);signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"up\n"
    left = processes.end(
        lambda: [p for p in processes.descendants(os.getpid()) if p.pid == child.pid and child.poll() is None],
        grace=20.0, limit=30.0)
    assert left == [] and child.wait(10) == 7
    child.stdout.close()


def test_a_run_folder_is_whole_or_absent(tmp_path: Path) -> None:
    folder, record = run_folder.create(tmp_path / "runs", tmp_path)
    assert run_folder.read(folder) == record and record.owner_lives
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [record.run_id]
    (folder / run_folder.RECORD).write_text("{", encoding="utf-8")
    assert run_folder.read(folder) is None
    assert run_folder.remove(folder) and not folder.exists()


def test_sweep_passes_over_what_is_not_a_run(tmp_path: Path) -> None:
    (tmp_path / "aside").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / f".new-{2**22 + 1}-abc").mkdir()
    (tmp_path / f".new-{os.getpid()}-abc").mkdir()
    old = tmp_path / f"{2**22 + 1}-0123456789ab"
    old.mkdir()
    os.utime(old, (0, 0))
    assert sweep(tmp_path).runs == 0 and sweep(tmp_path / "absent").runs == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["aside", "notes", f".new-{os.getpid()}-abc"])


class Card:
    """A card whose memory follows a list, one look each; the last value stays."""

    def __init__(self, *used: float | None) -> None:
        self.used = list(used)

    def gpus(self) -> tuple[Gpu, ...]:
        value = self.used.pop(0) if len(self.used) > 1 else self.used[0]
        return (Gpu(0, "x", "u", None, 1000.0, value, None, None),)


@pytest.mark.parametrize(("used", "back"), [
    ((5000.0, 3000.0, 900.0, 130.0, 128.0), True), ((120.0, 120.0), True), ((None,), True),
    ((5000.0, None), True),
])
def test_memory_is_waited_for(used: tuple[float | None, ...], back: bool) -> None:
    assert wait_for_gpu_memory(Card(*used), {0: 100.0}, sleep=lambda _: None)[0] is back


def test_memory_that_stays_away_is_given_up() -> None:
    assert wait_for_gpu_memory(Card(5000.0), {0: 100.0}, limit=0.05, period=0.01)[0] is False
    assert wait_for_gpu_memory(None, {0: 100.0}) == (True, 0.0) and wait_for_gpu_memory(Card(5000.0), {}) == (True, 0.0)
    assert memory_in_use(Card(7.0)) == {0: 7.0} and memory_in_use(Card(None)) == {}


def test_a_port_is_waited_for_until_its_holder_is_quite_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        assert not readiness.wait_free(port, 0.0) and not readiness.wait_free(port, 0.05)
        threading.Timer(0.2, held.close).start()
        assert readiness.wait_free(port, 20.0)


def test_the_colon_that_stops_a_web_ui_does_not_reach_a_trial() -> None:
    assert isolation.trial_words(("--api", "--api-auth", "me:a:b", "--xformers")) == ("--xformers",)
    assert isolation.trial_words(("--api-auth=me:a:b", "--medvram")) == ("--medvram",)


def test_the_log_tells_how_long_packages_were_installed() -> None:
    """Lines as launch.py, pip and webui.sh print them; what follows "Launching" is the web UI itself."""
    now = [0.0]
    log = ServerLog(LINES, clock=lambda: now[0])
    steps = [(1.0, "Python 3.10.6"), (2.0, "Installing torch and torchvision"),
             (5.0, "Looking in indexes: https://pypi.org/simple"), (90.0, "Collecting torch==2.1.2"),
             (200.0, "Launching Web UI with arguments: --xformers"), (900.0, "Loading weights [abc]")]
    for moment, line in steps:
        now[0] = moment
        log.feed(f"{line}\n".encode())
    assert log.installing() == 198.0
    quiet = ServerLog(LINES, clock=lambda: now[0])
    quiet.feed(b"Launching Web UI\nModel loaded in 2.0s\nApplying attention optimization: x... done.\n")
    assert quiet.installing() == 0.0


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Places, subprocess.Popen[bytes]]]:
    """A run whose owner was killed and whose guard, a program that waits for its input, still works."""
    places = Places(tmp_path / "state")
    folder, record = run_folder.create(places.runs, tmp_path)
    guard = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run_folder.write(folder, replace(record, owner_pid=gone.pid, owner="gone", guard_pid=guard.pid,
                                     guard=processes.identity(guard.pid)))
    yield places, guard
    guard.communicate()


def test_a_look_waits_for_no_guard_and_says_that_it_is_at_work(
    guarded: tuple[Places, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    places, guard = guarded
    waited: list[float] = []
    monkeypatch.setattr("autotune.trial.sweep._wait_for", lambda _pid, limit: waited.append(limit))
    clean_up(places)
    assert not waited and guard.poll() is None and len(list(places.runs.iterdir())) == 1
    document = {"ending": status._ending(places)}
    assert document == {"ending": [guard.pid]}
    assert any(f"guard (pid {guard.pid})" in line for line in plain.status_lines(document))
    guard.communicate()
    assert status._ending(places) == []
    clean_up(places)
    assert not list(places.runs.iterdir())


def test_what_starts_a_web_ui_waits_for_the_guard(
    guarded: tuple[Places, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    places, guard = guarded
    monkeypatch.setattr("autotune.trial.sweep._wait_for", lambda _pid, limit: guard.communicate() and limit)
    assert sweep(places.runs).runs == 1 and not list(places.runs.iterdir())


@pytest.mark.parametrize("ask", ["children", "create_time", "environ", "status"])
def test_a_process_that_ends_while_it_is_looked_at_is_gone(ask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil hands on what Windows says of it (87, invalid parameter), which is none of its own exceptions."""

    def invalid(*_: object, **__: object) -> None:
        raise OSError(22, "Invalid parameter")

    monkeypatch.setattr(psutil.Process, ask, invalid)
    monkeypatch.setattr(processes, "LINUX", False)
    if ask == "create_time":
        assert processes.identity(os.getpid()) is None
    elif ask == "children":
        assert processes.descendants(os.getpid()) == []
    elif ask == "status":
        assert not processes.alive(psutil.Process())
    assert processes.marked("no such run") == []
