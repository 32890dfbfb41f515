"""Starts one web UI as a trial, and ends it so that nothing is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import psutil

import autotune
from autotune.language.translate import _
from autotune.machine import processes
from autotune.machine.environment import without_ours
from autotune.model.cause import exit_in_words
from autotune.model.errors import StateDamaged
from autotune.model.failures import Evidence, meaning
from autotune.model.study import Failure
from autotune.trial import readiness, run_folder, written_files
from autotune.trial.launch_plan import Cancelled, LaunchFailed, LaunchPlan
from autotune.trial.log import KEEP, ServerLog
from autotune.trial.written_files import Trace
from autotune.webui import recognise
from autotune.webui.face import Credentials, GivenWords, TrialStart, WebUI

PORT_TRIES = 3
GUARD_START = 20.0
"""Seconds in which the guard itself must be up; it takes a tenth of one."""


@dataclass(frozen=True, slots=True)
class StopReport:
    """What was left when a server ended. ``left``: pids that would not die (normally none); ``port_free`` and
    ``folder_gone`` as found afterwards; ``traces``: files of the install that were written meanwhile, and what became
    of them; ``seconds``: what the end took."""

    left: tuple[int, ...]
    port_free: bool
    folder_gone: bool
    traces: tuple[Trace, ...]
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether nothing of the trial is left."""
        return not self.left and self.port_free and self.folder_gone


