"""Lays out an install of the reference web UI: a folder that looks like A1111 1.10.1 with AnimateDiff.

The reference ComfyUI's is laid out by `comfyui/create.py`, through the same steps.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

from autotune.engine import weights
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
MARKER = "reference-webui.json"
UNFINISHED = "reference-webui.unfinished"
"""A file that is in the folder while it is laid out: a folder that has it is unfinished, and may be laid out again."""


class CannotCreate(Exception):
    """The folder cannot be made or is taken."""


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


def write(path: Path, data: bytes, crlf: bool = False) -> None:
    """Writes a file with one kind of line ends, and makes its folder."""
    data = data.replace(b"\r\n", b"\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.replace(b"\n", b"\r\n") if crlf else data)


def write_json(path: Path, value: object) -> None:
    """Writes a file in JSON."""
    write(path, (json.dumps(value, indent=4) + "\n").encode("utf-8"))


def make_venv(folder: Path) -> None:
    """A virtual environment without pip that sees all packages of the creating interpreter.

    Made by a child process so that it works from inside a virtual environment too; a .pth file names the
    creator's package folders and the folder that this package lies in.
    """
    interpreter = getattr(sys, "_base_executable", sys.executable) or sys.executable
    if os.name == "nt" and importlib.util.find_spec("venv") is None:
        _copy_embedded(Path(interpreter).parent, folder)
    else:
        made = subprocess.run([interpreter, "-m", "venv", "--without-pip", str(folder)], capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)
        if made.returncode:
            said = made.stderr.strip() or made.stdout.strip()
            raise CannotCreate(f"cannot make the virtual environment {folder}: {said}")
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", scheme=_scheme(), vars=paths))
    site.mkdir(parents=True, exist_ok=True)
    (site / "creator.pth").write_text("".join(f"{_pth_line(path)}\n" for path in _package_folders()), encoding="ascii")


def _copy_embedded(home: Path, folder: Path) -> None:
    """Makes a virtual environment of the embeddable Python for Windows, which has no module ``venv``: its programs and
    libraries are copied, as virtualenv does it. They look for its zip and its modules beside themselves."""
    scripts = folder / "Scripts"
    scripts.mkdir(parents=True)
    kinds = (".exe", ".dll", ".zip", ".pyd")
    for path in [*home.iterdir(), *(home / "DLLs").glob("*")]:
        if path.suffix.lower() in kinds:
            shutil.copyfile(path, scripts / path.name)
    version = ".".join(str(number) for number in sys.version_info[:3])
    lines = [f"home = {home}", "include-system-site-packages = false", f"version = {version}"]
    (folder / "pyvenv.cfg").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _pth_line(path: str) -> str:
    """A line of a .pth file that adds a folder, whatever its name.

    Before Python 3.13 such files are read in the system's code page, so a name beyond ASCII is spelled by escapes;
    a line that begins with ``import`` is run.
    """
    return path if path.isascii() else f"import sys; sys.path.append({path!a})"


def _scheme() -> str:
    if "venv" in sysconfig.get_scheme_names():
        return "venv"
    return "nt" if os.name == "nt" else "posix_prefix"


def _package_folders() -> list[str]:
    """Folders of the creating interpreter that packages come from, the one of this package included."""
    asked = [Path(p).resolve() for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    found = [Path(__file__).resolve().parents[2]]
    for path in (Path(entry).resolve() for entry in sys.path if entry):
        wanted = path in asked or path.name in ("site-packages", "dist-packages")
        if wanted and path.is_dir() and path not in found:
            found.append(path)
    return [str(path) for path in found]
