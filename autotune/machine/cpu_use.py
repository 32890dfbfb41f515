"""Does a program compute or idle? By the CPU time of its whole process tree, also while others crowd the machine.

A share of the CPU alone does not tell a renderer from an idle program when many compete: of two cores and six other
programs a renderer gets a tenth of a core. On Linux the kernel also counts how long each thread stood in line for a
core, so that what a program *wants* is known. Elsewhere a smaller share counts while the machine is full.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.language.translate import _

if TYPE_CHECKING:
    import psutil

RENDERING_CORES = 0.25
"""Cores in use from which a web UI computes. The reference web UI idles at 0.002 to 0.005 and renders with 0.9 and more
on free cores (measured); A1111's loops sleep while it idles, and what waits for a GPU spins on a core."""
WANTED_CORES = 0.5
LEAST_CORES = 0.03
"""In a crowd: cores wanted (in use, or waited for), and cores in use, from which it computes. Measured with two
cores and a load of 4 to 7: idle 0.002 in use and at most 0.2 wanted, rendering 0.07 to 0.48 and 1.5 and more."""
CROWDED_SHARE = 0.9
"""Share of the machine in use that is a crowd, where it is unknown how many cores were wanted."""


@dataclass(frozen=True, slots=True)
class CpuUse:
    """What a process tree did over ``seconds``: cores in use, cores wanted (in use or waited for; None: unknown),
    and the share of the whole machine that was in use."""

    seconds: float
    cores: float
    wanted: float | None
    machine: float

    @property
    def works(self) -> bool:
        """Whether it computes, rather than idles."""
        if self.cores >= RENDERING_CORES:
            return True
        if self.cores < LEAST_CORES:
            return False
        return self.wanted >= WANTED_CORES if self.wanted is not None else self.machine >= CROWDED_SHARE

    def __str__(self) -> str:
        text = _("uses {used:.1f} % of a core")
        if self.wanted is not None and self.wanted >= WANTED_CORES:
            text = _("uses {used:.1f} % of a core, and wants {wanted:.0f} %")
        return text.format(used=100 * self.cores, wanted=100 * (self.wanted or 0.0))


@dataclass(frozen=True, slots=True)
class _Reading:
    """By process (id, start time): (CPU seconds, seconds waited for a core); of the machine: seconds busy and all."""

    time: float
    table: dict[tuple[int, float], tuple[float, float | None]]
    machine: tuple[float, float]


class CpuMeter:
    """Compares a process tree's CPU time with that of the reading before."""

    def __init__(self, without: Callable[[], Collection[int]] = frozenset) -> None:
        """``without``: ids of processes that are not counted, with all that descends from them; commands of autotune's
        are never counted."""
        self._without = without
        self._last: dict[int, _Reading] = {}

    def age(self, pid: int) -> float | None:
        """Seconds since the tree of ``pid`` was read; None if it never was."""
        last = self._last.get(pid)
        return time.monotonic() - last.time if last else None

    def keep_only(self, pids: Collection[int]) -> None:
        """Forgets all trees but those of these processes."""
        self._last = {pid: reading for pid, reading in self._last.items() if pid in pids}

    def read(self, pid: int) -> CpuUse | None:
        """Use since the last reading; None for the first one, and where the system does not tell."""
        before, now = self._last.get(pid), _read(pid, {os.getpid(), *self._without()})
        if now is None:
            self._last.pop(pid, None)
            return None
        self._last[pid] = now
        if before is None or now.time <= before.time:
            return None
        return _use_between(before, now)


def _use_between(before: _Reading, now: _Reading) -> CpuUse:
    seconds = now.time - before.time
    cpu, waiting, known = 0.0, 0.0, False
    for key, (used, waited) in now.table.items():
        # A process that is new began since then, so all of its time counts.
        was_used, was_waited = before.table.get(key, (0.0, 0.0))
        cpu += max(0.0, used - was_used)
        if waited is not None:
            known = True
            waiting += max(0.0, waited - (was_waited or 0.0))
    busy, whole = (one - other for one, other in zip(now.machine, before.machine, strict=True))
    wanted = (cpu + waiting) / seconds if known else None
    return CpuUse(seconds, cpu / seconds, wanted, busy / whole if whole > 0 else 0.0)


def _read(pid: int, without: Collection[int]) -> _Reading | None:
    import psutil

    table: dict[tuple[int, float], tuple[float, float | None]] = {}
    try:
        first = psutil.Process(pid)
        table[pid, first.create_time()] = _times(first)
        family = first.children(recursive=True)
    except (psutil.Error, OSError):
        return None
    ours = set(without)
    for child in family:  # parents come before their children
        try:
            if child.pid in ours or child.ppid() in ours or _is_autotune(child):
                ours.add(child.pid)
            else:
                table[child.pid, child.create_time()] = _times(child)
        except (psutil.Error, OSError):
            continue
    return _Reading(time.monotonic(), table, machine_seconds())


def _is_autotune(process: psutil.Process) -> bool:
    """Whether it is a command of autotune's, which the tab in a web UI's page starts: no work of the web UI's."""
    words = process.cmdline()
    return ("-m", "autotune") in pairwise(words)


def machine_seconds() -> tuple[float, float]:
    """(busy, all) seconds of the machine's cores together since it was started."""
    import psutil

    times = psutil.cpu_times()
    # Guest time is part of user time already.
    whole = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return whole - times.idle - getattr(times, "iowait", 0.0), whole


def _times(process: psutil.Process) -> tuple[float, float | None]:
    times = process.cpu_times()
    return float(times.user + times.system), _seconds_without_core(process.pid)


def _seconds_without_core(pid: int) -> float | None:
    """Seconds that the threads of a process stood ready without a core, since each began; None where nobody counts."""
    if not sys.platform.startswith("linux"):
        return None
    total, known = 0, False
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return None
    for thread in threads:
        try:
            total += int((thread / "schedstat").read_bytes().split()[1])
            known = True
        except (OSError, IndexError, ValueError):
            continue
    return total / 1e9 if known else None
