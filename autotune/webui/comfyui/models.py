"""Finds checkpoints and motion modules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autotune.model.machine import Machine


def preferred_module(machine: Machine, context: int) -> str | None:
    """."""
    raise NotImplementedError


def preferred_checkpoint(root: Path, words: Sequence[str]) -> str | None:
    """."""
    raise NotImplementedError
