"""The rules of the web UIs built on ldm_patched (Forge before August 2024, reForge): not A1111's.

Read in ldm_patched/modules/model_management.py and args_parser.py: xformers is used whenever it can be
imported, attention flags exclude each other in the parser, A1111's speed flags are parsed and ignored, and
nothing switches in a running process.
"""

from __future__ import annotations

from collections.abc import Mapping

from autotune.language.translate import _
from autotune.model.flagset import Effective
from autotune.model.machine import Runtime

# Flags that exclude each other in the parser: a kept one leaves no room for ours.
EXCLUSIVE_ATTENTION = (
    "--attention-split", "--attention-quad", "--attention-pytorch",
    "--use-sage-attention", "--use-sage-attention3", "--use-flash-attention",
)
EXCLUSIVE_VAE = ("--vae-in-fp32", "--vae-in-fp16", "--vae-in-bf16")
FLAG_OF_LEVEL = {"sdp": "--attention-pytorch", "split": "--attention-split", "sub-quad": "--attention-quad"}


def effective(flags: Mapping[str, str | None], runtime: Runtime, batched: bool) -> Effective:
    """The effective set of flags given by full name. ``vae`` may also be bf16 here."""
    memory = "lowvram" if "--always-low-vram" in flags or "--always-no-vram" in flags else "none"
    return Effective(
        attention=attention(flags, runtime),
        channelslast="--force-channels-last" in flags,
        unet="fp32" if "--all-in-fp32" in flags or "--fp32-unet" in flags else "fp16",
        vae=_vae(flags, runtime),
        precision="autocast",
        upcast=False,
        memory=memory,
        batch_cond_uncond=batched,
    )


def attention(flags: Mapping[str, str | None], runtime: Runtime) -> str:
    """The class in effect, by our names; "sage" and "flash" for reForge's own kernels."""
    if "--use-sage-attention" in flags or "--use-sage-attention3" in flags:
        return "sage"
    if "--use-flash-attention" in flags:
        return "flash"
    if "--attention-pytorch" in flags:
        return "sdp"
    if xformers_obstacle(runtime) is None and "--disable-xformers" not in flags:
        return "xformers"
    if "--attention-split" in flags:
        return "doggettx"
    if "--attention-quad" in flags:
        return "sub-quad"
    new_torch = (runtime.torch or "2").split(".")[0] != "1"
    return "sdp" if runtime.device == "cuda" and new_torch else "sub-quad"


def xformers_obstacle(runtime: Runtime) -> str | None:
    """Why xformers is not used here; None if it is, unless turned off."""
    return None if runtime.xformers else _("xformers cannot be imported by the web UI's Python")


def _vae(flags: Mapping[str, str | None], runtime: Runtime) -> str:
    """fp32 unless a flag says otherwise; bf16 on CUDA with compute capability 8 or newer and torch 2."""
    for flag in EXCLUSIVE_VAE:
        if flag in flags:
            return flag.removeprefix("--vae-in-")
    if "--vae-in-cpu" in flags or runtime.device != "cuda":
        return "fp32"
    major = (runtime.compute_capability or "0").split(".")[0]
    return "bf16" if major.isdigit() and int(major) >= 8 else "fp32"
