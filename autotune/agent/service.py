"""Installs, removes and shows the agent as a service of the platform's service manager, and reports what was done.

Linux: systemd user units; Windows: Task Scheduler; macOS: launchd. Never as administrator. Where the manager
cannot be reached, the files are written and the commands to give are returned instead of run. What a manager says
is in the language and code page of the system, so only its exit codes are understood; its words are shown.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autotune.agent import service_files
from autotune.agent.service_files import AgentCommand, as_typed
from autotune.disk import windows_package
from autotune.disk.files import make_folder
from autotune.disk.programs import HIDDEN, windowless_python
from autotune.language.translate import _
from autotune.model.errors import StateDamaged, UsageProblem
from autotune.store.journal import write_whole_bytes

COMMAND_LIMIT = 30.0
"""Seconds that a service manager may take for a command."""
MAY_FAIL = {"disable", "/End", "/Delete", "bootout"}
"""Words of commands that end what may not be there."""
ENCODING = "oem" if sys.platform == "win32" else "utf-8"
"""What the managers' programs write in: on Windows the console's code page, which is not the one of files."""
Command = list[str]
"""A program and its arguments."""


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What a command said; ``code`` None: it could not be run at all."""

    code: int | None
    text: str


@dataclass
class ServiceReport:
    """What was done, line by line; ``commands`` are left to the reader; ``ok``: the manager did all of it.
    ``failed``: the manager has no service, and will not have one without those commands."""

    lines: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    ok: bool = True
    failed: bool = False


def run_command(command: Sequence[str], encoding: str = ENCODING) -> CommandOutput:
    """Runs a service manager's command, which writes in ``encoding``. Raises nothing."""
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=COMMAND_LIMIT,
                              check=False, creationflags=HIDDEN)
    except (OSError, subprocess.TimeoutExpired) as error:
        return CommandOutput(None, str(error))
    # Joined as bytes: a program may say in two streams what belongs together. No byte may be in the way of the rest.
    return CommandOutput(done.returncode, (done.stdout + done.stderr).decode(encoding, "replace").strip())


RunCommand = Callable[[Sequence[str]], CommandOutput]


class ServiceManager:
    """The service manager of one platform: the service's files, and the commands that start, stop and show it.

    The service has two forms: the agent that stays, or with ``timer`` one pass now and then. ``run`` runs a command.
    """

    reads_files_in_place = True
    """The manager reads the service's files where they lie, so they are of use where it cannot be reached right now
    (a container, a login without a session): what is left is a command to give there."""
    possible_files: list[Path]
    """Where files of either form of the service may lie."""
    test_command: Command
    """Succeeds when the manager can be reached."""
    find_command: Command | None = None
    """Succeeds when the manager has the service; None where starting it needs no such knowledge."""
    find_any_commands: list[Command]
    """One of them succeeds when the manager has either form of the service, its files there or not."""
    stop_commands: list[Command]
    """End the service and make the manager forget it. They may fail where there is nothing to end."""
    show_command: Command
    """Tells how the service is."""

    def __init__(self, home: Path, timer: bool, run: RunCommand = run_command) -> None:
        self.home, self.timer, self.run = home, timer, run

    def files(self, agent: AgentCommand) -> dict[Path, bytes]:
        """Every file of the service with its content."""
        raise NotImplementedError

    def start_commands(self, changed: bool) -> list[Command]:
        """Commands that load and start the service; ``changed``: the manager does not have it as its files say."""
        raise NotImplementedError

    def has_service(self) -> bool:
        """Asks the manager whether it has either form of the service."""
        return any(self.run(command).code == 0 for command in self.find_any_commands)


class Systemd(ServiceManager):
    """systemd's user manager."""

    CONTROL = ("systemctl", "--user")

    def __init__(self, home: Path, timer: bool, run: RunCommand = run_command) -> None:
        super().__init__(home, timer, run)
        names = ("autotune.service", "autotune-once.service", "autotune-once.timer")
        self.possible_files = [service_files.systemd_folder(home) / name for name in names]
        self._unit = names[2] if timer else names[0]
        self.test_command = [*self.CONTROL, "show-environment"]
        self.find_any_commands = [[*self.CONTROL, "is-active", name] for name in (names[0], names[2])]
        self.stop_commands = [[*self.CONTROL, "disable", "--now", names[0], names[2]], [*self.CONTROL, "daemon-reload"]]
        self.show_command = [*self.CONTROL, "--no-pager", "status", self._unit]

    def files(self, agent: AgentCommand) -> dict[Path, bytes]:
        wanted = self.possible_files[1:] if self.timer else self.possible_files[:1]
        return {path: service_files.systemd_unit(path.name, agent).encode() for path in wanted}

    def start_commands(self, changed: bool) -> list[Command]:
        enable = [*self.CONTROL, "enable", "--now", self._unit]
        if not changed:
            return [enable]
        return [[*self.CONTROL, "daemon-reload"], enable, [*self.CONTROL, "restart", self._unit]]


