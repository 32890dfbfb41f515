"""What the agent knows, kept in a journal: kill it at any instant and it goes on from the last whole line.

A change that is believed, and what it makes due, is one line: there is no instant at which a change is
known but its consequence is not. A due session leaves only by the line that says how it ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from autotune.agent.may_run import Spent, recent
from autotune.agent.staleness import stronger
from autotune.config.staleness_rules import Action
from autotune.model import codec
from autotune.store.journal import Journal, write_whole

KEEP_SESSIONS = 8 * 86400.0
"""Sessions are remembered for a little more than the week that limits look back on (seconds)."""
COMPACT_AT = 2000
AFTER_APPLY = "after-apply:"
"""Begins the id of a check that an apply made due, and no change of the machine."""


@dataclass(frozen=True, slots=True)
class Due:
    """A session that is to run. ``action``: retune or drift; ``attempts``: how often it failed so far."""

    id: str
    action: Action
    causes: tuple[str, ...]
    since: float
    attempts: int = 0
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Follow:
    """What is to be done with a result: apply, verify or rollback, and why."""

    kind: str
    cause: str
    attempts: int = 0
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Running:
    """A child process that was begun and whose end is not written down yet."""

    session: str
    kind: str
    due: str
    began: float


@dataclass(frozen=True, slots=True)
class Applied:
    """A set that the agent applied and whose first real start has not been seen yet."""

    at: float
    failed_starts: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """All of it. ``known``: the parts last believed, None before the first look; ``asked``: when the owner was asked
    to close the web UI (seconds since 1970), None once nothing is left to do with the GPU."""

    known: Mapping[str, str] | None = None
    due: Due | None = None
    follow: Follow | None = None
    running: Running | None = None
    applied: Applied | None = None
    sessions: tuple[Spent, ...] = ()
    last: Mapping[str, Any] = field(default_factory=dict)
    count: int = 0
    asked: float | None = None


Event = dict[str, Any]


def believed(
    parts: Mapping[str, str], action: Action, trigger: str, causes: Sequence[str], at: float
) -> Event:
    """Event: a change has settled; ``action`` "nothing" only moves what is known."""
    return {
        "event": "believed",
        "parts": dict(parts),
        "action": action,
        "id": trigger,
        "causes": list(causes),
        "at": at,
    }


def fold(state: State, event: Mapping[str, Any]) -> State:
    """The state after one event; events that are not known are passed over."""
    handler = _HANDLERS.get(str(event.get("event")))
    return handler(state, event) if handler else state


def _believed(state: State, event: Mapping[str, Any]) -> State:
    known = replace(state, known=codec.load(dict[str, str], event["parts"]))
    if event["action"] == "nothing":
        return known
    due = codec.load(Due, {**event, "since": event["at"]})
    if state.due is not None:
        causes = tuple(dict.fromkeys([*state.due.causes, *due.causes]))
        due = Due(due.id, stronger(state.due.action, due.action), causes, state.due.since)
    return replace(known, due=due)


def _began(state: State, event: Mapping[str, Any]) -> State:
    running = codec.load(Running, {**event, "began": event["at"]})
    return replace(state, running=running, count=state.count + 1)


def _ended(state: State, event: Mapping[str, Any]) -> State:
    """``outcome``: done, failed, gave_up, yielded, busy; ``retry_at`` for those that are tried again."""
    running = state.running
    if running is None or running.session != event["session"]:
        return state
    now = replace(state, running=None, last=_last(event, running))
    if running.kind in ("retune", "drift"):
        now = _measured(now, running, event)
    elif state.follow is not None and state.follow.kind == running.kind:
        now = replace(now, follow=_again(state.follow, event))
    if event["outcome"] == "done" and running.kind == "apply":
        now = replace(now, applied=Applied(float(event["at"])))
    if event["outcome"] in ("done", "gave_up") and running.kind == "rollback":
        now = replace(now, applied=None)
    return _with_follow(_with_due(now, event.get("due")), next(iter(event.get("then") or ()), None))


def _with_due(state: State, due: Mapping[str, Any] | None) -> State:
    """What a session's end makes due itself; it joins what is due already, and the stronger action counts."""
    if due is None:
        return state
    fresh = codec.load(Due, due)
    if state.due is None:
        return replace(state, due=fresh)
    causes = tuple(dict.fromkeys([*state.due.causes, *fresh.causes]))
    return replace(state, due=replace(state.due, action=stronger(state.due.action, fresh.action), causes=causes))


