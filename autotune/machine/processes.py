"""The processes of a run (one trial web UI and all it starts): finds them and ends them. Only psutil is needed.

A process belongs to a run when it descends from the run's guard, or when its environment holds the run's
marker. The guard is a sub-reaper on Linux, so a double fork does not leave its tree; the marker finds what is
left when the guard itself was killed, and is the main way where there is no sub-reaper.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

MARKER = "AUTOTUNE_RUN"
"""Environment variable that all processes of a run carry; its value is the run's id."""

LINUX = sys.platform.startswith("linux")
POLL = 0.05
"""Seconds between two checks of whether processes have ended."""
GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied, OSError)
"""What psutil raises of a process that ends meanwhile; OSError is what Windows itself says, handed on."""


def identity(pid: int) -> str | None:
    """A text that tells a process from a later one with the same number; None when there is no such process.

    On Linux boot id and start ticks, which do not move when the clock is set; elsewhere the creation time.
    """
    if LINUX:
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return None
        fields = stat[stat.rindex(b")") + 2:].split()
        if fields[0] in (b"Z", b"X"):
            return None
        return f"{boot}:{int(fields[19])}"
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except GONE:
        return None


def alive(process: psutil.Process) -> bool:
    """True while the process runs; a zombie has ended."""
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except GONE:
        return False


def descendants(pid: int) -> list[psutil.Process]:
    """Living children, grandchildren and so on of ``pid``, parents first."""
    try:
        return [child for child in psutil.Process(pid).children(recursive=True) if alive(child)]
    except GONE:
        return []


def marked(run_id: str) -> list[psutil.Process]:
    """Living processes of this user whose environment carries the run's marker, oldest first."""
    found: list[tuple[float, psutil.Process]] = []
    own = os.getpid()
    for process in psutil.process_iter():
        if process.pid in (own, 0):
            continue
        # OSError: macOS answers EINVAL for system processes.
        with contextlib.suppress(*GONE):
            if process.environ().get(MARKER) == run_id and alive(process):
                found.append((process.create_time(), process))
    return [process for _, process in sorted(found, key=lambda pair: pair[0])]


def members(run_id: str, guard_pid: int | None) -> list[psutil.Process]:
    """All living processes of a run but the guard and this process, parents first."""
    found = [*(descendants(guard_pid) if guard_pid is not None else ()), *marked(run_id)]
    return list({one.pid: one for one in found if one.pid not in (os.getpid(), guard_pid)}.values())


def send(processes: Iterable[psutil.Process], number: int) -> None:
    """Signals each, parents first, so that a start script's loop dies before it restarts its child."""
    for process in processes:
        with contextlib.suppress(*GONE):
            process.send_signal(number)


def end(
    find: Callable[[], list[psutil.Process]], *, grace: float, limit: float, reap: Callable[[], None] = lambda: None
) -> list[int]:
    """Ends the processes that ``find`` finds: SIGTERM, after ``grace`` s SIGINT, after ``grace`` s more SIGKILL.

    A web UI without its page waits for the running job on SIGTERM and ends on the SIGINT after it
    (docs/webuis.md). ``find`` is asked again and again, so what is forked meanwhile is found. Returns the pids
    still alive after ``limit`` seconds, normally none.
    """
    start = time.monotonic()
    if os.name == "posix" and grace > 0:
        for number in (signal.SIGTERM, signal.SIGINT):
            send(find(), number)
            until = min(time.monotonic() + grace, start + limit)
            while time.monotonic() < until:
                reap()
                if not find():
                    return []
                time.sleep(POLL)
    while True:
        reap()
        left = find()
        if not left:
            return []
        for process in left:
            with contextlib.suppress(*GONE):
                process.kill()
        if time.monotonic() - start > limit:
            return [process.pid for process in left]
        time.sleep(POLL)
