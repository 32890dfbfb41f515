"""One clip measured, with what a test has to say about it by name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from autotune import measure
from autotune.model.workload import Workload
from autotune.webui.face import WebUIClient

_OF = {field.name: kind for kind in (measure.ClipProcess, measure.ClipLimits, measure.ClipJob)
       for field in fields(kind)}


def rendered(client: WebUIClient, workload: Workload, seed: int = 1, **more: Any) -> measure.ClipResult:
    """``more``: fields of ClipProcess, ClipLimits and ClipJob."""
    parts: dict[Any, dict[str, Any]] = {kind: {} for kind in _OF.values()}
    for name, value in more.items():
        parts[_OF[name]][name] = value
    return measure.clip(
        measure.ClipProcess(client, **parts[measure.ClipProcess]),
        measure.ClipJob(workload, seed, **parts[measure.ClipJob]),
        measure.ClipLimits(**parts[measure.ClipLimits]))
