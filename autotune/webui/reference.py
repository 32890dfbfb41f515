"""Tells the installs of autotune's own stand-ins, which tests and the demo use in place of a real web UI."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from autotune.model.machine import Runtime

MARK = "reference-webui.json"
"""Only installs of a stand-in have this file; it names the device that its server uses."""


def is_reference(root: Path) -> bool:
    """Whether the folder holds a stand-in."""
    return (root / MARK).is_file()


def with_device(runtime: Runtime, root: Path) -> Runtime:
    """The runtime with the device that a stand-in was told to use, where that is not what torch would."""
    try:
        device = json.loads((root / MARK).read_text(encoding="utf-8"))["device"]
    except (OSError, ValueError, KeyError, TypeError):
        return runtime
    if device != "cpu" or runtime.device == "cpu":
        return runtime
    return replace(runtime, device="cpu", compute_capability=None)