T = TypeVar("T", Due, Follow)


def _again(item: T, event: Mapping[str, Any]) -> T | None:
    """What stays to be done of an item after a session for it: nothing, or another attempt."""
    if event["outcome"] in ("done", "gave_up"):
        return None
    failed = event["outcome"] == "failed"
    return replace(item, attempts=item.attempts + failed, not_before=float(event.get("retry_at") or 0.0))


def _measured(state: State, running: Running, event: Mapping[str, Any]) -> State:
    now = replace(state, sessions=_spent(state, running, event))
    if state.due is None or state.due.id != running.due:
        return now  # something else became due meanwhile; it stays
    return replace(now, due=_again(state.due, event))


def _with_follow(state: State, follow: Mapping[str, Any] | None) -> State:
    return replace(state, follow=codec.load(Follow, follow)) if follow else state


def _last(event: Mapping[str, Any], running: Running) -> dict[str, Any]:
    keys = ("session", "at", "outcome", "seconds", "text", "decision", "speedup")
    return {"kind": running.kind, **{key: event[key] for key in keys if event.get(key) is not None}}


def _spent(state: State, running: Running, event: Mapping[str, Any]) -> tuple[Spent, ...]:
    seconds = float(event.get("seconds") or 0.0)
    kept = recent(state.sessions, float(event["at"]), KEEP_SESSIONS)
    return (*kept, Spent(running.began, seconds, running.due))


def _start_failed(state: State, event: Mapping[str, Any]) -> State:
    if state.applied is None:
        return state
    count = state.applied.failed_starts + int(event.get("count") or 1)
    now = replace(state, applied=replace(state.applied, failed_starts=count))
    return _with_follow(now, event.get("follow"))


def _settled(state: State, event: Mapping[str, Any]) -> State:
    return _with_follow(replace(state, applied=None), event.get("follow"))


def _asked(state: State, event: Mapping[str, Any]) -> State:
    return replace(state, asked=float(event["at"]))


def _answered(state: State, _: Mapping[str, Any]) -> State:
    return replace(state, asked=None)


def _snapshot(_: State, event: Mapping[str, Any]) -> State:
    return restore(event["state"])


_HANDLERS = {
    "believed": _believed,
    "began": _began,
    "ended": _ended,
    "start_failed": _start_failed,
    "settled": _settled,
    "asked": _asked,
    "answered": _answered,
    "snapshot": _snapshot,
}


class Keeper:
    """The state with its journal. Raises StateDamaged when the disk takes no more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._journal = Journal(folder / "journal.jsonl")
        self.state = State()
        self._unread = 0
        events = self._journal.read()
        for event in events:
            self._take(event)
        if len(events) >= COMPACT_AT and not self._unread:
            self._compact()

    @property
    def problem(self) -> str | None:
        """What of its records could not be read, None when all could. Nothing of it is thrown away."""
        aside = self.folder / "journal.jsonl.damaged"
        if aside.exists():
            return f"records were damaged; what could not be read is kept in {aside} (remove it once you have looked)"
        return f"{self._unread} records of journal.jsonl make no sense and were passed over" if self._unread else None

    def _take(self, event: Mapping[str, Any]) -> None:
        """A record read from the disk: one that makes no sense must not stop the agent for good."""
        try:
            self.state = fold(self.state, event)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._unread += 1

    def note(self, event: Event) -> None:
        """Writes an event down, then acts on it."""
        self._journal.append(event)
        self.state = fold(self.state, event)

    def _compact(self) -> None:
        import json

        line = json.dumps({"event": "snapshot", "state": dump(self.state)}, ensure_ascii=False)
        write_whole(self.folder / "journal.jsonl", line + "\n")


def dump(state: State) -> dict[str, Any]:
    """The state as JSON values."""
    written: dict[str, Any] = codec.dump(state)
    return written


def restore(value: Mapping[str, Any]) -> State:
    """The state that ``dump`` wrote. Raises InvalidRecord (see model/codec.py)."""
    return codec.load(State, value)
