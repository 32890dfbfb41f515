"""The guard process: the parent of one trial web UI, which ends all of it when autotune asks for that or dies.

Started as ``python -m autotune.trial.guard`` in a session of its own. Standard input brings one line of JSON
(argv, or on Windows a command line, cwd, env, run id, folder, grace and limit in seconds) and stays open: "stop"
or its end, which comes with the death of autotune, however it died, ends the web UI. Standard output says what
happens, one JSON object a line: ``started`` {pid}, ``exit`` {code}, ``gone`` {left}. Standard error is the web
UI's output.
When autotune died, the guard also puts the install's files back, removes the run's folder and takes the note away that
says which set runs.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from autotune.machine import processes
from autotune.trial import windows_job

CHECK_PERIOD = 0.1
"""Seconds between checks of the child; its end is reported at most so much later."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return int(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


class Child:
    """The web UI's first process; also collects the exit codes of all orphans that become children of the guard."""

    def __init__(self, spec: dict[str, Any], die_with_us: Callable[[], None] | None) -> None:
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        self._process = subprocess.Popen(
            spec["argv"], cwd=spec["cwd"], env=spec["env"], stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(), stderr=sys.stderr.fileno(), creationflags=flags,
            # A session of its own: the terminal's Ctrl-C is autotune's business, not the web UI's.
            start_new_session=os.name == "posix",
            preexec_fn=die_with_us,  # noqa: PLW1509 (the guard has one thread at this point)
        )
        self.pid = self._process.pid
        self._code: int | None = None

    def reap_last(self, limit: float = 2.0) -> None:
        """Collects processes that were just killed, so that no zombie is left to an init that may ignore it."""
        until = time.monotonic() + limit
        while os.name == "posix" and time.monotonic() < until:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.01)
            except ChildProcessError:
                return

    def reap(self) -> int | None:
        """Collects every ended child; the exit code of the first process, None while it lives."""
        if os.name != "posix":
            self._code = self._process.poll()
            return self._code
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self.pid:
                self._code = os.waitstatus_to_exitcode(status)
                # Keeps Popen from waiting for a number that may be another process by now.
                self._process.returncode = self._code
        return self._code


def _send_event(event: str, **values: object) -> None:
    try:
        sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
        sys.stdout.flush()
    except OSError:
        # autotune is gone; what is left to do needs no listener.
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)


def _read_orders(orders: queue.Queue[str]) -> None:
    for line in sys.stdin:
        orders.put(line.strip())
    orders.put("owner died")


def _process_finder(
    spec: dict[str, Any], job: windows_job.Job, subreaper: bool
) -> Callable[[], list[psutil.Process]]:
    """A function that lists all living processes of the web UI."""
    own = os.getpid()

    def find() -> list[psutil.Process]:
        if subreaper:
            return processes.descendants(own)
        found = processes.members(spec["run"], own)
        known = {process.pid for process in found}
        for pid in job.pids():
            if pid != own and pid not in known and psutil.pid_exists(pid):
                found.append(psutil.Process(pid))
        return found

    return find


def _clean_up(spec: dict[str, Any]) -> None:
    """Does for a dead autotune what it does itself after a trial: no file is left of the run."""
    from autotune.trial import run_folder, written_files

    folder = Path(spec["folder"])
    written_files.restore(folder)
    run_folder.remove(folder)
    if spec.get("in_flight"):
        Path(spec["in_flight"]).unlink(missing_ok=True)


def main() -> int:
    """Runs one web UI to its end. Exit code 0: nothing of it lives; 1: something would not die; 2: no orders came."""
    orders: queue.Queue[str] = queue.Queue()
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: orders.put("stop"))
    first = sys.stdin.readline()
    if not first:
        return 2
    spec: dict[str, Any] = json.loads(first)
    job = windows_job.Job()
    subreaper = _prctl(PR_SET_CHILD_SUBREAPER, 1)
    guard = os.getpid()

    def die_with_us() -> None:
        _prctl(PR_SET_PDEATHSIG, int(getattr(signal, "SIGKILL", 9)))
        if os.getppid() != guard:
            os._exit(1)

    try:
        child = Child(spec, die_with_us if subreaper else None)
    except OSError as error:
        program = spec["argv"] if isinstance(spec["argv"], str) else spec["argv"][0]
        _send_event("exit", code=127, program=program, reason=error.strerror)
        _send_event("gone", left=[])
        return 0
    _send_event("started", pid=child.pid)
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    order = "exit"
    while child.reap() is None:
        try:
            order = orders.get(timeout=CHECK_PERIOD)
        except queue.Empty:
            continue
        break
    if order == "exit":
        _send_event("exit", code=child.reap())
    find = _process_finder(spec, job, subreaper)
    grace = 0.0 if order == "kill" else float(spec["grace"])
    left = processes.end(find, grace=grace, limit=float(spec["limit"]), reap=lambda: (child.reap(), None)[1])
    # A process adopted by another sub-reaper meanwhile still carries the marker.
    left = left or processes.end(lambda: processes.marked(spec["run"]), grace=0.0, limit=2.0)
    child.reap_last()
    _send_event("gone", left=left)
    if order == "exit":
        # The owner reads the end of this process's output as "nothing lives any more"; it removes the folder,
        # unless it died while the web UI was already gone.
        sys.stdout.close()
        order = orders.get()
    if order == "owner died":
        _clean_up(spec)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
