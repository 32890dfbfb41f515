"""Cleans up after trials of an autotune that was killed together with its guard process."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from autotune.machine import processes
from autotune.trial import run_folder, written_files
from autotune.trial.written_files import Trace

GUARD_LIMIT = 8.0
"""Seconds that a living guard is given to clean up itself after autotune died."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: runs cleaned, processes ended, pids that would not die, files put back."""

    runs: int
    ended: int
    left: tuple[int, ...]
    traces: tuple[Trace, ...]


def sweep(run_root: Path, patience: float = GUARD_LIMIT) -> Swept:
    """Cleans up every run below ``run_root`` whose owner is dead; runs of living owners are left alone.

    A guard that lives cleans up itself: it is given ``patience`` seconds; with 0 such a run is left to its guard.
    Safe at any time and from several processes at once. Raises nothing: what cannot be read is passed over.
    """
    runs = ended = 0
    left: list[int] = []
    traces: list[Trace] = []
    try:
        folders = [path for path in run_root.iterdir() if path.is_dir() and path.name != written_files.ASIDE]
    except OSError:
        return Swept(0, 0, (), ())
    for folder in folders:
        record = run_folder.read(folder)
        if record is None:
            if _is_orphaned(folder):
                run_folder.remove(folder)
            continue
        if record.owner_lives:
            continue
        if _guard_lives(record):
            if patience <= 0.0:
                continue
            _wait_for(record.guard_pid or 0, patience)
        count, stubborn = _end_processes(record.run_id)
        ended += count
        left += stubborn
        if record.port:
            from autotune.trial import readiness  # with the whole client; seldom needed

            readiness.wait_free(record.port, min(readiness.PORT_RELEASE, patience))
        if folder.exists():
            traces += written_files.restore(folder)
            run_folder.remove(folder)
        runs += 1
    return Swept(runs, ended, tuple(left), tuple(traces))


def guards_cleaning_up(run_root: Path) -> list[int]:
    """Pids of guards whose owner died and which now end their web UI, put back what it wrote, and end themselves."""
    try:
        records = [run_folder.read(path) for path in run_root.iterdir()]
    except OSError:
        return []
    return sorted(one.guard_pid for one in records
                  if one and one.guard_pid and not one.owner_lives and _guard_lives(one))


def _guard_lives(record: run_folder.RunRecord) -> bool:
    return record.guard_pid is not None and processes.identity(record.guard_pid) == record.guard


def _wait_for(pid: int, limit: float) -> None:
    try:
        psutil.Process(pid).wait(limit)
    except (psutil.TimeoutExpired, *processes.GONE):
        return


def _end_processes(run_id: str) -> tuple[int, list[int]]:
    """Ends all that carry the marker, the guard included. (How many there were, pids that would not die.)"""
    found = {process.pid for process in processes.marked(run_id)}
    return len(found), processes.end(lambda: processes.marked(run_id), grace=0.0, limit=10.0)


def _is_orphaned(folder: Path) -> bool:
    """Whether the owner of a folder died before its record was written, or it has had none for a minute."""
    name = folder.name
    if name.startswith(run_folder.NEW):
        pid = name[len(run_folder.NEW):].split("-", 1)[0]
        return pid.isdigit() and not psutil.pid_exists(int(pid))
    try:
        # One from the future was made before the clock was set back: no younger than others.
        is_run = re.fullmatch(r"\d+-.{12}", name) is not None
        return is_run and not 0.0 <= time.time() - folder.stat().st_mtime <= 60.0
    except OSError:
        return False
