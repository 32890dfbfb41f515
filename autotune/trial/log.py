"""Keeps the last lines of a web UI's output, without credentials, and notes what they say of its state."""

from __future__ import annotations

import codecs
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from autotune.language.translate import _
from autotune.model.study import Failure
from autotune.secrets.mask import masked
from autotune.webui.face import LogLines

KEEP = 400
"""Lines kept."""
LONGEST = 2000
"""Characters kept of one line."""

class ServerLog:
    """The last lines of output, fed by one thread and read by others.

    tqdm redraws its bar with carriage returns; each state counts as one line and replaces the one before.
    """

    def __init__(
        self, lines: LogLines, secrets: Iterable[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``lines``: what its lines mean; ``secrets``: texts that are replaced wherever they stand."""
        self._clock, self._means = clock, lines
        self._installs_since: float | None = None
        self._installed = 0.0
        self._secrets = tuple(secret for secret in secrets if secret)
        self._lines: deque[str] = deque(maxlen=KEEP)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._redraw = False
        self._lock = threading.Lock()
        self._attention: str | None = None
        self._applied = 0
        self._loaded = False
        self._failed = False
        self._spoiled = False

    def feed(self, data: bytes) -> None:
        """Adds raw output, in pieces of any size."""
        with self._lock:
            text = self._rest + self._decoder.decode(data)
            # A trailing return may be the first half of a line end.
            parts = re.split(r"(\r\n|\n|\r(?!$))", text)
            self._rest = parts.pop()[-LONGEST:]
            for line, end in zip(parts[::2], parts[1::2], strict=True):
                self._add_line(line, end == "\r")

    def _add_line(self, line: str, redraw: bool) -> None:
        if not line.strip():
            return
        clean = self.redact(line)[:LONGEST]
        if self._redraw and self._lines:
            self._lines.pop()
        self._lines.append(clean)
        self._redraw = redraw
        found = self._means.attention.search(clean)
        if found:
            self._attention = found["name"]
            self._applied += 1
        if self._means.ready.search(clean):
            self._loaded = True
        self._note_installing(clean)
        if self._means.spoiled.search(clean):
            self._spoiled = True
        if self._means.failed.search(clean):
            self._failed = True

    def _note_installing(self, line: str) -> None:
        """Measures the time between the first line of pip or git and the first one of the web UI itself."""
        if self._installs_since is None and self._means.installs.search(line):
            self._installs_since = self._clock()
        elif self._installs_since is not None and self._means.installed.search(line):
            self._installed += self._clock() - self._installs_since
            self._installs_since = None

    def installing(self) -> float:
        """Seconds so far in which it installed or downloaded something."""
        with self._lock:
            return self._installed + (0.0 if self._installs_since is None else self._clock() - self._installs_since)

    def redact(self, text: str) -> str:
        """The text without this run's credentials and without the value of any flag that holds a secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return masked(text)

    def tail(self, lines: int = 60) -> tuple[str, ...]:
        """The last lines, oldest first."""
        with self._lock:
            kept = [*self._lines, self.redact(self._rest)] if self._rest.strip() else list(self._lines)
        return tuple(kept[-lines:])

    @property
    def attention(self) -> str | None:
        """The attention class that was applied last, as the web UI names it; None when no line told."""
        with self._lock:
            return self._attention

    @property
    def applied(self) -> int:
        """How often an attention optimisation was applied so far."""
        with self._lock:
            return self._applied

    @property
    def model_loaded(self) -> bool:
        """True once a line said that the model is loaded."""
        with self._lock:
            return self._loaded

    @property
    def spoiled(self) -> str:
        """Why clips of this process are not of the set that was asked for any more; '' where they are."""
        with self._lock:
            return _(self._means.why_spoiled) if self._spoiled else ""

    @property
    def spoiled_as(self) -> Failure:
        """The failure class of a clip of such a process."""
        return self._means.spoiled_as

    @property
    def model_failed(self) -> bool:
        """True once a line said that no model can be loaded; some web UIs serve on without one."""
        with self._lock:
            return self._failed and not self._loaded
