"""Launch files (webui-user.*): read exactly, edited losslessly, changed and undone as one transaction."""

from __future__ import annotations

from autotune.launchfile.reader import LaunchFile, read
from autotune.launchfile.redact import diff
from autotune.launchfile.writer import edit

__all__ = ["LaunchFile", "diff", "edit", "read"]
