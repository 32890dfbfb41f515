"""The flags of an install: those that its own comfy/cli_args.py defines."""

from __future__ import annotations

from pathlib import Path

from autotune.flags.catalogue import Catalogue


def load(root: Path) -> Catalogue:
    """."""
    raise NotImplementedError
