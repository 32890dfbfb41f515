"""The agent's mind: one step at a time, from what the world says to what is done, every step restartable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from autotune.agent import may_run, session_end, staleness
from autotune.agent.effects import Child, World
from autotune.agent.session_end import End
from autotune.agent.state import AFTER_APPLY, Due, Event, Follow, Keeper, Running, believed
from autotune.agent.verb_process import Result
from autotune.agent.webui_starts import StartWatch
from autotune.config.config import Config
from autotune.config.staleness_rules import Action
from autotune.model.errors import AutotuneError

AFTER_EVENT = 2.0
"""Seconds between a file event and the look it causes, so that a burst of events is one look."""
CHECK_DUE = 30.0
"""Seconds between two looks at whether a waiting session may begin, or as long as the quiet that is waited for,
if that is less: who asks for no quiet need not wait for the next look either."""
CHECK_LEAST = 2.0
CHECK_SESSION = 1.0
"""Seconds between two looks for the owner while a session runs."""
CHECK_STARTS = 3.0
"""Seconds between two looks for a start of the web UI after an apply."""
LONGEST = 3600.0
"""Seconds that no pause exceeds (the longest wait after a failure)."""
ASK_AGAIN = 86400.0
"""Seconds until the owner is asked again to close the web UI."""
JUMP = 60.0
"""Seconds by which the two clocks may part before it counts as a suspend, or as somebody setting the time."""


class Agent:
    """``step`` does what is due and gives the seconds until it wants to be called again."""

    def __init__(self, world: World, keeper: Keeper, config: Callable[[], Config]) -> None:
        self.world, self.keeper, self._config = world, keeper, config
        self.child: Child | None = None
        self.problem: str | None = None
        self.waiting: list[str] = []
        self._settling = staleness.Settling(keeper.state.known or {})
        self._starts = StartWatch()
        self._next_look = self._next_check = self._next_start = world.steady()
        self._busy_at: float | None = None
        self._began: float | None = None
        self._offset = self._wall() - world.steady()
        self._resume()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config()

    def step(self) -> float:
        """One round. Raises StateDamaged when nothing can be written down any more."""
        now = self.world.steady()
        if abs(self._wall() - now - self._offset) > JUMP:
            self._offset = self._wall() - now
            self.world.log("the clock jumped (a suspend, or the time was set): looking anew")
            self._next_look = self._next_check = now
        if self.world.moved():
            self._settling = self._settling.disturb(now)
            self._next_look = min(self._next_look, now + AFTER_EVENT)
        if now >= self._next_look:
            self._look(now)
        if self._settling.settled(now, self.config.settle_seconds):
            self._look(now)  # it may have grown on without an event
            if self._settling.settled(now, self.config.settle_seconds):
                self._believe()
        if self.child is not None:
            self._attend(now)
        if self.child is None and now >= self._next_check and (self._due or self._follow):
            self._consider(now)
        self._say_done()
        self.world.follow_starts(self.keeper.state.applied is not None)
        if self.keeper.state.applied is not None and now >= self._next_start:
            self._look_at_starts(now)
        self._publish()
        return self._delay(self.world.steady())

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing settles, and what is due has to wait: one pass is over."""
        if self.child is not None or self._settling.since is not None:
            return False
        return (self._due is None and self._follow is None) or bool(self.waiting)

    @property
    def line(self) -> str:
        """What the agent does, in a few words."""
        running, due = self.keeper.state.running, self.keeper.state.due
        return f"running {running.session}" if running else f"waiting to {due.action}" if due else "watching"

    def stop(self) -> None:
        """Ends a running session; it goes on when the agent is back."""
        if self.child is not None:
            self._end(End("yielded", "the agent was stopped"), self.child.stop())

    # what has changed

    def _look(self, now: float) -> None:
        self._next_look = now + self.config.poll_seconds
        try:
            parts = self.world.parts()
        except AutotuneError as error:
            self._say_problem(error.message)
            return
        self._say_problem(None)
        if self.keeper.state.known is None:
            self._first(parts)
        self._settling = self._settling.look(parts, now)

    def _first(self, parts: dict[str, str]) -> None:
        """The first look ever: what is there is the starting point, and may be reason enough for a tune."""
        tune = self.config.first_tune and not self.world.tuned_before()
        action: Action = "retune" if tune else "nothing"
        self._note_belief(parts, action, ["never tuned here"] if tune else [])
        self._settling = staleness.Settling(parts)

    def _believe(self) -> None:
        before, own = self._settling.known, self.config.triggers
        found = staleness.changes(before, self._settling.seen, own)
        self._settling = self._settling.believe()
        action = staleness.strongest(found)
        causes = [change.text for change in found if change.action != "nothing"]
        for change in found:
            self.world.log(f"changed: {change.text}: {change.action} ({change.why})")
        self._note_belief(dict(self._settling.known), action, causes)

    def _note_belief(self, parts: dict[str, str], action: Action, causes: list[str]) -> None:
        trigger = staleness.trigger_id({**parts, "#": str(self.keeper.state.count)}, action)
        self.keeper.note(believed(parts, action, trigger, causes, self._wall()))

    # whether to begin

    @property
    def _follow(self) -> Follow | None:
        follow = self.keeper.state.follow
        return follow if follow is not None and self._reached(follow.not_before) else None

    @property
    def _due(self) -> Due | None:
        due = self.keeper.state.due
        return due if due is not None and self._reached(due.not_before) else None

    def _reached(self, moment: float) -> bool:
        """Whether a moment has come; one that is further off than any pause means that the clock was set."""
        return not 0 < moment - self._wall() <= LONGEST

    def _consider(self, now: float) -> None:
        """Begins what may begin; a result that is to be written goes before a new measurement."""
        state, follow = self.keeper.state, self._follow
        self._next_check = now + min(CHECK_DUE, max(CHECK_LEAST, 60.0 * self.config.quiet_minutes))
        if follow is not None and follow.kind != "apply":
            self.waiting = []
            self._begin(follow.kind, follow.kind, follow.cause)
            return
        situation = self.world.situation(frozenset(), False)
        if may_run.busy(situation, self.config):
            self._busy_at = now
        if follow is not None:
            reasons = may_run.must_yield(situation, self.config)
            if situation.webui_runs:
                reasons.append("your web UI is running; the change is written when it has ended")
                self._ask(not reasons[:-1], follow.cause)
        else:
            quiet = None if self._busy_at is None else now - self._busy_at
            due = state.due.id if state.due is not None else ""
            clock, causes = self.world.wall(), "; ".join(state.due.causes if state.due is not None else ())
            reasons = may_run.why_not(situation, self.config, clock, quiet, state.sessions, due)
            self._ask(may_run.webui_alone(situation, self.config, clock, state.sessions, due), causes)
        self._wait_for(list(dict.fromkeys(reasons)))
        if reasons:
            return
        if follow is not None:
            self._begin(follow.kind, follow.kind, follow.cause)
        elif state.due is not None:
            self._begin(state.due.action, state.due.id, "; ".join(state.due.causes))

    def _wait_for(self, reasons: list[str]) -> None:
        if reasons and [r.split(" (")[0] for r in reasons] != [r.split(" (")[0] for r in self.waiting]:
            self.world.log("waiting: " + "; ".join(reasons))
        self.waiting = reasons

    def _ask(self, worth: bool, cause: str) -> None:
        """Asks the owner to close the web UI, if so configured and it alone is in the way; once a day at most."""
        asked, now = self.keeper.state.asked, self._wall()
        if not worth or self.config.webui_running != "ask":
            return
        if asked is not None and abs(now - asked) < ASK_AGAIN:
            return
        self.keeper.note({"event": "asked", "at": now})
        self.world.tell(
            "Please close your web UI when you can spare it",
            f"{cause}. It begins by itself then, and you are told when you can start your web UI again.",
        )

    def _say_done(self) -> None:
        """Who closed the web UI for us hears when it is no longer in the way."""
        state = self.keeper.state
        if state.asked is None or state.due is not None or state.follow is not None or self.child is not None:
            return
        self.keeper.note({"event": "answered"})
        self.world.tell("You can start your web UI again", "autotune is done with the GPU.")

    def _begin(self, kind: str, due: str, cause: str) -> None:
        name = f"{self.keeper.state.count + 1:05d}-{kind}"
        # First the line, then the deed: a kill between the two leaves a session that had no result.
        self.keeper.note({"event": "began", "session": name, "kind": kind, "due": due, "at": self._wall()})
        self.world.log(f"begin {name}: {cause}")
        self._began = self._next_check = self.world.steady()
        try:
            self.child = self.world.begin(name, self._words(kind, cause))
        except AutotuneError as error:
            self._ended(End("failed", error.message, session_end.LATER))

    def _words(self, kind: str, cause: str) -> list[str]:
        profile, said = ["--profile", self.config.profile], ["--cause", f"agent: {cause}"]
        if kind == "retune":
            return ["tune", "--json", *profile, "--objective", self.config.objective, *said]
        if kind == "drift":
            return ["verify", "--json", "--no-start", "--measure", *profile, *said]
        more = {"apply": ["--yes", *said], "verify": ["--no-start"], "rollback": ["--broken-words", *said]}[kind]
        return [kind, "--json", *more]

    # while it runs

    def _attend(self, now: float) -> None:
        assert self.child is not None
        code = self.child.poll()
        running = self.keeper.state.running
        if code is not None:
            self._end(None, self.child.result())
            return
        if running is None or now < self._next_check or running.kind in ("verify", "rollback"):
            return
        self._next_check = now + CHECK_SESSION
        reasons = may_run.must_yield(self.world.situation(self.child.pids(), True), self.config)
        if running.kind != "apply" and self._spent_today() / 60 >= self.config.minutes_a_day:
            reasons.append("today's minutes are used up")
        if reasons:
            self._busy_at = now
            # No pause of its own: how long to leave the machine alone is the owner's quiet_minutes.
            self._end(End("yielded", "; ".join(reasons)), self.child.stop())
            self._wait_for(reasons)

    def _spent_today(self) -> float:
        running = self.keeper.state.running
        before = may_run.seconds_today(self.world.wall(), self.keeper.state.sessions)
        return before + (self._taken(running) if running else 0.0)

    def _taken(self, running: Running) -> float:
        """Seconds of a session, by the clock that cannot be set; a guess for one of an earlier life."""
        if self._began is not None:
            return self.world.steady() - self._began
        return min(max(0.0, self._wall() - running.began), LONGEST)

    def _end(self, yielded: End | None, result: Result) -> None:
        """Writes down how the session ended. One that finished while it was asked to stop is finished."""
        running, self.child = self.keeper.state.running, None
        assert running is not None
        end = session_end.read(running.kind, result, self._attempts(running))
        if yielded is not None and end.outcome != "done":
            end = yielded
        self._ended(end)

    def _attempts(self, running: Running) -> int:
        state = self.keeper.state
        item = state.follow if running.kind in ("apply", "verify", "rollback") else state.due
        return item.attempts if item is not None else 0

    def _ended(self, end: End) -> None:
        running = self.keeper.state.running
        assert running is not None
        at = self._wall()
        event: Event = {
            "event": "ended",
            "session": running.session,
            "outcome": end.outcome,
            "at": at,
            "text": end.text,
            "seconds": round(self._taken(running), 3),
            "retry_at": at + end.retry if end.retry else 0.0,
            "decision": end.decision,
            "speedup": end.speedup,
            "then": [asdict(follow) for follow in self._then(running, end)],
            "due": self._then_due(running, end, at),
        }
        self.keeper.note(event)
        self._began = None
        decided = f"{end.decision}: " if end.decision and not end.text.startswith(f"{end.decision}: ") else ""
        cost = f"cost {event['seconds']:.0f} s, {self._spent_today() / 60:.0f} min today"
        self.world.log(f"end {running.session}: {end.outcome}: {decided}{end.text} ({cost})")
        self._tell(running, end)
        self._next_check = self.world.steady()

    def _then(self, running: Running, end: End) -> list[Follow]:
        if self.config.policy != "apply":
            return []
        if end.better and running.kind == "retune":
            return [Follow("apply", end.text)]
        if end.loss:
            return [Follow("rollback", f"a fresh comparison shows a loss: {end.text}")]
        return []

    def _then_due(self, running: Running, end: End, at: float) -> Event | None:
        """What a session's end makes due: a check after an apply, a tune after a check that says so."""
        action, cause, name = "", "", running.session
        if running.kind == "verify" and end.outcome == "done" and not end.drifted and self.config.check_after_apply:
            action, cause, name = "drift", "the first start after an apply went well", AFTER_APPLY + running.session
        elif running.kind == "drift" and end.stale and not running.due.startswith(AFTER_APPLY):
            # After an apply nothing has changed but the flags: a tune would ask the question that was just answered.
            action, cause = "retune", f"a check found: {end.text}"
        if not action:
            return None
        return {"id": name, "action": action, "causes": [cause], "since": at}

    def _tell(self, running: Running, end: End) -> None:
        if end.outcome == "gave_up":
            self.world.tell("autotune could not do its work", end.text)
        elif end.outcome != "done":
            return
        elif end.better and self.config.policy == "notify":
            self.world.tell("Faster flags were found", f"{end.text}. `autotune apply` writes them.")
        elif end.loss and self.config.policy == "notify":
            self.world.tell("The flags before were better", f"{end.text}. `autotune rollback` puts them back.")
        elif running.kind == "apply":
            self.world.tell("Flags were changed", end.text)
        elif running.kind == "rollback":
            self.world.tell("Flags were put back", end.text)
        elif end.drifted:
            self.world.tell("Flags do not act", "`autotune verify` shows which and where.")

    def _resume(self) -> None:
        """After a start: a session of an earlier life either left its whole document, or it goes on."""
        running = self.keeper.state.running
        if running is None:
            return
        document = self.world.earlier(running.session)
        if document is None:
            self._ended(End("yielded", "the agent ended meanwhile"))
            return
        code = int(document.get("code", 1)) if document.get("kind") == "error" else 0
        if running.kind == "verify" and code == 0 and document.get("ok") is False:
            code = session_end.DRIFTED
        self._ended(session_end.read(running.kind, Result(code, document), self._attempts(running)))

    # after an apply

    def _look_at_starts(self, now: float) -> None:
        self._next_start = now + CHECK_STARTS
        ours = self.child.pids() if self.child is not None else frozenset()
        failed, came_up = self._starts.look(self.world.webui_pids(ours), self.world.listens)
        applied = self.keeper.state.applied
        if came_up:
            self.keeper.note(
                {"event": "settled", "follow": asdict(Follow("verify", "first start after an apply"))}
            )
        elif failed and applied is not None:
            count = applied.failed_starts + failed
            why = f"the web UI ended {count} times before it listened"
            over = count >= self.config.failed_starts
            self.world.log(f"a start of the web UI failed ({count} of {self.config.failed_starts})")
            follow = asdict(Follow("rollback", why)) if over else None
            self.keeper.note({"event": "start_failed", "count": failed, "follow": follow})

    # what others see

    def _wall(self) -> float:
        return self.world.wall().timestamp()

    def _say_problem(self, problem: str | None) -> None:
        if problem != self.problem:
            self.world.log(f"problem: {problem}" if problem else "the problem is over")
        self.problem = problem

    def _publish(self) -> None:
        state = self.keeper.state
        self.world.publish(
            {
                "doing": self.line,
                "due": [f"{state.due.action}: {cause}" for cause in state.due.causes] if state.due else [],
                "waiting": self._reasons(),
                "asked": state.asked,
                "problems": list(filter(None, [self.problem, self.keeper.problem])),
                "policy": self.config.policy,
                "last": dict(state.last),
                "follow": f"{state.follow.kind}: {state.follow.cause}" if state.follow else None,
                "watching_first_start": state.applied is not None,
                "sessions_this_week": len(may_run.this_week(self.world.wall(), state.sessions)),
            }
        )

    def _reasons(self) -> list[str]:
        """Why what is due does not run now; a pause after a failure is a reason too."""
        state = self.keeper.state
        items = [item for item in (state.due, state.follow) if item is not None]
        if not items or self.child is not None:
            return []
        if self._due is not None or self._follow is not None:
            return self.waiting
        moment = min(item.not_before for item in items)
        clock = datetime.fromtimestamp(moment, self.world.wall().tzinfo)
        return [f"until {clock:%H:%M:%S} ({state.last.get('outcome', 'failed')}: {state.last.get('text', '')})"]

    def _delay(self, now: float) -> float:
        state, marks = self.keeper.state, [self._next_look, now + LONGEST]
        left = self._settling.left(now, self.config.settle_seconds)
        if left is not None:
            marks.append(now + left)
        if self.child is not None:
            marks.append(max(self._next_check, now + 0.5 * CHECK_SESSION))
        elif state.due is not None or state.follow is not None:
            wait = (
                min(item.not_before for item in (state.due, state.follow) if item is not None) - self._wall()
            )
            marks.append(max(self._next_check, now + (wait if 0 < wait <= LONGEST else 0.0)))
        if state.applied is not None:
            marks.append(self._next_start)
        return max(0.0, min(marks) - now)
