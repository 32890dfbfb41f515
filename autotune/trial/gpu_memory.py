"""GPU memory comes back late after a process ends: wait until it is stable near where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from autotune.model.machine import Gpu

NEAR = 64.0
"""MiB above the level before the start that count as "back"."""
STILL = 8.0
"""MiB between two looks that count as stable."""


class GpuReader(Protocol):
    """The part of ``machine.nvml.Nvml`` that is used here."""

    def gpus(self) -> Sequence[Gpu]:
        """All GPUs now; empty without NVML."""
        ...


def level(nvml: GpuReader) -> dict[int, float]:
    """Memory in use per GPU index, MiB; GPUs that do not say are left out."""
    return {gpu.index: gpu.memory_used for gpu in nvml.gpus() if gpu.memory_used is not None}


def wait_for_gpu_memory(
    nvml: GpuReader | None,
    before: dict[int, float],
    *,
    limit: float = 30.0,
    period: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[bool, float]:
    """Waits until every GPU's memory is stable near ``before``. (Whether it came back, seconds waited.)

    Without a GPU, or when NVML went away meanwhile, there is nothing to wait for: (True, 0). After ``limit``
    seconds it gives up: somebody else took memory, which the next look at the GPU will say.
    """
    if nvml is None or not before:
        return True, 0.0
    start = time.monotonic()
    last = level(nvml)
    while last:
        back = all(last.get(index, 0.0) <= used + NEAR for index, used in before.items())
        waited = time.monotonic() - start
        if waited >= limit:
            return False, waited
        sleep(period)
        now = level(nvml)
        stable = all(abs(now.get(index, 0.0) - last.get(index, 0.0)) <= STILL for index in before)
        if back and stable and all(now.get(index, 0.0) <= used + NEAR for index, used in before.items()):
            return True, time.monotonic() - start
        last = now
    return True, time.monotonic() - start
