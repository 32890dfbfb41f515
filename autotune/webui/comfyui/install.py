"""Tells what lies in a ComfyUI folder: version, commit, who starts it, its Python, and the folders that flags move."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autotune.machine import git
from autotune.webui.comfyui import folders, interpreter
from autotune.webui.comfyui.hosts import Host, host_of
from autotune.webui.reference import is_reference

OWN_FILES = ("main.py", "nodes.py", "execution.py", "folder_paths.py", "comfy/cli_args.py")
"""Files that every ComfyUI since 2023 has, and that no other program with a main.py has together."""


@dataclass(frozen=True, slots=True)
class Install:
    """What the files of a ComfyUI folder, and of the program that starts it, say.

    ``kind``: "comfyui", or "reference-comfyui" for the stand-in. ``host``: who starts it (``hosts.Host``), in
    ``started_in``. ``python``: its interpreter, None where none was found among ``looked``. ``base``: where models,
    custom_nodes, input, output and user lie. ``words``: all that its start gives, those of the host before those of the
    launch file: a trial needs them to see the same models and nodes.
    """

    root: Path
    kind: str
    version: str | None
    commit: str | None
    host: Host
    started_in: Path
    python: Path | None
    looked: tuple[Path, ...]
    base: Path
    words: tuple[str, ...]
    launch_file: Path | None

    @property
    def folders(self) -> folders.Folders:
        """The folders of models and nodes, and what is wrong with the files that name more of them."""
        return folders.of(self.root, self.started_in, self.words)


def identify(root: Path, words: Sequence[str] = (), launch_file: Path | None = None) -> Install:
    """What lies in the ComfyUI folder ``root`` whose launch file gives ``words``. Starts nothing, raises nothing."""
    host = host_of(root)
    whole = (*host.words, *words)
    started_in = root.parent if host.above else root
    base = folders.base_of(root, started_in, whole)
    found = interpreter.find(root, host, base, launch_file=launch_file)
    return Install(root, kind_of(root), version_of(root), git.head_commit(root), host, started_in, found.python,
                   found.looked, base, whole, launch_file)


def kind_of(root: Path) -> str:
    """"comfyui", or "reference-comfyui" where the folder holds autotune's own stand-in."""
    return "reference-comfyui" if is_reference(root) else "comfyui"


def is_comfyui(root: Path) -> bool:
    """Whether the folder holds ComfyUI's own source files."""
    try:
        return all((root / name).is_file() for name in OWN_FILES)
    except OSError:
        return False


def version_of(root: Path) -> str | None:
    """The version that comfyui_version.py states, else pyproject.toml, else the tag of its commit ("v0.3.10")."""
    stated = re.search(r"""(?m)^__version__\s*=\s*['"]([^'"]+)['"]""", _text(root / "comfyui_version.py"))
    found = stated[1] if stated else project_version(root)
    return found or (git.head_tag(root) or "").removeprefix("v") or None


def project_version(root: Path) -> str | None:
    """The version that the [project] of a folder's pyproject.toml states."""
    project = re.search(r"(?ms)^\[project\]\s*$(.*?)(?=^\[|\Z)", _text(root / "pyproject.toml"))
    stated = re.search(r"""(?m)^version\s*=\s*['"]([^'"]+)['"]""", project[1]) if project else None
    return stated[1] if stated else None


def device_of(words: Sequence[str]) -> int:
    """The GPU that its flags choose, counted from 0."""
    for flag in ("--cuda-device", "--default-device"):
        given = folders.value(words, flag) or ""
        if given.split(",")[0].strip().isdigit():
            return int(given.split(",")[0])
    return 0


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(65_536).decode("utf-8", "replace")
    except OSError:
        return ""