class Server:
    """A running web UI of ours. Use as a context manager; ``stop`` may be called from any thread, twice too.

    ``startup``: seconds from the start to ready. ``pid``: its first process (the interpreter, or the shell of
    its start script). ``port``, ``folder``: its own, until it is stopped. ``given``: the words that its start script
    gave it. ``warnings``: in words, what could not be done as the user's own start does it.
    """

    def __init__(self, plan: LaunchPlan, webui: WebUI, trial_start: TrialStart, record: run_folder.RunRecord) -> None:
        self.plan, self.webui = plan, webui
        self.folder = trial_start.folder
        self.port = trial_start.port
        self.startup = 0.0
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.exit_detail = ""
        self.given: GivenWords | None = None
        self.warnings: tuple[str, ...] = ()
        address = f"http://127.0.0.1:{trial_start.port}"
        self.client = webui.client(address, trial_start.credentials)
        self.client_without_credentials = webui.client(address, None)
        self._record = record
        self.log = ServerLog(webui.lines, (trial_start.credentials.password,))
        self._guard: subprocess.Popen[bytes] | None = None
        self._started = threading.Event()
        self._ended = threading.Event()
        self._gone = threading.Event()
        self._left: tuple[int, ...] = ()
        self._threads: list[threading.Thread] = []
        self._stop_lock = threading.Lock()
        self._report: StopReport | None = None

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def run_id(self) -> str:
        """This run's id, the value of AUTOTUNE_RUN in the environment of its processes."""
        return self._record.run_id

    @property
    def guard_pid(self) -> int | None:
        """Pid of the guard, the web UI's parent; None before the start."""
        return self._guard.pid if self._guard else None

    def alive(self) -> bool:
        """False as soon as the first process has ended or its guard has (seen within a fifth of a second)."""
        return not self._ended.is_set()

    def wait_ended(self, timeout: float) -> bool:
        """Waits until the web UI has ended by itself; False when it still lives after ``timeout`` seconds."""
        return self._ended.wait(timeout)

    def tree(self) -> list[psutil.Process]:
        """All living processes of this run but the guard: the web UI and what it started."""
        return processes.members(self.run_id, self.guard_pid)

    def descendants(self) -> list[psutil.Process]:
        """As ``tree``, without processes that left it: cheap enough to be read often."""
        return processes.descendants(self._guard.pid) if self._guard else []

    def log_tail(self, lines: int = 60) -> tuple[str, ...]:
        """The last lines of its output, credentials taken out."""
        return self.log.tail(lines)

    def attention_logged(self) -> str | None:
        """The attention class that its log named last."""
        return self.log.attention

    def launch(self, argv: tuple[str, ...] | str, cwd: Path, env: dict[str, str]) -> None:
        """Starts guard and web UI; ``argv`` may be a whole command line on Windows.

        Raises StateDamaged when the guard cannot be started.
        """
        spec = {"argv": argv, "cwd": str(cwd), "env": {**env, processes.MARKER: self.run_id},
                "run": self.run_id, "folder": str(self.folder), "grace": self.plan.term_grace,
                "limit": self.plan.stop_limit,
                "in_flight": str(self.plan.in_flight) if self.plan.in_flight is not None else None}
        guard_env = {**without_ours(), processes.MARKER: self.run_id}
        # The guard must find this very package, wherever it was imported from.
        home = str(Path(autotune.__file__).resolve().parent.parent)
        guard_env["PYTHONPATH"] = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        try:
            self._guard = subprocess.Popen(
                # Not in the run's own folder: on Windows nobody can remove a folder that a process stands in.
                [sys.executable, "-m", "autotune.trial.guard"], cwd=self.folder.parent, env=guard_env,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, creationflags=flags,
                start_new_session=os.name == "posix")
        except OSError as error:
            raise StateDamaged(_("cannot start a helper process: {reason}").format(reason=error.strerror)) from None
        for target in (self._read_events, self._read_output):
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._record = replace(
            self._record, guard_pid=self._guard.pid, guard=processes.identity(self._guard.pid))
        run_folder.write(self.folder, self._record)
        self._send(json.dumps(spec))
        if not self._started.wait(GUARD_START):
            self._ended.set()

    def _send(self, line: str) -> None:
        guard = self._guard
        if guard is not None and guard.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                guard.stdin.write(line.encode() + b"\n")
                guard.stdin.flush()

    def _read_events(self) -> None:
        guard = self._guard
        if guard is None or guard.stdout is None:
            return
        for line in guard.stdout:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event["event"] == "started":
                    self.pid = event["pid"]
                    self._started.set()
                elif event["event"] == "exit":
                    self.exit_code = event["code"]
                    self.exit_detail = _why_not_run(event)
                    self._ended.set()
                    self._started.set()
                elif event["event"] == "gone":
                    self._left = tuple(event["left"])
                    self._ended.set()
                    self._gone.set()
        self._ended.set()
        self._started.set()
        self._gone.set()

    def _read_output(self) -> None:
        guard = self._guard
        if guard is None or guard.stderr is None:
            return
        while piece := os.read(guard.stderr.fileno(), 65536):
            self.log.feed(piece)

    def stop(self, *, now: bool = False) -> StopReport:
        """Ends the web UI with all its children and leaves nothing: processes, port, folder, files.

        SIGTERM, then SIGINT, then SIGKILL (``now``: SIGKILL at once), bounded by the plan's ``stop_limit``.
        """
        with self._stop_lock:
            if self._report is None:
                self._report = self._stop(now)
            return self._report

    def _stop(self, now: bool) -> StopReport:
        start = time.monotonic()
        guard = self._guard
        if guard is not None:
            self._send("kill" if now else "stop")
            self._gone.wait(self.plan.stop_limit + 5.0)
            with contextlib.suppress(OSError, ValueError):
                if guard.stdin is not None:
                    guard.stdin.close()
            try:
                guard.wait(5.0)
            except subprocess.TimeoutExpired:
                guard.kill()
                guard.wait()
        # The guard may have been killed, and a process may have left its tree: the marker finds the rest.
        left = processes.end(lambda: processes.marked(self.run_id), grace=0.0, limit=self.plan.stop_limit)
        self._ended.set()
        for thread in self._threads:
            thread.join(2.0)
        if guard is not None:
            for pipe in (guard.stdout, guard.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError, ValueError):
                        pipe.close()
        traces = written_files.restore(self.folder)
        gone = run_folder.remove(self.folder)
        stubborn = tuple(pid for pid in sorted({*left, *self._left}) if psutil.pid_exists(pid))
        # A server that never was ready may have failed because somebody else has the port.
        port_free = readiness.wait_free(self.port, readiness.PORT_RELEASE if self.startup else 0.0)
        return StopReport(stubborn, port_free, gone, traces, time.monotonic() - start)


class _Deadline:
    """Until when a start may take (time.monotonic). Later while its log shows that it installs something, which the
    user is told once."""

    def __init__(self, server: Server, begun: float, say: Callable[[str], None]) -> None:
        self._log, self._plan, self._begun, self._say = server.log, server.plan, begun, say
        self._said = False

    def __call__(self) -> float:
        installing = self._log.installing()
        if installing and self._plan.install_limit and not self._said:
            self._said = True
            text = _("the web UI installs or downloads something at this start: it is given up to {minutes:.0f} min "
                     "more for that, once, beside the budget").format(minutes=self._plan.install_limit / 60.0)
            self._say(f"  {text}")
        return self._begun + self._plan.start_limit + min(self._plan.install_limit, installing)


