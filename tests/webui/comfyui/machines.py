"""Machines with a ComfyUI, as a probe would have found them."""

from __future__ import annotations

from pathlib import Path

from autotune.flags.words import split
from autotune.model.machine import Fingerprint, Gpu, Machine, ProbedInstall, Runtime
from autotune.webui.comfyui.flags import known_flags
from autotune.webui.comfyui.flags.rules import site_of
from tests.webui.comfyui.own_parsers import OLDER, lay_out

OLD, NEW = "0.3.64", "0.26.0"
NVIDIA = Runtime("3.12", "2.8.0+cu128", "12.8", "9.10", None, device="cuda", compute_capability="8.9",
                 packages={"comfy_aimdo": "0.4.10"})
AMD = Runtime("3.12", "2.8.0+rocm6.4", None, None, None, device="cuda")
CPU = Runtime("3.12", "2.8.0+cpu", None, None, None, device="cpu")
MPS = Runtime("3.12", "2.8.0", None, None, None, device="mps")
CARD, SMALL_CARD, OLD_CARD = "NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 3050", "NVIDIA GeForce GTX 1650"


def machine(
    *flags: str, runtime: Runtime = NVIDIA, card: str = CARD, memory: float = 24564.0, version: str | None = NEW,
    lacks: tuple[str, ...] = (),
) -> Machine:
    """A machine with one GPU (none beside a CPU runtime) whose ComfyUI has these flags; ``memory`` in MiB."""
    gpus = () if runtime.device != "cuda" else (
        Gpu(0, card, "GPU-0", runtime.compute_capability, memory, 0.0, "580", "13.0"),)

    def seen(tuned: tuple[str, ...], kept: tuple[str, ...]) -> Machine:
        install = ProbedInstall("comfyui", version, None, Path("/none"), None, None, tuple(flags), tuned, kept, False,
                                True, lacks=lacks)
        return Machine(gpus, install, runtime, None, (), (), Fingerprint("", ()), ())

    parts = split(flags, site_of(seen((), ())).catalogue)
    return seen(parts.tuned, parts.kept)


def old_lacks(folder: Path) -> tuple[str, ...]:
    """What the form of autumn 2025 lacks of what is tuned."""
    return known_flags.lacks(lay_out(folder, OLDER))
