"""What the tab reads by child processes: real ones of a real Python, that answer, fail, hang or are not there."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from autotune.webui.a1111.own_extension import SOURCE
from tests.waiting import wait_for

sys.path.insert(0, str(SOURCE))
from sd_webui_autotune import commands

SAYS = """
import json, os, sys, time
from pathlib import Path
here = Path({here!r})
with (here / "calls").open("a") as calls:
    calls.write(json.dumps([sys.argv[1:], "COMMANDLINE_ARGS" in os.environ, "PYTHONPATH" in os.environ]) + "\\n")
{body}
"""


def autotune(folder: Path, body: str, python: str = sys.executable) -> commands.Autotune:
    """One whose program is a script with that body."""
    script = folder / "program.py"
    script.write_text(SAYS.format(here=str(folder), body=body), encoding="utf-8")
    made = commands.Autotune({"python": python, "webui": "WEB", "state_dir": "STATE", "config": None, "lang": "ja",
                              "words": {"silent": "silent", "again": "again"}})
    made._first[made._first.index("-m"):made._first.index("-m") + 2] = [str(script)]
    return made


def calls(folder: Path) -> list[Any]:
    file = folder / "calls"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_it_is_called_as_its_owner_would_without_the_variables_of_the_web_ui(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMANDLINE_ARGS", "--xformers")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    assert autotune(tmp_path, "print('{\"kind\": \"tab\"}')").ask(("extension", "show"), 60) == {"kind": "tab"}
    assert calls(tmp_path) == [
        [["--webui", "WEB", "--state-dir", "STATE", "--lang", "ja", "extension", "show", "--json"], False, False]]


@pytest.mark.parametrize("body", ["pass", "print('no json')", "print('[]')", "sys.exit('it broke')", "time.sleep(600)"])
def test_one_that_does_not_answer_is_told_in_words(tmp_path: Path, body: str) -> None:
    found = autotune(tmp_path, body).ask(("status",), 3.0)
    assert found["kind"] == "error" and found["message"].startswith("silent (") and found["hint"] == "again"
    assert ("it broke" in found["message"]) == ("broke" in body)


def test_a_python_that_is_gone_is_told_in_words(tmp_path: Path) -> None:
    found = autotune(tmp_path, "pass", str(tmp_path / "no-python")).ask(("status",), 60)
    assert found["kind"] == "error" and found["hint"] == "again"


def read(shown: commands.Shown, wanted: Any) -> bool:
    """Asks for the document until it is as wanted."""
    return wait_for(lambda: wanted(shown.document()), 60)


def test_it_is_read_again_when_a_file_moved_and_not_else(tmp_path: Path) -> None:
    file = tmp_path / "watched"
    file.write_text("1")
    body = ("file = here / 'watched'\n"
            "print(json.dumps({'kind': 'tab', 'text': file.read_text(), 'watch': [str(file)]}))")
    shown = commands.Shown(autotune(tmp_path, body))
    assert shown.document() is None, "asking waits"
    assert read(shown, lambda found: found is not None and found["text"] == "1")
    for _ in range(200):
        shown.document()
    assert len(calls(tmp_path)) == 1
    file.write_text("two")
    assert read(shown, lambda found: found["text"] == "two")
    assert wait_for(lambda: not shown.is_reading, 60) and len(calls(tmp_path)) == 2
    shown.forget()
    assert read(shown, lambda _: len(calls(tmp_path)) == 3)


def test_while_it_fails_what_was_read_stays_with_the_trouble(tmp_path: Path) -> None:
    body = ("broken = (here / 'broken').exists()\n"
            "print('broken' if broken else json.dumps({'kind': 'tab', 'text': 'x', 'watch': []}))")
    shown = commands.Shown(autotune(tmp_path, body))
    assert read(shown, lambda found: found is not None)
    (tmp_path / "broken").touch()
    shown.forget()
    assert read(shown, lambda found: "trouble" in found)
    found = shown.document()
    assert found is not None and found["text"] == "x" and found["trouble"]["message"].startswith("silent")
    (tmp_path / "broken").unlink()
    shown.forget()
    assert read(shown, lambda found: "trouble" not in found)


def test_one_button_at_a_time(tmp_path: Path) -> None:
    import threading

    made = autotune(tmp_path, "(here / 'begun').touch()\nwhile not (here / 'go').exists():\n    time.sleep(0.05)\n"
                    "print('{\"kind\": \"apply\", \"changed\": true}')")
    buttons = commands.Buttons(made, commands.Shown(made))
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(buttons.press("apply")))
    thread.start()
    assert wait_for((tmp_path / "begun").exists, 60)
    assert buttons.press("undo") is None
    (tmp_path / "go").touch()
    thread.join(60)
    assert done == [{"kind": "apply", "changed": True}]
    assert [words[0][6] for words in calls(tmp_path)] == ["apply"]
