"""Faults on demand, for tests only, read from AUTOTUNE_ENGINE_FAULTS (described in the package's docstring)."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

VARIABLE = "AUTOTUNE_ENGINE_FAULTS"

AT_START = ("start_crash", "start_slow", "unknown_flag", "fork", "double_fork", "hold_port", "ignore_sigterm",
            "ignore_flags", "crash_randomly")
OF_JOBS = ("hang", "oom", "nan", "black", "stills", "dead_context", "cuda_error", "crash", "spill", "slow", "garbage",
           "html", "redirect", "half", "huge", "wrong_size", "wrong_count", "truncated", "constant", "alike",
           "cached", "fallback")
LASTING = ("dead_context", "spill")
"""Faults that stay once their job has come."""

SPILL_FACTOR = 8.0
CHILD_LIFE = 900
"""Seconds after which a forked child ends by itself: a test that forgets it leaves nothing for long."""


class BadFaults(ValueError):
    """AUTOTUNE_ENGINE_FAULTS names something that is no fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``number``: which job (None: every one), or seconds or percent; ``only``: flag or attention."""

    name: str
    number: float | None = None
    only: str = ""

    def hits(self, job: int, attention: str) -> bool:
        """Whether it concerns this job (counted from 1) under this attention class (or flags, see `applies`)."""
        if self.only and not self.only.startswith("-") and self.only != attention:
            return False
        if self.number is None:
            return True
        return job >= self.number if self.name in LASTING else job == self.number


def parse(text: str, argv: Sequence[str]) -> tuple[Fault, ...]:
    """The faults that concern a process with these arguments. Raises BadFaults."""
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        body, _at, only = word.partition("@")
        name, _colon, number = body.partition(":")
        if name not in AT_START + OF_JOBS:
            raise BadFaults(f"{VARIABLE}: no fault is called {name}")
        try:
            value = None if number in ("", "*") else float(number)
        except ValueError as error:
            raise BadFaults(f"{VARIABLE}: {word}: {number} is no number") from error
        if only.startswith("-") and only not in argv:
            continue
        found.append(Fault(name, value, only))
    return tuple(found)


class Faults:
    """The faults of one process, asked by name."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self.all = tuple(faults)

    @classmethod
    def from_environment(cls, argv: Sequence[str]) -> Faults:
        """Read the variable; the first log line names the faults. Raises BadFaults."""
        text = os.environ.get(VARIABLE, "")
        found = cls(parse(text, argv))
        if text:
            print(f"Faults on demand ({VARIABLE}, for tests only): {text}", flush=True)
        return found

    def has(self, name: str) -> bool:
        """Whether a fault of the start or of the whole process is on."""
        return any(f.name == name for f in self.all)

    def concerns(self, name: str, attention: str) -> bool:
        """Whether a fault of jobs is on under this attention class, whichever job it waits for."""
        return any(f.name == name and (f.only.startswith("-") or f.only in ("", attention)) for f in self.all)

    def amount(self, name: str, default: float) -> float:
        """The number given with a fault."""
        return next((f.number for f in self.all if f.name == name and f.number is not None), default)

    def of_job(self, job: int, attention: str) -> set[str]:
        """Names of the faults that hit this job."""
        return {f.name for f in self.all if f.name in OF_JOBS and f.hits(job, attention)}

    def unknown_flags(self) -> tuple[str, ...]:
        """`unknown_flag@--FLAG`: words that the parser is to refuse, as a version that lacks the flag does."""
        return tuple(f.only for f in self.all if f.name == "unknown_flag" and f.only.startswith("-"))

    def at_start(self) -> None:
        """Crash, dawdle or fork as told, before anything else."""
        if self.has("start_slow"):
            time.sleep(self.amount("start_slow", 10.0))
        if self.has("fork"):
            _child([sys.executable, "-c", _sleeper(self.has("ignore_sigterm"))])
        if self.has("double_fork"):
            code = _sleeper(self.has("ignore_sigterm"))
            middle = ("import subprocess,sys;subprocess.Popen([sys.executable,'-c',sys.argv[1]],"
                      "start_new_session=True)")
            _child([sys.executable, "-c", middle, code]).wait()
        if self.has("start_crash"):
            raise RuntimeError("the reference web UI was told to crash at its start")
        self.maybe_crash()

    def maybe_crash(self) -> None:
        """`crash_randomly:P`: end the process at once with a chance of P percent, like a segmentation fault."""
        if self.has("crash_randomly") and random.random() * 100 < self.amount("crash_randomly", 50.0):
            die()


def _sleeper(stubborn: bool) -> str:
    ignore = "import signal;signal.signal(signal.SIGTERM,signal.SIG_IGN);" if stubborn else ""
    return f"{ignore}import time;time.sleep({CHILD_LIFE})"


def _child(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdin=subprocess.DEVNULL)


def hold_port(handle: int) -> None:
    """Leave a child that keeps the listening socket open after this process has ended (not on Windows)."""
    if sys.platform != "win32":
        subprocess.Popen([sys.executable, "-c", _sleeper(False)], stdin=subprocess.DEVNULL, pass_fds=[handle])


def without_effect(flags: argparse.Namespace, default: argparse.Namespace) -> argparse.Namespace:
    """`ignore_flags`: what the model is to use instead of the real flags: the defaults, device aside."""
    quiet = argparse.Namespace(**vars(default))
    for name in ("use_cpu", "device_id"):
        setattr(quiet, name, getattr(flags, name))
    return quiet


def slowed(seconds: float, waiting: Callable[[], bool]) -> None:
    """`spill`, `slow`: wait until the job has taken eight times its time; ``waiting()`` False ends it (interrupt)."""
    end = time.monotonic() + seconds * (SPILL_FACTOR - 1)
    while time.monotonic() < end and waiting():
        time.sleep(0.05)


def slow_kernel(seconds: float, factor: float) -> None:
    """Makes a step that took ``seconds`` take ``factor`` times as long: a release whose attention kernel is slower."""
    time.sleep(max(0.0, seconds * (factor - 1.0)))


def die() -> None:
    """`crash`: end the process at once, with the exit code of a segmentation fault."""
    os._exit(139)
