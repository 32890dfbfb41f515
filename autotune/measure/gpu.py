"""Observes one NVIDIA GPU while a clip is rendered: memory, clocks, heat, power, and other processes that use it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from autotune.measure.observations import Observations
from autotune.measure.observers import Observer

THROTTLES = ("hw_slowdown", "sw_thermal", "hw_thermal", "hw_power_brake")
"""Reasons that make a clip's time false. A software power cap is not one: many cards run at it all day."""
CLOSE_READING = 5
"""Every so many readings clocks, temperature, throttling and processes are read too; they change slowly."""
SEARCH_PAUSE = 20
"""Readings between two searches for our processes while NVML lists none of them: a search reads the whole process
table, and in a container NVML may never list any."""
SPILL = 256.0
"""MiB of GPU memory in main memory, above the least seen in this study, from which a set has spilled. A CUDA context
has some 150 MiB there by itself (windows_exporter#725); what torch has no room for comes in blocks of 20 and more."""
FOREIGN_MEMORY = 200.0
"""MiB that a process of somebody else takes, or grows by, during a clip before it counts as using the card."""


class GpuReadings(Protocol):
    """The part of ``machine.nvml.Nvml`` that is used here; units as there."""

    def process_memory(self, index: int) -> dict[int, float | None] | None:
        """MiB in use by pid (None: not told); None without NVML."""

    def moved_out(self, pids: Collection[int]) -> float | None:
        """MiB of these processes' GPU memory that lie in main memory."""

    def memory_used(self, index: int) -> float | None:
        """MiB in use on the GPU."""

    def memory_total(self, index: int) -> float | None:
        """MiB that the GPU has."""

    def clocks(self, index: int) -> dict[str, int]:
        """Clocks in MHz by name."""

    def temperature(self, index: int) -> int | None:
        """Degrees Celsius."""

    def power(self, index: int) -> float | None:
        """Power draw in watts."""

    def energy(self, index: int) -> float | None:
        """Joules used since the driver was loaded."""

    def throttle_reasons(self, index: int) -> tuple[str, ...] | None:
        """Names of the reasons why the clock is lowered now."""


class MainMemory:
    """Compares GPU memory that lies in main memory (Windows) with the least seen in this study.

    Some lies there after any start, so that the amount in one process alone does not tell whether it spilled.
    """

    def __init__(self) -> None:
        self._least: float | None = None

    def above_least(self, moved_out: float | None) -> float | None:
        """MiB above the least so far; None where nobody counts it."""
        if moved_out is None:
            return None
        self._least = moved_out if self._least is None else min(self._least, moved_out)
        return moved_out - self._least


