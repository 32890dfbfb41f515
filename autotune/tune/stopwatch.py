"""Where the time of a tune goes, and how much of its budget is left. Each second counts for exactly one part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

Part = Literal["startup", "warmup", "measuring", "waiting", "search"]


class Stopwatch:
    """Counts wall time by part. Time that is not claimed with ``on`` is "search": choosing sets and recording clips.
    Checking a clip's pixels counts as measuring."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._part: Part = "search"
        self._seconds: dict[str, float] = dict.fromkeys(get_args(Part), 0.0)

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
        return {"wall": sum(self._seconds.values()), **self._seconds}

    def _turn(self, part: Part) -> Part:
        now = self._clock()
        before, self._part = self._part, part
        self._seconds[before] += now - self._since
        self._since = now
        return before


class Budget:
    """The seconds that a tune or check may take, and what is left of them. ``before``: seconds that earlier runs took.

    Time in which the web UI installs packages is excused: it has a limit of its own.
    """

    def __init__(self, seconds: float, watch: Stopwatch, before: float = 0.0) -> None:
        self.seconds = seconds
        self.watch = watch
        self._before = before
        self._excused = 0.0

    def spent(self) -> float:
        """Seconds used so far, by this run and earlier ones."""
        return self._before + self.watch.seconds()["wall"] - self._excused

    def left(self) -> float:
        """Seconds left; negative when the budget is overdrawn."""
        return self.seconds - self.spent()

    def excuse(self, seconds: float) -> None:
        """Leaves these seconds out of what was spent."""
        self._excused += seconds
