"""Tells what lies in a ComfyUI folder, and reads single values of its command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

OWN_FILES = ("main.py", "nodes.py", "execution.py", "folder_paths.py", "comfy/cli_args.py")
"""Files that every ComfyUI since 2023 has, and that no other program with a main.py has together."""


def is_comfyui(root: Path) -> bool:
    """Whether the folder holds ComfyUI's own source files."""
    return all((root / name).is_file() for name in OWN_FILES)


def device_of(words: Sequence[str]) -> int:
    """The GPU that its flags choose, counted from 0."""
    for flag in ("--cuda-device", "--default-device"):
        for at, word in enumerate(words):
            name, equals, value = word.partition("=")
            given = value if equals else words[at + 1] if at + 1 < len(words) else ""
            if name == flag and given.split(",")[0].isdigit():
                return int(given.split(",")[0])
    return 0
