"""An append-only journal of JSON lines: each line is on disk before ``append`` returns.

A kill in the middle of a write leaves a torn last line; it is cut off before the next append, so that a
later line never joins it. A line damaged elsewhere (a bad disk, an editor) is moved aside with all that
follows it, because order is part of the meaning.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from autotune.model.errors import StateDamaged


class Journal:
    """The journal at ``path``; its folder is made when the first line is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mended = False

    def append(self, record: dict[str, Any]) -> None:
        """Writes one record and waits until it is on the disk. Raises StateDamaged (disk full, read-only)."""
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self._mended:
                self._cut_torn_tail()
            with self.path.open("ab") as file:
                size = file.tell()
                try:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    # A full disk takes part of a line; take it back so that what is there stays whole.
                    os.ftruncate(file.fileno(), size)
                    raise
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def read(self) -> list[dict[str, Any]]:
        """All whole records, in order. Raises StateDamaged when the file cannot be read at all."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateDamaged(
                f"{self.path}: cannot be read: {error.strerror}", "Check its permissions."
            ) from None
        records, whole = _parse(data)
        if whole < len(data) and b"\n" in data[whole:]:
            self._set_aside(data, whole)
        return records

    def _cut_torn_tail(self) -> None:
        self._mended = True
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        _, whole = _parse(data)
        if whole < len(data):
            if b"\n" in data[whole:]:
                self._set_aside(data, whole)
            with self.path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())

    def _set_aside(self, data: bytes, whole: int) -> None:
        """Moves everything from the first damaged line on into FILE.damaged; nothing is thrown away."""
        aside = self.path.with_name(self.path.name + ".damaged")
        try:
            with aside.open("ab") as file:
                file.write(data[whole:])
                os.fsync(file.fileno())
            with self.path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())
        except OSError as error:
            kept = data[:whole].count(b"\n")
            raise StateDamaged(
                f"{self.path}: damaged after line {kept} and cannot be mended: {error.strerror}",
                f"The first {kept} records are whole. Free some space or mend permissions, then run again.",
            ) from None


def cannot_write(path: Path, error: OSError) -> StateDamaged:
    """The error for a record that could not be written: one line, with what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "Free some space and run the same command again: it goes on from there."
        return StateDamaged(f"{path}: the disk is full", hint)
    hint = "Check the folder, or choose another with --state-dir."
    return StateDamaged(f"{path}: cannot be written: {error.strerror}", hint)


def load_json(path: Path) -> dict[str, Any] | None:
    """A JSON object of ours, None when absent. Raises StateDamaged when it is not one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StateDamaged(f"{path}: {error}", "Move the file away and run again.") from None
    if not isinstance(found, dict):
        raise StateDamaged(f"{path}: not a JSON object", "Move the file away and run again.")
    return found


def _parse(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """(records, bytes that hold whole records) up to the first line that is torn or damaged."""
    records: list[dict[str, Any]] = []
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        try:
            record = json.loads(data[start:end])
        except ValueError:
            return records, start
        if not isinstance(record, dict):
            return records, start
        records.append(record)
        start = end + 1
    return records, start


def write_whole(path: Path, text: str) -> None:
    """``write_whole_bytes`` for text, as UTF-8."""
    write_whole_bytes(path, text.encode())


def write_whole_bytes(path: Path, data: bytes) -> None:
    """Replaces a small file of ours atomically (temporary file, fsync, rename). Raises StateDamaged."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
