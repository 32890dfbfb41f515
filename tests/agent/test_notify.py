"""Notifications: the words each system's notifier gets, silence by default, nothing that can hold up the agent."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autotune.agent import notify, windows_toast

TITLE, TEXT = 'A "quoted" \\ title', "1.40 times as fast → 表 `x` $(y) %PATH% --sound"


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every system's notifier were here."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
@pytest.mark.usefixtures("everywhere")
def test_it_is_silent_unless_a_sound_is_wanted(system: str) -> None:
    silent, loud = (notify.command(TITLE, TEXT, with_sound, system) for with_sound in (False, True))
    assert silent is not None
    assert loud is not None
    marks = {"linux": ("suppress-sound:true", "sound-name"), "darwin": ("", "sound name"), "win32": ("", "--sound")}
    quiet, sound = marks[system]
    for words, mine, other in ((silent, quiet, sound), (loud, sound, quiet)):
        said = "\n".join(words).replace(TEXT, "").replace(TEXT.replace("\\", "\\\\"), "")
        assert mine in said
        assert not other or other not in said


def test_a_notifier_gets_the_text_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        pytest.skip("the notifier is a script for a POSIX shell")
    script = tmp_path / "notify-send"
    script.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.said"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    words = notify.command(TITLE, TEXT, system="linux")
    assert words is not None
    assert notify.run_notifier(words)
    assert (tmp_path / "notify-send.said").read_text(encoding="utf-8").splitlines()[-3:] == ["--", TITLE, TEXT]


def test_nothing_is_shown_where_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert notify.command("a", "b", system="linux") is None
    assert notify.command("a", "b", system="darwin") is None


@pytest.mark.parametrize("program", ["import time; time.sleep(600)", "raise SystemExit(1)", "1 / 0"])
def test_a_desktop_that_does_not_answer_is_left(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "NOTIFIER_LIMIT", 0.5 if "sleep" in program else 60)
    assert not notify.run_notifier([sys.executable, "-c", program])


@pytest.mark.parametrize("words", [["no such program"], [sys.executable, "-c", "pass", "null \0 character"]])
def test_a_notifier_that_cannot_be_begun(words: list[str]) -> None:
    assert not notify.run_notifier(words)


def test_without_the_library_a_toast_is_a_quiet_failure() -> None:
    program = ("import sys; sys.modules['desktop_notifier'] = None\n"
               "from autotune.agent.windows_toast import main; sys.exit(main(['a', 'b']))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize("answer", [None, OSError("element not found"), RuntimeError("no notifier")])
def test_a_toast_by_the_library_itself(sound: bool, answer: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the last step, which hands the notification to a desktop, is the library's own code."""
    library: Any = pytest.importorskip("desktop_notifier.main")
    from desktop_notifier.backends.dummy import DummyNotificationCenter

    seen: list[Any] = []

    class Desktop(DummyNotificationCenter):  # type: ignore[misc]
        async def _send(self, notification: Any) -> None:
            if answer is not None:
                raise answer
            seen.append(notification)

    monkeypatch.setattr(library, "get_backend_class", lambda: Desktop)
    assert windows_toast.main([TITLE, TEXT, *(["--sound"] if sound else [])]) == (0 if answer is None else 1)
    assert [(one.title, one.message, one.sound is not None) for one in seen] == (
        [(TITLE, TEXT, sound)] if answer is None else [])
