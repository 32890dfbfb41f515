"""A terminal for tests: a program runs on a real pseudo-terminal, and pyte says what a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import pyte
from rich.cells import cell_len

from tests.waiting import wait_for


class Terminal:
    """Runs a command on a pseudo-terminal of this size; ``seen`` keeps every screen that differed from the last.
    ``piped``: its stdout is a pipe, and only stderr is on the terminal."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], columns: int, rows: int,
                 pass_fds: tuple[int, ...] = (), piped: bool = False) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=1000)
        self._stream, self._lock = pyte.ByteStream(self.screen), threading.Lock()
        self.raw = b""
        self.seen: list[list[str]] = []
        self._master, slave = pty.openpty()
        self.resize(columns, rows)
        self.process = subprocess.Popen(command, env={"TERM": "xterm-256color", **env}, stdin=slave,
                                        stdout=subprocess.PIPE if piped else slave,
                                        stderr=slave, start_new_session=True, pass_fds=pass_fds,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self._master)

    def resize(self, columns: int, rows: int) -> None:
        """As when a window is dragged: its program is told by the system."""
        with self._lock:
            self.screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        """Keys of the keyboard; \\x03 is Ctrl-C."""
        os.write(self._master, keys.encode())

    def lines(self) -> list[str]:
        """What is on the screen now."""
        with self._lock:
            return [line.rstrip() for line in self.screen.display]

    def all_lines(self) -> list[str]:
        """What scrolled out of the screen too."""
        with self._lock:
            past = ["".join(row[at].data for at in range(self.screen.columns)).rstrip()
                    for row in self.screen.history.top]
        return past + self.lines()

    def shows(self, text: str, seconds: float = 20.0) -> bool:
        """Waits until the text is on the screen."""
        return wait_for(lambda: any(text in line for line in self.lines()), seconds)

    def ended(self, seconds: float = 60.0) -> int:
        """Waits for the end of the program, and of what it wrote; its exit code."""
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def cursor_hidden(self) -> bool:
        """Whether the cursor cannot be seen."""
        with self._lock:
            return bool(self.screen.cursor.hidden)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                return
            if not data:
                return
            with self._lock:
                self.raw += data
                self._stream.feed(data)
                self.seen.append(list(self.screen.display))


def widest(lines: Sequence[str]) -> int:
    """Columns of the widest line."""
    return max(map(cell_len, lines), default=0)


def until(condition: Callable[[], object], what: str) -> None:
    """Waits for the condition, and says what did not come."""
    assert wait_for(condition, 20), what
