"""Reads launch files (webui-user.*), edits no byte but those of managed flags, and applies and undoes changes whole.

Names are loaded when they are first asked for: `status` reads a file and needs nothing of the writer.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.launchfile.launch_file import LaunchFile
    from autotune.launchfile.reader import read
    from autotune.launchfile.writer import edit

__all__ = ["LaunchFile", "edit", "read"]

_HOME = {"LaunchFile": "launch_file", "read": "reader", "edit": "writer"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
