"""Starting one web UI, and the handle on it while it lives."""

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
from autotune.launchfile.values import OWN
from autotune.machine import processes
from autotune.model.cause import exit_in_words
from autotune.model.errors import NothingToWorkOn, StateDamaged
from autotune.model.failures import MEANINGS, Evidence, judge
from autotune.model.flagset import SettingValue
from autotune.model.study import Failure
from autotune.model.windows_paths import why_too_long
from autotune.trial import inventory, ready, run_folder
from autotune.trial.inventory import Trace
from autotune.trial.log import KEEP, ServerLog
from autotune.trial.plan import Cancelled, LaunchFailed, LaunchPlan
from autotune.webui.a1111 import environment, isolation, own_script
from autotune.webui.a1111.client import Client

PORT_TRIES = 3
GUARD_START = 20.0
"""Seconds in which the guard itself must be up; it takes a tenth of one."""


@dataclass(frozen=True, slots=True)
class StopReport:
    """How a server ended. ``left``: pids that would not die (normally none); ``port_free`` and
    ``folder_gone`` as found afterwards; ``traces``: what was written in the install meanwhile, and what became of
    it; ``seconds`` it took."""

    left: tuple[int, ...]
    port_free: bool
    folder_gone: bool
    traces: tuple[Trace, ...]
    seconds: float

    @property
    def clean(self) -> bool:
        """True when nothing is left."""
        return not self.left and self.port_free and self.folder_gone


