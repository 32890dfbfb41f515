"""What the agent decides: notices changes, begins sessions when it may, follows up their results.

It goes step by step, and each step is recorded, so that a kill at any instant loses nothing. All that it reads and
does outside itself is in effects.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from autotune.agent import asked, may_run, session_end, staleness
from autotune.agent.effects import Effects, RunningVerb
from autotune.agent.session_end import SessionEnd
from autotune.agent.state import AFTER_APPLY, DueSession, Event, FollowUp, RunningSession, StateKeeper, accepted_event
from autotune.agent.verb_process import VerbResult
from autotune.agent.webui_starts import StartTracker
from autotune.config.config import Config
from autotune.config.staleness_rules import Action
from autotune.language.translate import _, ngettext
from autotune.model.errors import AutotuneError
from autotune.store.asked_tune import AskedTune

EVENT_PAUSE = 2.0
"""Seconds between a file event and the reading of the fingerprint that it causes: a burst of events is one reading."""
BEGIN_PERIOD, SHORTEST_BEGIN_PERIOD = 30.0, 2.0
"""Seconds between two checks of whether a waiting session may begin: as long as the configured quiet (who asks for no
quiet need not wait for the next check either), within these two figures."""
YIELD_PERIOD = 1.0
"""Seconds between two checks of whether the user is back while a session runs."""
STARTS_PERIOD = 3.0
"""Seconds between two checks for a start of the web UI after an apply."""
LONGEST_PAUSE = 3600.0
"""Seconds that no pause exceeds (the longest wait after a failure)."""
ASK_PERIOD = 86400.0
"""Seconds until the user is asked again to close the web UI."""
CLOCK_JUMP = 60.0
"""Seconds by which the two clocks may part before it counts as a suspend, or as somebody setting the time."""


class Agent:
    """Decides by what it reads through ``effects`` and by the recorded state. Call ``step`` again and again."""

    def __init__(
        self, effects: Effects, keeper: StateKeeper, config: Callable[[], Config], only_asked: bool = False
    ) -> None:
        """``only_asked``: does what the user asked for, looks for no change, and is over when that is done."""
        self.effects, self.keeper, self._config, self._only_asked = effects, keeper, config, only_asked
        self.child: RunningVerb | None = None
        self.problem: str | None = None
        self.waiting: list[str] = []
        self._settling = staleness.SettlingChange(keeper.state.known or {})
        self._starts = StartTracker()
        self._next_reading = self._next_check = self._next_start = self._next_use = effects.monotonic()
        self._busy_at: float | None = None
        self._began: float | None = None
        self._offset = self._now() - effects.monotonic()
        self._resume()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config()

    @property
    def rules(self) -> Config:
        """The configuration as it counts for a tune: more freely for one that the user asked for."""
        return asked.rules(self.config, self._request)

    def step(self) -> float:
        """Does what is to be done now; returns the seconds until it wants to be called again.

        Raises StateDamaged when nothing can be recorded any more.
        """
        now = self.effects.monotonic()
        if abs(self._now() - now - self._offset) > CLOCK_JUMP:
            self._offset = self._now() - now
            self.effects.log(_("the clock jumped (a suspend, or the time was set): looking anew"))
            self._next_reading = self._next_check = now
        self._follow_wish()
        if self.effects.files_moved():
            self._settling = self._settling.postpone(now)
            self._next_reading = min(self._next_reading, now + EVENT_PAUSE)
        if now >= self._next_reading and not self._only_asked:
            self._read_fingerprint(now)
        if self._settling.settled(now, self.config.settle_seconds):
            self._read_fingerprint(now)  # it may have grown on without an event
            if self._settling.settled(now, self.config.settle_seconds):
                self._accept_change()
        if self.child is not None:
            self._watch_session(now)
        if self.child is None and now >= self._next_check and (self._due or self._follow):
            self._begin_if_possible(now)
        self._tell_webui_may_start()
        self.effects.watch_starts(self.keeper.state.applied is not None)
        if self.keeper.state.applied is not None and now >= self._next_start:
            self._watch_starts(now)
        if now >= self._next_use and not self._only_asked:
            self._watch_use(now)
        self._publish_status()
        return self._seconds_to_next_step(self.effects.monotonic())

    @property
    def idle(self) -> bool:
        """Whether one pass is over: nothing runs, nothing settles, and what is due has to wait."""
        if self._only_asked:
            return self.child is None and self._request is None and self._follow is None
        if self.child is not None or self._settling.since is not None:
            return False
        return (self._due is None and self._follow is None) or bool(self.waiting)

    @property
    def summary(self) -> str:
        """What the agent does, in a few words."""
        running, due = self.keeper.state.running, self.keeper.state.due
        if running:
            return _("running {session}").format(session=running.session)
        return _("waiting to {action}").format(action=due.action) if due else _("watching")

    def stop(self) -> None:
        """Ends a running session; it goes on when the agent is started again."""
        if self.child is not None:
            self._end_session(SessionEnd("yielded", _("the agent was stopped")), self.child.stop())

    # what has changed

    def _read_fingerprint(self, now: float) -> None:
        self._next_reading = now + self.config.poll_seconds
        try:
            parts = self.effects.fingerprint_parts()
        except AutotuneError as error:
            self._set_problem(error.message)
            return
        self._set_problem(None)
        if self.keeper.state.known is None:
            self._accept_first(parts)
        self._settling = self._settling.update(parts, now)

    def _accept_first(self, parts: dict[str, str]) -> None:
        """The first reading ever: these parts are the starting point, and may be reason enough for a tune."""
        tune = self.config.first_tune and not self.effects.was_tuned()
        action: Action = "retune" if tune else "nothing"
        self._record_accepted(parts, action, [_("never tuned here")] if tune else [])
        self._settling = staleness.SettlingChange(parts)

    def _accept_change(self) -> None:
        before, own = self._settling.known, self.config.triggers
        found = staleness.changed_parts(before, self._settling.seen, own)
        self._settling = self._settling.accept()
        action = staleness.strongest_action(found)
        causes = [change.text for change in found if change.action != "nothing"]
        for change in found:
            self.effects.log(_("changed: {what}: {action} ({why})").format(
                what=change.text, action=change.action, why=change.why))
        self._record_accepted(dict(self._settling.known), action, causes)

    def _record_accepted(self, parts: dict[str, str], action: Action, causes: list[str]) -> None:
        due = staleness.change_id({**parts, "#": str(self.keeper.state.count)}, action)
        self.keeper.record(accepted_event(parts, action, due, causes, self._now()))

    # what the user asked for

    def _follow_wish(self) -> None:
        """Has the state follow what the user asks for: taken up, taken back, or met and done with."""
        wanted, held = self.effects.asked_tune(), self._request
        if wanted is not None and wanted.id == self.keeper.state.answered:
            self.effects.forget_asked(wanted.id)
            wanted = None
        if held is not None and (wanted is None or wanted.id != held.id):
            self.effects.log(_("the tune that was asked for is not wanted any more"))
            running = self.keeper.state.running
            if self.child is not None and running is not None and running.kind == "retune":
                self._end_session(SessionEnd("yielded", _("you took it back")), self.child.stop())
            if self._request is not None:
                self.keeper.record({"event": "withdrawn"})
        if wanted is not None and self._request is None:
            self.effects.log(_("a tune was asked for: when {when}").format(when=wanted.when))
            self.keeper.record({"event": "requested", **asdict(wanted)})
            self._next_check = self.effects.monotonic()

    @property
    def _request(self) -> AskedTune | None:
        return self.keeper.state.request

    # whether to begin

    @property
    def _follow(self) -> FollowUp | None:
        follow = self.keeper.state.follow
        return follow if follow is not None and self._reached(follow.not_before) else None

    @property
    def _due(self) -> DueSession | None:
        due = self.keeper.state.due if self._request is not None or not self._only_asked else None
        return due if due is not None and self._reached(due.not_before) else None

    def _reached(self, moment: float) -> bool:
        """Whether a moment has come; one that is further off than any pause means that the clock was set."""
        return not 0 < moment - self._now() <= LONGEST_PAUSE

    def _begin_if_possible(self, now: float) -> None:
        """Begins what may begin; a result that is to be applied goes before a new measurement."""
        state, follow, due = self.keeper.state, self._follow, self._due
        rules = self.rules
        self._next_check = now + min(BEGIN_PERIOD, max(SHORTEST_BEGIN_PERIOD, 60.0 * rules.quiet_minutes))
        if follow is not None and follow.kind != "apply":
            self.waiting = []
            self._begin_session(follow.kind, follow.kind, follow.cause)
            return
        situation = self.effects.situation(frozenset(), False)
        if may_run.reasons_busy(situation, self.config):
            self._busy_at = now
        if follow is not None:
            reasons = may_run.reasons_to_yield(situation, self.config)
            if situation.webui_runs:
                reasons.append(_("your web UI is running; the change is written when it has ended"))
                self._ask_to_close_webui(not reasons[:-1], follow.cause)
        else:
            assert due is not None
            quiet = None if self._busy_at is None else now - self._busy_at
            clock, past = self.effects.local_time(), state.sessions
            reasons = may_run.reasons_to_wait(situation, rules, clock, quiet, past, due.id)
            reasons += asked.reasons(situation, self._request)
            worth = may_run.only_webui_in_the_way(situation, rules, clock, past, due.id)
            self._ask_to_close_webui(worth, "; ".join(due.causes))
        self._set_waiting(list(dict.fromkeys(reasons)))
        if reasons:
            return
        if follow is not None:
            self._begin_session(follow.kind, follow.kind, follow.cause)
        elif due is not None:
            self._begin_session(due.action, due.id, "; ".join(due.causes))

    def _set_waiting(self, reasons: list[str]) -> None:
        if reasons and [r.split(" (")[0] for r in reasons] != [r.split(" (")[0] for r in self.waiting]:
            self.effects.log("waiting: " + "; ".join(reasons))
        self.waiting = reasons

    def _ask_to_close_webui(self, worth: bool, cause: str) -> None:
        """Asks the user to close the web UI, if so configured and it alone is in the way; once a day at most."""
        asked, now = self.keeper.state.asked, self._now()
        if not worth or self.config.webui_running != "ask" or (asked is not None and abs(now - asked) < ASK_PERIOD):
            return
        self.keeper.record({"event": "asked", "at": now})
        self.effects.notify_user(_("Please close your web UI when you can spare it"),
                                 _("{cause}. It begins by itself then, and you are told when you can start your web "
                                   "UI again.").format(cause=cause))

    def _tell_webui_may_start(self) -> None:
        """Tells a user who was asked to close the web UI when the GPU is free again."""
        state = self.keeper.state
        if state.asked is None or state.due is not None or state.follow is not None or self.child is not None:
            return
        self.keeper.record({"event": "answered"})
        self.effects.notify_user(_("You can start your web UI again"), _("autotune is done with the GPU."))

    def _begin_session(self, kind: str, due: str, cause: str) -> None:
        name = f"{self.keeper.state.count + 1:05d}-{kind}"
        # Recorded before it is done: a kill between the two leaves a session that had no result.
        self.keeper.record({"event": "began", "session": name, "kind": kind, "due": due, "at": self._now()})
        self.effects.log(_("begin {session}: {cause}").format(session=name, cause=_(cause)))
        self._began = self._next_check = self.effects.monotonic()
        try:
            self.child = self.effects.start_verb(name, self._verb_words(kind, cause))
        except AutotuneError as error:
            self._record_end(SessionEnd("failed", error.message, session_end.PAUSE_BUSY))

    def _verb_words(self, kind: str, cause: str) -> list[str]:
        profile, said = ["--profile", self.config.profile], ["--cause", _("agent: {cause}").format(cause=_(cause))]
        if self.config.workflow is not None:
            profile += ["--workflow", str(self.config.workflow)]
        if kind == "retune":
            due = self.keeper.state.due
            newer = ["--newer-than", due.newer_than] if due is not None and due.newer_than else []
            return ["tune", "--json", *profile, "--objective", self.config.objective, *newer, *said]
        if kind == "drift":
            return ["verify", "--json", "--no-start", "--measure", *profile, *said]
        more = {"apply": ["--yes", *said], "verify": ["--no-start"], "rollback": ["--broken-words", *said]}[kind]
        return [kind, "--json", *more]

    # while it runs

    def _watch_session(self, now: float) -> None:
        assert self.child is not None
        code = self.child.poll()
        running = self.keeper.state.running
        if code is not None:
            self._end_session(None, self.child.result())
            return
        if running is None or now < self._next_check or running.kind in ("verify", "rollback"):
            return
        self._next_check = now + YIELD_PERIOD
        situation, rules = self.effects.situation(self.child.pids(), True), self.rules
        reasons = may_run.reasons_to_yield(situation, rules) + asked.reasons(situation, self._request)
        if running.kind != "apply" and self._seconds_today() / 60 >= rules.minutes_a_day:
            reasons.append(_("today's minutes are used up"))
        if reasons:
            self._busy_at = now
            # No pause of its own: how long to leave the machine alone is what quiet_minutes says.
            self._end_session(SessionEnd("yielded", "; ".join(reasons)), self.child.stop())
            self._set_waiting(reasons)

    def _seconds_today(self) -> float:
        running = self.keeper.state.running
        before = may_run.seconds_today(self.effects.local_time(), self.keeper.state.sessions)
        return before + (self._seconds_taken(running) if running else 0.0)

    def _seconds_taken(self, running: RunningSession) -> float:
        """Seconds of a session, by the clock that cannot be set; a guess for one that another agent process began."""
        if self._began is not None:
            return self.effects.monotonic() - self._began
        return min(max(0.0, self._now() - running.began), LONGEST_PAUSE)

    def _end_session(self, yielded: SessionEnd | None, result: VerbResult) -> None:
        """Records how the session ended. One that finished while it was asked to stop is finished."""
        running, self.child = self.keeper.state.running, None
        assert running is not None
        end = session_end.of_result(running.kind, result, self._attempts(running))
        if yielded is not None and end.outcome != "done":
            end = yielded
        self._record_end(end)

    def _attempts(self, running: RunningSession) -> int:
        state = self.keeper.state
        item = state.follow if running.kind in ("apply", "verify", "rollback") else state.due
        return item.attempts if item is not None else 0

    def _record_end(self, end: SessionEnd) -> None:
        running = self.keeper.state.running
        assert running is not None
        at = self._now()
        seconds = round(self._seconds_taken(running), 3)
        self.keeper.record({
            "event": "ended", "session": running.session, "outcome": end.outcome, "at": at, "text": end.text,
            "seconds": seconds, "retry_at": at + end.retry if end.retry else 0.0,
            "decision": end.decision, "speedup": end.speedup,
            "then": [asdict(follow) for follow in self._follow_ups(running, end)],
            "due": self._due_after(running, end, at),
        })
        if self.keeper.state.answered:
            self.effects.forget_asked(self.keeper.state.answered)
        self._began = None
        decided = f"{end.decision}: " if end.decision and not end.text.startswith(f"{end.decision}: ") else ""
        self.effects.log(_("end {session}: {outcome}: {text} (cost {seconds:.0f} s, {minutes:.0f} min today)").format(
            session=running.session, outcome=end.outcome, text=decided + end.text, seconds=seconds,
            minutes=self._seconds_today() / 60))
        self._tell_user_of_end(running, end)
        self._next_check = self.effects.monotonic()

    def _follow_ups(self, running: RunningSession, end: SessionEnd) -> list[FollowUp]:
        follow = []
        if end.better and running.kind == "retune":
            follow = [FollowUp("apply", end.text)]
        elif end.loss:
            follow = [FollowUp("rollback", _("a fresh comparison shows a loss: {text}").format(text=end.text))]
        return follow if self.config.policy == "apply" else []

    def _due_after(self, running: RunningSession, end: SessionEnd, at: float) -> Event | None:
        """What a session's end makes due itself: a check after an apply, a tune after a check that says so."""
        action, cause, name = "", "", running.session
        if running.kind == "verify" and end.outcome == "done" and not end.drifted and self.config.check_after_apply:
            action, cause, name = "drift", _("the first start after an apply went well"), AFTER_APPLY + running.session
        elif running.kind == "drift" and end.stale and not running.due.startswith(AFTER_APPLY):
            # After an apply nothing has changed but the flags: a tune would ask the question that was just answered.
            action, cause = "retune", _("a check found: {text}").format(text=end.text)
        return {"id": name, "action": action, "causes": [cause], "since": at} if action else None

    def _tell_user_of_end(self, running: RunningSession, end: SessionEnd) -> None:
        if end.outcome == "gave_up":
            self.effects.notify_user(_("autotune could not do its work"), end.text)
        elif end.outcome != "done":
            return
        elif end.better and self.config.policy == "notify":
            self.effects.notify_user(_("Faster flags were found"),
                                     _("{text}. `autotune apply` writes them.").format(text=end.text))
        elif end.loss and self.config.policy == "notify":
            self.effects.notify_user(_("The flags before were better"),
                                     _("{text}. `autotune rollback` puts them back.").format(text=end.text))
        elif running.kind == "apply":
            self.effects.notify_user(_("Flags were changed"), end.text)
        elif running.kind == "rollback":
            self.effects.notify_user(_("Flags were put back"), end.text)
        elif end.drifted:
            self.effects.notify_user(_("Flags do not act"), _("`autotune verify` shows which and where."))

    def _resume(self) -> None:
        """After a start of the agent: a session that ran before either left its whole document, or it goes on."""
        running = self.keeper.state.running
        if running is None:
            return
        document = self.effects.document_of(running.session)
        if document is None:
            self._record_end(SessionEnd("yielded", _("the agent ended meanwhile")))
            return
        code = int(document.get("code", 1)) if document.get("kind") == "error" else 0
        if running.kind == "verify" and code == 0 and document.get("ok") is False:
            code = session_end.EXIT_DRIFTED
        self._record_end(session_end.of_result(running.kind, VerbResult(code, document), self._attempts(running)))

    # after an apply

    def _watch_starts(self, now: float) -> None:
        self._next_start = now + STARTS_PERIOD
        ours = self.child.pids() if self.child is not None else frozenset()
        failed, came_up = self._starts.update(self.effects.webui_pids(ours), self.effects.has_port)
        applied = self.keeper.state.applied
        if came_up:
            follow = asdict(FollowUp("verify", _("first start after an apply")))
            self.keeper.record({"event": "settled", "follow": follow})
        elif failed and applied is not None:
            count = applied.failed_starts + failed
            why = ngettext("the web UI ended {count} time before it listened",
                           "the web UI ended {count} times before it listened", count).format(count=count)
            over = count >= self.config.failed_starts
            self.effects.log(_("a start of the web UI failed ({count} of {most})").format(
                count=count, most=self.config.failed_starts))
            undo = asdict(FollowUp("rollback", why)) if over else None
            self.keeper.record({"event": "start_failed", "count": failed, "follow": undo})

    # how the web UI is used

    def _watch_use(self, now: float) -> None:
        """Takes samples of the user's web UI; tells once that clips became slower, and has the cure measured."""
        self._next_use = now + self.effects.use_period()
        if not self.config.watch_use:
            return
        found = self.effects.slower_since(self.child.pids() if self.child is not None else frozenset())
        if found is None or found.id == self.keeper.state.slower:
            return
        at, due = self._now(), None
        if not found.measured:
            due = {"id": f"slower:{found.id}", "action": "retune", "causes": [found.text], "since": at,
                   "newer_than": found.since}
        self.keeper.record({"event": "slower", "id": found.id, "at": at, "text": found.text, "due": due})
        self.effects.notify_user(_("Clips have become slower"),
                                 _("{text}. `autotune explain` says more.").format(text=found.text))

    # what others see

    def _now(self) -> float:
        return self.effects.local_time().timestamp()

    def _set_problem(self, problem: str | None) -> None:
        if problem != self.problem:
            text = _("problem: {problem}") if problem else _("the problem is over")
            self.effects.log(text.format(problem=problem))
        self.problem = problem

    def _publish_status(self) -> None:
        state = self.keeper.state
        self.effects.publish_status({
            "doing": self.summary,
            "due": [f"{state.due.action}: {_(cause)}" for cause in state.due.causes] if state.due else [],
            "waiting": self._waiting_reasons(),
            "asked": state.asked,
            "problems": list(filter(None, [self.problem, self.keeper.problem])),
            "policy": self.config.policy,
            "last": dict(state.last),
            "follow": f"{state.follow.kind}: {state.follow.cause}" if state.follow else None,
            "watching_first_start": state.applied is not None,
            "sessions_this_week": len(may_run.sessions_this_week(self.effects.local_time(), state.sessions)),
        })

    def _waiting_reasons(self) -> list[str]:
        """Why what is due does not run now; a pause after a failure is a reason too."""
        state = self.keeper.state
        items = [item for item in (state.due, state.follow) if item is not None]
        if not items or self.child is not None:
            return []
        if self._due is not None or self._follow is not None:
            return self.waiting
        moment = min(item.not_before for item in items)
        clock = datetime.fromtimestamp(moment, self.effects.local_time().tzinfo)
        return [_("until {time:%H:%M:%S} ({outcome}: {text})").format(
            time=clock, outcome=state.last.get("outcome", "failed"), text=state.last.get("text", ""))]

    def _seconds_to_next_step(self, now: float) -> float:
        state, marks = self.keeper.state, [now + LONGEST_PAUSE]
        if not self._only_asked:
            marks += [self._next_reading, self._next_use]
        left = self._settling.seconds_left(now, self.config.settle_seconds)
        if left is not None:
            marks.append(now + left)
        if self.child is not None:
            marks.append(max(self._next_check, now + 0.5 * YIELD_PERIOD))
        elif state.due is not None or state.follow is not None:
            wait = min(item.not_before for item in (state.due, state.follow) if item is not None) - self._now()
            marks.append(max(self._next_check, now + (wait if 0 < wait <= LONGEST_PAUSE else 0.0)))
        if state.applied is not None:
            marks.append(self._next_start)
        return max(0.0, min(marks) - now)
