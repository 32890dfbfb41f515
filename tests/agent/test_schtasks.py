"""The Windows Task Scheduler as a program that speaks the system's language in the system's code page.

A small program stands in for schtasks.exe: it keeps tasks in a folder, says what schtasks says in German, Japanese and
English, byte for byte, and ends with schtasks' exit codes. Everything else is the real code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from autotune.agent import service
from autotune.agent.service import CommandOutput, TaskScheduler
from autotune.cli import service as service_verb
from autotune.cli.main import run

pytestmark = pytest.mark.slow

SCHTASKS = """\
import base64, json, pathlib, sys
said, folder = json.loads(base64.b64decode(sys.argv[1])), pathlib.Path(sys.argv[2])
verb, words = sys.argv[4], sys.argv[4:]
task = folder / words[words.index("/TN") + 1].replace("\\\\", "_") if "/TN" in words else folder
with (folder / "asked").open("a") as file:
    file.write(verb + ("" if "/TN" in words else " all") + "\\n")
def end(key, code):
    stream = sys.stderr if code else sys.stdout
    stream.buffer.write(base64.b64decode(said[key]))
    sys.exit(code)
if (folder / "down").exists():
    end("down", 1)
if "/TN" not in words:
    end("done", 0)
if (folder / "keeps").exists() and verb == "/Delete":
    end("down", 1)
if (folder / "refuses").exists() and verb != "/End":
    end("down", 1)
if verb == "/Create":
    pathlib.Path(words[words.index("/XML") + 1]).read_bytes().decode("utf-16")
    task.write_text("ready")
    end("done", 0)
if not task.exists():
    end("missing", 1)
if verb == "/Delete":
    task.unlink()
