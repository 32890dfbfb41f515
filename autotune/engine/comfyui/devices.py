"""The device that is used, and what ComfyUI calls it."""

from __future__ import annotations

import argparse
import importlib
import os

from autotune.engine.comfyui.choices import Device, allocator
from autotune.engine.values import Device as TorchDevice

ALLOCATION = "PYTORCH_CUDA_ALLOC_CONF"


def before_torch(args: argparse.Namespace) -> None:
    """Sets the variables that torch reads when it is imported: visible GPUs, in which order, and the allocator.

    ``args.cuda_malloc`` tells afterwards whether cudaMallocAsync was asked for.
    """
    if args.default_device is not None:
        order = [args.default_device, *(n for n in range(32) if n != args.default_device)]
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, order))
    if args.cuda_device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(args.cuda_device)
    if args.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    args.cuda_malloc = allocator(args) == "cudaMallocAsync" and not args.disable_cuda_malloc
    if args.cuda_malloc:
        given = [part for part in os.environ.get(ALLOCATION, "").split(",") if part]
        kept = [part for part in given if not part.startswith(("backend:", "expandable_segments"))]
        os.environ[ALLOCATION] = ",".join([*kept, "backend:cudaMallocAsync"])


def device_of(args: argparse.Namespace, wanted: str) -> TorchDevice:
    """The device: ``wanted`` is auto, cpu or cuda; --cpu wins. Raises RuntimeError without a cuda that is wanted."""
    import torch

    if args.cpu or wanted == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda:0")
    if wanted == "cuda":
        raise RuntimeError("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and "
                           "installed a driver from http://www.nvidia.com/Download/index.aspx")
    return torch.device("cpu")


def facts(device: TorchDevice) -> Device:
    """What of the device decides on kernels and types."""
    import torch

    if device.type != "cuda":
        return Device("cpu")
    try:
        importlib.import_module("xformers.ops")
        xformers = True
    except (ImportError, OSError, RuntimeError, AttributeError):
        xformers = False
    return Device("cuda", bool(torch.cuda.is_bf16_supported()), xformers)


def name_of(device: TorchDevice) -> str:
    """ComfyUI's name of a device, with the allocator of a GPU's memory."""
    if device.type != "cuda":
        return str(device.type)
    import torch

    return f"{device} {torch.cuda.get_device_name(device)} : {torch.cuda.get_allocator_backend()}"