def start(
    plan: LaunchPlan, *, cancel: threading.Event | None = None, say: Callable[[str], None] = lambda _: None
) -> Server:
    """Starts a web UI and waits until it is ready: ours, with its model, answering.

    A busy port is tried again on another one. Raises LaunchFailed with the class of the failure, Cancelled
    when ``cancel`` was set, NothingToWorkOn when there is no script to start or no interpreter, StateDamaged when the
    run's folder cannot be written. Whatever it raises, nothing of the attempt is left. ``say``: told when it installs
    something, which takes longer.
    """
    begun, webui = time.monotonic(), recognise.face_of(plan.root)
    for attempt in range(PORT_TRIES):
        port = plan.port if plan.port is not None and attempt == 0 else readiness.free_port()
        try:
            return _start_once(plan, webui, port, begun, cancel, say)
        except LaunchFailed as failed:
            if failed.failure != "port" or attempt == PORT_TRIES - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _start_once(
    plan: LaunchPlan, webui: WebUI, port: int, begun: float, cancel: threading.Event | None, say: Callable[[str], None]
) -> Server:
    """Starts the web UI on this port and waits until it is ready; raises as ``start`` does."""
    if not readiness.is_free(port):
        raise LaunchFailed(_("port {port} is in use").format(port=port), meaning("port").advice, failure="port",
                           startup=time.monotonic() - begun, log_tail=(), exit_code=None)
    try:
        folder, record = run_folder.create(plan.run_root, plan.root, port)
    except OSError as error:
        raise StateDamaged(
            _("cannot write to {folder}: {reason}").format(folder=plan.run_root, reason=error.strerror),
            _("free some space there")) from None
    trial_start = TrialStart(plan.root, plan.python, plan.words, plan.settings, plan.launch_file, plan.own_script,
                             folder, port, Credentials.make())
    server = Server(plan, webui, trial_start, record)
    try:
        try:
            command = webui.prepare(trial_start)
            server.warnings = command.warnings
            written_files.take(plan.root, folder)
            server.launch(command.argv, plan.root, _environment(plan, folder, command.environment))
        except OSError as error:
            raise StateDamaged(_("cannot write to {folder}: {reason}").format(folder=folder, reason=error.strerror),
                               _("free some space there")) from None
        _await_ready(server, begun, cancel, _Deadline(server, begun, say))
        server.startup = time.monotonic() - begun
    finally:
        if not server.startup:
            server.stop(now=True)
    server.given = webui.given(trial_start) if plan.own_script else None
    return server


def _environment(plan: LaunchPlan, folder: Path, made: Mapping[str, str]) -> dict[str, str]:
    """The environment of the process: as the start makes it, with temporary files in the run's folder, the plan's
    variables, and those by which it records what it writes."""
    env = {**made, **{name: str(folder / "tmp") for name in ("TMPDIR", "TEMP", "TMP")}}
    for name, value in plan.env:
        if value:
            env[name] = value
        else:
            env.pop(name, None)
    return {**env, **written_files.variables(plan.root, folder, env)}


def _await_ready(
    server: Server, begun: float, cancel: threading.Event | None, deadline: Callable[[], float]
) -> None:
    """Waits until the server is ready. Raises Cancelled, or LaunchFailed with the class and cause of the failure."""
    not_ours: readiness.NotOurs | None = None
    try:
        starting = readiness.StartingServer(
            server.client, server.client_without_credentials, server.port, server.log,
            server.descendants if processes.LINUX else server.tree, server.alive, deadline)
        if readiness.await_ready(starting, lambda: cancel is not None and cancel.is_set()):
            return
    except readiness.NotOurs as problem:
        not_ours = problem
    if cancel is not None and cancel.is_set():
        raise Cancelled(_("interrupted while the web UI was starting"))
    failure: Failure
    why = ""
    if not_ours is not None:
        failure, what = "port" if not_ours.port_taken else "startup", str(not_ours)
    elif server.log.model_failed:
        failure, why = _failure_of(server, None)
        what = _("its model cannot be loaded")
    elif server.alive():
        failure, what = "hang", _("it was not ready within {seconds:.3g} s").format(seconds=deadline() - begun)
    else:
        # What it printed last may still be on its way.
        server.stop(now=True)
        failure, why = _failure_of(server, server.exit_code)
        what = server.exit_detail or _("it ended with {code}").format(
            code=exit_in_words(server.exit_code))
    raise LaunchFailed(
        _("the web UI did not start: {what}").format(what=what), meaning(failure).advice, failure=failure,
        startup=time.monotonic() - begun, log_tail=server.log_tail(), exit_code=server.exit_code, why=why,
        installing=server.log.installing())


def _failure_of(server: Server, exit_code: int | None) -> tuple[Failure, str]:
    """(Failure class, line that names its cause) of a failed start, from all that is kept of its output."""
    found = server.webui.failure(Evidence(exit_code, log_tail=server.log_tail(KEEP), starting=True, died=True))
    assert found is not None, "a start that failed has a class"
    return found.failure, found.why


def _why_not_run(event: Mapping[str, object]) -> str:
    """Why the guard could not run the web UI, by its last event; empty where it could."""
    if "reason" not in event:
        return ""
    return _("cannot start {program}: {reason}").format(program=event.get("program"), reason=event["reason"])
