"""What ComfyUI's flags come to on a device: attention, number types, memory, cache. Pure: values in, values out.

The rules are those that ComfyUI 0.26 was seen to follow; where they need an NVIDIA GPU, from its behaviour there.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from autotune.engine.numbers import TORCH_NAMES, Numbers

GIB = 1 << 30
ATTENTION_LINES = {
    "sage": "Using sage attention", "flash": "Using Flash Attention", "xformers": "Using xformers attention",
    "pytorch": "Using pytorch attention", "split": "Using split optimization for attention",
    "quad": "Using sub quadratic optimization for attention, if you have memory or speed issues try using: "
            "--use-split-cross-attention",
}
"""What the log says of each attention."""
FUNCTIONS = {"sage": "attention_sage", "flash": "attention_flash", "xformers": "attention_xformers",
             "pytorch": "attention_pytorch", "split": "attention_split", "quad": "attention_sub_quad"}
"""The names that ComfyUI's own functions have."""


@dataclass(frozen=True, slots=True)
class Device:
    """The device: ``kind`` is cpu or cuda; ``bf16``: it computes in bf16; ``xformers``: the package can be imported."""

    kind: str
    bf16: bool = False
    xformers: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """What is in effect.

    ``attention``, ``motion`` (AnimateDiff-Evolved's own) and ``in_vae`` name kernels; ``cache`` is ram, classic, lru
    or none, with ``kept`` (lru: results; ram: GB that stay free for this prompt, and for results of earlier ones).
    ``streams``: of weights that are moved while computing.
    """

    attention: str
    motion: str
    in_vae: str
    vram_state: str
    numbers: Numbers
    manual_cast: str | None
    cache: str
    kept: tuple[float, ...]
    streams: int
    smart_memory: bool
    channels_last: bool
    fp16_accumulation: bool
    cudnn_benchmark: bool
    deterministic: bool

    @property
    def offload(self) -> str:
        """How parts of the model are moved, in the words of `offload.Offload`."""
        return {"LOW_VRAM": "medvram", "NO_VRAM": "lowvram"}.get(self.vram_state, "none")


def choose(args: argparse.Namespace, device: Device, total_ram: int) -> Choices:
    """What these flags come to; ``total_ram``: bytes of the machine's memory."""
    cuda = device.kind == "cuda"
    asked_other = args.use_split_cross_attention or args.use_quad_cross_attention
    pytorch = args.use_pytorch_cross_attention or (cuda and not asked_other)
    xformers = device.xformers and cuda and not args.disable_xformers and not args.use_pytorch_cross_attention
    plain = "split" if args.use_split_cross_attention else "quad"
    if args.use_sage_attention:
        attention = "sage"
    elif args.use_flash_attention:
        attention = "flash"
    else:
        attention = "xformers" if xformers else "pytorch" if pytorch else plain
    fast = {member.value for member in args.fast}
    cache, kept = cache_mode(args, total_ram)
    numbers = numbers_of(args, device)
    return Choices(
        attention=attention, motion="pytorch" if pytorch else plain,
        in_vae="xformers" if xformers else "pytorch" if pytorch else "split",
        vram_state=vram_state(args, cuda), numbers=numbers, manual_cast=numbers.compute, cache=cache, kept=kept,
        streams=0 if args.disable_async_offload else _streams(args, cuda),
        smart_memory=not args.disable_smart_memory, channels_last=args.force_channels_last,
        fp16_accumulation=cuda and "fp16_accumulation" in fast, cudnn_benchmark=cuda and "autotune" in fast,
        deterministic=args.deterministic)


def _streams(args: argparse.Namespace, cuda: bool) -> int:
    return int(args.async_offload) if args.async_offload is not None else 2 if cuda else 0


def vram_state(args: argparse.Namespace, cuda: bool) -> str:
    """ComfyUI's name of the memory mode; without a GPU there is none."""
    if not cuda:
        return "DISABLED"
    if args.lowvram:
        return "LOW_VRAM"
    if args.novram:
        return "NO_VRAM"
    return "HIGH_VRAM" if args.highvram or args.gpu_only else "NORMAL_VRAM"


def cache_mode(args: argparse.Namespace, total_ram: int) -> tuple[str, tuple[float, ...]]:
    """The mode and its limits: of lru the number of results, of ram two thresholds in GB of free memory."""
    if args.cache_classic:
        return "classic", ()
    if args.cache_lru > 0:
        return "lru", (float(args.cache_lru),)
    if args.cache_none:
        return "none", ()
    given = list(args.cache_ram)
    whole = total_ram / GIB
    active = given[0] if given else min(10.0, max(2.0, whole * 0.1))
    return "ram", (active, given[1] if len(given) > 1 else min(96.0, whole))


def numbers_of(args: argparse.Namespace, device: Device) -> Numbers:
    """The types of UNet and VAE. Weights in a type that the device does not compute in are cast at each layer."""
    cuda = device.kind == "cuda"
    given = next((name for name in TORCH_NAMES if getattr(args, f"{name}_unet")), None)
    unet = given or ("fp16" if cuda and not args.force_fp32 else "fp32")
    vae = next((name for name in ("fp16", "bf16", "fp32") if getattr(args, f"{name}_vae")), None)
    if vae is None:
        vae = "bf16" if cuda and device.bf16 and not args.force_fp32 else "fp32"
    able = ("fp64", "fp32", "fp16", *(("bf16",) if device.bf16 else ())) if cuda else ("fp64", "fp32")
    remarks = []
    if not cuda and unet not in able:
        remarks.append(f"no fast {unet} on this CPU: weights are kept in {unet} and cast to fp32 at each layer")
    cast = None if unet in able else "fp16" if cuda else "fp32"
    return Numbers(unet, vae, cast, None if vae in able else "fp32", remarks=tuple(remarks))


def allocator(args: argparse.Namespace) -> str:
    """The allocator of GPU memory: cudaMallocAsync, which `--fast autotune` switches off unless it is asked for."""
    tuned = "autotune" in {member.value for member in args.fast}
    return "cudaMallocAsync" if args.cuda_malloc or not (args.disable_cuda_malloc or tuned) else "native"
