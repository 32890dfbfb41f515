"""What flags come to by ComfyUI's own rules, one row for each rule; read in its source (see flags/rules.py)."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.model.machine import Runtime
from autotune.webui.comfyui.flags.effective import effective, level_of
from tests.webui.comfyui.machines import AMD, CPU, MPS, NEW, NVIDIA, OLD, OLD_CARD, machine, old_lacks

WITH_XFORMERS = replace(NVIDIA, xformers="0.0.32")
WITH_CUBLAS = replace(NVIDIA, packages={"cublas_ops": "0.0.5"})
WITHOUT_PACKAGES = replace(NVIDIA, packages={})
TORCH_26, TORCH_1 = replace(NVIDIA, torch="2.6.0+cu124"), replace(NVIDIA, torch="1.13.1+cu117")
CUDA_13 = replace(NVIDIA, torch="2.14.1+cu130", cuda="13.0")

ATTENTION = [
    ("", NVIDIA, "pytorch"),
    ("", TORCH_1, "quad"),
    ("", CPU, "quad"),
    ("", MPS, "quad"),
    ("--cpu", NVIDIA, "quad"),
    ("", AMD, "default"),
    ("--use-quad-cross-attention", AMD, "quad"),
    ("", WITH_XFORMERS, "xformers"),
    ("--disable-xformers", WITH_XFORMERS, "pytorch"),
    ("--cpu", WITH_XFORMERS, "quad"),
    ("--use-pytorch-cross-attention", WITH_XFORMERS, "pytorch"),
    ("--use-split-cross-attention", WITH_XFORMERS, "xformers+split"),
    ("--use-quad-cross-attention", WITH_XFORMERS, "xformers+quad"),
    ("--disable-xformers --use-split-cross-attention", WITH_XFORMERS, "split"),
    ("--use-sage-attention", WITH_XFORMERS, "sage"),
    ("--use-flash-attention", WITH_XFORMERS, "flash"),
    ("--use-split-cross-attention", NVIDIA, "split"),
    ("--use-quad-cross-attention", NVIDIA, "quad"),
    ("--use-split", NVIDIA, "split"),
    ("--use-pytorch-cross-attention", CPU, "pytorch"),
    ("--use-split-cross-attention", CPU, "split"),
    ("--use-ck-attention", WITH_XFORMERS, "ck"),
]


@pytest.mark.parametrize(("flags", "runtime", "level"), ATTENTION)
def test_attention(flags: str, runtime: Runtime, level: str) -> None:
    assert level_of("attention", effective(flags.split(), machine(runtime=runtime))) == level


def test_flash_came_after_xformers_before_0_23() -> None:
    words = ["--use-flash-attention"]
    for version, expected in ((OLD, "xformers"), ("0.22.0", "xformers"), ("0.23.0", "flash"), (None, "flash")):
        assert effective(words, machine(runtime=WITH_XFORMERS, version=version)).attention == expected


LEVELS = [
    # members of --fast
    ("--fast", NVIDIA, {"fp16_accumulation": "on", "cudnn_benchmark": "on", "cublas_ops": "default",
                        "fp8_matrix_mult": "on", "cuda_malloc": "off"}),
    ("--fast", WITH_CUBLAS, {"cublas_ops": "on"}),
    ("--fast autotune", NVIDIA, {"cudnn_benchmark": "on", "fp16_accumulation": "default", "cuda_malloc": "off"}),
    ("--fast autotune --cuda-malloc", NVIDIA, {"cudnn_benchmark": "on", "cuda_malloc": "default"}),
    ("--fast fp16_accumulation", NVIDIA, {"fp16_accumulation": "on", "cuda_malloc": "default"}),
    ("--fast fp16_accumulation", TORCH_26, {"fp16_accumulation": "default"}),
    ("--fast fp16_accumulation --fp32-unet", NVIDIA, {"fp16_accumulation": "default", "unet": "fp32"}),
    ("--fast fp16_accumulation --force-fp32", NVIDIA, {"fp16_accumulation": "default", "unet": "fp32"}),
    ("--fast fp16_accumulation --fast autotune", NVIDIA, {"fp16_accumulation": "default", "cudnn_benchmark": "on"}),
    ("--fast", CPU, {"fp16_accumulation": "default", "cudnn_benchmark": "default", "cuda_malloc": "default"}),
    ("--fast --cpu", NVIDIA, {"fp16_accumulation": "default", "cudnn_benchmark": "default"}),
    # the allocator
    ("--disable-cuda-malloc", NVIDIA, {"cuda_malloc": "off"}),
    ("--cuda-malloc", NVIDIA, {"cuda_malloc": "default"}),
    ("--disable-cuda-malloc", TORCH_1, {"cuda_malloc": "default"}),
    ("--cuda-malloc", TORCH_1, {"cuda_malloc": "on"}),
    ("--cuda-malloc", AMD, {"cuda_malloc": "default"}),
    # memory, and paging of weights
    ("", NVIDIA, {"memory": "none", "dynamic_vram": "default"}),
    ("--highvram", NVIDIA, {"memory": "highvram", "dynamic_vram": "default"}),
    ("--highvram --disable-dynamic-vram", NVIDIA, {"memory": "highvram", "dynamic_vram": "default"}),
    ("--highvram --enable-dynamic-vram", NVIDIA, {"memory": "highvram", "dynamic_vram": "on"}),
    ("--lowvram", NVIDIA, {"memory": "none", "dynamic_vram": "default"}),
    ("--lowvram --disable-dynamic-vram", NVIDIA, {"memory": "lowvram", "dynamic_vram": "off"}),
    ("--lowvram", WITHOUT_PACKAGES, {"memory": "lowvram", "dynamic_vram": "default"}),
    ("--lowvram", TORCH_26, {"memory": "lowvram", "dynamic_vram": "default"}),
    ("--enable-dynamic-vram", TORCH_26, {"dynamic_vram": "on"}),
    ("--enable-dynamic-vram", NVIDIA, {"dynamic_vram": "default"}),
    ("--novram", NVIDIA, {"memory": "novram", "dynamic_vram": "default"}),
    ("--gpu-only", NVIDIA, {"memory": "gpu-only"}),
    ("--cpu", NVIDIA, {"memory": "none"}),
    ("--highvram", MPS, {"memory": "none"}),
    # the cache
    ("--cache-classic", NVIDIA, {"cache": "classic"}),
    ("--cache-ram", NVIDIA, {"cache": "default"}),
    ("--cache-ram 4 8", NVIDIA, {"cache": "ram-4-8"}),
    ("--cache-lru 0", NVIDIA, {"cache": "default"}),
    ("--cache-lru 5", NVIDIA, {"cache": "lru-5"}),
    ("--cache-none", NVIDIA, {"cache": "none"}),
    ("--high-ram", NVIDIA, {"cache": "high-ram"}),
    # moving weights
    ("--async-offload", NVIDIA, {"async_offload": "default"}),
    ("--async-offload 4", NVIDIA, {"async_offload": "4"}),
    ("--async-offload 0", NVIDIA, {"async_offload": "off"}),
    ("--disable-async-offload", NVIDIA, {"async_offload": "off"}),
    ("--disable-async-offload --async-offload 4", NVIDIA, {"async_offload": "off"}),
    ("--async-offload 4", CPU, {"async_offload": "default"}),
    ("--disable-pinned-memory", NVIDIA, {"pinned_memory": "off"}),
    ("--disable-pinned-memory", CPU, {"pinned_memory": "default"}),
    ("--disable-smart-memory", NVIDIA, {"smart_memory": "off"}),
    # numbers
    ("--fp8_e4m3fn-unet", NVIDIA, {"unet": "fp8-e4m3fn"}),
    ("--force-fp16", NVIDIA, {"unet": "fp16"}),
    ("--bf16-vae", NVIDIA, {"vae": "bf16"}),
    ("--fp16-intermediates", NVIDIA, {"fp16_intermediates": "on"}),
    ("--force-channels-last", CPU, {"channelslast": "true"}),
]


@pytest.mark.parametrize(("flags", "runtime", "levels"), LEVELS)
def test_levels(flags: str, runtime: Runtime, levels: dict[str, str]) -> None:
    what = effective(flags.split(), machine(runtime=runtime))
    assert {name: level_of(name, what) for name in levels} == levels


def test_the_allocator_follows_the_card() -> None:
    """ComfyUI leaves PyTorch's own to some old cards, but from 0.25 on not where torch has CUDA 13."""
    for runtime, version, off_differs in ((NVIDIA, NEW, False), (CUDA_13, NEW, True), (CUDA_13, "0.24.0", False)):
        seen = machine(runtime=runtime, card=OLD_CARD, version=version)
        assert (level_of("cuda_malloc", effective(["--disable-cuda-malloc"], seen)) == "off") is off_differs
        assert (level_of("cuda_malloc", effective(["--cuda-malloc"], seen)) == "on") is not off_differs


OLDER = [
    ("", {"cache": "default", "dynamic_vram": "default"}),
    ("--cache-classic", {"cache": "default"}),
    ("--async-offload", {"async_offload": "2"}),
    ("--lowvram", {"memory": "lowvram"}),
    ("--fast autotune", {"cudnn_benchmark": "on", "cuda_malloc": "default"}),
]


@pytest.mark.parametrize(("flags", "levels"), OLDER)
def test_an_older_version_has_other_defaults(flags: str, levels: dict[str, str], tmp_path: Path) -> None:
    what = effective(flags.split(), machine(version=OLD, lacks=old_lacks(tmp_path)))
    assert {name: level_of(name, what) for name in levels} == levels
