"""Waits until the GPU memory of an ended process is free again, which the driver reports late."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from autotune.model.machine import Gpu

BACK_WITHIN = 64.0
"""MiB above what was in use before the start that still count as free again."""
STABLE_WITHIN = 8.0
"""MiB by which two readings may differ and count as stable."""


class GpuReader(Protocol):
    """The part of ``machine.nvml.Nvml`` that is used here."""

    def gpus(self) -> Sequence[Gpu]:
        """All GPUs as they are now; empty without NVML."""


def memory_in_use(nvml: GpuReader) -> dict[int, float]:
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
    """Waits until the memory in use on every GPU is stable near ``before``. (Whether it came back, seconds waited.)

    Without a GPU, or when NVML went away meanwhile, there is nothing to wait for: (True, 0). After ``limit``
    seconds it gives up: another program took memory, which the observers of the next clip will report.
    """
    if nvml is None or not before:
        return True, 0.0
    start = time.monotonic()
    last = memory_in_use(nvml)
    while last:
        back = all(last.get(index, 0.0) <= used + BACK_WITHIN for index, used in before.items())
        waited = time.monotonic() - start
        if waited >= limit:
            return False, waited
        sleep(period)
        now = memory_in_use(nvml)
        stable = all(abs(now.get(index, 0.0) - last.get(index, 0.0)) <= STABLE_WITHIN for index in before)
        if back and stable and all(now.get(index, 0.0) <= used + BACK_WITHIN for index, used in before.items()):
            return True, time.monotonic() - start
        last = now
    return True, time.monotonic() - start
