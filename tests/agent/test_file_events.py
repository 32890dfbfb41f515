"""Watching where the system does not let us: the agent goes on by looking, says why, and watches when it can again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from autotune.agent import file_events
from autotune.agent.file_events import FolderWatcher
from autotune.agent.webui_starts import BriefStarts
from tests import reference

pytestmark = pytest.mark.slow

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
PROGRAM = """\
import sys, threading
from pathlib import Path
from autotune.agent.webui_starts import BriefStarts
from autotune.agent.file_events import FolderWatcher
exec(sys.argv[2])
here = Path(sys.argv[1])
watcher, openings = FolderWatcher(threading.Event()), BriefStarts(here, lambda: [])
for folders in ([here], [here, here / "a"]):  # it is tried again at each look
    watcher.watch(folders)
    openings.watch(True)
print(watcher.problem)
watcher.stop()
openings.watch(False)
print(threading.active_count())
"""
LIMITS = {
    "no instance": ("max_inotify_instances", "0", "", "inotify instance limit reached"),
    "no watch": ("max_inotify_watches", "0", "", "inotify watch limit reached"),
    "one watch": ("max_inotify_watches", "1", "", "inotify watch limit reached"),
    "no file": (
        "", "",
        "import resource, psutil, watchdog.events, watchdog.observers.inotify, autotune.agent.file_events\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))", "",
    ),
}


@LINUX
@pytest.mark.parametrize("name", LIMITS)
def test_without_watches_it_looks_regularly(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    limit, value, first, said = LIMITS[name]
    words = [sys.executable, "-c", PROGRAM, str(tmp_path), first]
    if limit:
        shell = f'echo {value} > /proc/sys/user/{limit} || exit 77; exec "$@"'
        words = ["unshare", "-Ur", "bash", "-c", shell, "bash", *words]
        if shutil.which("unshare") is None:
            pytest.skip("needs unshare")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("needs a user namespace of its own")
    assert (done.returncode, done.stderr) == (0, "")
    problem, threads = done.stdout.splitlines()
    assert problem.startswith("no file events (")
    assert said in problem
    assert problem.endswith("): looking regularly")
    assert threads == "1", "a thread was left running"


def test_what_could_not_be_watched_is_watched_when_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    woken = threading.Event()
    watcher, real = FolderWatcher(woken), file_events.start_observer

    def none_left(*_: object) -> object:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(file_events, "start_observer", none_left)
    watcher.watch([tmp_path])
    said: str | None = watcher.problem
    assert said == "no file events (inotify watch limit reached): looking regularly"
    monkeypatch.setattr(file_events, "start_observer", real)
    watcher.watch([tmp_path])
    left: str | None = watcher.problem
    try:
        assert left is None
        (tmp_path / "file").write_text("x")
        assert woken.wait(10)
    finally:
        watcher.stop()


def test_a_folder_that_was_replaced_is_watched_anew(tmp_path: Path) -> None:
    """As when a web UI is moved away and another takes its place: the old watch stays with the old folder."""
    folder, woken = tmp_path / "models", threading.Event()
    folder.mkdir()
    watcher = FolderWatcher(woken)
    try:
        watcher.watch([folder, tmp_path / "never there"])
        folder.rename(tmp_path / "away")
        folder.mkdir()
        watcher.watch([folder])
        woken.clear()
        watcher.take()
        (folder / "new.safetensors").write_bytes(b"x")
        assert woken.wait(10)
        assert watcher.take()
        if sys.platform != "win32":  # there a folder that is watched cannot be removed
            shutil.rmtree(folder)
        watcher.watch([folder])
        assert watcher.problem is None
    finally:
        watcher.stop()


def test_what_cannot_tell_its_mounts_counts_as_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    def refused(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(psutil, "disk_partitions", refused)
    assert not file_events.is_on_network(tmp_path)


@LINUX
def test_a_network_drive_is_looked_at_regularly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    class Mount:
        mountpoint, fstype = str(tmp_path.resolve()), "cifs"

    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [Mount()])
    watcher = FolderWatcher(threading.Event())
    watcher.watch([tmp_path])
    assert watcher.problem == f"no file events on {tmp_path} (a network drive): looking regularly"
    watcher.stop()


def test_starts_in_a_folder_that_is_gone(tmp_path: Path) -> None:
    openings = BriefStarts(tmp_path / "gone", lambda: [os.getpid()])
    openings.watch(True)
    assert openings.take() == set()
    openings.watch(False)


@LINUX
def test_one_pass_says_once_why_it_cannot_watch(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    root, config = tmp_path / "webui", tmp_path / "config.toml"
    reference.copy(root)
    config.write_text('profile = "tiny"\n[agent]\nfirst_tune = false\nsettle_seconds = 1\n')
    shell = 'echo 0 > /proc/sys/user/max_inotify_instances || exit 77; exec "$@"'
    words = ["unshare", "-Ur", "bash", "-c", shell, "bash", sys.executable, "-m", "autotune", "daemon", "--once", "-q",
             "--json", "--webui", str(root), "--state-dir", str(tmp_path / "state"), "--config", str(config)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("needs a user namespace of its own")
    assert done.returncode == 0, done.stderr
    problem = "no file events (inotify instance limit reached): looking regularly"
    assert json.loads(done.stdout)["status"]["problems"] == [problem]
