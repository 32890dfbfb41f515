"""The database beside the user's settings: made at a start and held by a lock, as ComfyUI's; it stays empty here."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import sys
from pathlib import Path
from typing import IO

IN_MEMORY = ("sqlite:///:memory:", "sqlite://")
_held: list[IO[bytes]] = []
"""Locks of this process, kept until it ends."""


def begin(url: str) -> None:
    """Makes the database that --database-url names, and locks it; a failure is logged, and the start goes on."""
    if url in IN_MEMORY:
        return
    if not url.startswith("sqlite:///"):
        _failed(f"Unsupported database URL '{url}'.")
        return
    path = Path(url.removeprefix("sqlite:///"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _lock(Path(f"{path}.lock")):
            _failed(f"Could not acquire lock on database '{path}'. Another ComfyUI process may already be using it. "
                    "Use --database-url to specify a separate database file.")
            return
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)")
            database.commit()
    except (OSError, sqlite3.Error) as error:
        _failed(str(error))


def _failed(why: str) -> None:
    logging.error("Failed to initialize database. Please ensure you have installed the latest requirements. If the "
                  "error persists, please report this as in future the database will be required: %s", why)


def _lock(path: Path) -> bool:
    """Takes the lock of a file for the life of the process; False when another has it."""
    stream = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return False
    _held.append(stream)
    return True
