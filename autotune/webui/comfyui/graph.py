"""The graphs that are rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autotune.model.workload import Workload


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph as POST /prompt takes it; ``computed``: nodes that must not come from the cache; ``shown``: nodes whose
    outputs are the clip."""

    prompt: dict[str, Any]
    computed: tuple[str, ...]
    shown: tuple[str, ...]



def of_workload(workload: Workload, seed: int, motion_module: str | None, checkpoint: str) -> Graph:
    """."""
    raise NotImplementedError
