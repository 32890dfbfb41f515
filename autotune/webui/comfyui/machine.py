"""Inspects everything that an install depends on."""

from __future__ import annotations

from pathlib import Path

from autotune.model.machine import Machine


def inspect(root: Path, launch_file: Path | None, words: tuple[str, ...]) -> Machine:
    """."""
    raise NotImplementedError


def require_clips(machine: Machine) -> None:
    """."""
    raise NotImplementedError
