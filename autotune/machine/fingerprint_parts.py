"""Parts of a fingerprint that every kind of web UI has: GPU, system, Python packages, files of models."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from autotune.machine import python_packages
from autotune.machine.nvml import Nvml, may_be_present
from autotune.model.machine import AnimateDiff, Fingerprint


def sign(parts: dict[str, str]) -> Fingerprint:
    """The fingerprint of these parts: sorted by name, with a SHA-256 id over all of them."""
    ordered = tuple(sorted(parts.items()))
    text = json.dumps(ordered, ensure_ascii=True, separators=(",", ":"))
    return Fingerprint(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16], ordered)


def gpu_parts() -> dict[str, str]:
    """gpu, gpu_memory, driver and cuda_driver as NVML says; all empty without a driver."""
    names: list[str] = []
    sizes: list[str] = []
    driver = cuda = ""
    if may_be_present():
        with Nvml() as nvml:
            for index in range(nvml.count()):
                names.append(nvml.name(index) or "unknown")
                total = nvml.memory_total(index)
                sizes.append(f"{total:.0f} MiB" if total else "unknown")
            driver = nvml.driver_version() or ""
            cuda = nvml.cuda_driver_version() or ""
    driver = driver or _driver_from_proc()
    return {"gpu": ", ".join(names), "gpu_memory": ", ".join(sizes), "driver": driver, "cuda_driver": cuda}


def system() -> str:
    """The system and its release: a kernel's first two numbers (patches do not matter), Windows' build.

    Not by the platform module, which alone takes as long to import as a bare Python to start.
    """
    if sys.platform == "win32":
        windows = sys.getwindowsversion()
        return f"Windows {windows.major}.{windows.minor}.{windows.build}"
    system = os.uname()
    return f"{system.sysname} {'.'.join(system.release.split('-')[0].split('.')[:2])}"


def _driver_from_proc() -> str:
    """The kernel module's version, for a machine whose NVML fails."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return ""
    return next((word for word in words if word[:1].isdigit() and word.count(".") >= 1), "")


def packages(python: Path | None, names: tuple[str, ...]) -> dict[str, str]:
    """The interpreter's version as "python", and that of each package by its name; '' where there is none."""
    found = {"python": python_packages.version(python) if python else None}
    found |= {name: python_packages.package_version(python, name) if python else None for name in names}
    return {name: version or "" for name, version in found.items()}


def animatediff(found: AnimateDiff | None) -> str:
    """Its version and commit; "installed" where it tells neither."""
    if found is None:
        return ""
    return f"{found.version or ''} {(found.commit or '')[:12]}".strip() or "installed"


def motion_modules(found: AnimateDiff | None) -> str:
    """"NAME SIZE, NAME SIZE", so that a replaced file shows."""
    modules = found.motion_modules if found else ()
    return ", ".join(f"{module.name} {module.size}" for module in modules)


def name_and_size(path: Path) -> str:
    """"NAME SIZE" in bytes, so that a replaced file shows; the name alone where its size is not told."""
    try:
        return f"{path.name} {path.stat().st_size}"
    except OSError:
        return path.name
