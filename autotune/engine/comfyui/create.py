"""Lays out an install of the reference ComfyUI: a folder that looks like ComfyUI 0.26 with AnimateDiff-Evolved."""

from __future__ import annotations

import re
from pathlib import Path

from autotune.engine import weights
from autotune.engine.comfyui.runtime import VERSION
from autotune.engine.install_files import MARKER, make_venv, write, write_json
from autotune.engine.sizes import CHECKPOINT, MOTION_MODULE

HERE = Path(__file__).parent
LAYOUT = HERE / "layout"
ANIMATEDIFF = Path("custom_nodes", "ComfyUI-AnimateDiff-Evolved")
PLACES: dict[str, Path] = {
    "main.py": Path("main.py"), "comfyui_version.py": Path("comfyui_version.py"), "README.md": Path("README.md"),
    "pyproject.toml": Path("pyproject.toml"), "animatediff_evolved.py": ANIMATEDIFF / "__init__.py",
    "animatediff_pyproject.toml": ANIMATEDIFF / "pyproject.toml",
}
MODULES = ("nodes.py", "execution.py", "folder_paths.py", "server.py", "comfy/__init__.py",
           "comfy/model_management.py", "comfy/ldm/modules/attention.py")
"""ComfyUI's modules that are built in here; each has a file that says so."""
ANIMATEDIFF_MODULES = ("nodes", "nodes_gen2", "model_injection")
"""Modules of the nodes by which they are told from others, and their age."""
FOLDERS = ("models/loras", "models/vae", "models/text_encoders", "models/diffusion_models", "models/controlnet",
           "models/embeddings", "input", "output", "user")
VERSION_FILES = ("comfyui_version.py", "pyproject.toml")


def lay_out(root: Path, size: str, device: str, seed: int) -> None:
    """Writes everything into ``root``. Raises OSError, CannotCreate."""
    for name, place in PLACES.items():
        write(root / place, (LAYOUT / name).read_bytes())
    for name in (*MODULES, *(f"{ANIMATEDIFF.as_posix()}/animatediff/{part}.py" for part in ANIMATEDIFF_MODULES)):
        write(root / name, (LAYOUT / "module.py").read_bytes())
    write(root / "comfy" / "cli_args.py", (HERE / "cli_args.py").read_bytes())
    weights.write(root / "models" / "checkpoints" / CHECKPOINT[size], size, "checkpoint", seed)
    weights.write(root / "models" / "animatediff_models" / MOTION_MODULE, size, "motion", seed + 1)
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    make_venv(root / "venv")
    write_json(root / MARKER, {
        "flavour": "reference-comfyui", "version": VERSION, "size": size, "device": device, "seed": seed,
        "package": str(HERE.parents[2])})


def update(root: Path, release: str) -> None:
    """Makes the install one of another release, as `git pull` does."""
    for name in VERSION_FILES:
        text = (root / name).read_text(encoding="utf-8")
        write(root / name, re.sub(r'(version\w* = |__version__ = )"[^"]*"', rf'\g<1>"{release}"', text).encode())