end("done", 0)
"""
SAID = {
    "cp850": {
        "done": "ERFOLGREICH: Der geplante Task \"\\autotune\\agent\" wurde erfolgreich ausgeführt.\r\n",
        "missing": "FEHLER: Das System kann die angegebene Datei nicht finden (prüfen Sie Größe und Schlüssel).\r\n",
        "down": "FEHLER: Der Dienst für die Aufgabenplanung läuft nicht. Überprüfen Sie den Dienst.\r\n",
    },
    "cp932": {
        "done": "成功: スケジュール タスク \"\\autotune\\agent\" は正しく作成されました。\r\n",
        "missing": "エラー: 指定されたファイルが見つかりません。\r\n",
        "down": "エラー: タスク スケジューラ サービスが実行されていません。ソ表能\r\n",
    },
    "cp437": {
        "done": "SUCCESS: The scheduled task \"\\autotune\\agent\" has successfully been created.\r\n",
        "missing": "ERROR: The system cannot find the file specified.\r\n",
        "down": "ERROR: The Task Scheduler service is not running: é ü ñ ░\r\n",
    },
}


class Scheduler:
    """Runs the program that stands in for schtasks.exe, in one language."""

    def __init__(self, folder: Path, page: str) -> None:
        import base64

        self.folder, self.page = folder, page
        folder.mkdir()
        said = {key: base64.b64encode(text.encode(page)).decode() for key, text in SAID[page].items()}
        self.first = [sys.executable, "-c", SCHTASKS, base64.b64encode(json.dumps(said).encode()).decode(), str(folder)]

    def __call__(self, command: Sequence[str]) -> CommandOutput:
        return service.run_command([*self.first, *command], self.page)

    def tasks(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name.startswith("_"))

    def asked(self) -> list[str]:
        """What it was asked since the last time."""
        file = self.folder / "asked"
        found = file.read_text().splitlines()
        file.unlink()
        return found


@pytest.fixture(params=sorted(SAID))
def scheduler(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    monkeypatch.setenv("USERNAME", "Müller")
    return Scheduler(tmp_path / "scheduler", request.param)


def manager(tmp_path: Path, scheduler: Scheduler) -> TaskScheduler:
    return TaskScheduler(tmp_path / "home", False, scheduler)


def install(tmp_path: Path, scheduler: Scheduler) -> service.ServiceReport:
    return service.install(manager(tmp_path, scheduler), tmp_path / "web (ui) Ü", tmp_path / "s")


def test_a_task_that_was_deleted_is_made_again_and_one_that_is_there_is_left(
    tmp_path: Path, scheduler: Scheduler
) -> None:
    assert install(tmp_path, scheduler).ok
    assert scheduler.tasks() == ["_autotune_agent"]
    assert scheduler.asked() == ["/Query all", "/End", "/Create", "/Run"]
    assert install(tmp_path, scheduler).ok
    assert scheduler.asked() == ["/Query", "/Query all", "/Run"]
    (scheduler.folder / "_autotune_agent").unlink()
    shown = service.status(manager(tmp_path, scheduler))
    assert not shown.ok
    assert SAID[scheduler.page]["missing"].strip() in shown.lines
    again = install(tmp_path, scheduler)
    assert again.ok, again.lines
    assert "the service manager had lost the service" in again.lines
    assert scheduler.tasks() == ["_autotune_agent"]
    assert service.uninstall(manager(tmp_path, scheduler)).ok
    assert scheduler.tasks() == []


def test_a_task_whose_file_is_gone_is_ended_or_said_to_be_left(tmp_path: Path, scheduler: Scheduler) -> None:
    on = manager(tmp_path, scheduler)
    assert service.uninstall(on).lines == ["no service is installed"]
    (file,) = install(tmp_path, scheduler).files
    file.unlink()
    (scheduler.folder / "keeps").touch()
    kept = service.uninstall(on)
    assert scheduler.tasks() and kept.failed and not kept.ok and kept.commands and "still has" in kept.lines[-1]
    (scheduler.folder / "keeps").rename(scheduler.folder / "down")
    unknown = service.uninstall(on)
    assert unknown.failed and unknown.commands and "no service is installed" not in unknown.lines
    (scheduler.folder / "down").unlink()
    assert service.uninstall(on).ok and scheduler.tasks() == []


def test_what_it_says_is_shown_letter_by_letter(tmp_path: Path, scheduler: Scheduler) -> None:
    (scheduler.folder / "refuses").touch()
    report = install(tmp_path, scheduler)
    assert not report.ok
    assert report.lines[-1].endswith(": " + SAID[scheduler.page]["down"].strip())
    assert any("/Create" in command for command in report.commands)
    assert "/Run" not in scheduler.asked(), "a task that could not be made was begun"
    (scheduler.folder / "refuses").rename(scheduler.folder / "down")
    report = install(tmp_path, scheduler)
    assert SAID[scheduler.page]["down"].strip() in report.lines


@pytest.mark.parametrize("encoding", ["cp850", "cp932", "cp437", "cp1252", "utf-8"])
def test_no_byte_is_too_much(encoding: str) -> None:
    command = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(bytes(range(1, 256))); sys.exit(3)"]
    answer = service.run_command(command, encoding)
    assert answer.code == 3
    assert "ABCDEFG" in answer.text


@pytest.mark.parametrize("way", ["absent", "down", "fine"])
@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_the_exit_code_says_whether_the_scheduler_did_it(
    verb: str, way: str, tmp_path: Path, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(tmp_path, scheduler) if verb == "uninstall" else None
    if way == "down":
        (scheduler.folder / "down").touch()
    if way == "absent":
        scheduler.first = [str(tmp_path / "no such program")]
    report = (install(tmp_path, scheduler) if verb == "install"
              else service.uninstall(manager(tmp_path, scheduler)))
    monkeypatch.setattr(service, verb, lambda *_, **__: report)
    (tmp_path / "webui").mkdir()
    (tmp_path / "webui" / "webui.py").touch()
    (tmp_path / "webui" / "launch.py").touch()
    (tmp_path / "webui" / "modules").mkdir()
    words = ["--webui", str(tmp_path / "webui"), "--state-dir", str(tmp_path / "s"), "service", verb, "--json"]
    code = run(words)
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "service", document
    assert code == (0 if way == "fine" else service_verb.UNMANAGED)
    assert bool(document["commands"]) is (way != "fine")


def test_a_program_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "COMMAND_LIMIT", 0.2)
    answer = service.run_command([sys.executable, "-c", "import time; time.sleep(600)"])
    assert answer.code is None
