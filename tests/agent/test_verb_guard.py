"""A command that must not outlive the agent, where no kernel sees to it (Windows, macOS): it has its own exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest

WATCH = """\
import sys
from autotune.agent.verb_guard import _run_while_agent_lives
sys.exit(_run_while_agent_lives([sys.executable, *sys.argv[1:]]))
"""


def watched(*words: str) -> subprocess.Popen[bytes]:
    """The watcher of one command, as ``verb_guard.main`` runs it where there is no PR_SET_PDEATHSIG."""
    return subprocess.Popen([sys.executable, "-c", WATCH, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


@pytest.mark.parametrize("code", [0, 1, 4, 6, 130])
def test_it_ends_with_the_commands_own_code(code: int) -> None:
    process = watched("-c", f"raise SystemExit({code})")
    try:
        assert process.wait(60) == code  # its standard input is still open, as it is while the agent lives
    finally:
        process.kill()
    _, err = process.communicate()
    assert err == b""


def test_it_is_ended_when_the_agent_is_gone() -> None:
    process = watched("-c", "import time; print('up', flush=True); time.sleep(600)")
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.read(2) == b"up"
        process.stdin.close()
        assert process.wait(60) != 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        assert process.stderr is not None
        process.stderr.close()
