"""A workflow of the user's, rendered as it is but for its seeds."""

from __future__ import annotations

from autotune.model.workload import Workload
from autotune.webui.comfyui.graph import Graph


def render_of(workload: Workload, seed: int) -> Graph:
    """The graph of one clip of the workload's workflow with this seed."""
    raise NotImplementedError
