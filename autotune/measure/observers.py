"""Observers watch memory, the GPU and the user's web UI while one clip is rendered, from a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

import psutil

from autotune.measure.observations import Observations
from autotune.model.api import ApiProblem, Memory

PERIOD = 0.1
"""Seconds between readings. One costs well under a millisecond, see benchmarks/observers.py."""
LEAST_PERIOD = 0.05
TREE_AGE = 2.0
"""Seconds after which the process tree is looked up again, then each time the clip has become twice as long. A look-up
reads the whole process table (7 ms for 95 processes; reading memory takes 0.01 ms), and trees change early."""
MIB = 1024 * 1024
GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied, OSError)


class Observer:
    """Watches one thing while a clip is rendered. Subclasses override what they need; none may raise."""

    def before(self) -> None:
        """Called right before the clip starts."""

    def observe(self, seconds: float) -> None:
        """Takes one reading; called every period, ``seconds`` after the clip's start."""

    def after(self) -> None:
        """Called right after the clip ended."""

    def full_now(self) -> float | None:
        """Share of the card's memory in use at this moment, 0 to 1; None when it cannot tell."""
        return None

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
        self.observe(0.0)

    def observe(self, seconds: float) -> None:
        """Adds up the tree's resident memory."""
        if seconds > max(TREE_AGE, 2.0 * self._looked_up):
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


class TorchObserver(Observer):
    """Asks the web UI after a clip for torch's peaks of memory, and how full the GPU is.

    ``read`` asks it (``WebUIClient.memory``); an answer that is not usable counts as none.
    """

    def __init__(self, read: Callable[[], Memory]) -> None:
        self._read = read
        self._memory: Memory | None = None

    def _ask(self) -> Memory | None:
        try:
            return self._read()
        except ApiProblem:
            return None

    def before(self) -> None:
        """Forgets the last clip."""
        self._memory = None

    def after(self) -> None:
        """Asks."""
        self._memory = self._ask()

    def full_now(self) -> float | None:
        """Asks how full the card is."""
        return _share(self._ask())

    def seen(self) -> Observations:
        """Torch's peaks since the process began, and how full the card was right after the clip."""
        if self._memory is None:
            return Observations()
        return Observations(memory_full=_share(self._memory), torch_active=self._memory.active_peak,
                            torch_reserved=self._memory.reserved_peak)


def _share(memory: Memory | None) -> float | None:
    if memory is None or memory.cuda_used is None or not memory.cuda_total:
        return None
    return memory.cuda_used / memory.cuda_total


def merged(parts: Sequence[Observations]) -> Observations:
    """Several observers' records as one: each value from the first that knows it."""
    out: dict[str, object] = {}
    for name in Observations.__dataclass_fields__:
        default = getattr(Observations(), name)
        out[name] = next((value for part in parts if (value := getattr(part, name)) != default), default)
    return Observations(**out)  # type: ignore[arg-type]


def _clock_through_sleep() -> float:
    """Seconds on a clock that goes on while the machine is suspended, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.perf_counter() if clock is None else time.clock_gettime(clock)


class ObserverThread:
    """Runs observers around a block: ``before``, ``observe`` from a thread every ``period`` seconds, ``after``."""

    def __init__(
        self, observers: Sequence[Observer], period: float = PERIOD, *, shortest: float = LEAST_PERIOD
    ) -> None:
        self._observers = tuple(observers)
        self._period = max(shortest, period)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._start = 0.0
        self._looks = 0
        self._longest_pause = 0.0
        self.cost = 0.0
        """Seconds that the thread spent on readings."""
        self.cpu = 0.0
        """CPU seconds of the whole thread: what observing can take from a clip at most."""

    def __enter__(self) -> ObserverThread:
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

    def full_now(self) -> float | None:
        """The largest share of memory in use that an observer can tell right now."""
        return max((full for one in self._observers if (full := one.full_now()) is not None), default=None)

    def _run(self) -> None:
        last = _clock_through_sleep()
        while not self._stop.wait(self._period):
            now, awake = time.perf_counter(), _clock_through_sleep()
            self._longest_pause = max(self._longest_pause, awake - last)
            last = awake
            for observer in self._observers:
                observer.observe(now - self._start)
            self._looks += 1
            self.cost += time.perf_counter() - now
        self.cpu = time.thread_time()

    def seen(self) -> Observations:
        """What all observers saw, with the number of readings."""
        together = merged([observer.seen() for observer in self._observers])
        return replace(together, looks=self._looks, longest_pause=self._longest_pause)
