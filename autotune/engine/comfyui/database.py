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


def begin(url: str, needed: bool) -> int:
    """Makes the database that --database-url names, and locks it. Returns the exit code, 0 to go on.

    A failure is logged, and ends the start only where the database is locked or ``needed`` (--enable-assets).
    """
    if url in IN_MEMORY:
        return 0
    if not url.startswith("sqlite:///"):
        return _failed(f"Unsupported database URL '{url}'.", needed)
    path = Path(url.removeprefix("sqlite:///"))
    try:
        if not _lock(Path(f"{path}.lock")):
            return _failed(f"Could not acquire lock on database '{path}'. Another ComfyUI process may already be using "
                           "it. Use --database-url to specify a separate database file.", needed)
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)")
            database.commit()
    except (OSError, sqlite3.Error) as error:
        return _failed(str(error), needed)
    return 0


def _failed(why: str, needed: bool) -> int:
    if "database is locked" in why:
        logging.error("Database is locked. Another ComfyUI process is already using this database.\nTo resolve this, "
                      "specify a separate database file for this instance:\n  --database-url "
                      "sqlite:///path/to/another.db")
        return 1
    if needed:
        logging.error("Failed to initialize database: %s\nThe --enable-assets flag requires a working database "
                      "connection.", why)
        return 1
    logging.error("Failed to initialize database. Please ensure you have installed the latest requirements. If the "
                  "error persists, please report this as in future the database will be required: %s", why)
    return 0


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
