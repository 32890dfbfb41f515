"""Checks of `doctor` on the machine: memory, driver, and flags that this version refuses. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autotune.language.translate import N_, _
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
        return Check(N_("flags"), False, _("this version refuses {refused}").format(refused=", ".join(refused)),
                     _("Take it out of the launch file, or update the web UI."), prevents)
    return Check(N_("flags"), True, _("its parser takes the managed flags that the launch file gives"), "", prevents)


def _driver(machine: Machine) -> Check:
    runtime, prevents = machine.runtime, DRIVER
    if runtime.device != "cuda":
        return Check(N_("torch and driver"), True,
                     _("the web UI's torch {torch} computes on the {device}, not on the NVIDIA GPU: a torch for CUDA "
                       "would").format(torch=runtime.torch, device=runtime.device), "", prevents)
    wanted = _major(runtime.cuda)
    for gpu in machine.gpus:
        has = _major(gpu.cuda_driver_version)
        if wanted is not None and has is not None and has < wanted:
            return Check(N_("torch and driver"), False,
                         _("torch is built for CUDA {wanted}, driver {driver} goes up to CUDA {most}").format(
                             wanted=runtime.cuda, driver=gpu.driver_version, most=gpu.cuda_driver_version),
                         _("Update the NVIDIA driver, or install an older torch there."), prevents)
    text = _("torch {torch}, CUDA {cuda}").format(torch=runtime.torch, cuda=runtime.cuda)
    return Check(N_("torch and driver"), True, text, "", prevents)


def _major(version: str | None) -> int | None:
    """The major CUDA version. Since CUDA 11 a driver runs every minor version of its major one."""
    found = re.match(r"\d+", version or "")
    return int(found[0]) if found else None


def _card_memory(gpu: Gpu) -> Check:
    name, prevents = N_("GPU memory"), CARD
    if gpu.memory_total is None or gpu.memory_used is None:
        return Check(name, True, _("the driver does not tell"), "", prevents)
    free = gpu.memory_total - gpu.memory_used
    text = _("{free:.1f} of {all:.1f} GiB free").format(free=free / 1024, all=gpu.memory_total / 1024)
    text += f"; {gpu.memory_untold}" if gpu.memory_untold else ""
    if gpu.memory_total < SMALL_CARD:
        text = _("{text}; clips of 512x512 may need a memory-saving mode of the web UI here").format(text=text)
        return Check(name, True, text, "", prevents)
    if free < CLIP:
        return Check(name, False,
                     _("{text}, a clip of 512x512 and 16 frames takes {least:.1f} GiB at least").format(
                         text=text, least=CLIP / 1024), _("Close what holds it; nvidia-smi lists it."), prevents)
    return Check(name, True, text, "", prevents)


def _main_memory(free: float) -> Check:
    name, prevents = N_("main memory"), HOST
    if free < MAIN_MEMORY:
        return Check(name, False,
                     _("{free:.0f} MiB free: the system may end the web UI while it loads its model").format(free=free),
                     _("Close other programs."), prevents)
    return Check(name, True, _("{free:.1f} GiB free").format(free=free / 1024), "", prevents)
