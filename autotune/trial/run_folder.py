"""The folder of one run (one trial process): made with a record of its owner, and removed. Light to import."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from autotune.disk import files as disk
from autotune.machine.processes import identity

RECORD = "run.json"
NEW = ".new-"
"""Prefix of a folder whose record is not written yet; the owner's pid follows."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The owner of a run, an autotune process, and its guard: pid and identity (``processes.identity``) of each.

    ``port``: of its web UI, 0 in a record of a version that did not write it.
    """

    run_id: str
    owner_pid: int
    owner: str | None
    guard_pid: int | None = None
    guard: str | None = None
    root: str = ""
    port: int = 0

    @property
    def owner_lives(self) -> bool:
        """True while the very process that made this run is alive."""
        return self.owner is not None and identity(self.owner_pid) == self.owner


def create(run_root: Path, root: Path, port: int = 0) -> tuple[Path, RunRecord]:
    """Makes a run's folder with its record, readable by this user only. Raises OSError.

    It appears under its name only when the record is complete, so that a sweep never finds one without owner.
    """
    disk.make_folder(run_root)
    run_id = f"{os.getpid()}-{secrets.token_hex(6)}"
    record = RunRecord(run_id, os.getpid(), identity(os.getpid()), root=str(root), port=port)
    new = run_root / f"{NEW}{run_id}"
    new.mkdir(mode=0o700)
    write(new, record)
    folder = run_root / run_id
    new.rename(folder)
    return folder, record


def write(folder: Path, record: RunRecord) -> None:
    """Writes the record into its folder, whole or not at all. Raises OSError."""
    disk.write_whole(folder / RECORD, json.dumps(asdict(record)).encode())


def read(folder: Path) -> RunRecord | None:
    """The record of a run's folder, None when it has none that can be read."""
    try:
        data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return RunRecord(**data)
    except (OSError, ValueError, TypeError):
        return None


def remove(folder: Path, limit: float = 5.0) -> bool:
    """Removes a run's folder with all in it; False when something would not go within ``limit`` seconds.

    Tried again for a while: on Windows a file stays held a moment after its process ended.
    """
    until = time.monotonic() + limit
    while True:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
