"""Run by the web UI's own interpreter, never imported: prints one JSON line on what that interpreter has.

Self-contained: the standard library and the packages it asks about, nothing of autotune.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import sys
import threading
from types import ModuleType

MARK = "autotune-runtime:"
# What importing or asking a broken or half-installed package is known to raise.
FAULTS = (ImportError, OSError, RuntimeError, AttributeError, ValueError, TypeError, SyntaxError, AssertionError)


def load(name: str, errors: list[str]) -> ModuleType | None:
    """Imports a package; None, and a line in ``errors``, if that fails. Absence is no error."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as fault:
        if fault.name != name.partition(".")[0]:
            errors.append(f"{name}: {fault}")
    except FAULTS as fault:
        errors.append(f"{name}: {type(fault).__name__}: {fault}")
    return None


def device_of(torch: ModuleType, errors: list[str]) -> tuple[str, str | None]:
    """(device, compute capability) that the web UI would use."""
    try:
        if torch.cuda.is_available():
            major, minor = torch.cuda.get_device_capability(0)
            return "cuda", f"{major}.{minor}"
        mps = getattr(torch.backends, "mps", None)
        return ("mps" if mps is not None and mps.is_available() else "cpu"), None
    except FAULTS as fault:
        errors.append(f"torch device: {type(fault).__name__}: {fault}")
        return "cpu", None


def sdp_backends(torch: ModuleType, device: str) -> list[str]:
    """Kernels of scaled dot product attention that run on the device: each is tried on a small input."""
    try:
        attention = importlib.import_module("torch.nn.attention")
        compute = torch.nn.functional.scaled_dot_product_attention
        dtype = torch.float32 if device == "cpu" else torch.float16
        query = torch.ones((1, 8, 64, 64), dtype=dtype, device=device)
    except FAULTS:
        return []
    found = []
    for name in ("MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION"):
        backend = getattr(attention.SDPBackend, name, None)
        if backend is None:
            continue
        try:
            with attention.sdpa_kernel(backend):
                compute(query, query, query)
            found.append(name.lower())
        except FAULTS:
            continue
    return found


def switches(torch: ModuleType, device: str) -> dict[str, list[str]]:
    """Switches that torch has, each with its levels."""
    found = {"cudnn_benchmark": ["default", "on"]}
    try:
        if hasattr(torch._C, "_get_cublas_allow_fp16_accumulation"):
            found["fp16_accumulation"] = ["default", "on"]
        found["sdpa_order"] = ["default", *other_first(torch, device)]
    except FAULTS:
        pass
    return found


def other_first(torch: ModuleType, device: str) -> list[str]:
    """The SDPA kernels that can come first, where torch does not take them first by itself: it is asked each time.

    Torch takes an order of kernels from 2.6 on, for CUDA. Else one comes first when those before it are switched off,
    which cuDNN's, the last, cannot. Only after the first asking does torch's order say what it prefers.
    """
    cuda = torch.backends.cuda
    query = torch.ones((1, 8, 4096, 40), dtype=torch.float16 if device == "cuda" else torch.float32, device=device)
    numbers = {"flash": 1, "mem-efficient": 2, "cudnn": 3, "math": 0}
    before = {"flash": ("cudnn",), "mem-efficient": ("cudnn", "flash"), "math": ("cudnn", "flash", "mem_efficient")}

    def taken() -> int:
        return int(torch._fused_sdp_choice(query, query, query))

    usual = taken()
    if device == "cuda" and hasattr(torch._C, "_set_sdp_priority_order"):
        def first(level: str) -> int:
            torch._C._set_sdp_priority_order([numbers[level], *(one for one in order if one != numbers[level])])
            return taken()

        order = list(torch._C._get_sdp_priority_order())
        return [level for level, number in numbers.items() if number != usual and first(level) == number]

    def alone(level: str) -> int:
        for name in ("cudnn", "flash", "mem_efficient"):
            if hasattr(cuda, f"enable_{name}_sdp"):
                getattr(cuda, f"enable_{name}_sdp")(name not in before[level])
        return taken()

    return [level for level in before if numbers[level] != usual and alone(level) == numbers[level]]


def cudnn_of(torch: ModuleType) -> str | None:
    """cuDNN's version number as torch states it."""
    try:
        number = torch.backends.cudnn.version()
    except FAULTS:
        return None
    return str(number) if number else None


def versions(names: list[str], errors: list[str]) -> dict[str, str]:
    """The packages among ``names`` that can be imported, each with its version, "unknown" where it tells none."""
    found = {}
    for name in names:
        package = load(name, errors)
        if package is None:
            continue
        stated = getattr(package, "__version__", None)
        try:
            found[name] = str(stated or importlib.metadata.version(name.replace("_", "-")))
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def end_with_asker() -> None:
    """Ends this program, and what it began, when the one that asked is gone: its end of standard input closes then."""
    # Away from its usual number: what a package begins in here must neither read it nor wait for who reads it.
    asker = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        while os.read(asker, 1):
            pass
        if hasattr(os, "killpg"):
            os.killpg(0, 9)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Prints the line. Warnings of imports go to stderr and do no harm."""
    end_with_asker()
    sys.path[:] = [entry for entry in sys.path if entry]
    errors: list[str] = []
    torch = load("torch", errors)
    said: dict[str, object] = {"python": platform.python_version(), "device": "cpu", "errors": errors}
    if torch is not None:
        device, capability = device_of(torch, errors)
        version = getattr(torch, "version", None)
        said.update(
            torch=str(torch.__version__),
            cuda=getattr(version, "cuda", None) or getattr(version, "hip", None),
            cudnn=cudnn_of(torch),
            device=device,
            compute_capability=capability,
            sdp_backends=sdp_backends(torch, device),
            switches=switches(torch, device),
        )
        xformers = load("xformers", errors)
        if xformers is not None and load("xformers.ops", errors) is not None:
            said["xformers"] = str(getattr(xformers, "__version__", "unknown"))
        said["packages"] = versions(sys.argv[1:], errors)
    sys.stdout.write("\n" + MARK + json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
