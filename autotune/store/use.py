"""The record of how the user's own web UI was used: its starts, its clips, and what was installed at the time.

A journal, so that a kill at any instant loses the line being written at most. It stays small: when it has ``MOST``
lines the older half is dropped, but for the parts that are still in force and the changes that were called.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from autotune.model import codec
from autotune.model.codec import InvalidRecord
from autotune.model.use import ChangeRecord, ClipRecord, PartsRecord, StartRecord, StartupRecord, UseRecord
from autotune.store.journal import Journal, write_whole

MOST = 6000
"""Lines from which on the older half is dropped: the record of a clip has 200 to 300 bytes, so about 1.5 MiB."""
KINDS: dict[str, type[Any]] = {
    "start": StartRecord, "startup": StartupRecord, "clip": ClipRecord, "parts": PartsRecord, "change": ChangeRecord}
T = TypeVar("T")


class UseLog:
    """The record of one web UI, read whole when it is opened. Lines that make no sense are passed over."""

    def __init__(self, path: Path) -> None:
        """Raises StateDamaged when the file cannot be read."""
        self._journal = Journal(path)
        self.records: list[UseRecord] = []
        for _, line in self._journal.lines():
            try:
                if isinstance(line, dict):
                    self.records.append(codec.load(KINDS[str(line.get("kind"))], line))
            except (KeyError, InvalidRecord):
                continue

    def add(self, record: UseRecord) -> None:
        """Writes one record down. Raises StateDamaged."""
        self._journal.append(codec.dump(record))
        self.records.append(record)
        if len(self.records) >= MOST:
            self._drop_older()

    def of(self, kind: type[T]) -> list[T]:
        """All records of a kind, in order."""
        return [record for record in self.records if isinstance(record, kind)]

    def last(self, kind: type[T]) -> T | None:
        """The newest record of a kind."""
        return next((record for record in reversed(self.records) if isinstance(record, kind)), None)

    def _drop_older(self) -> None:
        older, newer = self.records[: -MOST // 2], self.records[-MOST // 2 :]
        self.records = [*_lasting(older), *newer]
        lines = (json.dumps(codec.dump(record), ensure_ascii=False, separators=(",", ":")) for record in self.records)
        write_whole(self._journal.path, "".join(f"{line}\n" for line in lines))
        self._journal = Journal(self._journal.path)


def _lasting(older: Iterable[UseRecord]) -> list[UseRecord]:
    """Of old records the parts last known, and the newest changes."""
    records = list(older)
    parts = [record for record in records if isinstance(record, PartsRecord)][-1:]
    changes = [record for record in records if isinstance(record, ChangeRecord)][-20:]
    return sorted([*parts, *changes], key=lambda record: record.at)
