"""The history of one web UI: every tune, apply and rollback with its time and cause."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from autotune.model import codec
from autotune.model.codec import Misfit
from autotune.model.records import Event
from autotune.store.journal import Journal


def now() -> str:
    """The time now, UTC, ISO 8601 with seconds."""
    return datetime.now(timezone.utc).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def record(path: Path, verb: str, cause: str, **facts: object) -> dict[str, Any]:
    """Appends one event and returns it. Raises StateDamaged."""
    event: dict[str, Any] = {"at": now(), "verb": verb, "cause": cause, **facts}
    Journal(path).append(event)
    return event


def read(path: Path) -> list[dict[str, Any]]:
    """All events, oldest first; what cannot be read is left out."""
    return read_all(path)[0]


def read_all(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """All events, oldest first, and a line of text for each line of the file that is none. Changes nothing.

    Raises StateDamaged when the file cannot be read.
    """
    events: list[dict[str, Any]] = []
    unread: list[str] = []
    for number, found in Journal(path).lines():
        try:
            if isinstance(found, Misfit):
                raise found
            codec.load(Event, found)
            events.append(found)
        except Misfit as misfit:
            unread.append(f"{path}: line {number}: {misfit}")
    return events, unread
