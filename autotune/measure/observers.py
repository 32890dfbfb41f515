"""Observers around one clip, in the manner of before, during, after; sampled in a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import psutil

from autotune.measure.observations import Observations

PERIOD = 0.1
"""Seconds between looks. A look costs well under a millisecond, see benchmarks/observers.py."""
SHORTEST = 0.05
TREE_AGE = 2.0
"""Seconds after which the process tree is looked up again; that costs more than a look at its memory."""
MIB = 1024 * 1024
GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied)


class Observer:
    """Looks at something while a clip is rendered. Subclasses override what they need; none may raise."""

    def before(self) -> None:
        """Called right before the clip starts."""

    def look(self, seconds: float) -> None:
        """Called every period; ``seconds`` since the clip's start."""

    def after(self) -> None:
        """Called right after the clip ended."""

    def seen(self) -> Observations:
        """What was seen of the last clip."""
        return Observations()


class RamObserver(Observer):
    """Peak of the resident main memory of the web UI's process tree, MiB: the measure without a GPU.

    ``tree`` gives its living processes. Pages that several processes share are counted for each.
    """

    def __init__(self, tree: Callable[[], Sequence[psutil.Process]]) -> None:
        self._tree = tree
        self._processes: Sequence[psutil.Process] = ()
        self._looked_up = 0.0
        self._peak: float | None = None

    def before(self) -> None:
        """Looks up the tree."""
        self._peak = None
        self._processes = self._tree()
        self._looked_up = 0.0
        self.look(0.0)

    def look(self, seconds: float) -> None:
        """Adds up the tree's resident memory."""
        if seconds - self._looked_up > TREE_AGE:
            self._processes = self._tree()
            self._looked_up = seconds
        total = 0
        for process in self._processes:
            try:
                total += int(process.memory_info().rss)
            except GONE:
                continue
        if total:
            self._peak = max(self._peak or 0.0, total / MIB)

    def seen(self) -> Observations:
        """The peak."""
        return Observations(memory_peak=self._peak)


def merged(parts: Sequence[Observations]) -> Observations:
    """One record of several observers' records: the first that knows a value tells it."""
    out: dict[str, object] = {}
    for name in Observations.__dataclass_fields__:
        default = getattr(Observations(), name)
        out[name] = next((value for part in parts if (value := getattr(part, name)) != default), default)
    return Observations(**out)  # type: ignore[arg-type]


class Sampler:
    """Runs observers around a block: ``before``, looks from a thread every ``period`` s, ``after``."""

    def __init__(self, observers: Sequence[Observer], period: float = PERIOD) -> None:
        self._observers = tuple(observers)
        self._period = max(SHORTEST, period)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._start = 0.0
        self._looks = 0
        self._widest = 0.0
        self.cost = 0.0
        """Seconds of this thread's time spent on looking."""

    def __enter__(self) -> Sampler:
        for observer in self._observers:
            observer.before()
        self._start = time.perf_counter()
        if self._observers:
            self._thread = threading.Thread(target=self._run, name="observers", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for observer in self._observers:
            observer.after()

    def _run(self) -> None:
        last = time.perf_counter()
        while not self._stop.wait(self._period):
            now = time.perf_counter()
            self._widest = max(self._widest, now - last)
            last = now
            for observer in self._observers:
                observer.look(now - self._start)
            self._looks += 1
            self.cost += time.perf_counter() - now

    def seen(self) -> Observations:
        """What all observers saw, with how often was looked."""
        from dataclasses import replace

        together = merged([observer.seen() for observer in self._observers])
        return replace(together, looks=self._looks, widest=self._widest)
