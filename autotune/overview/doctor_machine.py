"""Checks of `doctor` on the machine: memory, driver, and flags that this version refuses. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autotune.model.machine import Gpu, Machine
from autotune.webui.face import Check, Classes

CLIP = 4300.0
"""MiB of GPU memory that a clip of 512x512 and 16 frames takes at least (4.2 GB; 5.6 GB with batched guidance)."""
SMALL_CARD = 6144.0
"""MiB of GPU memory below which such a clip may need the web UI's memory-saving modes."""
MAIN_MEMORY = 2048.0
"""MiB of main memory that loading takes: a Stable Diffusion 1.5 checkpoint in fp16 is 2 GB, and passes through it."""

REFUSED: Classes = ("bad_flag",)
DRIVER: Classes = ("cuda_error", "startup")
CARD: Classes = ("oom", "spilled")
HOST: Classes = ("crash", "oom")


def of_machine(machine: Machine, index: int, main_memory: float) -> Iterator[Check]:
    """The checks of a probed machine. ``index``: NVML's index of the web UI's GPU; ``main_memory``: free MiB."""
    yield _flags(machine)
    if machine.gpus:
        yield _driver(machine)
        gpu = next((one for one in machine.gpus if one.index == index), machine.gpus[0])
        if machine.runtime.device == "cuda":
            yield _card_memory(gpu)
    yield _main_memory(main_memory)


def _flags(machine: Machine) -> Check:
    webui, prevents = machine.webui, REFUSED
    given = {word.partition("=")[0] for word in webui.flags}
    refused = [flag for flag in webui.lacks if flag in given]
    if refused:
        return Check("flags", False, f"this version refuses {', '.join(refused)}",
                     "Take it out of the launch file, or update the web UI.", prevents)
    return Check("flags", True, "its parser takes the managed flags that the launch file gives", "", prevents)


def _driver(machine: Machine) -> Check:
    runtime, prevents = machine.runtime, DRIVER
    if runtime.device != "cuda":
        return Check("torch and driver", True, f"the web UI's torch {runtime.torch} computes on the {runtime.device}, "
                     "not on the NVIDIA GPU: a torch for CUDA would", "", prevents)
    wanted = _major(runtime.cuda)
    for gpu in machine.gpus:
        has = _major(gpu.cuda_driver_version)
        if wanted is not None and has is not None and has < wanted:
            return Check(
                "torch and driver", False,
                f"torch is built for CUDA {runtime.cuda}, driver {gpu.driver_version} goes up to "
                f"CUDA {gpu.cuda_driver_version}",
                "Update the NVIDIA driver, or install an older torch there.", prevents)
    return Check("torch and driver", True, f"torch {runtime.torch}, CUDA {runtime.cuda}", "", prevents)


def _major(version: str | None) -> int | None:
    """The major CUDA version. Since CUDA 11 a driver runs every minor version of its major one."""
    found = re.match(r"\d+", version or "")
    return int(found[0]) if found else None


def _card_memory(gpu: Gpu) -> Check:
    name, prevents = "GPU memory", CARD
    if gpu.memory_total is None or gpu.memory_used is None:
        return Check(name, True, "the driver does not tell", "", prevents)
    free = gpu.memory_total - gpu.memory_used
    text = f"{free / 1024:.1f} of {gpu.memory_total / 1024:.1f} GiB free"
    text += f"; {gpu.memory_untold}" if gpu.memory_untold else ""
    if gpu.memory_total < SMALL_CARD:
        return Check(name, True, f"{text}; clips of 512x512 may need --medvram or --lowvram here", "", prevents)
    if free < CLIP:
        return Check(name, False, f"{text}, a clip of 512x512 and 16 frames takes {CLIP / 1024:.1f} GiB at least",
                     "Close what holds it; nvidia-smi lists it.", prevents)
    return Check(name, True, text, "", prevents)


def _main_memory(free: float) -> Check:
    name, prevents = "main memory", HOST
    if free < MAIN_MEMORY:
        return Check(name, False, f"{free:.0f} MiB free: the system may end the web UI while it loads its model",
                     "Close other programs.", prevents)
    return Check(name, True, f"{free / 1024:.1f} GiB free", "", prevents)
