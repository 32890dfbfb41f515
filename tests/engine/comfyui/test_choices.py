"""What flags come to, and the parser that they are read by."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from autotune.engine.comfyui import cli_args, inert
from autotune.engine.comfyui.choices import GIB, Device, allocator, choose

CPU, CUDA, XFORMERS = Device("cpu"), Device("cuda", bf16=True), Device("cuda", bf16=True, xformers=True)


def _args(text: str) -> argparse.Namespace:
    return cli_args.finished(cli_args.parser.parse_args(text.split()))


ATTENTION = [
    ("", CPU, ("quad", "quad", "split")), ("", CUDA, ("pytorch", "pytorch", "pytorch")),
    ("", XFORMERS, ("xformers", "pytorch", "xformers")),
    ("--disable-xformers", XFORMERS, ("pytorch", "pytorch", "pytorch")),
    ("--use-pytorch-cross-attention", XFORMERS, ("pytorch", "pytorch", "pytorch")),
    ("--use-split-cross-attention", XFORMERS, ("xformers", "split", "xformers")),
    ("--use-split-cross-attention", CUDA, ("split", "split", "split")),
    ("--use-quad-cross-attention", CUDA, ("quad", "quad", "split")),
    ("--use-pytorch-cross-attention", CPU, ("pytorch", "pytorch", "pytorch")),
    ("--use-split-cross-attention", CPU, ("split", "split", "split")),
    ("--use-sage-attention", CUDA, ("sage", "pytorch", "pytorch")),
    ("--use-flash-attention", XFORMERS, ("flash", "pytorch", "xformers")),
]
"""Flags, device: attention of the model, of the motion module, of the VAE."""


@pytest.mark.parametrize(("flags", "device", "expected"), ATTENTION)
def test_attention(flags: str, device: Device, expected: tuple[str, str, str]) -> None:
    found = choose(_args(flags), device, 16 * GIB)
    assert (found.attention, found.motion, found.in_vae) == expected


NUMBERS = [
    ("", CPU, ("fp32", None, "fp32", None)), ("", CUDA, ("fp16", None, "bf16", None)),
    ("", Device("cuda"), ("fp16", None, "fp32", None)), ("--force-fp32", CUDA, ("fp32", None, "fp32", None)),
    ("--force-fp16", CPU, ("fp16", "fp32", "fp32", None)), ("--bf16-unet", CUDA, ("bf16", None, "bf16", None)),
    ("--bf16-unet", CPU, ("bf16", "fp32", "fp32", None)), ("--fp64-unet", CPU, ("fp64", None, "fp32", None)),
    ("--fp8_e4m3fn-unet --fp16-vae", CUDA, ("fp8_e4m3fn", "fp16", "fp16", None)),
    ("--fp8_e5m2-unet --bf16-vae", CPU, ("fp8_e5m2", "fp32", "bf16", "fp32")),
]
"""Flags, device: the UNet's type and what it is cast to, the VAE's."""


@pytest.mark.parametrize(("flags", "device", "expected"), NUMBERS)
def test_numbers(flags: str, device: Device, expected: tuple[str, str | None, str, str | None]) -> None:
    plan = choose(_args(flags), device, 16 * GIB).numbers
    assert (plan.unet, plan.compute, plan.vae, plan.vae_compute) == expected


@pytest.mark.parametrize(("flags", "memory", "expected"), [
    ("", 16, ("ram", (2.0, 16.0))), ("", 64, ("ram", (6.4, 64.0))), ("", 256, ("ram", (10.0, 96.0))),
    ("--cache-ram 4", 16, ("ram", (4.0, 16.0))), ("--cache-ram 4 5", 16, ("ram", (4.0, 5.0))),
    ("--cache-classic", 16, ("classic", ())), ("--high-ram", 16, ("classic", ())),
    ("--cache-lru 7", 16, ("lru", (7.0,))), ("--cache-lru 0", 16, ("ram", (2.0, 16.0))),
    ("--cache-none", 16, ("none", ())),
])
def test_cache(flags: str, memory: int, expected: tuple[str, tuple[float, ...]]) -> None:
    found = choose(_args(flags), CPU, memory * GIB)
    assert (found.cache, found.kept) == expected


@pytest.mark.parametrize(("flags", "device", "expected"), [
    ("", CUDA, {"vram_state": "NORMAL_VRAM", "streams": 2, "offload": "none", "smart_memory": True}),
    ("--lowvram", CUDA, {"vram_state": "LOW_VRAM", "offload": "medvram"}),
    ("--novram", CUDA, {"vram_state": "NO_VRAM", "offload": "lowvram"}),
    ("--highvram", CUDA, {"vram_state": "HIGH_VRAM", "offload": "none"}),
    ("--gpu-only", CUDA, {"vram_state": "HIGH_VRAM"}), ("--cpu", CPU, {"vram_state": "DISABLED", "streams": 0}),
    ("--lowvram", CPU, {"vram_state": "DISABLED", "offload": "none"}),
    ("--disable-async-offload", CUDA, {"streams": 0}), ("--async-offload", CPU, {"streams": 2}),
    ("--async-offload 5", CUDA, {"streams": 5}),
    ("--fast", CUDA, {"fp16_accumulation": True, "cudnn_benchmark": True}),
    ("--fast", CPU, {"fp16_accumulation": False, "cudnn_benchmark": False}),
    ("--fast autotune", CUDA, {"fp16_accumulation": False, "cudnn_benchmark": True}),
    ("--disable-smart-memory --deterministic", CUDA, {"smart_memory": False, "deterministic": True}),
    ("--force-channels-last", CPU, {"channels_last": True}),
])
def test_memory_and_speed(flags: str, device: Device, expected: dict[str, Any]) -> None:
    found = choose(_args(flags), device, 16 * GIB)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(("flags", "expected"), [
    ("", "cudaMallocAsync"), ("--disable-cuda-malloc", "native"), ("--fast autotune", "native"), ("--fast", "native"),
    ("--fast autotune --cuda-malloc", "cudaMallocAsync"), ("--fast fp16_accumulation", "cudaMallocAsync"),
])
def test_allocator(flags: str, expected: str) -> None:
    assert allocator(_args(flags)) == expected


def test_every_flag_acts_or_says_that_it_does_nothing() -> None:
    names = set(vars(_args("")))
    assert names >= inert.ACTS | inert.SILENT
    assert not inert.ACTS & inert.SILENT
    assert inert.remarks(_args(""), _args("")) == []
    assert inert.remarks(_args("--debug-hang --fast cublas_ops autotune --cpu"), _args("")) == [
        "--debug-hang does nothing here", "--fast cublas_ops does nothing here"]


@pytest.mark.parametrize("text", [
    "--cuda-malloc --disable-cuda-malloc", "--force-fp32 --force-fp16", "--fp16-unet --bf16-unet",
    "--fp16-vae --fp32-vae", "--cache-none --cache-classic", "--cache-ram --high-ram", "--lowvram --cpu",
    "--use-sage-attention --use-flash-attention", "--force-upcast-attention --dont-upcast-attention",
])
def test_flags_that_exclude_each_other(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        _args(text)
    assert "not allowed with argument" in capsys.readouterr().err


def test_what_flags_imply() -> None:
    assert _args("--high-ram").cache_classic
    assert _args("--windows-standalone-build").auto_launch
    assert not _args("--windows-standalone-build --disable-auto-launch").auto_launch
    assert _args("--enable-manager-legacy-ui").enable_manager
    assert {member.value for member in _args("--fast").fast} == {
        "fp16_accumulation", "fp8_matrix_mult", "cublas_ops", "autotune"}
    assert _args("--preview-method taesd").preview_method is cli_args.LatentPreviewMethod.TAESD
