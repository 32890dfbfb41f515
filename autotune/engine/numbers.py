"""Chooses the number types that weights are kept in and computed in, from the flags and the device.

On CUDA the flags act as in A1111. A CPU has no usable fp16 arithmetic (convolutions measured 20 to 40 times
slower than fp32 with torch 2.13), so there fp16 weights are kept as fp16 and cast to fp32 at every layer, as
A1111's own manual cast does; --precision half and --upcast-sampling round what each layer gives to fp16.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from autotune.engine.values import Device, DType, Module, Tensor

TORCH_NAMES = {"fp64": "float64", "fp32": "float32", "fp16": "float16", "bf16": "bfloat16",
               "fp8_e4m3fn": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2", "fp8_e8m0fnu": "float8_e8m0fnu"}
"""torch's names of number types, by the short ones used here."""
HALF_CONFLICT = "--no-half and --no-half-vae conflict with --precision half"


@dataclass(frozen=True, slots=True)
class Numbers:
    """The types of UNet and VAE (see TORCH_NAMES). ``compute`` None: layers compute in the type they hold.

    ``rounded``: what a layer gives is rounded to fp16; ``norms32``: norms compute in fp32; ``autocast``: torch's
    own autocast is on (CUDA).
    """

    unet: str
    vae: str
    compute: str | None
    vae_compute: str | None
    rounded: bool = False
    norms32: bool = False
    autocast: bool = False
    remarks: tuple[str, ...] = ()


def choose(flags: argparse.Namespace, device: str) -> Numbers:
    """The types that these flags come to on a device (cpu or cuda). Raises AssertionError as A1111 does."""
    if flags.precision == "half":
        assert not flags.no_half and not flags.no_half_vae, HALF_CONFLICT
    unet = "fp32" if flags.no_half else "fp16"
    vae = "fp32" if flags.no_half or flags.no_half_vae else "fp16"
    remarks: list[str] = []
    if flags.upcast_sampling and flags.no_half:
        remarks.append("--upcast-sampling does nothing with --no-half")
    rounds = unet == "fp16" and (flags.precision == "half" or flags.upcast_sampling)
    if device == "cpu":
        if unet == "fp16":
            remarks.append("no fast fp16 on this CPU: weights are kept in fp16 and cast to fp32 at each layer")
        if flags.precision == "full" and unet == "fp16":
            remarks.append("--precision full computes what autocast computes on a CPU")
        return Numbers(unet, vae, "fp32" if unet == "fp16" else None, "fp32" if vae == "fp16" else None,
                       rounded=rounds, remarks=tuple(remarks))
    if unet == "fp32":
        return Numbers(unet, vae, None, None, remarks=tuple(remarks))
    if flags.precision == "full":
        return Numbers(unet, vae, "fp32", None, remarks=tuple(remarks))
    return Numbers(unet, vae, None, None, norms32=flags.upcast_sampling and flags.precision != "half",
                   autocast=not rounds, remarks=tuple(remarks))


def dtype(name: str) -> DType:
    """torch's type of that name."""
    import torch

    return getattr(torch, TORCH_NAMES[name])


def cast_layers(module: Module, compute: str, rounded: bool) -> None:
    """Make every layer under ``module`` that holds weights compute in ``compute``, whatever it holds.

    ``rounded``: what it gives is fp16, else it is ``compute``.
    """
    out = dtype("fp16") if rounded else dtype(compute)
    for layer in module.modules():
        _patch(layer, dtype(compute), out)


def upcast_norms(module: Module) -> None:
    """Make the norms under ``module`` compute in fp32 and give fp16 (--upcast-sampling on CUDA)."""
    from torch import nn

    for layer in module.modules():
        if isinstance(layer, (nn.GroupNorm, nn.LayerNorm)):
            _patch(layer, dtype("fp32"), dtype("fp16"))


def half_layers(module: Module, kind: str = "fp16") -> None:
    """Make every layer under ``module`` take and give one type, so that fp32 values between layers do no harm."""
    for layer in module.modules():
        _patch(layer, dtype(kind), dtype(kind))


def _patch(layer: Module, compute: DType, out: DType) -> None:
    from torch import nn
    from torch.nn import functional as F

    def cast(value: Tensor) -> Tensor:
        return None if value is None else value.to(compute)

    if isinstance(layer, nn.Linear):
        layer.forward = lambda input: F.linear(input.to(compute), cast(layer.weight), cast(layer.bias)).to(out)
    elif isinstance(layer, nn.Conv2d):
        layer.forward = lambda input: F.conv2d(
            input.to(compute), cast(layer.weight), cast(layer.bias),
            layer.stride, layer.padding, layer.dilation, layer.groups).to(out)
    elif isinstance(layer, nn.GroupNorm):
        layer.forward = lambda input: F.group_norm(
            input.to(compute), layer.num_groups, cast(layer.weight), cast(layer.bias), layer.eps).to(out)
    elif isinstance(layer, nn.LayerNorm):
        layer.forward = lambda input: F.layer_norm(
            input.to(compute), layer.normalized_shape, cast(layer.weight), cast(layer.bias), layer.eps).to(out)


def device_of(flags: argparse.Namespace, wanted: str) -> Device:
    """The device to use: ``wanted`` is auto, cpu or cuda; --use-cpu all wins, --device-id picks the GPU.

    Raises RuntimeError, in A1111's words, when cuda is wanted and torch sees none.
    """
    import torch

    if wanted == "cpu" or "all" in flags.use_cpu or "sd" in flags.use_cpu:
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device(f"cuda:{flags.device_id}" if flags.device_id else "cuda:0")
    if wanted == "cuda":
        raise RuntimeError("Torch is not able to use GPU; add --skip-torch-cuda-test to COMMANDLINE_ARGS variable "
                           "to disable this check")
    return torch.device("cpu")
