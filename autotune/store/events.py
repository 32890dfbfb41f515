"""The history of one web UI: every tune, apply, check and rollback with its time, cause and result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from autotune.language.translate import _
from autotune.model import codec
from autotune.model.codec import InvalidRecord
from autotune.model.errors import AutotuneError, StateDamaged
from autotune.model.records import EventRecord
from autotune.store.journal import Journal

RESULTS = {4: "failed", 5: "refused", 6: "busy", 7: "drifted", 8: "failed", 130: "interrupted"}
"""Results in the history by exit code. Not recorded: wrong words (2), nothing to work on (3)."""


def now() -> str:
    """The time now, UTC, ISO 8601 with seconds."""
    return datetime.now(timezone.utc).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def record(path: Path, verb: str, cause: str, **facts: object) -> dict[str, Any]:
    """Appends one event and returns it; its result is "done" unless ``facts`` give another. Raises StateDamaged."""
    event: dict[str, Any] = {"at": now(), "verb": verb, "cause": cause, "result": "done", "code": 0, **facts}
    Journal(path).append(event)
    return event


@contextmanager
def record_failure(path: Path, verb: str, cause: str) -> Iterator[dict[str, Any]]:
    """Appends an event when the block is refused, fails or is interrupted. Gives a dict for what is known of it (flags,
    study).

    The same end again and again (an agent that finds the machine busy) is recorded once.
    """
    facts: dict[str, Any] = {}
    try:
        yield facts
    except (AutotuneError, KeyboardInterrupt) as error:
        code = error.code if isinstance(error, AutotuneError) else 130
        if code in RESULTS:
            message = error.message if isinstance(error, AutotuneError) else _("interrupted")
            end = {"verb": verb, "cause": cause, "result": RESULTS[code], "code": code, "message": message, **facts}
            with suppress(StateDamaged):
                last = (read(path) or [{}])[-1]
                if any(last.get(key) != value for key, value in end.items()):
                    Journal(path).append({"at": now(), **end})
        raise


def read(path: Path) -> list[dict[str, Any]]:
    """All events, oldest first; lines that cannot be read are left out."""
    return read_all(path)[0]


def read_all(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """All events, oldest first, and a message for each line of the file that is none. Changes nothing.

    Raises StateDamaged when the file cannot be read.
    """
    events: list[dict[str, Any]] = []
    unread: list[str] = []
    for number, found in Journal(path).lines():
        try:
            if isinstance(found, InvalidRecord):
                raise found
            codec.load(EventRecord, found)
            events.append(found)
        except InvalidRecord as misfit:
            unread.append(_("{path}: line {line}: {reason}").format(path=path, line=number, reason=misfit))
    return events, unread