class GpuObserver(Observer):
    """Watches GPU ``index`` while a clip is rendered.

    ``pids`` gives the web UI's process numbers. ``idle``: MiB in use on the device before the web UI was
    started; without it memory that NVML does not tell per process stays unknown. In a container NVML may
    number processes as the host does: then none of ours is in its list, other processes cannot be told from it,
    and memory is the device's growth over ``idle``. ``main``: what is known of memory that was moved out of the card.
    """

    def __init__(
        self, nvml: GpuReadings, index: int, pids: Callable[[], Collection[int]], idle: float | None = None,
        main: MainMemory | None = None,
    ) -> None:
        self._nvml, self._index, self._pids, self._idle = nvml, index, pids, idle
        self._main = main or MainMemory()
        self._ours: frozenset[int] = frozenset()
        self._reset()

    def _reset(self) -> None:
        self._looks = 0
        self._search_at = CLOSE_READING
        self._tree_peak: float | None = None
        self._spilled: float | None = None
        self._device_peak: float | None = None
        self._total: float | None = None
        self._joules = 0.0
        self._last: tuple[float, float] | None = None
        self._counter: float | None = None
        self._measured: float | None = None
        self._throttled: set[str] = set()
        self._others: dict[int, float] = {}
        self._foreign: set[int] = set()
        self._temperature: int | None = None
        self._clocks: list[int] = []
        self._lost = False

    def before(self) -> None:
        """Notes who is on the card, and the energy counter."""
        self._reset()
        self._ours = frozenset(self._pids())
        self._total = self._nvml.memory_total(self._index)
        listed = self._nvml.process_memory(self._index) or {}
        self._others = {pid: used or 0.0 for pid, used in listed.items() if pid not in self._ours}
        self._counter = self._nvml.energy(self._index)
        self.observe(0.0)

    def observe(self, seconds: float) -> None:
        """Takes one reading; every fifth one is of everything."""
        used = self._nvml.memory_used(self._index)
        if used is not None:
            self._device_peak = max(self._device_peak or 0.0, used)
        elif self._device_peak is not None:
            self._lost = True
        watts = self._nvml.power(self._index)
        if watts is not None:
            if self._last is not None:
                # Trapezoid between two readings.
                self._joules += (watts + self._last[1]) / 2.0 * (seconds - self._last[0])
            self._last = (seconds, watts)
        if self._looks % CLOSE_READING == 0:
            self._observe_closely()
        self._looks += 1

    def _observe_closely(self) -> None:
        listed = self._nvml.process_memory(self._index)
        if listed is not None:
            self._tell_ours_from_others(listed)
        above = self._main.above_least(self._nvml.moved_out(self._ours))
        if above is not None:
            self._spilled = max(self._spilled or 0.0, above)
        sm = self._nvml.clocks(self._index).get("sm")
        if sm is not None and self._looks:
            self._clocks.append(sm)
        heat = self._nvml.temperature(self._index)
        if heat is not None:
            self._temperature = max(self._temperature or heat, heat)
        self._throttled |= set(self._nvml.throttle_reasons(self._index) or ()) & set(THROTTLES)

    def _tell_ours_from_others(self, listed: dict[int, float | None]) -> None:
        if not self._ours & listed.keys() and self._looks >= self._search_at:
            self._ours = frozenset(self._pids())
            self._search_at = max(self._looks + SEARCH_PAUSE, 2 * self._looks)
        ours = self._ours & listed.keys()
        held = [listed[pid] for pid in ours]
        if held and all(used is not None for used in held):
            self._tree_peak = max(self._tree_peak or 0.0, sum(used or 0.0 for used in held))
        if not ours:
            return
        for pid, used in listed.items():
            grown = (used or 0.0) - self._others.get(pid, 0.0)
            if pid not in self._ours and grown >= FOREIGN_MEMORY:
                # It may be a child of ours that is younger than the last search.
                self._ours = frozenset(self._pids())
                if pid not in self._ours:
                    self._foreign.add(pid)

    def after(self) -> None:
        """Reads the energy counter."""
        now = self._nvml.energy(self._index)
        if now is not None and self._counter is not None and now >= self._counter:
            self._measured = now - self._counter

    def full_now(self) -> float | None:
        """Share of the card's memory in use at this moment."""
        used, total = self._nvml.memory_used(self._index), self._nvml.memory_total(self._index)
        return used / total if used is not None and total else None

    def seen(self) -> Observations:
        """What was seen of the last clip."""
        peak = self._tree_peak
        if self._device_peak is not None and self._idle is not None:
            # Between two readings of the process list the device's own figure sees more.
            grown = max(0.0, self._device_peak - self._idle)
            peak = grown if peak is None else max(peak, min(grown, peak * 1.25))
        spilled = self._spilled if self._spilled is not None and self._spilled >= SPILL else None
        if peak is not None and spilled is not None:
            peak += spilled  # it did not become less by lying elsewhere
        full = self._device_peak / self._total if self._device_peak is not None and self._total else None
        return Observations(
            memory_peak=peak, memory_full=full, spilled=spilled,
            energy=self._measured if self._measured is not None else (self._joules or None),
            throttled=tuple(sorted(self._throttled)), foreign=tuple(sorted(self._foreign)),
            temperature=self._temperature, clock_low=min(self._clocks, default=None),
            clock_high=max(self._clocks, default=None), lost=self._lost)
