"""Runs one verb that must not outlive the agent: ``python -m autotune.agent.verb_guard AGENT_PID WORDS``.

On Linux the kernel is asked to end this process when the agent dies, and the verb takes its place. Elsewhere
this process stays and watches its standard input, whose other end only the agent holds: when it closes, the
verb gets an interrupt, and a kill a little later.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1
INTERRUPT_LIMIT = 3.0
"""Seconds between the interrupt and the kill when the agent is gone."""


def main(words: list[str]) -> int:
    """Runs ``python -m autotune WORDS`` and returns its exit code. The first word is the agent's process id."""
    # What it says is kept in files, where UTF-8 is meant; by itself Windows would write in the ANSI code page.
    utf8 = ["-X", "utf8"] if os.name == "nt" else []
    agent, command = int(words[0]), [sys.executable, *utf8, "-m", "autotune", *words[1:]]
    if platform.system() == "Linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != agent:  # it died before the kernel was asked
            return 130
        os.execv(command[0], command)  # noqa: S606 - our own command, without a shell
    return _run_while_agent_lives(command)


def _run_while_agent_lives(command: list[str]) -> int:
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, creationflags=flags)

    def end_with_agent() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        interrupt(process)
        try:
            process.wait(INTERRUPT_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()

    threading.Thread(target=end_with_agent, daemon=True).start()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: interrupt(process))
    return process.wait()


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Asks a child process to stop as Ctrl-C would; one that is gone already is no error."""
    try:
        process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT))
    except (ProcessLookupError, OSError):
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
