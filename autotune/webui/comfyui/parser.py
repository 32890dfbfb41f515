"""Reads an install's own parser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def complaint(root: Path, words: Sequence[str]) -> str | None:
    """."""
    raise NotImplementedError
