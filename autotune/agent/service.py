"""Installs, removes and shows the agent as a service of the platform's manager; says what it did.

Linux: systemd user units; Windows: Task Scheduler; macOS: launchd. Never as administrator. Where the manager
cannot be reached, the files are written and the commands to give are returned instead of run. What a manager says
is in the language and code page of the system, so only its exit codes are understood; its words are shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path

from autotune.agent import service_files
from autotune.agent.service_files import Target
from autotune.disk import windows_package
from autotune.disk.files import make_folder
from autotune.disk.programs import HIDDEN, windowless_python
from autotune.model.errors import StateDamaged, UsageProblem
from autotune.store.journal import write_whole_bytes

LIMIT = 30.0
"""Seconds that a service manager may take for a command."""
MAY_FAIL = {"disable", "/End", "/Delete", "bootout"}
"""Commands that end what may not be there."""
ENCODING = "oem" if sys.platform == "win32" else "utf-8"
"""What the managers' programs write in: on Windows the console's code page, which is not the one of files."""
Runner = Callable[[Sequence[str]], "Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said; ``code`` None: it could not be run at all."""

    code: int | None
    text: str


@dataclass
class Report:
    """What was done, line by line; ``commands`` are left to the reader; ``ok``: the manager did all of it.
    ``failed``: there is no service by it, nor will there be without those commands."""

    lines: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    ok: bool = True
    failed: bool = False


def run_command(command: Sequence[str], encoding: str = ENCODING) -> Answer:
    """Runs a service manager's command, which writes in ``encoding``. Raises nothing."""
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT, check=False, creationflags=HIDDEN
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer(None, str(error))
    # Joined as bytes: a program may say in two streams what belongs together. No byte may be in the way of the rest.
    return Answer(done.returncode, (done.stdout + done.stderr).decode(encoding, "replace").strip())


class Manager:
    """One platform's manager: its files, and the commands that reach it, begin, end and show the service."""

    FILES_COUNT = True
    """The manager reads the service's files where they lie, so they are of use where it cannot be reached right now
    (a container, a login without a session): what is left is a command to give there."""

    def __init__(self, home: Path, timer: bool) -> None:
        self.home, self.timer = home, timer

    def files(self, what: Target) -> dict[Path, bytes]:
        """Every file of the service with its content."""
        raise NotImplementedError

    def places(self) -> list[Path]:
        """Where files of either form of the service may lie."""
        raise NotImplementedError

    def probe(self) -> list[str]:
        """A command that succeeds when the manager can be reached."""
        raise NotImplementedError

    def known(self) -> list[str] | None:
        """A command that succeeds when the manager has the service; None where ``enable`` needs no such knowledge."""
        return None

    def kept(self) -> list[list[str]]:
        """Commands of which one succeeds when the manager has either form of the service, its files there or not."""
        raise NotImplementedError

    def enable(self, changed: bool) -> list[list[str]]:
        """Commands that load and begin the service; ``changed``: the manager does not have it as its files say."""
        raise NotImplementedError

    def disable(self) -> list[list[str]]:
        """Commands that end the service and forget it. They may fail where there is nothing to end."""
        raise NotImplementedError

    def show(self) -> list[str]:
        """A command that tells how the service is."""
        raise NotImplementedError


class Systemd(Manager):
    """systemd's user manager."""

    NAMES = ("autotune.service", "autotune-once.service", "autotune-once.timer")

    @property
    def _unit(self) -> str:
        return "autotune-once.timer" if self.timer else "autotune.service"

    def files(self, what: Target) -> dict[Path, bytes]:
        names = self.NAMES[1:] if self.timer else self.NAMES[:1]
        folder = service_files.systemd_folder(self.home)
        return {folder / name: service_files.systemd(name, what).encode() for name in names}

    def places(self) -> list[Path]:
        return [service_files.systemd_folder(self.home) / name for name in self.NAMES]

    def probe(self) -> list[str]:
        return ["systemctl", "--user", "show-environment"]

    def kept(self) -> list[list[str]]:
        return [["systemctl", "--user", "is-active", name] for name in ("autotune.service", "autotune-once.timer")]

    def enable(self, changed: bool) -> list[list[str]]:
        first = [["systemctl", "--user", "daemon-reload"]] if changed else []
        again = [["systemctl", "--user", "restart", self._unit]] if changed else []
        return [*first, ["systemctl", "--user", "enable", "--now", self._unit], *again]

    def disable(self) -> list[list[str]]:
        return [
            ["systemctl", "--user", "disable", "--now", "autotune.service", "autotune-once.timer"],
            ["systemctl", "--user", "daemon-reload"],
        ]

    def show(self) -> list[str]:
        return ["systemctl", "--user", "--no-pager", "status", self._unit]


