"""Lays out an install of the reference web UI: a folder that looks like A1111 1.10.1 with AnimateDiff.

The reference ComfyUI's is laid out by `comfyui/create.py`, through the same steps.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import stat
from pathlib import Path

from autotune.engine import weights
from autotune.engine.install_files import MARKER, CannotCreate, make_venv, write, write_json
from autotune.engine.sizes import CHECKPOINT, MOTION_MODULE

LAYOUT = Path(__file__).parent / "layout"
EXTENSION = Path("extensions", "sd-webui-animatediff")
PLACES: dict[str, Path] = {
    "launch.py": Path("launch.py"), "webui.py": Path("webui.py"), "webui.sh": Path("webui.sh"),
    "webui-user.sh": Path("webui-user.sh"), "webui.bat": Path("webui.bat"),
    "webui-user.bat": Path("webui-user.bat"), "CHANGELOG.md": Path("CHANGELOG.md"), "README.md": Path("README.md"),
    "animatediff.py": EXTENSION / "scripts" / "animatediff.py",
    "animatediff_infv2v.py": EXTENSION / "scripts" / "animatediff_infv2v.py",
    "animatediff_version.py": EXTENSION / "scripts" / "animatediff_version.py",
}
SEED = 1234
UNFINISHED = "reference-webui.unfinished"
"""A file that is in the folder while it is laid out: a folder that has it is unfinished, and may be laid out again."""


def create(root: Path, size: str = "tiny", device: str = "auto", force: bool = False, seed: int = SEED,
           flavour: str = "a1111") -> Path:
    """Lay out an install of a ``flavour`` (a1111 or comfyui) in ``root`` and return it, resolved.

    A folder that holds something else is refused; with ``force`` an older install of ours is replaced. Raises
    CannotCreate.
    """
    lay_out = _lay_out
    if flavour == "comfyui":
        from autotune.engine.comfyui.create import lay_out as lay_out_comfyui

        lay_out = lay_out_comfyui
    root = root.expanduser().resolve()
    was_there = root.is_dir()
    if (root / UNFINISHED).is_file():
        _empty(root)
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        if not force:
            raise CannotCreate(f"{root} is not empty (--force replaces an older reference web UI)")
        if not (root / MARKER).is_file():
            raise CannotCreate(f"{root} is no reference web UI: it is left alone, also with --force")
        _empty(root)
    laid_out = False
    try:
        write(root / UNFINISHED, b"")
        lay_out(root, size, device, seed)
        (root / UNFINISHED).unlink()
        laid_out = True
    except OSError as error:
        raise CannotCreate(f"cannot write {error.filename or root}: {error.strerror}") from error
    finally:
        if not laid_out:  # so that the next try finds the folder as this one did
            _empty(root)
            if not was_there:
                with contextlib.suppress(OSError):
                    root.rmdir()
    return root


def update(root: Path, release: str, slower: dict[str, float]) -> Path:
    """Make an install one of another release, as `git pull` does; ``slower``: attention classes (as the faults name
    them) that take so many times as long in it, from its next start on. Raises CannotCreate."""
    root = root.expanduser().resolve()
    try:
        marker = json.loads((root / MARKER).read_text(encoding="utf-8"))
        if marker["flavour"] == "reference-comfyui":
            from autotune.engine.comfyui.create import update as update_comfyui

            update_comfyui(root, release)
            write_json(root / MARKER, {**marker, "version": release, "slower_kernels": slower})
            return root
        notes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
        write(root / "CHANGELOG.md", f"## {release}\n\nAnother release of it.\n\n{notes}".encode())
        write_json(root / MARKER, {**marker, "version": release, "slower_kernels": slower})
    except (OSError, ValueError) as error:
        raise CannotCreate(f"{root} is no reference web UI: {error}") from error
    return root


def _empty(root: Path) -> None:
    """Removes what lies in a folder, the sign that it is unfinished last."""
    for path in sorted(root.iterdir(), key=lambda path: path.name == UNFINISHED) if root.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def _lay_out(root: Path, size: str, device: str, seed: int) -> None:
    for name, place in PLACES.items():
        write(root / place, (LAYOUT / name).read_bytes(), crlf=name.endswith(".bat"))
    for script in ("webui.sh", "webui-user.sh"):
        path = root / script
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    write(root / "modules" / "cmd_args.py", (Path(__file__).parent / "cmd_args.py").read_bytes())
    checkpoint = root / "models" / "Stable-diffusion" / CHECKPOINT[size]
    weights.write(checkpoint, size, "checkpoint", seed)
    weights.write(root / EXTENSION / "model" / MOTION_MODULE, size, "motion", seed + 1)
    for folder in ("models/VAE", "models/Lora", "embeddings", "extensions-builtin", "configs", "html", "javascript"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_json(root / "config.json", _config(checkpoint))
    write_json(root / "ui-config.json", {})
    make_venv(root / "venv")
    package = Path(__file__).resolve().parents[2]
    write_json(root / MARKER, {"flavour": "reference", "version": "1.10.1", "size": size, "device": device,
                                "seed": seed, "package": str(package)})


def _config(checkpoint: Path) -> dict[str, object]:
    """config.json as A1111 holds it after its settings were saved once."""
    from autotune.engine.options import DEFAULTS, UNCHANGING

    saved: dict[str, object] = json.loads(DEFAULTS.read_text(encoding="utf-8"))
    for key in UNCHANGING:
        saved.pop(key, None)
    digest = weights.sha256(checkpoint)
    saved["sd_model_checkpoint"] = f"{checkpoint.name} [{digest[:10]}]"
    saved["sd_checkpoint_hash"] = digest
    return saved