class TaskScheduler(ServiceManager):
    """The Windows Task Scheduler, in the user's own folder of tasks."""

    reads_files_in_place = False  # the XML is read once, by `schtasks /Create`
    NAMES = ("autotune-agent.xml", "autotune-once.xml")
    TASKS = (r"\autotune\agent", r"\autotune\once")

    def __init__(self, home: Path, timer: bool, run: RunCommand = run_command) -> None:
        super().__init__(home, timer, run)
        # Its real place: the scheduler does not see the private folders of a Python from the Microsoft Store.
        folder = windows_package.real(home / "AppData" / "Local" / "autotune")
        self.possible_files = [folder / name for name in self.NAMES]
        self._file, self._task = self.possible_files[timer], self.TASKS[timer]
        # All tasks: whether one folder is there or empty must make no difference.
        self.test_command = ["schtasks", "/Query", "/FO", "CSV", "/NH"]
        self.find_command = ["schtasks", "/Query", "/TN", self._task]
        self.find_any_commands = [["schtasks", "/Query", "/TN", name] for name in self.TASKS]
        self.stop_commands = [*(["schtasks", "/End", "/TN", name] for name in self.TASKS),
                              *(["schtasks", "/Delete", "/TN", name, "/F"] for name in self.TASKS)]
        self.show_command = [*self.find_command, "/V", "/FO", "LIST"]

    def files(self, agent: AgentCommand) -> dict[Path, bytes]:
        # Without a window: one at each logon would be closed, and the agent with it. What it says goes to its log.
        agent = dataclasses.replace(agent, words=(windowless_python(agent.words[0]), *agent.words[1:]))
        domain, user = os.environ.get("USERDOMAIN", ""), os.environ.get("USERNAME", "")
        name = f"{domain}\\{user}" if domain else user
        return {self._file: service_files.windows_task(self._file.name, agent, name)}

    def start_commands(self, changed: bool) -> list[Command]:
        # What runs by the earlier definition has to go, or the new one does not begin.
        end = ["schtasks", "/End", "/TN", self._task]
        create = ["schtasks", "/Create", "/TN", self._task, "/XML", str(self._file), "/F"]
        return [*([end, create] if changed else []), ["schtasks", "/Run", "/TN", self._task]]


class Launchd(ServiceManager):
    """launchd, in the user's own session; it has the agent that stays only."""

    def __init__(self, home: Path, timer: bool, run: RunCommand = run_command) -> None:
        super().__init__(home, timer, run)
        label, self._domain = "autotune.agent", f"gui/{os.getuid()}" if hasattr(os, "getuid") else "gui"
        self._file = home / "Library" / "LaunchAgents" / f"{label}.plist"
        self.possible_files = [self._file]
        self.test_command = ["launchctl", "print", self._domain]
        self.show_command = ["launchctl", "print", f"{self._domain}/{label}"]
        self.find_any_commands = [self.show_command]
        self.stop_commands = [["launchctl", "bootout", f"{self._domain}/{label}"]]

    def files(self, agent: AgentCommand) -> dict[Path, bytes]:
        return {self._file: service_files.launchd_agent(agent)}

    def start_commands(self, changed: bool) -> list[Command]:  # noqa: ARG002
        # What is loaded already cannot be loaded again; the agent goes on where it was.
        return [*self.stop_commands, ["launchctl", "bootstrap", self._domain, str(self._file)]]


def manager(timer: bool = False, system: str = sys.platform, home: Path | None = None) -> ServiceManager:
    """The service manager of a platform (``sys.platform`` names). Raises UsageProblem where it has no timer."""
    if system == "darwin" and timer:
        raise UsageProblem(_("launchd has the agent only"), _("Leave --timer out."))
    kind = TaskScheduler if system == "win32" else Launchd if system == "darwin" else Systemd
    return kind(home or Path.home(), timer)


def install(
    on: ServiceManager, webui: Path, state: Path, config: Path | None = None, *, replace: bool = False
) -> ServiceReport:
    """Writes and starts the service that runs the agent for a web UI; doing it twice is doing it once.

    There is one service a user: one of another web UI is replaced only if ``replace``; else raises UsageProblem.
    Raises StateDamaged where a file cannot be written.
    """
    if not replace:
        _refuse_another(on, webui)
    report = ServiceReport()
    wanted = on.files(service_files.agent_command(sys.executable, webui, state, config))
    make_folder(state)
    changed = False
    other_form = [path for path in on.possible_files if path not in wanted and path.exists()]
    if other_form:
        _run_all(on, on.stop_commands, report)
    for path in other_form:
        _remove(path, report)
    for path, content in wanted.items():
        if _content(path) == content:
            report.lines.append(_("{path}: is as wanted").format(path=path))
        else:
            write_whole_bytes(path, content, private=False)
            changed = True
            report.lines.append(_("{path}: written").format(path=path))
        report.files.append(path)
    find = on.find_command
    if not changed and find is not None and on.run(find).code not in (0, None):
        report.lines.append(_("the service manager had lost the service"))
        changed = True
    _run_all(on, on.start_commands(changed), report)
    return report


