"""Finds the file that an install's flags are written in."""

from __future__ import annotations

from pathlib import Path

from autotune.launchfile.launch_file import LaunchFile
from autotune.webui.face import Layout


def recognise(root: Path) -> Layout:
    """."""
    raise NotImplementedError


def in_effect(root: Path, layout: Layout) -> LaunchFile:
    """."""
    raise NotImplementedError
