"""Finds checkpoints and motion modules, and tells from their heads which of them AnimateDiff can be used with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from autotune.machine import model_files
from autotune.machine.weights import has_tensor, metadata, tensor_shapes
from autotune.model.machine import Machine
from autotune.webui import motion_modules
from autotune.webui.comfyui import folders
from autotune.webui.comfyui.install import identify

CONTEXT = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
"""A tensor that Stable Diffusion 1 and 2 have and later models lack: channels x width of the text encoder's words."""
INPUT = "model.diffusion_model.input_blocks.0.0.weight"
"""Takes the latent picture: 4 channels, 9 in a model that is made for inpainting."""
SD15 = (320, 768)
"""The shape of CONTEXT in Stable Diffusion 1; in 2 it is 320 x 1024."""
PARTS = ("first_stage_model.", "cond_stage_model.")
"""Begin the names of the VAE's and the text encoder's tensors, without which a checkpoint alone renders nothing."""
STAND_IN = "reference"
"""Key of the metadata of the reference web UI's own weights, which are far smaller than real ones."""
LCM_FRAMES = 64
"""Longest clip of a motion module without position encodings, as AnimateDiff-Evolved takes AnimateLCM's to be."""
_ENCODING = ".pos_encoder.pe"
_OTHER_KINDS = re.compile(r"(?:^conv_in\.|^img_encoder\.|^fps_embedding\.|^motion_embedding\.|^FancyVideo|lora|"
                          r"^temporal_attentions\.)")
"""Tensors of motion modules that need a picture or settings of their own, of LoRAs, and of those for SDXL."""
_OTHER_NAMES = re.compile(r"adapter|sparsectrl|lora|controlnet|cameractrl|xl|pia|i2v", re.IGNORECASE)
"""Names that say the same of files whose head cannot be read."""


def listed(places: Sequence[Path]) -> list[tuple[str, Path]]:
    """(name, file) of each model below these folders: the name as ComfyUI lists it, with the system's slashes.

    Sorted as in its lists; of files of one name that of the first folder counts.
    """
    found: dict[str, Path] = {}
    for folder in places:
        for path in model_files.files(folder, folders.WEIGHTS):
            name = path.relative_to(folder)
            if ".git" not in name.parts:
                found.setdefault(str(name), path)
    return sorted(found.items())


def is_sd15(path: Path) -> bool | None:
    """Whether a checkpoint is a whole Stable Diffusion 1.5 (or 1.4) that takes text alone; None where its head does not
    tell: no safetensors file."""
    if has_tensor(path, CONTEXT) is False:
        return '"checkpoint"' in metadata(path).get(STAND_IN, "")
    shapes = tensor_shapes(path)
    if shapes is None:
        return None
    whole = all(any(name.startswith(part) for name in shapes) for part in PARTS)
    return shapes.get(CONTEXT) == SD15 and whole and shapes.get(INPUT, (0, 4))[1:2] == (4,)


def frames_of(path: Path) -> int | None:
    """The longest clip of a motion module for Stable Diffusion 1.5, in frames; None: the file is no such module.

    By its tensors as AnimateDiff-Evolved reads them, or by its name where it is no safetensors file.
    """
    shapes = tensor_shapes(path)
    if shapes is None:
        return None if _OTHER_NAMES.search(path.stem) else motion_modules.frames_by_name(path.name)
    if any(_OTHER_KINDS.search(name) for name in shapes):
        return None
    if STAND_IN in (said := metadata(path)):
        return motion_modules.frames_by_name(path.name) if '"motion"' in said[STAND_IN] else None
    levels = {int(found[1]) for name in shapes if (found := re.match(r"down_blocks\.(\d+)\.", name))}
    if max(levels, default=-1) != 3 or not any("temporal" in name for name in shapes):
        return None  # SDXL has three levels
    return next((shape[1] for name, shape in shapes.items() if name.endswith(_ENCODING) and len(shape) > 1), LCM_FRAMES)


def first_sd15(found: Iterable[tuple[str, Path]]) -> tuple[str, Path] | None:
    """The first of these checkpoints that its head says to be Stable Diffusion 1.5, else the first unknown one."""
    unknown = None
    for one in found:
        known = is_sd15(one[1])
        if known:
            return one
        unknown = one if known is None and unknown is None else unknown
    return unknown


def preferred_checkpoint(root: Path, words: Sequence[str]) -> str | None:
    """The checkpoint that clips are rendered with, as ComfyUI lists it; None: there is none that may fit.

    ComfyUI remembers none that its owner uses, and all of one family cost the same. So it is the first by name of those
    that are Stable Diffusion 1.5 for certain, else the first .ckpt: the same answer for a fingerprint and for a trial.
    ``words``: the launch file's.
    """
    found = first_sd15(listed(identify(root, words).folders.of("checkpoints")))
    return found[0] if found else None


def preferred_module(machine: Machine, context: int) -> str | None:
    """The motion module to render with, ``context`` frames at a time: the newest that takes so many. None: none."""
    if machine.animatediff is None:
        return None
    found = machine.animatediff.motion_modules
    return motion_modules.preferred_module({one.name: frames_of(one.path) or 0 for one in found}, context)
