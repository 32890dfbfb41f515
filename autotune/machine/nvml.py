"""Reads NVIDIA GPUs through NVML, NVIDIA's management library; never raises: what cannot be read is None."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from autotune.language.translate import _
from autotune.model.machine import Gpu

if TYPE_CHECKING:
    from autotune.machine.windows_gpu_memory import GpuCounters

MIB = 1024.0 * 1024.0
_REASONS = ("gpu_idle", "applications_clocks", "sw_power_cap", "hw_slowdown", "sync_boost", "sw_thermal", "hw_thermal",
            "hw_power_brake", "display_clocks")
"""What holds the clocks down, by the bits of nvmlClocksThrottleReasons from the lowest on."""
_CLOCKS = (("graphics", 0), ("sm", 1), ("memory", 2), ("video", 3))
_LIBRARY = "libnvidia-ml.so.1"


def may_be_present() -> bool:
    """Whether NVML may be here. Looks at a few paths only, so that a machine without a GPU loses no time."""
    if sys.platform == "win32":
        return (Path(os.environ.get("WINDIR", "C:/Windows")) / "System32" / "nvml.dll").is_file()
    if sys.platform == "darwin":
        return False
    marks = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"), Path("/dev/dxg"))
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    return any(mark.exists() for mark in marks) or any(
        (Path(folder) / _LIBRARY).exists() for folder in folders if folder
    )


def seen() -> tuple[tuple[Gpu, ...], list[str]]:
    """All GPUs, each with why the memory of single processes on it is not known, and warnings in words."""
    with Nvml() as nvml:
        gpus = tuple(replace(gpu, memory_untold=nvml.memory_untold(gpu.index)) for gpu in nvml.gpus())
        untold = dict.fromkeys(gpu.memory_untold for gpu in gpus if gpu.memory_untold)
        return gpus, [*nvml.warnings, *(_("GPU memory: {reason}").format(reason=reason) for reason in untold)]


class Nvml:
    """A session with NVML, as a context manager; where there is no driver it sees no GPU.

    Faults of single calls end up in ``warnings`` (each kind once) and give None; after "GPU is lost" or
    "uninitialized" the other calls are still tried, so that a half-working driver says what it can. Memory
    in MiB, temperature in °C, power in W, energy in J, clocks in MHz, utilisation in percent.

    ``counters`` tell each process's memory where the driver does not (Windows); None: the system's own.
    """

    def __init__(self, counters: GpuCounters | None = None) -> None:
        self._counters = counters
        self.warnings: list[str] = []
        self._lib: ModuleType | None = None
        self._handles: dict[int, Any] = {}

    def __enter__(self) -> Nvml:
        try:
            import pynvml
        except ImportError as fault:
            self._warn(_("NVML cannot be used: {fault}").format(fault=fault))
            return self
        try:
            pynvml.nvmlInit()
            self._lib = pynvml
        except pynvml.NVMLError as fault:
            if fault.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
                self._warn(_("no NVIDIA driver library (NVML) here, so no GPU is seen"))
            else:
                self._warn(_("NVML does not start: {fault}").format(fault=fault))
        except OSError as fault:
            self._warn(_("NVML cannot be loaded: {fault}").format(fault=fault))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lib is not None:
            self._ask("shutdown", self._lib.nvmlShutdown)
            self._lib = None
            self._handles.clear()
        if self._counters is not None:
            self._counters.close()

    @property
    def works(self) -> bool:
        """Whether the library was loaded and started."""
        return self._lib is not None

    def gpus(self) -> tuple[Gpu, ...]:
        """All GPUs, each with what NVML would say of it."""
        return tuple(self._gpu(index) for index in range(self.count()))

    def count(self) -> int:
        """Number of GPUs; 0 when NVML does not say."""
        return int(self._call("nvmlDeviceGetCount") or 0)

    def driver_version(self) -> str | None:
        """Version of the driver."""
        return _text(self._call("nvmlSystemGetDriverVersion"))

    def cuda_driver_version(self) -> str | None:
        """Highest CUDA version of the driver, as "12.4"."""
        number = self._call("nvmlSystemGetCudaDriverVersion")
        return f"{number // 1000}.{number % 1000 // 10}" if isinstance(number, int) else None

    def name(self, index: int) -> str | None:
        """The GPU's name."""
        return _text(self._device("nvmlDeviceGetName", index))

    def uuid(self, index: int) -> str | None:
        """The GPU's UUID."""
        return _text(self._device("nvmlDeviceGetUUID", index))

    def compute_capability(self, index: int) -> str | None:
        """Compute capability as "8.6"."""
        pair = self._device("nvmlDeviceGetCudaComputeCapability", index)
        return f"{pair[0]}.{pair[1]}" if pair else None

    def memory_used(self, index: int) -> float | None:
        """MiB in use on the whole device, by all processes."""
        memory = self._device("nvmlDeviceGetMemoryInfo", index)
        return memory.used / MIB if memory else None

    def memory_total(self, index: int) -> float | None:
        """MiB of the device."""
        memory = self._device("nvmlDeviceGetMemoryInfo", index)
        return memory.total / MIB if memory else None

    def process_memory(self, index: int) -> dict[int, float | None] | None:
        """MiB by process id, of compute and graphics processes; a value is None where neither the driver (Windows)
        nor the system tells it, the whole is None where the list cannot be had."""
        lists = [
            self._device(name, index)
            for name in ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses")
        ]
        if all(one is None for one in lists):
            return None
        found: dict[int, float | None] = {}
        for process in (process for one in lists for process in one or ()):
            used = process.usedGpuMemory
            before = found.get(process.pid)
            mine = used / MIB if used is not None else None
            found[process.pid] = mine if before is None else max(before, mine or 0.0)
        if any(used is None for used in found.values()):
            from autotune.machine.windows_gpu_memory import on_card

            counted = on_card(self._counted().read() or {})
            found = {pid: counted.get(pid) if used is None else used for pid, used in found.items()}
        return found

    def moved_out(self, pids: Collection[int]) -> float | None:
        """MiB of these processes' GPU memory that lie in main memory; None where nobody counts it (all but Windows)."""
        from autotune.machine.windows_gpu_memory import moved_out

        found = self._counted().read()
        return None if found is None else moved_out(found, pids)

    def _counted(self) -> GpuCounters:
        if self._counters is None:
            from autotune.machine.windows_gpu_memory import GpuCounters  # with ctypes, which `status` needs not

            self._counters = GpuCounters()
        return self._counters

    def memory_untold(self, index: int) -> str | None:
        """Why the memory of single processes is not known here, in words; None where it is, or where none is listed."""
        listed = self.process_memory(index)
        if not listed or any(used is not None for used in listed.values()):
            return None
        why = self._counted().problem or _("it counts other processes only")
        return _("neither the driver nor the system tells GPU memory by process ({reason}): what other programs hold "
                 "is unknown, and a set that spills over into main memory shows by its slowness alone"
                 ).format(reason=why)

    def clocks(self, index: int) -> dict[str, int]:
        """Current clocks in MHz: graphics, sm, memory, video; what cannot be read is left out."""
        pairs = ((name, self._device("nvmlDeviceGetClockInfo", index, number)) for name, number in _CLOCKS)
        return {name: int(value) for name, value in pairs if value is not None}

    def temperature(self, index: int) -> int | None:
        """Temperature of the chip, °C."""
        value = self._device("nvmlDeviceGetTemperature", index, 0)
        return int(value) if value is not None else None

    def power(self, index: int) -> float | None:
        """Power drawn now, W."""
        return _thousandth(self._device("nvmlDeviceGetPowerUsage", index))

    def power_limit(self, index: int) -> float | None:
        """Power limit in force, W."""
        return _thousandth(self._device("nvmlDeviceGetEnforcedPowerLimit", index))

    def energy(self, index: int) -> float | None:
        """Energy drawn since the driver was loaded, J; take the difference of two readings."""
        return _thousandth(self._device("nvmlDeviceGetTotalEnergyConsumption", index))

    def utilisation(self, index: int) -> int | None:
        """Percent of the last sample period in which a kernel ran."""
        rates = self._device("nvmlDeviceGetUtilizationRates", index)
        return int(rates.gpu) if rates else None

    def throttle_reasons(self, index: int) -> tuple[str, ...] | None:
        """Names of what holds the clocks down now; None where it cannot be read."""
        mask = self._device("nvmlDeviceGetCurrentClocksThrottleReasons", index)
        if mask is None:
            return None
        return tuple(name for bit, name in enumerate(_REASONS) if mask >> bit & 1)

    def _gpu(self, index: int) -> Gpu:
        return Gpu(
            index=index,
            name=self.name(index) or "unknown",
            uuid=self.uuid(index) or "",
            compute_capability=self.compute_capability(index),
            memory_total=self.memory_total(index),
            memory_used=self.memory_used(index),
            driver_version=self.driver_version(),
            cuda_driver_version=self.cuda_driver_version(),
            clocks=self.clocks(index),
            temperature=self.temperature(index),
            power_limit=self.power_limit(index),
            throttle_reasons=self.throttle_reasons(index) or (),
        )

    def _device(self, function: str, index: int, *more: int) -> Any:  # noqa: ANN401 - pynvml's own structures
        """One call on a device; None if it failed."""
        if index not in self._handles:
            handle = self._call("nvmlDeviceGetHandleByIndex", index)
            if handle is None:
                return None
            self._handles[index] = handle
        return self._call(function, self._handles[index], *more)

    def _call(self, function: str, *arguments: Any) -> Any:  # noqa: ANN401 - pynvml's own structures
        if self._lib is None:
            return None
        return self._ask(function, getattr(self._lib, function), *arguments)

    def _ask(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        """Calls pynvml. An unsupported reading is ordinary and no warning; every other fault is."""
        assert self._lib is not None
        try:
            return function(*arguments)
        except self._lib.NVMLError as fault:
            if fault.value != self._lib.NVML_ERROR_NOT_SUPPORTED:
                self._warn(_("NVML: {name} failed: {fault}").format(name=name.removeprefix("nvml"), fault=fault))
        except (OSError, UnicodeDecodeError, ValueError, self._mismatch) as fault:
            self._warn(_("NVML: {name} failed: {fault}").format(name=name.removeprefix("nvml"), fault=fault))
        return None

    @property
    def _mismatch(self) -> type[Exception]:
        """What pynvml raises when it is newer than the driver's library; not an NVMLError."""
        kind: type[Exception] = getattr(self._lib, "NVMLLibraryMismatchError", ValueError)
        return kind

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value if isinstance(value, str) else None


def _thousandth(value: float | None) -> float | None:
    return value / 1000.0 if value is not None else None