class TaskScheduler(Manager):
    """The Windows Task Scheduler, in the owner's own folder of tasks."""

    FILES_COUNT = False  # the XML is read once, by `schtasks /Create`

    NAMES = ("autotune-agent.xml", "autotune-once.xml")
    TASKS = (r"\autotune\agent", r"\autotune\once")

    @property
    def _folder(self) -> Path:
        # Its real place: the scheduler is of no Python's package.
        return windows_package.real(self.home / "AppData" / "Local" / "autotune")

    @property
    def _task(self) -> str:
        return self.TASKS[1] if self.timer else self.TASKS[0]

    def files(self, what: Target) -> dict[Path, bytes]:
        name = self.NAMES[1] if self.timer else self.NAMES[0]
        # Without a window: one at each logon would be closed, and the agent with it. What it says goes to its log.
        what = replaced(what, words=(windowless_python(what.words[0]), *what.words[1:]))
        domain, user = os.environ.get("USERDOMAIN", ""), os.environ.get("USERNAME", "")
        return {self._folder / name: service_files.task(name, what, f"{domain}\\{user}" if domain else user)}

    def places(self) -> list[Path]:
        return [self._folder / name for name in self.NAMES]

    def probe(self) -> list[str]:
        # All tasks: whether one folder is there or empty must make no difference.
        return ["schtasks", "/Query", "/FO", "CSV", "/NH"]

    def known(self) -> list[str]:
        return ["schtasks", "/Query", "/TN", self._task]

    def kept(self) -> list[list[str]]:
        return [["schtasks", "/Query", "/TN", name] for name in self.TASKS]

    def enable(self, changed: bool) -> list[list[str]]:
        file = str(self._folder / (self.NAMES[1] if self.timer else self.NAMES[0]))
        # What runs by the earlier definition has to go, or the new one does not begin.
        end = ["schtasks", "/End", "/TN", self._task]
        create = [end, ["schtasks", "/Create", "/TN", self._task, "/XML", file, "/F"]] if changed else []
        return [*create, ["schtasks", "/Run", "/TN", self._task]]

    def disable(self) -> list[list[str]]:
        ends = [["schtasks", "/End", "/TN", name] for name in self.TASKS]
        return [*ends, *(["schtasks", "/Delete", "/TN", name, "/F"] for name in self.TASKS)]

    def show(self) -> list[str]:
        return ["schtasks", "/Query", "/TN", self._task, "/V", "/FO", "LIST"]


class Launchd(Manager):
    """launchd, in the owner's own session."""

    LABEL = "autotune.agent"

    def __init__(self, home: Path, timer: bool) -> None:
        if timer:
            raise UsageProblem("launchd has the agent only", "Leave --timer out.")
        super().__init__(home, timer)

    @property
    def _file(self) -> Path:
        return self.home / "Library" / "LaunchAgents" / f"{self.LABEL}.plist"

    @property
    def _domain(self) -> str:
        return f"gui/{os.getuid()}" if hasattr(os, "getuid") else "gui"

    def files(self, what: Target) -> dict[Path, bytes]:
        return {self._file: service_files.launchd(what)}

    def places(self) -> list[Path]:
        return [self._file]

    def probe(self) -> list[str]:
        return ["launchctl", "print", self._domain]

    def kept(self) -> list[list[str]]:
        return [self.show()]

    def enable(self, changed: bool) -> list[list[str]]:  # noqa: ARG002
        # What is loaded already cannot be loaded again; the agent goes on where it was.
        return [*self.disable(), ["launchctl", "bootstrap", self._domain, str(self._file)]]

    def disable(self) -> list[list[str]]:
        return [["launchctl", "bootout", f"{self._domain}/{self.LABEL}"]]

    def show(self) -> list[str]:
        return ["launchctl", "print", f"{self._domain}/{self.LABEL}"]


def manager(timer: bool = False, system: str = sys.platform, home: Path | None = None) -> Manager:
    """The manager of a platform (``sys.platform`` names)."""
    place = home or Path.home()
    if system == "win32":
        return TaskScheduler(place, timer)
    return Launchd(place, timer) if system == "darwin" else Systemd(place, timer)


