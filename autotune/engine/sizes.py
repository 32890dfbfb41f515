"""The two sizes of the reference web UI: shapes of UNet, VAE and motion module, and how weights are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

CHECKPOINT = {"tiny": "reference-tiny.safetensors", "sd15": "reference-sd15.safetensors"}
MOTION_MODULE = "mm_sd15_v2.safetensors"
SEED_KEY = "autotune_seed"
"""Name of the one tensor in a weight file that holds a seed instead of weights (size sd15)."""


@dataclass(frozen=True, slots=True)
class Size:
    """The shapes of one model. ``factor``: pixels on each side of a latent; ``text``: width of the conditioning."""

    name: str
    unet: dict[str, Any]
    vae: dict[str, Any]
    factor: int
    text: int


TINY = Size(
    name="tiny",
    # One attention level at the full latent resolution, few channels: on a CPU nearly all of the time of a
    # clip goes to spatial attention, as it does on a GPU at the sizes people use.
    unet={
        "block_out_channels": (32, 32), "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
        "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"), "layers_per_block": 1,
        "norm_num_groups": 8, "cross_attention_dim": 32, "num_attention_heads": 1,
        "motion_num_attention_heads": 2, "use_motion_mid_block": False,
    },
    vae={
        "block_out_channels": (8, 16, 32), "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3, "layers_per_block": 1, "norm_num_groups": 8,
        "latent_channels": 4,
    },
    factor=4,
    text=32,
)

SD15 = Size(
    name="sd15",
    unet={
        "block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768, "num_attention_heads": 8,
        "use_motion_mid_block": True,
    },
    vae={
        "block_out_channels": (128, 256, 512, 512), "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4, "layers_per_block": 2, "latent_channels": 4,
    },
    factor=8,
    text=768,
)

SIZES = {"tiny": TINY, "sd15": SD15}

BRANCH_ENDS = ("conv2.weight", "to_out.0.weight", "ff.net.2.weight", "proj_out.weight")


def is_motion(name: str) -> bool:
    """Whether a tensor of UNetMotionModel belongs to the motion module (kept in a file of its own)."""
    return "motion_modules" in name


def spread(name: str, shape: tuple[int, ...]) -> float | None:
    """Standard deviation of a weight of that name and shape, or None where it is a constant (see `constant`).

    One over the square root of the fan-in keeps activations near one in fp16; the last layer of each residual
    branch is damped so that small differences between attention kernels do not grow on their way out.
    """
    if len(shape) < 2 or name.endswith(".pe"):
        return None
    gain = 0.4 if name.endswith(BRANCH_ENDS) else 1.0
    if name == "decoder.conv_out.weight":
        gain = 0.8
    return gain / math.sqrt(math.prod(shape[1:]))


def constant(name: str) -> float:
    """Value of a tensor of one dimension: norms scale by one, every bias is 0."""
    return 1.0 if name.endswith("weight") else 0.0
