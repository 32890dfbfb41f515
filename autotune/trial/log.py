"""The web UI's output: the last lines kept in memory, credentials taken out, and what they tell."""

from __future__ import annotations

import codecs
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from autotune.secrets.mask import masked

KEEP = 400
"""Lines kept."""
LONGEST = 2000
"""Characters kept of one line."""

ATTENTION = re.compile(r"Applying attention optimization: (?P<name>.+?)\.\.\. ?done")
MODEL_LOADED = re.compile(r"^Model loaded in \d")
MODEL_FAILED = re.compile(r"^(?:Stable diffusion model failed to load|Failed to load checkpoint|No checkpoints found)")
INSTALLS = re.compile(
    r"^\s*(?:Installing |Collecting |Downloading\b|Cloning |Fetching updates for |Looking in indexes|Building wheel|"
    r"Preparing metadata|Successfully installed|Create and activate python venv)")
INSTALLED = re.compile(r"^(?:Launching |Loading weights |Model loaded in |Running on |Startup time)")
VAE_FLIP = re.compile(r"^Web UI will now convert VAE into ")


class ServerLog:
    """A ring of lines, filled by a reader thread and read by others.

    tqdm redraws its bar with carriage returns; each state counts as one line and replaces the one before.
    """

    def __init__(self, secrets: Iterable[str] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
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
        self._flipped = False

    def feed(self, data: bytes) -> None:
        """Takes in raw output, in pieces of any size."""
        with self._lock:
            text = self._rest + self._decoder.decode(data)
            # A trailing return may be the first half of a line end.
            parts = re.split(r"(\r\n|\n|\r(?!$))", text)
            self._rest = parts.pop()[-LONGEST:]
            for line, end in zip(parts[::2], parts[1::2], strict=True):
                self._take(line, end == "\r")

    def _take(self, line: str, redraw: bool) -> None:
        if not line.strip():
            return
        clean = self.redact(line)[:LONGEST]
        if self._redraw and self._lines:
            self._lines.pop()
        self._lines.append(clean)
        self._redraw = redraw
        found = ATTENTION.search(clean)
        if found:
            self._attention = found["name"]
            self._applied += 1
        if MODEL_LOADED.search(clean):
            self._loaded = True
        self._take_install(clean)
        if VAE_FLIP.search(clean):
            self._flipped = True
        if MODEL_FAILED.search(clean):
            self._failed = True

    def _take_install(self, line: str) -> None:
        """Notes the time between the first line of pip or git and the first one of the web UI itself."""
        if self._installs_since is None and INSTALLS.search(line):
            self._installs_since = self._clock()
        elif self._installs_since is not None and INSTALLED.search(line):
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
        """NAME of the last "Applying attention optimization: NAME... done.", None when there was none."""
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
    def vae_flipped(self) -> bool:
        """True once the web UI turned its VAE to another precision after a NaN, for good: clips from then on
        are not of the set that was asked for, and the process must be started anew."""
        with self._lock:
            return self._flipped

    @property
    def model_failed(self) -> bool:
        """True once a line said that no model can be loaded; A1111 without AnimateDiff serves on without one."""
        with self._lock:
            return self._failed and not self._loaded
