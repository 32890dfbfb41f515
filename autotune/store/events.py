"""The history of one web UI: every tune, apply and rollback with its time and cause."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

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
    """All events, oldest first."""
    return Journal(path).read()
