"""What the agent knows, kept in a journal: kill it at any instant and it goes on from the last whole line.

A change that was accepted, and what it makes due, is one line: there is no instant at which a change is
known but its consequence is not. A due session leaves only by the line that says how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from autotune.agent.may_run import SessionPart, recent
from autotune.agent.staleness import stronger_action
from autotune.config.staleness_rules import Action
from autotune.language.translate import N_, _, ngettext
from autotune.model import codec
from autotune.store.asked_tune import AskedTune
from autotune.store.journal import Journal, write_whole

KEEP_SESSIONS = 8 * 86400.0
"""Sessions are remembered for a little more than the week that limits look back on (seconds)."""
COMPACT_AT = 2000
"""Lines of the journal from which on it is replaced by one line with the whole state, when the agent starts."""
ASKED = N_("you asked for it")
"""Why a tune is due that the user asked for."""
AFTER_APPLY = "after-apply:"
"""Begins the id of a check that an apply made due, and no change of the machine."""


@dataclass(frozen=True, slots=True)
class DueSession:
    """A session that is to run. ``action``: retune (a tune) or drift (a check); ``causes``: what changed;
    ``since`` and ``not_before``: seconds since 1970; ``attempts``: how often it failed so far. ``newer_than``: a study
    that was begun before that moment (ISO 8601) does not answer it."""

    id: str
    action: Action
    causes: tuple[str, ...]
    since: float
    attempts: int = 0
    not_before: float = 0.0
    newer_than: str = ""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What is to be done with a result: ``kind`` apply, verify or rollback, and why; the rest as in DueSession."""

    kind: str
    cause: str
    attempts: int = 0
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class RunningSession:
    """A session that was begun (seconds since 1970) and whose end is not recorded yet; ``due``: the id of what was due
    or, for an apply, a verify or a rollback, its kind."""

    session: str
    kind: str
    due: str
    began: float


@dataclass(frozen=True, slots=True)
class AppliedSet:
    """A set that the agent applied and whose first real start has not been seen yet."""

    at: float
    failed_starts: int = 0


@dataclass(frozen=True, slots=True)
class AgentState:
    """All that the agent knows. ``known``: fingerprint parts last accepted, None before they were first read;
    ``last``: the session that ended last, as `status` shows it; ``count``: sessions so far; ``asked``: when the user
    was asked to close the web UI (seconds since 1970), None once nothing is left to do with the GPU; ``request``: the
    tune that the user asked for, ``answered``: the id of the newest one that is done with; ``slower``: id of the
    slowdown that the user was told of last."""

    known: Mapping[str, str] | None = None
    due: DueSession | None = None
    follow: FollowUp | None = None
    running: RunningSession | None = None
    applied: AppliedSet | None = None
    sessions: tuple[SessionPart, ...] = ()
    last: Mapping[str, Any] = field(default_factory=dict)
    count: int = 0
    asked: float | None = None
    request: AskedTune | None = None
    answered: str = ""
    slower: str = ""


Event = dict[str, Any]


def accepted_event(parts: Mapping[str, str], action: Action, due: str, causes: Sequence[str], at: float) -> Event:
    """The event that a change has settled: ``due`` is the id of what it makes due (nothing by the action "nothing")."""
    return {"event": "believed", "parts": dict(parts), "action": action, "id": due, "causes": list(causes), "at": at}


def after_event(state: AgentState, event: Mapping[str, Any]) -> AgentState:
    """The state after one event of the journal; events that are not known are passed over."""
    handler = _HANDLERS.get(str(event.get("event")))
    return handler(state, event) if handler else state


def _on_believed(state: AgentState, event: Mapping[str, Any]) -> AgentState:
    known = replace(state, known=codec.load(dict[str, str], event["parts"]))
    if event["action"] == "nothing":
        return known
    due = codec.load(DueSession, {**event, "since": event["at"]})
    if state.due is not None:
        # The parts are new, so its id counts, and earlier attempts say nothing of it.
        due = DueSession(due.id, *_joined(state.due, due), state.due.since, newer_than=state.due.newer_than)
    return replace(known, due=due)


def _joined(one: DueSession, other: DueSession) -> tuple[Action, tuple[str, ...]]:
    """The stronger action of two that are due, and the causes of both."""
    return stronger_action(one.action, other.action), tuple(dict.fromkeys([*one.causes, *other.causes]))


def _on_ended(state: AgentState, event: Mapping[str, Any]) -> AgentState:
    """After a session's end: ``outcome`` as in SessionEnd, ``retry_at`` (seconds since 1970) if it is tried again."""
    running = state.running
    if running is None or running.session != event["session"]:
        return state
    keys = ("session", "at", "outcome", "seconds", "text", "decision", "speedup")
    last = {"kind": running.kind, **{key: event[key] for key in keys if event.get(key) is not None}}
    now = replace(state, running=None, last=last)
    if running.kind in ("retune", "drift"):
        part = SessionPart(running.began, float(event.get("seconds") or 0.0), running.due)
        now = replace(now, sessions=(*recent(state.sessions, float(event["at"]), KEEP_SESSIONS), part))
        # Something else that became due meanwhile stays.
        if state.due is not None and state.due.id == running.due:
            now = replace(now, due=_left_to_do(state.due, event))
        if running.kind == "retune" and event["outcome"] in ("done", "gave_up") and state.request is not None:
            now = replace(now, request=None, answered=state.request.id)
    elif state.follow is not None and state.follow.kind == running.kind:
        now = replace(now, follow=_left_to_do(state.follow, event))
    if event["outcome"] == "done" and running.kind == "apply":
        now = replace(now, applied=AppliedSet(float(event["at"])))
    if event["outcome"] in ("done", "gave_up") and running.kind == "rollback":
        now = replace(now, applied=None)
    return _with_follow_up(_with_due(now, event.get("due")), next(iter(event.get("then") or ()), None))


