"""An append-only journal of JSON lines: each line is on disk before ``append`` returns.

A kill in the middle of a write leaves a torn last line; it is cut off before the next append, so that a later line
never joins it. A line damaged elsewhere (a bad disk, an editor) is moved aside by ``read`` with all that follows it,
because order is part of the meaning; ``lines`` changes nothing.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from autotune.disk import files as disk
from autotune.language.translate import N_, _, ngettext
from autotune.model import codec
from autotune.model.codec import InvalidRecord
from autotune.model.errors import StateDamaged

JsonObject = dict[str, Any]


MOVE_AWAY = N_("Move the file away and run again.")
LEAST_SPACE = 512 * 1024
"""Bytes of free disk. A clip's GIF takes more, so a web UI that fails with less than this left has failed for lack of
it."""


class Journal:
    """The journal at ``path``; its folder is made when the first line is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moved_aside: str | None = None
        """What ``read`` moved aside, in words; None when all was whole."""
        self._tail_is_cut = False

    def append(self, record: dict[str, Any]) -> None:
        """Writes one record and waits until it is on the disk. Raises StateDamaged (disk full, read-only)."""
        line = to_utf8(json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)) + b"\n"
        try:
            disk.make_folder(self.path.parent)
            if not self._tail_is_cut:
                self._cut_torn_tail()
            with os.fdopen(disk.open_to_append(self.path), "ab") as file:
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
            raise write_problem(self.path, error) from None

    def read(self, take: Callable[[JsonObject], object] | None = None) -> list[JsonObject]:
        """All records up to the first damaged line, in order; what follows is moved aside (see ``moved_aside``).

        ``take`` gets each record and raises InvalidRecord at one that makes no sense: it counts as damaged. Raises
        StateDamaged when the file cannot be read or mended.
        """
        data = self._data()
        records: list[JsonObject] = []
        for number, start, found in _lines(data):
            try:
                if isinstance(found, InvalidRecord):
                    raise found
                if take is not None:
                    take(found)
            except InvalidRecord as misfit:
                self._set_aside(data, start)
                self.moved_aside = _(
                    "{path}: line {line}: {reason}; the {before} before it are whole, and it and all that follows is "
                    "kept in {file}").format(path=self.path, line=number, reason=misfit, before=number - 1,
                                             file=self._aside.name)
                break
            records.append(found)
        return records

    def lines(self) -> Iterator[tuple[int, JsonObject | InvalidRecord]]:
        """Number and record of each line, or what is wrong with it; a torn last line is left out. Changes nothing.

        Raises StateDamaged when the file cannot be read.
        """
        for number, __, found in _lines(self._data()):
            yield number, found

    def _data(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise StateDamaged(_("{path}: cannot be read: {reason}").format(path=self.path, reason=error.strerror),
                               _("Check its permissions.")) from None

    def _cut_torn_tail(self) -> None:
        self._tail_is_cut = True
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with self.path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())

    @property
    def _aside(self) -> Path:
        return self.path.with_name(self.path.name + ".damaged")

    def _set_aside(self, data: bytes, whole: int) -> None:
        """Moves everything from the first damaged line on into FILE.damaged; nothing is thrown away."""
        try:
            with os.fdopen(disk.open_to_append(self._aside), "ab") as file:
                file.write(data[whole:])
                os.fsync(file.fileno())
            with self.path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())
        except OSError as error:
            kept = data[:whole].count(b"\n")
            raise StateDamaged(
                _("{path}: damaged after line {line} and cannot be mended: {reason}").format(
                    path=self.path, line=kept, reason=error.strerror),
                ngettext("The first {count} record is whole. Free some space or mend permissions, then run again.",
                         "The first {count} records are whole. Free some space or mend permissions, then run again.",
                         kept).format(count=kept)) from None


def require_space(folder: Path) -> None:
    """Raises StateDamaged when the disk is full."""
    if shutil.disk_usage(folder).free < LEAST_SPACE:
        raise write_problem(folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def write_problem(path: Path, error: OSError) -> StateDamaged:
    """The error for a record that could not be written, with what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = _("Free some space and run the same command again: it goes on from there.")
        return StateDamaged(_("{path}: the disk is full").format(path=path), hint)
    if disk.is_held(error):
        return StateDamaged(_("{path}: another program has it open").format(path=path),
                            _("Close that program (an editor, a virus scanner), then run the command again."))
    hint = _("Check the folder, or choose another with --state-dir.")
    return StateDamaged(_("{path}: cannot be written: {reason}").format(path=path, reason=error.strerror), hint)


def load_json(path: Path) -> dict[str, Any] | None:
    """A JSON object of ours, None when absent. Raises StateDamaged when it is not one."""
    try:
        found = codec.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateDamaged(_("{path}: cannot be read: {reason}").format(path=path, reason=error.strerror),
                           _("Check its permissions.")) from None
    except InvalidRecord as misfit:
        raise StateDamaged(f"{path}: {misfit}", _(MOVE_AWAY)) from None
    if not isinstance(found, dict):
        raise StateDamaged(_("{path}: not a JSON object").format(path=path), _(MOVE_AWAY))
    return found


def _lines(data: bytes) -> Iterator[tuple[int, int, JsonObject | InvalidRecord]]:
    """(number, place in the file, record or what is wrong with it) of each line that ends."""
    start = number = 0
    while (end := data.find(b"\n", start)) >= 0:
        number += 1
        try:
            found = codec.decode(data[start:end])
            yield number, start, found if isinstance(found, dict) else InvalidRecord(_("not a JSON object"))
        except InvalidRecord as misfit:
            yield number, start, misfit
        start = end + 1


def to_utf8(text: str) -> bytes:
    """A text as UTF-8; bytes of a file name that are no UTF-8 (lone surrogates) become question marks."""
    return text.encode("utf-8", "replace")


def write_whole(path: Path, text: str, *, private: bool = True) -> None:
    """``write_whole_bytes`` for text, as UTF-8."""
    write_whole_bytes(path, to_utf8(text), private=private)


def write_whole_bytes(path: Path, data: bytes, *, private: bool = True) -> None:
    """Replaces a file of ours whole (``disk.files.write_whole``). Raises StateDamaged."""
    try:
        disk.write_whole(path, data, private=private)
    except OSError as error:
        raise write_problem(path, error) from None
