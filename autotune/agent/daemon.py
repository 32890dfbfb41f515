"""The agent as a process: one a state folder, awake only when something is due, gone within seconds when told."""

from __future__ import annotations

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
from autotune.agent.effects import RealEffects, write_status
from autotune.agent.logs import close_log, open_log
from autotune.agent.state import StateKeeper
from autotune.config import config as configuration
from autotune.config.config import Config
from autotune.language.translate import _
from autotune.model.errors import AutotuneError, StateDamaged, UsageProblem

RETRY = 60.0
"""Seconds until the agent tries again when its state cannot be read or written."""
LONGEST_SLEEP = 600.0
SIGNAL_LOOK = 0.5 if os.name == "nt" else LONGEST_SLEEP
"""Seconds: Windows does not interrupt a wait, so the handler of a Ctrl-C would run only when the sleep is over."""
GATHER_EVENTS = 0.5
"""Seconds in which further file events are gathered, so that a burst of them is one wake-up."""


class LiveConfig:
    """The configuration in force: read again when its file changes; an unsound file leaves the last sound one."""

    def __init__(self, path: Path | None) -> None:
        """Raises UsageProblem when the file is unsound at the start."""
        self._path = path
        self.value = configuration.load(path)
        self.problem: str | None = None
        self._stamp = self._read_stamp()

    def __call__(self) -> Config:
        return self.value

    def refresh(self) -> str | None:
        """Reads the file if it has changed; a line for the log when that made a difference."""
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            self.value, self.problem = configuration.load(self._path), None
        except UsageProblem as error:
            self.problem = _("configuration not taken: {message}").format(message=error.message)
            return self.problem
        return _("configuration read again")

    def _read_stamp(self) -> tuple[int, int] | None:
        try:
            found = (self._path or configuration.default_path()).stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size)


def run(
    webui: Path, state: Path, config: Path | None = None, *, once: bool = False, asked: bool = False,
    quiet: bool = False,
) -> int:
    """Runs the agent for the web UI in ``webui`` with the state folder ``state``; returns 0 when told to stop.

    ``once``: one pass (read the fingerprint, let changes settle, run what is due if it may run, write the result),
    then the end. ``asked``: does what the user asked for, when that may be, and nothing else; then the end. Raises
    UsageProblem (configuration), Busy (another agent has this state folder), StateDamaged.
    """
    from autotune.launchfile.lock import Lock

    folder = state / "daemon"
    if not asked and folder.is_dir():
        from autotune.agent.ask import relieve_waiter

        relieve_waiter(folder)
    # Only the holder of the lock publishes a status: a second agent, sound or not, changes nothing.
    with Lock(folder / "lock", _("the agent")):
        try:
            return _run_locked(webui, state, LiveConfig(config), "asked" if asked else "once" if once else "", quiet)
        except (UsageProblem, StateDamaged) as error:
            # For `status`: nobody reads what a service says as it ends.
            with suppress(AutotuneError):
                write_status(folder, {"running": False, "pid": None, "webui": str(webui), "doing": _("did not start"),
                                      "problems": [error.message]})
            raise


def _run_locked(webui: Path, state: Path, config: LiveConfig, until: str, quiet: bool) -> int:
    """``until``: "once" for one pass, "asked" until what was asked for is done, "" until told to stop."""
    folder = state / "daemon"
    say = open_log(folder, config().log_mib, config().log_files, quiet)
    effects = RealEffects(webui, state, config, say)
    effects.problems = lambda: [config.problem] if config.problem else []
    effects.only_asked = until == "asked"
    try:
        with _stop_signals(effects.woken) as stop_asked:
            say(_("the agent begins: {webui}").format(webui=webui))
            systemd_notify.send("READY=1\nSTATUS=" + _("watching"))
            _run_steps(effects, StateKeeper(folder), config, stop_asked, until)
            say(_("the agent ends"))
    finally:
        systemd_notify.send("STOPPING=1")
        effects.close(passed=until == "once")
        close_log()
    return 0


def _run_steps(
    effects: RealEffects, keeper: StateKeeper, config: LiveConfig, stop_asked: threading.Event, until: str
) -> None:
    agent: Agent | None = None
    while not stop_asked.is_set():
        changed = config.refresh()
        if changed:
            effects.log(changed)
        try:
            agent = agent or Agent(effects, keeper, config, only_asked=until == "asked")
            delay = agent.step()
            if until and agent.idle:
                break
        except StateDamaged as error:
            if until:
                raise
            # Without records nothing may run: what runs is ended, and the reason is made visible.
            if agent is not None and agent.child is not None:
                agent.child.stop()
            effects.log(_("problem: {problem}; trying again in {seconds:.0f} s").format(
                problem=error.message, seconds=RETRY))
            effects.publish_status(
                {"doing": _("stopped for now"), "due": [], "waiting": [], "problems": [error.message]})
            agent, delay = None, RETRY
            with suppress(AutotuneError):
                keeper = StateKeeper(keeper.folder)
        doing = agent.summary if agent else _("cannot write its state")
        systemd_notify.send(f"WATCHDOG=1\nSTATUS={doing}")
        if _sleep(effects.woken, min(delay, LONGEST_SLEEP, systemd_notify.seconds_between_signs() or LONGEST_SLEEP)):
            stop_asked.wait(GATHER_EVENTS)
        effects.woken.clear()
    if agent is not None:
        agent.stop()


def _sleep(woken: threading.Event, seconds: float, look: float = SIGNAL_LOOK) -> bool:
    """Waits until woken (True) or for so long; a signal ends it at once, on Windows within ``look`` seconds."""
    end = time.monotonic() + seconds
    while not woken.wait(max(0.0, min(look, end - time.monotonic()))):
        if time.monotonic() >= end:
            return False
    return True


@contextmanager
def _stop_signals(woken: threading.Event) -> Iterator[threading.Event]:
    """An event that is set by SIGTERM, SIGINT and their like; they interrupt nothing half done."""
    stop_asked = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop_asked.set()
        woken.set()

    names = [getattr(signal, n) for n in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK") if hasattr(signal, n)]
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
    if threading.current_thread() is threading.main_thread():
        before = {name: signal.signal(name, on_signal) for name in names}
    try:
        yield stop_asked
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
