"""The agent's life: one per state folder, awake only when something is due, gone within seconds when told."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from autotune.agent import systemd_notify
from autotune.agent.agent import Agent
from autotune.agent.effects import RealWorld
from autotune.agent.logs import close_log, open_log
from autotune.agent.state import Keeper
from autotune.config import config as configuration
from autotune.config.config import Config
from autotune.model.errors import AutotuneError, StateDamaged, UsageProblem
from autotune.store.journal import write_whole

RETRY = 60.0
"""Seconds until the agent tries again when its state cannot be read or written."""
LONGEST_SLEEP = 600.0
SIGNAL_LOOK = 0.5 if os.name == "nt" else LONGEST_SLEEP
"""Seconds: Windows does not interrupt a wait, so the handler of a Ctrl-C would run only when the sleep is over."""
GATHER = 0.5
"""Seconds in which further file events are gathered, so that a burst of them is one wake-up."""


class Configured:
    """The configuration in force: read again when its file changes; a bad file leaves the last good one."""

    def __init__(self, path: Path | None) -> None:
        """Raises UsageProblem when the file is unsound at the start."""
        self._path = path
        self.value = configuration.load(path)
        self.problem: str | None = None
        self._mark = self._stamp()

    def __call__(self) -> Config:
        return self.value

    def refresh(self) -> str | None:
        """Reads the file if it has changed; a line for the log when that made a difference."""
        mark = self._stamp()
        if mark == self._mark:
            return None
        self._mark = mark
        try:
            self.value, self.problem = configuration.load(self._path), None
        except UsageProblem as error:
            self.problem = f"configuration not taken: {error.message}"
            return self.problem
        return "configuration read again"

    def _stamp(self) -> tuple[int, int] | None:
        file = self._path or configuration.default_path()
        try:
            found = file.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size)


def run(
    webui: Path, state: Path, config: Path | None = None, *, once: bool = False, quiet: bool = False
) -> int:
    """Runs the agent for the web UI in ``webui`` with the state folder ``state``; 0 when told to stop.

    ``once``: one pass (look, let changes settle, run what is due if it may run, write the result), then the
    end. Raises UsageProblem (configuration), Busy (another agent has this state folder), StateDamaged.
    """
    from autotune.launchfile.lock import Lock

    folder = state / "daemon"
    # Only the holder of the lock has anything to say of itself: a second agent, sound or not, changes nothing.
    with Lock(folder / "lock", "the agent"):
        try:
            return _run(webui, state, Configured(config), once, quiet)
        except (UsageProblem, StateDamaged) as error:
            _leave_word(folder, webui, error)
            raise


def _leave_word(folder: Path, webui: Path, error: AutotuneError) -> None:
    """Why it did not begin, for `status`: nobody reads what a service says as it ends."""
    said = {"running": False, "pid": None, "webui": str(webui), "doing": "did not start", "problems": [error.message]}
    with suppress(AutotuneError):
        write_whole(folder / "status.json", json.dumps(said, ensure_ascii=False, indent=1) + "\n")


def _run(webui: Path, state: Path, chosen: Configured, once: bool, quiet: bool) -> int:
    folder = state / "daemon"
    say = open_log(folder, chosen().log_mib, chosen().log_files, quiet)
    world = RealWorld(webui, state, chosen, say)
    world.problems = lambda: [chosen.problem] if chosen.problem else []
    try:
        with _signals(world.woken) as told:
            say(f"the agent begins: {webui}")
            systemd_notify.tell("READY=1\nSTATUS=watching")
            _live(world, Keeper(folder), chosen, told, once)
            say("the agent ends")
    finally:
        systemd_notify.tell("STOPPING=1")
        world.close(passed=once)
        close_log()
    return 0


def _live(world: RealWorld, keeper: Keeper, chosen: Configured, told: threading.Event, once: bool) -> None:
    agent: Agent | None = None
    while not told.is_set():
        changed = chosen.refresh()
        if changed:
            world.log(changed)
        try:
            agent = agent or Agent(world, keeper, chosen)
            delay = agent.step()
            if once and agent.idle:
                break
        except StateDamaged as error:
            if once:
                raise
            _pause(agent, world, error)
            agent = None
            delay = RETRY
            keeper = _reread(keeper)
        systemd_notify.tell(f"WATCHDOG=1\nSTATUS={agent.line if agent else 'cannot write its state'}")
        if _sleep(world.woken, min(delay, LONGEST_SLEEP, systemd_notify.interval() or LONGEST_SLEEP)):
            told.wait(GATHER)
        world.woken.clear()
    if agent is not None:
        agent.stop()


def _sleep(woken: threading.Event, seconds: float, look: float = SIGNAL_LOOK) -> bool:
    """Waits until woken (True) or for so long; a signal ends it at once, on Windows within ``look`` seconds."""
    end = time.monotonic() + seconds
    while not woken.wait(max(0.0, min(look, end - time.monotonic()))):
        if time.monotonic() >= end:
            return False
    return True


def _pause(agent: Agent | None, world: RealWorld, error: StateDamaged) -> None:
    """Without a record nothing may run: what runs is ended, and the reason is made visible."""
    if agent is not None and agent.child is not None:
        agent.child.stop()
    world.log(f"problem: {error.message}; trying again in {RETRY:.0f} s")
    world.publish({"doing": "stopped for now", "due": [], "waiting": [], "problems": [error.message]})


def _reread(keeper: Keeper) -> Keeper:
    try:
        return Keeper(keeper.folder)
    except AutotuneError:
        return keeper


@contextmanager
def _signals(woken: threading.Event) -> Iterator[threading.Event]:
    """An event that is set by SIGTERM, SIGINT and their like; they interrupt nothing half done."""
    told = threading.Event()

    def tell(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        told.set()
        woken.set()

    names = [getattr(signal, n) for n in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK") if hasattr(signal, n)]
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
    if threading.current_thread() is threading.main_thread():
        before = {name: signal.signal(name, tell) for name in names}
    try:
        yield told
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
