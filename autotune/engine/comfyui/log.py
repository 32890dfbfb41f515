"""ComfyUI's log: every line with a coloured tag of its level, on stderr, and the last 300 writes kept for the API."""

from __future__ import annotations

import logging
import sys
from collections import deque
from datetime import datetime
from typing import IO, Any

KEPT = 300
RESET, BOLD = "\033[0m", "\033[1m"
COLOURS = {"DEBUG": "\033[36m", "INFO": "\033[32m", "WARNING": "\033[33m", "ERROR": "\033[31m",
           "CRITICAL": "\033[35m"}

entries: deque[dict[str, str]] = deque(maxlen=KEPT)
"""What was written to stdout and stderr, newest last: ``t`` the local time in ISO, ``m`` the text."""


class Kept:
    """A stream whose writes are kept too. A write that begins with a carriage return replaces an unfinished line."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Writes and keeps ``text``."""
        entry = {"t": datetime.now().isoformat(), "m": text}
        if text.startswith("\r") and entries and not entries[-1]["m"].endswith("\n"):
            entries.pop()
        entries.append(entry)
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.stream, name)


class Tagged(logging.Formatter):
    """``[LEVEL] text``, the level in its colour; the text too where the record asks for it."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        colour = COLOURS.get(record.levelname, "")
        bold = BOLD if record.levelno >= logging.WARNING else ""
        text = super().format(record)
        if getattr(record, "color", "") == "green":
            text = f"{COLOURS['INFO']}{text}{RESET}"
        return f"{bold}{colour}[{record.levelname}]{RESET} {text}"


def set_up(level: str, use_stdout: bool) -> None:
    """Keeps what is written from now on, and sends Python's log to stderr (or, but for errors, to stdout)."""
    sys.stdout, sys.stderr = Kept(sys.stdout), Kept(sys.stderr)
    root = logging.getLogger()
    root.setLevel(level)
    handler = logging.StreamHandler()
    handler.setFormatter(Tagged("%(message)s"))
    if use_stdout:
        handler.addFilter(lambda record: record.levelno >= logging.ERROR)
        lesser = logging.StreamHandler(sys.stdout)
        lesser.setFormatter(Tagged("%(message)s"))
        lesser.addFilter(lambda record: record.levelno < logging.ERROR)
        root.addHandler(lesser)
    root.addHandler(handler)
