"""Folders in which something that a result depends on can change."""

from __future__ import annotations

from pathlib import Path


def folders_of(root: Path, launch_file: Path | None, words: tuple[str, ...]) -> list[Path]:
    """."""
    raise NotImplementedError
