"""Where a session's time goes: every second of wall time belongs to exactly one part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Part = Literal["startup", "warmup", "measuring", "waiting", "search"]


class Stopwatch:
    """Counts seconds by part; what nobody claims is "search": choosing and recording. Looking at a
    clip's pixels is part of measuring it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._part: Part = "search"
        self._seconds: dict[Part, float] = dict.fromkeys(
            ("startup", "warmup", "measuring", "waiting", "search"), 0.0
        )

    @contextmanager
    def on(self, part: Part) -> Iterator[None]:
        """Claims the time inside for ``part``; parts nest, the innermost counts."""
        before = self._turn(part)
        try:
            yield
        finally:
            self._turn(before)

    def seconds(self) -> dict[str, float]:
        """Seconds by part up to now, and their sum as ``wall``."""
        self._turn(self._part)
        parts: dict[str, float] = dict(self._seconds.items())
        return {"wall": sum(parts.values()), **parts}

    def _turn(self, part: Part) -> Part:
        now = self._clock()
        before, self._part = self._part, part
        self._seconds[before] += now - self._since
        self._since = now
        return before


class Budget:
    """What a session may take, in seconds, and what is left of it. ``before``: what earlier sittings took.

    Time in which a web UI installs packages once is excused: it has its own limit, which is said on the screen.
    """

    def __init__(self, seconds: float, watch: Stopwatch, before: float = 0.0) -> None:
        self.seconds = seconds
        self.watch = watch
        self._before = before
        self._excused = 0.0

    def spent(self) -> float:
        """Seconds taken so far, by all sittings."""
        return self._before + self.watch.seconds()["wall"] - self._excused

    def left(self) -> float:
        """Seconds left; below nought when it is overdrawn."""
        return self.seconds - self.spent()

    def excuse(self, seconds: float) -> None:
        """Takes time off what was spent."""
        self._excused += seconds
