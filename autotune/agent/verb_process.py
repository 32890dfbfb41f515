"""Runs a verb (tune, verify, apply, rollback) as a child process: starts it, stops it within seconds, reads its end."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from autotune.agent.verb_guard import interrupt
from autotune.disk.files import make_folder, open_to_append, remove
from autotune.disk.programs import HIDDEN, console_python
from autotune.language.choice import ENVIRONMENT
from autotune.language.translate import _, language
from autotune.model.errors import StateDamaged

if TYPE_CHECKING:
    import psutil

INTERRUPT_LIMIT = 2.5
"""Seconds a verb has to end by itself after an interrupt."""
GUARD_LIMIT = 1.0
"""Seconds the guard of its trial has to end the web UI after the verb was killed; then whatever is left is killed."""


@dataclass(frozen=True, slots=True)
class VerbResult:
    """How a verb ended: its exit code and the JSON document it printed, None without a whole one."""

    code: int
    document: dict[str, Any] | None


class VerbProcess:
    """A verb that runs. Its output goes to ``folder``/NAME.json, what it says meanwhile to NAME.log."""

    def __init__(self, folder: Path, name: str, words: Sequence[str]) -> None:
        """Starts ``autotune WORDS``. Raises StateDamaged when the folder cannot be written."""
        self.folder, self.name = folder, name
        try:
            make_folder(folder)
            remove(folder / f"{name}.json")
            out, log = (os.fdopen(open_to_append(folder / f"{name}.{end}"), "ab") for end in ("json", "log"))
        except OSError as error:
            raise StateDamaged(_("{folder}: cannot be written: {reason}").format(folder=folder, reason=error.strerror),
                               _("Free some space.")) from None
        with out, log:
            self._process = self._start(words, out, log)

    def _start(self, words: Sequence[str], out: IO[bytes], log: IO[bytes]) -> subprocess.Popen[bytes]:
        # The child must be started from the main thread: Linux ties its life to the thread that made it.
        command = [console_python(), "-m", "autotune.agent.verb_guard", str(os.getpid()), *words]
        # A console of its own that nobody sees: the agent may have none, and what the verb starts would show one.
        flags = HIDDEN | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        env = {**os.environ, ENVIRONMENT: language()}
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=log, env=env,
                                start_new_session=os.name == "posix", creationflags=flags)

    @property
    def pid(self) -> int:
        """The process id of the verb."""
        return self._process.pid

    def pids(self) -> frozenset[int]:
        """Ids of the verb's process and of everything that it started."""
        return frozenset({self.pid, *(process.pid for process in self._started())})

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def result(self) -> VerbResult:
        """How it ended. Only after ``poll`` gave a code."""
        self._close()
        return VerbResult(self._process.returncode, read_document(self.folder, self.name))

    def stop(self) -> VerbResult:
        """Ends it within about five seconds, the web UI first of all; what it had measured is on disk."""
        started = self._started()
        if os.name == "nt":
            self._close()  # only processes of one console can interrupt each other there; its guard hears this
        else:
            interrupt(self._process)
        if not self._wait(INTERRUPT_LIMIT):
            started = list({process.pid: process for process in [*started, *self._started()]}.values())
            self._process.kill()
            self._wait(GUARD_LIMIT)
        _kill_remaining(started)
        return self.result()

    def _wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _started(self) -> list[psutil.Process]:
        """Living processes that the verb started, and those that they started."""
        from autotune.machine.processes import descendants

        return descendants(self.pid)


def _kill_remaining(started: list[psutil.Process]) -> None:
    """Kills what is left of the processes a verb started, except the trial's guard, which cleans up and then ends."""
    from autotune.machine.processes import GONE, POLL, alive

    limit = time.monotonic() + GUARD_LIMIT
    while started and time.monotonic() < limit:
        started = [process for process in started if alive(process) and not _is_trial_guard(process)]
        if started:
            time.sleep(POLL)
    for process in started:
        with suppress(*GONE):
            process.kill()


def _is_trial_guard(process: psutil.Process) -> bool:
    from autotune.machine.processes import GONE

    try:
        return "autotune.trial.guard" in process.cmdline()
    except GONE:
        return True


def read_document(folder: Path, name: str) -> dict[str, Any] | None:
    """The JSON document of a verb that ended; None when it is absent or torn."""
    try:
        value = json.loads((folder / f"{name}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def remove_old_output(folder: Path, keep: int = 40) -> None:
    """Removes the output files of earlier verbs, but for the newest ``keep``."""
    try:
        files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[keep:]:
            path.unlink(missing_ok=True)
    except OSError:
        return