def _refuse_another(on: ServiceManager, webui: Path) -> None:
    for path in on.possible_files:
        content = _content(path)
        if content is None or path.suffix == ".timer":  # which names no web UI; its service does
            continue
        named = service_files.webui_of(path.name, content)
        if named is not None and os.path.realpath(named) == os.path.realpath(webui):
            continue
        message = _("{path}: a service is installed already, for {webui}")
        raise UsageProblem(
            message.format(path=path, webui=named or _("a web UI that it does not tell")),
            _("Add --replace to have one for {webui} instead; `autotune service uninstall` removes it.").format(
                webui=webui))


def uninstall(on: ServiceManager) -> ServiceReport:
    """Ends the service and removes its files; the agent's records stay. Raises StateDamaged (cannot remove)."""
    report = ServiceReport()
    there = [path for path in on.possible_files if path.exists()]
    # What was begun goes on without its file; where that is read once, the manager alone knows whether there is one.
    unknown = not on.reads_files_in_place and not there and on.run(on.test_command).code != 0
    refused = False
    if there or unknown or on.has_service():
        refused = _run_all(on, on.stop_commands, report)
    else:
        report.lines.append(_("no service is installed"))
    for path in there:
        _remove(path, report)
    if refused and on.has_service():
        report.ok, report.failed = False, True
        report.lines.append(_("the service manager still has the service; end it there:"))
        report.commands += map(as_typed, on.stop_commands)
    return report


def status(on: ServiceManager) -> ServiceReport:
    """Which files of the service there are, and what the manager says of it."""
    there = [path for path in on.possible_files if path.exists()]
    report = ServiceReport(lines=[_("{path}: there").format(path=path) for path in there], files=there)
    if not there and not on.has_service():
        report.lines, report.ok = [_("no service is installed")], False
        return report
    if not there:
        report.lines.append(
            _("the manager has the service, but its file is gone: `autotune service install` writes it"))
    on = type(on)(on.home, any("once" in path.name for path in there), on.run)  # the form that is installed
    said = on.run(on.show_command)
    report.ok = said.code == 0
    for path in there:  # gone with an environment that was removed or moved: the manager can begin nothing then
        python = service_files.python_of(path.name, _content(path) or b"")
        if python is not None and not os.path.exists(python):  # noqa: PTH110 - never raises
            report.ok = False
            report.lines.append(_("{file}: the Python that it starts is gone ({python}); `autotune service install` "
                                  "writes the one of today").format(file=path, python=python))
    report.lines += said.text.splitlines()
    if said.code is None:
        report.commands.append(as_typed(on.show_command))
    return report


def _run_all(on: ServiceManager, commands: list[Command], report: ServiceReport) -> bool:
    """Runs the manager's commands in order; where it cannot be reached they are left to the reader of the report.

    True when one failed that may: because there is nothing to end, or because the manager would not end it.
    """
    refused = False
    reached = on.run(on.test_command)
    if reached.code != 0:
        report.ok = False
        report.failed = not on.reads_files_in_place
        unreachable = _("{program} cannot be reached from here; give these commands yourself:").format(
            program=on.test_command[0])
        said = reached.text.splitlines()[-1:] if reached.code is not None else []
        report.lines = [line for line in report.lines if line not in (unreachable, *said)] + [*said, unreachable]
        wanted = list(map(as_typed, commands))
        while wanted and report.commands[-1:] == wanted[:1]:
            wanted.pop(0)  # what ends one form of the service may end as what begins the other begins
        report.commands += wanted
        return False
    for number, command in enumerate(commands):
        output = on.run(command)
        if output.code == 0:
            report.lines.append(_("done: {command}").format(command=as_typed(command)))
        elif not set(command) & MAY_FAIL:
            report.ok, report.failed = False, True
            reason = output.text.splitlines()[-1] if output.text else output.code
            report.lines.append(_("failed: {command}: {reason}").format(command=as_typed(command), reason=reason))
            report.commands += map(as_typed, commands[number:])  # what follows builds on it
            return False
        else:
            refused = True
    return refused


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _remove(path: Path, report: ServiceReport) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise StateDamaged(_("{path}: cannot be removed: {reason}").format(path=path, reason=error.strerror),
                           _("Remove it yourself.")) from None
    report.lines.append(_("{path}: removed").format(path=path))
