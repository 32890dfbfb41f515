"""The fingerprint of an install: what can make a result stale when it changes. From files and NVML; starts nothing."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from autotune.flags.words import split
from autotune.machine import python_packages
from autotune.machine.nvml import Nvml, may_be_present
from autotune.model.machine import AnimateDiff, Fingerprint
from autotune.secrets.mask import masked_words
from autotune.webui.a1111 import data_folder, interpreter
from autotune.webui.a1111 import install as installs
from autotune.webui.a1111.flags import switches
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.a1111.install import Install

# Options that choose models are parts of their own; those that a study sets are no reason to tune again.
_NOT_SETTINGS = ("sd_model_checkpoint", "sd_vae", "cross_attention_optimization", "batch_cond_uncond",
                 *switches.USUAL)


def from_files(root: Path, words: Sequence[str], launch_file: Path | None = None) -> Fingerprint:
    """The fingerprint of an install whose ``launch_file`` gives ``words``: the same as ``machine.inspect`` gives.

    Reads files, and NVML where there may be a driver; starts no process. Raises NothingToWorkOn.
    """
    warnings: list[str] = []
    found = installs.inspect(root, words, launch_file)
    options = data_folder.read_options(installs.settings_files(found.root, words)[0], warnings)
    return compose(found, words, options, data_folder.animatediff(found, options, words))


def compose(
    found: Install,
    words: Sequence[str],
    options: dict[str, object],
    animatediff: AnimateDiff | None,
) -> Fingerprint:
    """The fingerprint of an inspected install. Each of its parts is a text, empty where nothing is known."""
    python = interpreter.find(found.root, found.launch_file)
    parts = {
        **gpu_parts(),
        "os": _system(),
        "webui_flavour": found.flavour,
        "webui_version": found.version or "",
        "webui_commit": found.commit or "",
        "animatediff": _animatediff(animatediff),
        "extensions": ", ".join(f"{name} {commit[:12]}".strip() for name, commit in data_folder.extensions(found)
                                if "animatediff" not in name.lower()),
        "python": (python_packages.version(python) if python else None) or "",
        "torch": (python_packages.package_version(python, "torch") if python else None) or "",
        "xformers": (python_packages.package_version(python, "xformers") if python else None) or "",
        "checkpoint": _checkpoint(found, words, options),
        "vae": str(options.get("sd_vae", "Automatic")),
        "motion_module": _motion_modules(animatediff),
        "settings": _settings(options),
        "kept_flags": _kept_flags(found, words),
    }
    return sign(parts)


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


def _kept_flags(found: Install, words: Sequence[str]) -> str:
    catalogue = load(found.flavour, found.version)
    return " ".join(masked_words(split(words, catalogue).kept))


def _system() -> str:
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


def _animatediff(animatediff: AnimateDiff | None) -> str:
    if animatediff is None:
        return ""
    return f"{animatediff.version or ''} {(animatediff.commit or '')[:12]}".strip() or "installed"


def _checkpoint(found: Install, words: Sequence[str], options: dict[str, object]) -> str:
    """The chosen checkpoint, else the only one there is; with its size, so that a replaced file shows."""
    chosen = options.get("sd_model_checkpoint")
    files = data_folder.checkpoints(found, words)
    if not isinstance(chosen, str) or not chosen:
        return _name_and_size(files[0]) if len(files) == 1 else ""
    name = chosen.split(" [")[0].replace("\\", "/").rsplit("/", 1)[-1]
    return next((_name_and_size(path) for path in files if name in (path.name, path.stem)), name)


def _motion_modules(animatediff: AnimateDiff | None) -> str:
    modules = animatediff.motion_modules if animatediff else ()
    return ", ".join(f"{module.name} {module.size}" for module in modules)


def _name_and_size(path: Path) -> str:
    try:
        return f"{path.name} {path.stat().st_size}"
    except OSError:
        return path.name


def _settings(options: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in data_folder.relevant_settings(options)
                     if name not in _NOT_SETTINGS)
