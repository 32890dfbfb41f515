"""Asks for a tune that begins later: of the agent, or of a process that waits for the web UI to be closed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from autotune.disk import files as disk
from autotune.disk.programs import windowless_python
from autotune.language.translate import _
from autotune.launchfile.lock import Lock
from autotune.model.errors import Busy, NothingToWorkOn, StateDamaged
from autotune.overview.status import agent_status
from autotune.store import asked_tune
from autotune.store.asked_tune import When
from autotune.store.places import Places

START_LIMIT, LOOK = 60.0, 0.05
"""Seconds in which the waiting process must have begun, and between two looks whether it has."""
END_LIMIT = 15.0
"""Seconds that the waiting process has to end, and a tune of its own with it."""
BY_AGENT, BY_WAITER = "agent", "waiting process"


def tune(webui: Path, places: Places, config: Path | None, when: When) -> dict[str, Any]:
    """Asks for a tune; returns the document of `ask`.

    Raises NothingToWorkOn (``away`` needs the agent), Busy (the agent of this state folder watches another web UI),
    StateDamaged.
    """
    places.require_outside(webui)
    agent = agent_status(places)
    runs = bool(agent and agent.get("running")) and _is_held(places.daemon)
    if runs and agent is not None and not _watches(agent, webui):
        raise Busy(_("the agent with this state folder watches another web UI: {folder}").format(
            folder=agent.get("webui")), _("Name the state folder of this web UI with --state-dir."))
    waiter = runs and agent is not None and bool(agent.get("only_asked"))
    if when == "away" and (not runs or waiter):
        raise NothingToWorkOn(_("the agent is not running, and it alone knows when you are away"),
                              _("`autotune service install` starts it, now and at every login."))
    asked_tune.write(places.wishes(webui), when)
    if not runs:
        try:
            _start_waiter(webui, places, config)
        except (OSError, StateDamaged):
            asked_tune.forget(places.wishes(webui))
            raise
    by = BY_AGENT if runs and not waiter else BY_WAITER
    message = {
        "away": _("A tune begins when you have closed your web UI and nobody has used this machine for a while."),
        "closed": _("A tune begins when you have closed your web UI."),
    }[when]
    return {"action": "tune", "when": when, "by": by, "message": message}


def cancel(webui: Path, places: Places) -> dict[str, Any]:
    """Takes back what was asked for; returns the document of `ask`."""
    there = asked_tune.forget(places.wishes(webui))
    message = _("The tune is not wanted any more.") if there else _("No tune was asked for.")
    return {"action": "cancel", "when": None, "by": None, "message": message}


def _watches(agent: dict[str, Any], webui: Path) -> bool:
    named = agent.get("webui")
    return named is None or os.path.realpath(str(named)) == os.path.realpath(webui)


def relieve_waiter(daemon: Path) -> None:
    """Ends the process that only waits to do what was asked for, where one has this folder of the agent's: an agent
    that watches takes its place, and what was asked for stays."""
    import psutil

    from autotune.machine.processes import GONE

    agent = agent_status(Places(daemon.parent)) or {}
    if not agent.get("only_asked") or not agent.get("running") or not _is_held(daemon):
        return
    try:
        process = psutil.Process(int(agent["pid"]))
        if "--asked" in process.cmdline():
            process.terminate()
            process.wait(END_LIMIT)
    except (*GONE, psutil.TimeoutExpired):
        return


def _is_held(daemon: Path) -> bool:
    """Whether a living agent has this folder: what a killed one left there is no sign of it."""
    try:
        with Lock(daemon / "lock"):
            return False
    except Busy:
        return True


def _start_waiter(webui: Path, places: Places, config: Path | None) -> None:
    """Starts a process that outlives this one, and the web UI that may have started this one.

    There is one at a time; returns when it tells of itself. Raises StateDamaged.
    """
    command = [windowless_python(sys.executable), "-m", "autotune", "--webui", str(webui), "--state-dir",
               str(places.root), *(["--config", str(config.absolute())] if config is not None else []),
               "daemon", "--asked", "--quiet"]
    flags = sum(getattr(subprocess, name, 0) for name in ("DETACHED_PROCESS", "CREATE_NEW_PROCESS_GROUP"))
    nowhere = subprocess.DEVNULL
    disk.make_folder(places.daemon)
    left_by = (agent_status(places) or {}).get("pid")
    process = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, creationflags=flags,
                               start_new_session=os.name == "posix", cwd=places.root)
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end and process.poll() in (None, Busy.code):  # Busy: another one was faster
        agent = agent_status(places) or {}
        if agent.get("running") and agent.get("pid") != left_by:
            process.returncode = process.returncode or 0  # it goes on when this process has ended, which waits no more
            return
        time.sleep(LOOK)
    code = process.poll()
    raise StateDamaged(
        _("the process that waits for your web UI to be closed did not begin (exit code {code})").format(code=code),
        _("See {file}.").format(file=places.daemon / "agent.log"))
