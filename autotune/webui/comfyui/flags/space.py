"""Lists all sets that a study can measure."""

from __future__ import annotations

from autotune.model.flagset import Space
from autotune.model.machine import Machine
from autotune.model.workload import SearchSpec


def build(machine: Machine, spec: SearchSpec | None = None) -> Space:
    """."""
    raise NotImplementedError
