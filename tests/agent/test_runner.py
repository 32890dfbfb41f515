"""Children of the agent as real processes: they end within seconds, die with it, and lose no result."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autotune.agent.verb_process import VerbProcess, read_document, remove_old_output
from tests.waiting import wait_for

WINE = hasattr(getattr(getattr(ctypes, "windll", None), "ntdll", None), "wine_get_version")


@pytest.fixture(scope="module")
def webui(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("install") / "webui"
    words = [sys.executable, "-m", "autotune.engine", "create", str(folder)]
    subprocess.run(words, check=True, capture_output=True)
    return folder


def tune(webui: Path, state: Path) -> list[str]:
    return ["--webui", str(webui), "--state-dir", str(state), "tune", "--json", "--profile", "tiny"]


def serving(session: VerbProcess) -> bool:
    """Whether a trial web UI of the session listens."""
    for pid in session.pids():
        try:
            process = psutil.Process(pid)
            if any(word.endswith("launch.py") for word in process.cmdline()) and process.net_connections():
                return True
        except psutil.Error:
            continue
    return False


def alive(pids: Iterator[int] | frozenset[int]) -> list[str]:
    """Command lines of those that still run."""
    found = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_a_command_that_ends_leaves_code_and_document(tmp_path: Path) -> None:
    words = ["--webui", str(tmp_path / "none"), "--state-dir", str(tmp_path / "state"), "tune", "--json"]
    session = VerbProcess(tmp_path / "out", "a", words)
    assert wait_for(lambda: session.poll() is not None, 30)
    result = session.result()
    assert result.code == 3
    assert result.document is not None
    assert (result.document["kind"], result.document["code"]) == ("error", 3)
    assert read_document(tmp_path / "out", "a") == result.document


def test_a_torn_document_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"schema": 1, "kind": "tu')
    (tmp_path / "b.json").write_text("[1]")
    assert read_document(tmp_path, "a") is None
    assert read_document(tmp_path, "b") is None
    assert read_document(tmp_path, "c") is None


def test_old_output_is_pruned(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / f"{number}.json"
        path.write_text("{}")
        os.utime(path, (number, number))
    remove_old_output(tmp_path, keep=5)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["10", "11", "7", "8", "9"]


def test_a_command_is_asked_to_stop_before_it_is_killed(webui: Path, tmp_path: Path) -> None:
    """An agent of its own stands for a command that lasts: asked, it says that it ends, and ends with 0."""
    (tmp_path / "config.toml").write_text("[agent]\nfirst_tune = false\n")
    words = ["--webui", str(webui), "--state-dir", str(tmp_path / "state"), "--config", str(tmp_path / "config.toml")]
    session = VerbProcess(tmp_path / "Sitzung ü", "a", [*words, "daemon"])
    log = tmp_path / "state" / "daemon" / "agent.log"
    try:
        assert wait_for(lambda: log.exists() and "the agent begins" in log.read_text(encoding="utf-8"), 60)
        assert wait_for(lambda: (tmp_path / "state" / "daemon" / "status.json").exists(), 60)
    finally:
        result = session.stop()
    if WINE:
        pytest.skip("wine turns Ctrl-Break into the end of a single thread")
    assert result.code == 0
    assert log.read_text(encoding="utf-8").splitlines()[-1].endswith("the agent ends")


@pytest.mark.e2e
def test_a_tune_is_gone_within_five_seconds(webui: Path, tmp_path: Path) -> None:
    session = VerbProcess(tmp_path / "out", "a", tune(webui, tmp_path / "state"))
    assert wait_for(lambda: serving(session), 90)
    family = session.pids()
    began = time.monotonic()
    result = session.stop()
    assert time.monotonic() - began < 5.0
    assert result.code == 130
    assert wait_for(lambda: not alive(family), 2.0), alive(family)
    assert not list((tmp_path / "state" / "runs").glob("*"))


@pytest.mark.e2e
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the Linux kernel to end the child")
def test_a_tune_dies_with_the_agent(webui: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from autotune.agent.verb_process import VerbProcess\n"
        f"s = VerbProcess(Path({str(tmp_path / 'out')!r}), 'a', {tune(webui, tmp_path / 'state')!r})\n"
        "print(s.pid, flush=True); time.sleep(600)"
    )
    agent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert agent.stdout is not None
    child = int(agent.stdout.readline())
    try:

        def family() -> frozenset[int]:
            try:
                first = psutil.Process(child)
                return frozenset(p.pid for p in [first, *first.children(recursive=True)])
            except psutil.Error:
                return frozenset()

        assert wait_for(lambda: any("launch.py" in line for line in alive(family())), 90)
        everyone = family()
        assert len(everyone) >= 3
    finally:
        agent.send_signal(signal.SIGKILL)
        agent.wait()
        agent.stdout.close()
    assert wait_for(lambda: not alive(everyone), 20), alive(everyone)
    assert wait_for(lambda: not list((tmp_path / "state" / "runs").glob("*")), 10)
