"""One lock: who holds it is named, and a dead holder does not hold it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.launchfile.lock import Lock
from autotune.model.errors import Busy, StateDamaged

_HOLDER = """
import sys
from pathlib import Path
from autotune.launchfile.lock import Lock
Lock(Path(sys.argv[1]), "tune").acquire()
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_the_holder_is_named_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    process = holder(path)
    try:
        with pytest.raises(Busy) as caught:
            Lock(path).acquire()
        assert f"pid {process.pid} (tune), since 20" in caught.value.message
        assert caught.value.code == 6 and caught.value.hint
    finally:
        process.kill() if os.name == "nt" else process.send_signal(signal.SIGKILL)
        process.communicate()
    with Lock(path) as lock:
        assert lock.holder()["pid"] == os.getpid()
    assert Lock(path).holder() == {}


def test_release_lets_the_next_one_in(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holder(path)
    process.communicate("")
    assert process.returncode == 0
    lock = Lock(path)
    lock.acquire()
    with pytest.raises(Busy):
        lock.acquire()
    with pytest.raises(Busy, match=f"pid {os.getpid()}"):
        Lock(path).acquire()
    lock.release()
    lock.release()
    with Lock(path):
        assert path.exists()


def test_a_place_that_cannot_hold_a_lock(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateDamaged, match="cannot be made"):
        Lock(tmp_path / "file" / "lock").acquire()


def test_a_garbled_lock_file_still_says_busy(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path):
        path.write_bytes(b"\xff garbage")
        with pytest.raises(Busy, match="pid unknown"):
            Lock(path).acquire()
