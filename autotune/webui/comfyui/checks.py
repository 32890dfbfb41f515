"""What doctor finds in an install."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autotune.model.machine import Machine
from autotune.webui.face import Check


def of_install(machine: Machine, launch_file: Path | None) -> Iterator[Check]:
    """."""
    raise NotImplementedError