def _with_due(state: AgentState, due: Mapping[str, Any] | None) -> AgentState:
    """What a session's end makes due itself; it joins what is due already, and the stronger action counts."""
    if due is None:
        return state
    fresh = codec.load(DueSession, due)
    if state.due is None:
        return replace(state, due=fresh)
    action, causes = _joined(state.due, fresh)
    newer_than = max(state.due.newer_than, fresh.newer_than)
    return replace(state, due=replace(state.due, action=action, causes=causes, newer_than=newer_than))


def _on_requested(state: AgentState, event: Mapping[str, Any]) -> AgentState:
    """The user asked for a tune: one that runs already, or is due, is what was asked for."""
    asked = codec.load(AskedTune, {key: event[key] for key in ("id", "when", "at")})
    due = DueSession(f"asked:{asked.id}", "retune", (ASKED,), asked.at)
    if state.due is not None:
        runs = state.running is not None and state.running.kind == "retune"
        due = DueSession(state.due.id if runs else due.id, *_joined(state.due, due), state.due.since,
                         newer_than=state.due.newer_than)
    return replace(state, request=asked, due=due)


def _on_withdrawn(state: AgentState, _: Mapping[str, Any]) -> AgentState:
    """The user does not want it any more; what is due for another cause stays."""
    if state.due is None:
        return replace(state, request=None)
    causes = tuple(cause for cause in state.due.causes if cause != ASKED)
    return replace(state, request=None, due=replace(state.due, causes=causes) if causes else None)


T = TypeVar("T", DueSession, FollowUp)


def _left_to_do(item: T, event: Mapping[str, Any]) -> T | None:
    """What stays to be done of an item after a session for it: nothing, or another attempt."""
    if event["outcome"] in ("done", "gave_up"):
        return None
    failed = event["outcome"] == "failed"
    return replace(item, attempts=item.attempts + failed, not_before=float(event.get("retry_at") or 0.0))


def _with_follow_up(state: AgentState, follow: Mapping[str, Any] | None) -> AgentState:
    return replace(state, follow=codec.load(FollowUp, follow)) if follow else state


def _on_start_failed(state: AgentState, event: Mapping[str, Any]) -> AgentState:
    if state.applied is None:
        return state
    count = state.applied.failed_starts + int(event.get("count") or 1)
    now = replace(state, applied=replace(state.applied, failed_starts=count))
    return _with_follow_up(now, event.get("follow"))


_HANDLERS: dict[str, Callable[[AgentState, Mapping[str, Any]], AgentState]] = {
    "believed": _on_believed,
    "began": lambda state, event: replace(
        state, running=codec.load(RunningSession, {**event, "began": event["at"]}), count=state.count + 1),
    "ended": _on_ended,
    "start_failed": _on_start_failed,
    "settled": lambda state, event: _with_follow_up(replace(state, applied=None), event.get("follow")),
    "slower": lambda state, event: _with_due(replace(state, slower=str(event["id"])), event.get("due")),
    "asked": lambda state, event: replace(state, asked=float(event["at"])),
    "requested": _on_requested,
    "withdrawn": _on_withdrawn,
    "answered": lambda state, _: replace(state, asked=None),
    "snapshot": lambda _, event: restore(event["state"]),
}


class StateKeeper:
    """Holds the state and records each event that changes it. Raises StateDamaged when the disk takes no more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._journal = Journal(folder / "journal.jsonl")
        self.state, self._unread = AgentState(), 0
        events = self._journal.read()
        for event in events:
            self._replay(event)
        if len(events) >= COMPACT_AT and not self._unread:
            self._compact()

    @property
    def problem(self) -> str | None:
        """What of the journal could not be read, None when all could. Nothing of it is thrown away."""
        aside = self.folder / "journal.jsonl.damaged"
        if aside.exists():
            text = _("records were damaged; what could not be read is kept in {file} (remove it once you have looked)")
            return text.format(file=aside)
        if not self._unread:
            return None
        return ngettext("{count} record of journal.jsonl makes no sense and was passed over",
                        "{count} records of journal.jsonl make no sense and were passed over", self._unread).format(
                            count=self._unread)

    def _replay(self, event: Mapping[str, Any]) -> None:
        """Takes an event read from the disk: one that makes no sense must not stop the agent for good."""
        try:
            self.state = after_event(self.state, event)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._unread += 1

    def record(self, event: Event) -> None:
        """Writes an event to the journal, then changes the state by it."""
        self._journal.append(event)
        self.state = after_event(self.state, event)

    def _compact(self) -> None:
        import json

        line = json.dumps({"event": "snapshot", "state": dump(self.state)}, ensure_ascii=False)
        write_whole(self.folder / "journal.jsonl", line + "\n")


def dump(state: AgentState) -> dict[str, Any]:
    """The state as JSON values."""
    written: dict[str, Any] = codec.dump(state)
    return written


def restore(value: Mapping[str, Any]) -> AgentState:
    """The state that ``dump`` wrote. Raises InvalidRecord (see model/codec.py)."""
    return codec.load(AgentState, value)
