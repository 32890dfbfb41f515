"""A real tune as the child of the agent: it ends within seconds, and dies with the agent."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autotune.agent.verb_process import VerbProcess
from tests.agent.test_verb_process import tune
from tests.waiting import wait_for


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
