"""The fingerprint of an install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from autotune.model.machine import Fingerprint


def from_files(root: Path, words: Sequence[str], launch_file: Path | None = None) -> Fingerprint:
    """."""
    raise NotImplementedError


def shared_parts(fingerprint: Fingerprint) -> list[tuple[str, str]]:
    """."""
    raise NotImplementedError


def narrowed(parts: Mapping[str, str], context: int) -> dict[str, str]:
    """."""
    raise NotImplementedError
