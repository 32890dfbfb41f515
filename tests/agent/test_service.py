"""Service files: sound for their managers, quoted, hardened; install and uninstall twice are once."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from autotune.agent import service, service_files
from autotune.agent.service import CommandOutput, Launchd, ServiceManager, Systemd, TaskScheduler
from autotune.model.errors import UsageProblem

UNITS = ("autotune.service", "autotune-once.service", "autotune-once.timer")
ANALYZE = shutil.which("systemd-analyze")
NASTY = 'a "b" 50% $HOME & <c>'


def written(tmp_path: Path, folder: str = "web ui") -> Path:
    """The units, filled in for folders that exist."""
    place = tmp_path / "units"
    place.mkdir()
    for name in ("web ui", "state", "runtime"):
        (tmp_path / name).mkdir(exist_ok=True)
    what = service_files.agent_command(sys.executable, tmp_path / folder, tmp_path / "state", None)
    for name in UNITS:
        (place / name).write_text(service_files.systemd_unit(name, what), encoding="utf-8")
    return place


def analyze(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    if ANALYZE is None:
        pytest.skip("systemd-analyze is not installed")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "runtime"), "HOME": str(tmp_path)}
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_to_say(name: str, tmp_path: Path) -> None:
    place = written(tmp_path)
    done = analyze(tmp_path, "verify", "--user", "--man=no", str(place / name))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", UNITS[:2])
def test_exposure_is_low(name: str, tmp_path: Path) -> None:
    place = written(tmp_path)
    done = analyze(tmp_path, "security", "--offline=true", "--no-pager", str(place / name))
    match = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    assert float(match[1]) <= 3.0


def test_every_hardening_line_has_its_reason() -> None:
    from autotune.agent.service_files import template

    lines = template("autotune.service").split("# Hardening.")[1].split("[Install]")[0].splitlines()[1:]
    explained = False
    for line in lines:
        if line.startswith("#"):
            explained = True
        elif not line:
            explained = False
        else:
            assert explained, f"no reason above {line}"


def test_words_are_quoted_for_systemd(tmp_path: Path) -> None:
    what = service_files.agent_command("/usr/bin/python3", tmp_path / NASTY, tmp_path / "state", tmp_path / "c.toml")
    text = service_files.systemd_unit("autotune.service", what)
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert r"a \"b\" 50%% $$HOME & <c>" in line
    assert line.endswith(" daemon")
    assert r"a \"b\" 50%% $HOME & <c>" in text.split("ReadWritePaths=")[1].splitlines()[0]
    escaped = str(tmp_path).replace("\\", "\\\\")
    assert f' "-{escaped}' in text.split("ReadWritePaths=")[1].splitlines()[0]
    assert "@" not in re.sub(r"@system-service|@privileged|@NAMES@", "", text)


def test_the_property_list_holds_the_very_words(tmp_path: Path) -> None:
    what = service_files.agent_command("/usr/bin/python3", tmp_path / NASTY, tmp_path / "state", None)
    content = plistlib.loads(service_files.launchd_agent(what))
    assert content["ProgramArguments"] == [*what.words, "daemon"]
    assert Path(content["StandardErrorPath"]) == tmp_path / "state/daemon/launchd.log"
    assert content["KeepAlive"] == {"SuccessfulExit": False}
    assert content["RunAtLoad"] is True


SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
BASE = ("Enabled", "StartBoundary", "EndBoundary", "Repetition", "ExecutionTimeLimit")
SEQUENCES = {
    "LogonTrigger": (*BASE, "UserId", "Delay"),
    "EventTrigger": (*BASE, "Subscription", "Delay", "ValueQueries"),
}
"""Order of children, from the documentation of triggerBaseType, logonTriggerType and eventTriggerType."""
SETS = {
    "Task": {"RegistrationInfo", "Triggers", "Settings", "Data", "Principals", "Actions"},
    "RegistrationInfo": {
        "URI",
        "SecurityDescriptor",
        "Source",
        "Date",
        "Author",
        "Version",
        "Description",
        "Documentation",
    },
    "Triggers": {
        "BootTrigger",
        "RegistrationTrigger",
        "IdleTrigger",
        "TimeTrigger",
        "EventTrigger",
        "LogonTrigger",
        "SessionStateChangeTrigger",
        "CalendarTrigger",
    },
    "Principals": {"Principal"},
    "Principal": {
        "UserId",
        "LogonType",
        "GroupId",
        "DisplayName",
        "RunLevel",
        "ProcessTokenSidType",
        "RequiredPrivileges",
    },
    "Settings": {
        "AllowStartOnDemand",
        "RestartOnFailure",
        "MultipleInstancesPolicy",
        "DisallowStartIfOnBatteries",
        "StopIfGoingOnBatteries",
        "AllowHardTerminate",
        "StartWhenAvailable",
        "NetworkProfileName",
        "RunOnlyIfNetworkAvailable",
        "WakeToRun",
        "Enabled",
        "Hidden",
        "DeleteExpiredTaskAfter",
        "IdleSettings",
        "NetworkSettings",
        "ExecutionTimeLimit",
        "Priority",
        "RunOnlyIfIdle",
        "UseUnifiedSchedulingEngine",
        "DisallowStartOnRemoteAppSession",
    },
    "IdleSettings": {"Duration", "WaitTimeout", "StopOnIdleEnd", "RestartOnIdle"},
    "RestartOnFailure": {"Interval", "Count"},
    "Repetition": {"Interval", "Duration", "StopAtDurationEnd"},
    "Actions": {"Exec", "ComHandler", "SendEmail", "ShowMessage"},
    "Exec": {"Command", "Arguments", "WorkingDirectory"},
}
"""Children that may stand in any order (xs:all and choices of the same documentation)."""
REQUIRED = {
    "Task": {"Actions"},
    "EventTrigger": {"Subscription"},
    "Repetition": {"Interval"},
    "RestartOnFailure": {"Interval", "Count"},
    "Exec": {"Command"},
}
"""Children without minOccurs="0" in the same documentation."""
ATTRIBUTES = {"Task": {"version"}, "Principal": {"id"}, "Actions": {"Context"}}
"""Attributes that are used here; every other element has none."""
DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?")
VALUES = {
    **dict.fromkeys(
        (
            "Enabled",
            "DisallowStartIfOnBatteries",
            "StopIfGoingOnBatteries",
            "AllowHardTerminate",
            "StartWhenAvailable",
            "RunOnlyIfNetworkAvailable",
            "RunOnlyIfIdle",
            "WakeToRun",
            "StopOnIdleEnd",
            "RestartOnIdle",
        ),
        re.compile("true|false"),
    ),
    **dict.fromkeys(("Delay", "Interval", "Duration", "WaitTimeout", "ExecutionTimeLimit"), DURATION),
    "Priority": re.compile("10|[0-9]"),
    "Count": re.compile(r"[1-9]\d*"),
    "MultipleInstancesPolicy": re.compile("Parallel|Queue|IgnoreNew|StopExisting"),
    "LogonType": re.compile("S4U|Password|InteractiveToken|InteractiveTokenOrPassword"),
    "RunLevel": re.compile("LeastPrivilege|HighestAvailable"),
    **dict.fromkeys(
        ("UserId", "Command", "Arguments", "Subscription", "URI", "Description"), re.compile("(?s).+")
    ),
}


def check_task(element: ElementTree.Element) -> None:
    """Checks an element of a task definition against the schema as its documentation writes it down."""
    name = element.tag.removeprefix(SPACE)
    children = [child.tag.removeprefix(SPACE) for child in element]
    assert REQUIRED.get(name, set()) <= set(children), f"missing in {name}"
    assert set(element.attrib) == ATTRIBUTES.get(name, set()), f"attributes of {name}"
    if name in SEQUENCES:
        places = [SEQUENCES[name].index(child) for child in children]
        assert places == sorted(set(places)), f"order in {name}"
    elif name in SETS:
        assert set(children) <= SETS[name], f"children of {name}: {set(children) - SETS[name]}"
        if name not in ("Triggers", "Actions", "Principals"):
            assert len(children) == len(set(children)), f"twice in {name}"
    else:
        assert not children, name
        assert VALUES[name].fullmatch(element.text or ""), f"{name}: {element.text!r}"
    for child in element:
        check_task(child)


@pytest.mark.parametrize("name", TaskScheduler.NAMES)
def test_the_task_fits_microsofts_schema(name: str, tmp_path: Path) -> None:
    python = r"C:\Program Files\Python\python.exe"
    what = service_files.agent_command(python, tmp_path / NASTY, tmp_path / "state", None)
    data = service_files.windows_task(name, what, r"DESK & CO\ada")
    assert data[:2] in (b"\xff\xfe", b"\xfe\xff")
    root = ElementTree.fromstring(data)
    assert root.tag == f"{SPACE}Task"
    assert root.get("version") == "1.3"
    check_task(root)
    assert [e.text for e in root.iter(f"{SPACE}UserId")] == [r"DESK & CO\ada"] * 2
    (context,) = root.iter(f"{SPACE}Actions")
    (owner,) = root.iter(f"{SPACE}Principal")
    assert context.get("Context") == owner.get("id")
    assert owner.findtext(f"{SPACE}RunLevel") == "LeastPrivilege"
    (query,) = root.iter(f"{SPACE}Subscription")
    assert ElementTree.fromstring(query.text or "").tag == "QueryList"
    (arguments,) = root.iter(f"{SPACE}Arguments")
    assert (arguments.text or "").startswith("-m autotune --webui ")
    assert re.search(r" daemon( --once)?$", arguments.text or "")


def test_the_task_check_can_fail() -> None:
    bad = ElementTree.fromstring(
        f'<LogonTrigger xmlns="{SPACE[1:-1]}"><Delay>PT1M</Delay><Enabled>true</Enabled></LogonTrigger>'
    )
    with pytest.raises(AssertionError, match="order"):
        check_task(bad)
    empty = ElementTree.fromstring(f'<Exec xmlns="{SPACE[1:-1]}"><Arguments>x</Arguments></Exec>')
    with pytest.raises(AssertionError, match="missing in Exec"):
        check_task(empty)
    with pytest.raises(AssertionError, match="Delay"):
        check_task(ElementTree.fromstring(f'<Delay xmlns="{SPACE[1:-1]}">1 minute</Delay>'))


class Recorded:
    """A runner that answers as told and remembers what it was asked."""

    def __init__(self, reach: bool = True, fail: str = "") -> None:
        self.reach, self.fail, self.has = reach, fail, False
        self.asked: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> CommandOutput:
        self.asked.append(list(command))
        if not self.reach:
            return CommandOutput(None, "No such file or directory")
        words = set(command)
        if words & {"enable", "/Create", "bootstrap"}:
            self.has = True
        if words & {"disable", "/Delete", "bootout"}:
            self.has = False
        of_it = {"/Query", "/TN"} <= words or ("print" in words and command[-1].endswith("autotune.agent"))
        if (of_it or "is-active" in words) and not self.has:
            return CommandOutput(1, "there is none")
        failed = self.fail and self.fail in command
        return CommandOutput(1, "first\nno") if failed else CommandOutput(0, "active (running)")


def managers(home: Path, run: Recorded) -> list[ServiceManager]:
    return [
        Systemd(home, False, run),
        Systemd(home, True, run),
        TaskScheduler(home, False, run),
        TaskScheduler(home, True, run),
        Launchd(home, False, run),
    ]


@pytest.mark.parametrize("number", range(5))
def test_install_twice_is_once_and_uninstall_leaves_nothing(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("USERNAME", "ada")
    ask = Recorded()
    on = managers(tmp_path, ask)[number]
    first = service.install(on, tmp_path / "w", tmp_path / "s")
    assert first.ok
    assert any(line.endswith(": written") for line in first.lines)
    content = {path: path.read_bytes() for path in first.files}
    second = service.install(on, tmp_path / "w", tmp_path / "s")
    assert second.ok
    assert not [line for line in second.lines if line.endswith(": written")]
    assert {path: path.read_bytes() for path in second.files} == content
    assert service.status(on).ok
    assert service.uninstall(on).ok
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    again = service.uninstall(on)
    assert again.ok
    assert again.lines == ["no service is installed"]


@pytest.mark.parametrize("number", range(5))
def test_a_service_whose_files_are_gone_is_ended_all_the_same(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "c"))
    ask = Recorded()
    on = managers(tmp_path, ask)[number]
    for path in service.install(on, tmp_path / "w", tmp_path / "s").files:
        path.unlink()
    shown = service.status(on)
    had = ask.has
    assert had and shown.ok and "its file is gone" in shown.lines[0]
    gone = service.uninstall(on)
    assert gone.ok and not ask.has and any(line.startswith("done: ") for line in gone.lines)
    assert service.uninstall(on).lines == ["no service is installed"]
    shown = service.status(on)
    assert not shown.ok and shown.lines == ["no service is installed"]


def test_without_a_manager_the_commands_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "c"))
    report = service.install(Systemd(tmp_path, False, Recorded(False)), tmp_path / "w", tmp_path / "s")
    assert not report.ok
    assert report.files == [tmp_path / "c" / "systemd" / "user" / "autotune.service"]
    assert report.files[0].is_file()
    assert "systemctl --user enable --now autotune.service" in report.commands
    assert "give these commands yourself" in report.lines[-1]


def test_a_refusing_manager_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    ask = Recorded(fail="enable")
    report = service.install(Systemd(tmp_path, False, ask), tmp_path / "w", tmp_path / "s")
    assert not report.ok
    assert "failed: systemctl --user enable --now autotune.service: no" in report.lines


def test_the_timer_takes_the_place_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    ask = Recorded()
    service.install(Systemd(tmp_path, False, ask), tmp_path / "w", tmp_path / "s")
    report = service.install(Systemd(tmp_path, True, ask), tmp_path / "w", tmp_path / "s")
    left = sorted(path.name for path in service_files.systemd_folder(tmp_path).iterdir())
    assert left == ["autotune-once.service", "autotune-once.timer"]
    assert any(line.endswith("autotune.service: removed") for line in report.lines)
    assert "disable" in ask.asked[-6]


def test_launchd_has_no_timer(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem):
        service.manager(True, system="darwin", home=tmp_path)


def test_the_platforms_manager_is_chosen(tmp_path: Path) -> None:
    assert isinstance(service.manager(system="linux", home=tmp_path), Systemd)
    assert isinstance(service.manager(system="win32", home=tmp_path), TaskScheduler)
    assert isinstance(service.manager(system="darwin", home=tmp_path), Launchd)


@pytest.mark.parametrize("folder", ["w", NASTY, "с пробелом и ё", "a'b %h $X", "trailing dots.."])
@pytest.mark.parametrize("number", range(5))
def test_a_service_of_another_web_ui_is_replaced_only_when_asked(
    number: int, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("USERNAME", "ada")
    ask = Recorded()
    on = managers(tmp_path / "home", ask)[number]
    if isinstance(on, TaskScheduler):
        folder = folder.replace('"', "'")  # no name on Windows holds one
    first = tmp_path / folder
    report = service.install(on, first, tmp_path / "s")
    before = {path: path.read_bytes() for path in report.files}
    service.install(on, first, tmp_path / "other state")  # the same web UI: brought up to date
    service.install(on, first, tmp_path / "s")
    asked = len(ask.asked)
    for other in managers(tmp_path / "home", ask)[:2] if number < 2 else [on]:  # the timer is a service too
        with pytest.raises(UsageProblem, match="a service is installed already") as caught:
            service.install(other, tmp_path / "second", tmp_path / "s")
        assert str(first) in caught.value.message
        assert "--replace" in caught.value.hint
    assert {path: path.read_bytes() for path in report.files} == before
    assert len(ask.asked) == asked, "the manager was asked for something"
    after = service.install(on, tmp_path / "second", tmp_path / "s", replace=True)
    assert {service_files.webui_of(p.name, p.read_bytes()) for p in after.files if p.suffix != ".timer"} == {
        str(tmp_path / "second")}


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[Service]\nExecStart=/bin/true\n", b"<plist/>"])
def test_a_service_file_that_somebody_else_wrote_is_not_overwritten(
    number: int, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    on = managers(tmp_path, Recorded())[number]
    path = next(path for path in on.possible_files if path.suffix != ".timer")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(UsageProblem, match="does not tell"):
        service.install(on, tmp_path / "w", tmp_path / "s")
    assert path.read_bytes() == content


@pytest.mark.parametrize("number", range(5))
def test_status_says_that_the_python_is_gone(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment was removed or moved: by another installer, or its Python by an update (a link to nothing)."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    python = tmp_path / "50% of $HOME & (ü)/python.exe"
    python.parent.mkdir()
    python.write_bytes(b"")
    on = managers(tmp_path / "home", Recorded())[number]
    monkeypatch.setattr(sys, "executable", str(python))
    service.install(on, tmp_path / "w", tmp_path / "s")
    assert "is gone" not in " ".join(service.status(on).lines)
    python.unlink()
    said = service.status(on)
    assert any(str(python) in line and "service install" in line for line in said.lines) and not said.ok
    python.symlink_to(tmp_path / "nothing")
    assert any(str(python) in line for line in service.status(on).lines)
    monkeypatch.setattr(sys, "executable", __file__)
    service.install(on, tmp_path / "w", tmp_path / "s")
    assert "is gone" not in " ".join(service.status(on).lines)