class Server:
    """A running web UI of ours. Use as a context manager; ``stop`` may be called from any thread, twice too.

    ``startup``: seconds from the start to ready. ``pid``: its first process (the interpreter, or the shell of
    its start script). ``port``, ``folder``: its own, until it is stopped. ``given_words``: what a start by
    script was given by it; ``given``: the same, to be compared with what was expected. ``warnings``: what could not
    be done as its owner's start would, in words.
    """

    def __init__(
        self, plan: LaunchPlan, folder: Path, record: run_folder.RunRecord, port: int,
        credentials: isolation.Credentials,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.port = port
        self.startup = 0.0
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.exit_detail = ""
        self.given: own_script.Given | None = None
        self.given_words: tuple[str, ...] = ()
        self.warnings: tuple[str, ...] = ()
        self.client = Client(f"http://127.0.0.1:{port}", (credentials.user, credentials.password))
        self._record = record
        self.log = ServerLog((credentials.password,))
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
        """Number of the guard, the web UI's parent; None before the start."""
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
        """As ``tree``, without a look at processes that left it: cheap enough to sample."""
        return processes.descendants(self._guard.pid) if self._guard else []

    def log_tail(self, lines: int = 60) -> tuple[str, ...]:
        """The last lines of its output, credentials taken out."""
        return self.log.tail(lines)

    def attention_logged(self) -> str | None:
        """NAME of the last log line "Applying attention optimization: NAME... done."."""
        return self.log.attention

    def switch(self, settings: Mapping[str, SettingValue], patience: float = 3.0) -> str | None:
        """Changes options in the running process; NAME of the attention that its log then says was applied.

        A wrong attention title is accepted, echoed and not applied, so the log is waited for: up to
        ``patience`` seconds for its line, which only comes when the value really changed. None when there
        never was such a line. Raises ApiProblem when an option did not take.
        """
        attention = "cross_attention_optimization"
        before = self.log.applied
        changes = attention in settings and self.client.options().get(attention) != settings[attention]
        self.client.set_options(settings)
        until = time.monotonic() + patience
        while changes and self.log.applied == before and time.monotonic() < until:
            time.sleep(0.02)
        return self.log.attention

    def launch(self, argv: tuple[str, ...] | str, cwd: Path, env: dict[str, str]) -> None:
        """Starts guard and web UI; ``argv`` may be a whole command line on Windows.

        Raises StateDamaged when the guard cannot be started.
        """
        spec = {"argv": argv, "cwd": str(cwd), "env": {**env, processes.MARKER: self.run_id},
                "run": self.run_id, "folder": str(self.folder), "grace": self.plan.term_grace,
                "limit": self.plan.stop_limit,
                "in_flight": str(self.plan.in_flight) if self.plan.in_flight is not None else None}
        guard_env = {**environment.base(), processes.MARKER: self.run_id}
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
            raise StateDamaged(f"cannot start a helper process: {error.strerror}") from None
        for target in (self._hear, self._drain):
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._record = replace(
            self._record, guard_pid=self._guard.pid, guard=processes.identity(self._guard.pid))
        run_folder.write(self.folder, self._record)
        self._order(json.dumps(spec))
        if not self._started.wait(GUARD_START):
            self._ended.set()

    def _order(self, line: str) -> None:
        guard = self._guard
        if guard is not None and guard.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                guard.stdin.write(line.encode() + b"\n")
                guard.stdin.flush()

    def _hear(self) -> None:
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
                    self.exit_detail = event.get("detail", "")
                    self._ended.set()
                    self._started.set()
                elif event["event"] == "gone":
                    self._left = tuple(event["left"])
                    self._ended.set()
                    self._gone.set()
        self._ended.set()
        self._started.set()
        self._gone.set()

    def _drain(self) -> None:
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
            self._order("kill" if now else "stop")
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
        traces = inventory.restore(self.folder)
        gone = run_folder.remove(self.folder)
        stubborn = tuple(pid for pid in sorted({*left, *self._left}) if psutil.pid_exists(pid))
        # A server that never was ready may have failed because somebody else has the port.
        port_free = ready.wait_free(self.port, ready.TEARDOWN if self.startup else 0.0)
        return StopReport(stubborn, port_free, gone, traces, time.monotonic() - start)


def _nobody(_: str) -> None:
    """Tells nobody."""


class _Deadline:
    """When a start has had its time, on the clock of time.monotonic; later while its log shows that it installs
    something, which is said once, with the limit."""

    def __init__(self, server: Server, begun: float, say: Callable[[str], None]) -> None:
        self._log, self._plan, self._begun, self._say = server.log, server.plan, begun, say
        self._said = False

    def __call__(self) -> float:
        installing = self._log.installing()
        if installing and self._plan.install_limit and not self._said:
            self._said = True
            self._say(f"  the web UI installs or downloads something at this start: it is given up to "
                      f"{self._plan.install_limit / 60.0:.0f} min more for that, once, beside the budget")
        return self._begun + self._plan.start_limit + min(self._plan.install_limit, installing)


def start(
    plan: LaunchPlan, *, cancel: threading.Event | None = None, say: Callable[[str], None] = _nobody
) -> Server:
    """Starts a web UI and waits until it is ready: ours, with its model, answering.

    A busy port is tried again on another one. Raises LaunchFailed with the class of the failure, Cancelled
    when ``cancel`` was set, NothingToWorkOn when there is no launch.py or interpreter, StateDamaged when the
    run's folder cannot be written. Whatever it raises, nothing of the attempt is left. ``say``: told when it installs
    something, which takes longer.
    """
    if not (plan.root / "launch.py").is_file():
        raise NothingToWorkOn(f"{plan.root} has no launch.py", "name the web UI's folder with --webui")
    if not plan.own_script and not plan.python.is_file():
        raise NothingToWorkOn(f"the web UI's interpreter {plan.python} is missing",
                              "start the web UI once by its own script, which makes it")
    begun = time.monotonic()
    found = environment.of_start_script(plan.root, plan.launch_file)
    for attempt in range(PORT_TRIES):
        port = plan.port if plan.port is not None and attempt == 0 else ready.free_port()
        try:
            return _attempt(plan, port, found, begun, cancel, say)
        except LaunchFailed as failed:
            if failed.failure != "port" or attempt == PORT_TRIES - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _attempt(
    plan: LaunchPlan, port: int, found: environment.StartEnvironment, begun: float,
    cancel: threading.Event | None, say: Callable[[str], None],
) -> Server:
    if not ready.is_free(port):
        raise LaunchFailed(f"port {port} is in use", MEANINGS["port"].advice, failure="port",
                           startup=time.monotonic() - begun, log_tail=(), exit_code=None)
    credentials = isolation.Credentials.make()
    try:
        folder, record = run_folder.create(plan.run_root, plan.root, port)
    except OSError as error:
        raise StateDamaged(f"cannot write to {plan.run_root}: {error.strerror}",
                           "free some space there") from None
    server = Server(plan, folder, record, port, credentials)
    try:
        try:
            readable = isolation.lay_out(folder, plan.root, plan.words, plan.settings)
            server.warnings = tuple(filter(None, (
                found.problem, None if readable else "config.json cannot be read; started with defaults")))
            inventory.take(plan.root, folder)
            argv, env = _command(plan, folder, port, credentials, found)
            server.launch(argv, plan.root, env)
        except OSError as error:
            raise StateDamaged(f"cannot write to {folder}: {error.strerror}",
                               "free some space there") from None
        _await(server, begun, cancel, _Deadline(server, begun, say))
        server.startup = time.monotonic() - begun
    finally:
        if not server.startup:
            server.stop(now=True)
    server.given = own_script.given(folder, credentials.password) if plan.own_script else None
    server.given_words = server.given.words if server.given is not None else ()
    return server


def _inherited() -> dict[str, str]:
    """COMMANDLINE_ARGS of this shell, which a launch file may build on: its owner's start gets it as well."""
    return {OWN: os.environ[OWN]} if OWN in os.environ else {}


def _command(
    plan: LaunchPlan, folder: Path, port: int, credentials: isolation.Credentials,
    found: environment.StartEnvironment,
) -> tuple[tuple[str, ...] | str, dict[str, str]]:
    own = isolation.own_words(folder, port, credentials)
    temp = {name: str(folder / "tmp") for name in ("TMPDIR", "TEMP", "TMP")}
    if plan.own_script:
        argv, added = own_script.start_of(plan.root, folder, own, found.shell, credentials.password)
        env = {**environment.base(), **_inherited(), **added}
    else:
        wrong = why_too_long(str(plan.root)) if os.name == "nt" else None
        if wrong is not None:
            raise NothingToWorkOn(*wrong)
        words = isolation.trial_words(plan.words) + own
        argv = (*environment.command(found, plan.python), str(plan.root / "launch.py"))
        env = {**environment.for_python(found, plan.python), "COMMANDLINE_ARGS": isolation.quoted(words)}
    env.update(temp)
    env["SD_WEBUI_RESTARTING"] = "1"
    for name, value in plan.env:
        if value:
            env[name] = value
        else:
            env.pop(name, None)
    env.update(inventory.variables(plan.root, folder, env))
    return argv, env


def _await(
    server: Server, begun: float, cancel: threading.Event | None, deadline: Callable[[], float]
) -> None:
    stranger: ready.NotOurs | None = None
    try:
        if ready.await_ready(
            server.client, server.port, server.log,
            server.descendants if processes.LINUX else server.tree, server.alive,
            deadline,
            lambda: cancel is not None and cancel.is_set(),
        ):
            return
    except ready.NotOurs as problem:
        stranger = problem
    if cancel is not None and cancel.is_set():
        raise Cancelled("interrupted while the web UI was starting")
    failure: Failure
    why = ""
    if stranger is not None:
        failure, what = "port" if stranger.port_taken else "startup", str(stranger)
    elif server.log.model_failed:
        failure, why = _judged(server, None)
        what = "its model cannot be loaded"
    elif server.alive():
        failure, what = "hang", f"it was not ready within {deadline() - begun:.3g} s"
    else:
        # What it printed last may still be on its way.
        server.stop(now=True)
        failure, why = _judged(server, server.exit_code)
        what = server.exit_detail or f"it ended with {exit_in_words(server.exit_code)}"
    raise LaunchFailed(
        f"the web UI did not start: {what}", MEANINGS[failure].advice, failure=failure,
        startup=time.monotonic() - begun, log_tail=server.log_tail(), exit_code=server.exit_code, why=why,
        installing=server.log.installing())


def _judged(server: Server, exit_code: int | None) -> tuple[Failure, str]:
    """The class of a start that failed and the line that names its cause, from all that is kept of its output."""
    found = judge(Evidence(exit_code, log_tail=server.log_tail(KEEP), starting=True, died=True))
    assert found is not None, "a start that failed has a class"
    return found.failure, found.why
