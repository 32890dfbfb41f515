"""Lists an install's custom nodes, and finds AnimateDiff-Evolved among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autotune.machine import git
from autotune.model.machine import AnimateDiff, MotionModule
from autotune.webui.comfyui import folders, models
from autotune.webui.comfyui.install import Install, project_version

ANIMATEDIFF = "ComfyUI-AnimateDiff-Evolved"
"""What the folder of these nodes is usually called. They are told by their files, whatever it is called."""
_OWN_FILES = ("__init__.py", "animatediff/nodes.py", "animatediff/model_injection.py")


def nodes(install: Install) -> tuple[Path, ...]:
    """Folders and single files that ComfyUI loads nodes from at its start, in the order of its folders, then by name.

    Names that end in ".disabled" it leaves alone; with --disable-all-custom-nodes it loads only those that
    --whitelist-custom-nodes names.
    """
    only = folders.given(install.words, "--whitelist-custom-nodes") if folders.is_given(
        install.words, "--disable-all-custom-nodes") else None
    return tuple(path for folder in install.folders.of("custom_nodes") for path in _in_folder(folder)
                 if only is None or path.name in only)


def animatediff(install: Install) -> AnimateDiff | None:
    """AnimateDiff-Evolved and the motion modules that its nodes would list; None if ComfyUI does not load it."""
    root = animatediff_folder(install)
    if root is None:
        return None
    return AnimateDiff(root, project_version(root), git.head_commit(root), tuple(_modules(install, root)))


def animatediff_folder(install: Install) -> Path | None:
    """The folder of AnimateDiff-Evolved's nodes, by its usual name before any other; None if none is loaded."""
    found = [path for path in nodes(install) if all((path / name).is_file() for name in _OWN_FILES)]
    return min(found, key=lambda path: path.name.lower() != ANIMATEDIFF.lower(), default=None)


def module_folders(install: Install, root: Path) -> list[Path]:
    """Where these nodes, which lie in ``root``, look for motion modules, in the order in which they look.

    First what extra_model_paths.yaml names, which is read before nodes are loaded.
    """
    found = {folders.MODULES: list(install.folders.of(folders.MODULES))}
    for folder in (root / "models", install.base / "models" / folders.MODULES):
        folders.add(found, folders.MODULES, folder)
    return found[folders.MODULES]


def described(path: Path) -> str:
    """"NAME COMMIT" of a node, or its version where it is no checkout (as ComfyUI Manager installs them)."""
    is_folder = path.is_dir()
    commit = git.head_commit(path) if is_folder else None
    return f"{path.name} {commit[:12] if commit else (project_version(path) if is_folder else '') or ''}".strip()


def _in_folder(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        if path.name == "__pycache__" or path.name.endswith(".disabled"):
            continue
        if (path / "__init__.py").is_file() or (path.suffix == ".py" and path.is_file()):
            yield path


def _modules(install: Install, root: Path) -> Iterator[MotionModule]:
    for name, path in models.listed(module_folders(install, root)):
        if models.frames_of(path) is not None:
            try:
                yield MotionModule(name, path, path.stat().st_size)
            except OSError:
                continue
