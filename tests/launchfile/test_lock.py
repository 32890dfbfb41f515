"""One lock: who holds it is named, and a dead holder does not hold it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.launchfile import lock as module
from autotune.launchfile.lock import FolderLock, Lock, exclusively
from autotune.model.errors import Busy, StateDamaged
from tests.system import HAS_LINKS

_HOLDER = """
import sys
from pathlib import Path
from autotune.launchfile.lock import Lock
Lock(Path(sys.argv[1]), "tune").acquire()
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_the_holder_is_named_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    process = holder(path)
    try:
        with pytest.raises(Busy) as caught:
            Lock(path).acquire()
        assert f"pid {process.pid} (tune), since 20" in caught.value.message
        assert caught.value.code == 6 and caught.value.hint
    finally:
        process.kill() if os.name == "nt" else process.send_signal(signal.SIGKILL)
        process.communicate()
    with Lock(path) as lock:
        assert lock.holder()["pid"] == os.getpid()
    assert Lock(path).holder() == {}


def test_release_lets_the_next_one_in(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holder(path)
    process.communicate("")
    assert process.returncode == 0
    lock = Lock(path)
    lock.acquire()
    with pytest.raises(Busy):
        lock.acquire()
    with pytest.raises(Busy, match=f"pid {os.getpid()}"):
        Lock(path).acquire()
    lock.release()
    lock.release()
    with Lock(path):
        assert path.exists()


def test_a_place_that_cannot_hold_a_lock(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateDamaged, match="cannot be made"):
        Lock(tmp_path / "file" / "lock").acquire()


def test_a_garbled_lock_file_still_says_busy(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path):
        path.write_bytes(b"\xff garbage")
        with pytest.raises(Busy, match="pid unknown"):
            Lock(path).acquire()


_TUNER = """
import sys
from pathlib import Path
from autotune.launchfile.lock import exclusively
with exclusively(Path(sys.argv[1]) / "lock", Path(sys.argv[2]), "tune"):
    print("held", flush=True)
    sys.stdin.read()
"""


def tuner(state: Path, webui: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _TUNER, str(state), str(webui)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test, wherever the platform has its own."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    return tmp_path / "cache"


def spellings(folder: Path) -> list[str]:
    """The same folder by other paths; a link where links can be made."""
    found = [str(folder), f"{folder}{os.sep}", str(folder / "sub" / "..")]
    if Path.cwd().anchor == folder.anchor:
        found.append(os.path.relpath(folder))
    if not HAS_LINKS:
        return found
    link = folder.with_name("link")
    link.symlink_to(folder)
    return [*found, str(link), str(link / "sub" / "..")]


@pytest.mark.parametrize("locks_folders", [True, False])
def test_two_state_folders_and_one_web_ui(
    locks_folders: bool, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``locks_folders`` False: as on Windows and on file systems that lock no folders."""
    webui = tmp_path / "web ui"
    (webui / "sub").mkdir(parents=True)
    if not locks_folders:
        program = _TUNER.replace("with exc", "import autotune.launchfile.lock as m\n"
                                 "m.FolderLock._lock_folder = lambda self: None\nwith exc")
        monkeypatch.setitem(globals(), "_TUNER", program)
        monkeypatch.setattr(module.FolderLock, "_lock_folder", lambda self: None)
    process = tuner(tmp_path / "one", webui)
    try:
        for spelling in spellings(webui):
            with pytest.raises(Busy) as caught, exclusively(tmp_path / "two" / "lock", Path(spelling)):
                pass
            assert f"pid {process.pid} (tune), since 20" in caught.value.message, spelling
        with exclusively(tmp_path / "two" / "lock", tmp_path / "cache"):
            pass  # another folder is another matter
    finally:
        process.kill()
        process.communicate()
    with exclusively(tmp_path / "two" / "lock", webui), pytest.raises(Busy, match=f"pid {os.getpid()}"):
        FolderLock(webui).acquire()
    assert sorted(path.name for path in webui.iterdir()) == ["sub"]
    if locks_folders and sys.platform != "win32":
        assert not [path for path in cache.rglob("*") if path.is_file()], "the note stays behind"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone tells who holds a folder")
def test_another_users_autotune_is_named_too(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its note lies in a home of its own; a note of ours that a kill left behind names somebody else."""
    webui = tmp_path / "webui"
    webui.mkdir()
    dead = tuner(tmp_path / "one", webui)
    dead.kill()
    dead.communicate()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another home"))
    other = tuner(tmp_path / "one", webui)
    try:
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        with pytest.raises(Busy, match=f"pid {other.pid}$"):
            FolderLock(webui).acquire()
    finally:
        other.kill()
        other.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="there the note itself is the lock")
@pytest.mark.parametrize("home", ["file", "closed", "none"])
def test_a_folder_is_held_without_a_place_for_notes(
    home: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    webui = tmp_path / "webui"
    webui.mkdir()
    if home == "none":
        monkeypatch.setattr(module, "_note_of", lambda folder: Path("~/.cache/autotune/locks/x"))
    else:
        cache.write_text("") if home == "file" else cache.mkdir(mode=0o500)
    monkeypatch.chdir(tmp_path)
    with FolderLock(webui), pytest.raises(Busy, match="another autotune is at work: pid "):
        FolderLock(webui).acquire()
    with FolderLock(webui):
        pass
    assert not (tmp_path / "~").exists()


def test_a_web_ui_that_is_gone_can_be_held(tmp_path: Path, cache: Path) -> None:
    with FolderLock(tmp_path / "gone"), pytest.raises(Busy):
        FolderLock(tmp_path / "gone").acquire()