def install(
    webui: Path,
    state: Path,
    config: Path | None = None,
    *,
    timer: bool = False,
    replace: bool = False,
    python: str = sys.executable,
    chosen: Manager | None = None,
    runner: Runner = run_command,
) -> Report:
    """Writes and begins the service; doing it twice is doing it once. Raises StateDamaged (cannot write).

    There is one service a user: one of another web UI is replaced only if ``replace``; else raises UsageProblem.
    """
    on = chosen or manager(timer)
    if not replace:
        _refuse_another(on, webui)
    report = Report()
    wanted = on.files(service_files.target(python, webui, state, config))
    make_folder(state)
    changed = False
    other = [path for path in on.places() if path not in wanted and path.exists()]
    if other:
        _command_all(on, on.disable(), report, runner)
    for path in other:
        _remove(path, report)
    for path, content in wanted.items():
        if _content(path) == content:
            report.lines.append(f"{path}: is as wanted")
        else:
            write_whole_bytes(path, content, private=False)
            changed = True
            report.lines.append(f"{path}: written")
        report.files.append(path)
    asking = on.known()
    if not changed and asking is not None and runner(asking).code not in (0, None):
        report.lines.append("the service manager had lost the service")
        changed = True
    _command_all(on, on.enable(changed), report, runner)
    return report


def _refuse_another(on: Manager, webui: Path) -> None:
    for path in on.places():
        content = _content(path)
        if content is None or path.suffix == ".timer":  # which names no web UI; its service does
            continue
        named = service_files.webui_of(path.name, content)
        if named is not None and os.path.realpath(named) == os.path.realpath(webui):
            continue
        raise UsageProblem(
            f"{path}: a service is installed already, for {named or 'a web UI that it does not tell'}",
            f"Add --replace to have one for {webui} instead; `autotune service uninstall` removes it.",
        )


def uninstall(*, chosen: Manager | None = None, runner: Runner = run_command) -> Report:
    """Ends the service and removes its files; the agent's records stay."""
    on = chosen or manager()
    report = Report()
    there = [path for path in on.places() if path.exists()]
    # What was begun goes on without its file; where that is read once, the manager alone knows whether there is one.
    unknown = not on.FILES_COUNT and not there and runner(on.probe()).code != 0
    refused = False
    if there or unknown or _is_kept(on, runner):
        refused = _command_all(on, on.disable(), report, runner)
    else:
        report.lines.append("no service is installed")
    for path in there:
        _remove(path, report)
    if refused and _is_kept(on, runner):
        report.ok, report.failed = False, True
        report.lines.append("the service manager still has the service; end it there:")
        report.commands += [service_files.shown(command) for command in on.disable()]
    return report


def _is_kept(on: Manager, runner: Runner) -> bool:
    return any(runner(command).code == 0 for command in on.kept())


def status(*, chosen: Manager | None = None, runner: Runner = run_command) -> Report:
    """Which files there are, and what the manager says."""
    on = chosen or manager()
    there = [path for path in on.places() if path.exists()]
    report = Report(lines=[f"{path}: there" for path in there], files=there)
    if not there and not _is_kept(on, runner):
        report.lines, report.ok = ["no service is installed"], False
        return report
    if not there:
        report.lines.append("the manager has the service, but its file is gone: `autotune service install` writes it")
    if not isinstance(on, Launchd):
        on.timer = any("once" in path.name for path in there)
    answer = runner(on.show())
    report.ok = answer.code == 0
    report.lines += answer.text.splitlines()
    if answer.code is None:
        report.commands.append(service_files.shown(on.show()))
    return report


def _command_all(on: Manager, commands: list[list[str]], report: Report, runner: Runner) -> bool:
    """Runs the manager's commands in order; leaves them to the reader where it cannot be reached. True when one failed
    that may, because there is nothing to end, or because the manager would not."""
    refused = False
    reached = runner(on.probe())
    if reached.code != 0:
        report.ok = False
        report.failed = not on.FILES_COUNT
        told = f"{on.probe()[0]} cannot be reached from here; give these commands yourself:"
        said = reached.text.splitlines()[-1:] if reached.code is not None else []
        report.lines = [line for line in report.lines if line not in (told, *said)] + [*said, told]
        wanted = [service_files.shown(command) for command in commands]
        while wanted and report.commands[-1:] == wanted[:1]:
            wanted.pop(0)  # what ends one form of the service may end as what begins the other begins
        report.commands += wanted
        return False
    for number, command in enumerate(commands):
        answer = runner(command)
        if answer.code == 0:
            report.lines.append(f"done: {service_files.shown(command)}")
        elif not set(command) & MAY_FAIL:
            report.ok, report.failed = False, True
            said = answer.text.splitlines()
            report.lines.append(f"failed: {service_files.shown(command)}: {said[-1] if said else answer.code}")
            report.commands += [service_files.shown(left) for left in commands[number:]]  # what follows builds on it
            return False
        else:
            refused = True
    return refused


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _remove(path: Path, report: Report) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise StateDamaged(f"{path}: cannot be removed: {error.strerror}", "Remove it yourself.") from None
    report.lines.append(f"{path}: removed")
