"""Tells the owner: a desktop notification where one can be shown. The log has the line in any case."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from autotune.model.secrets import masked

LIMIT = 5.0
"""Seconds a notifier may take."""


def command(title: str, text: str) -> list[str] | None:
    """The command that shows a notification here; None where there is none."""
    if sys.platform == "darwin":
        quoted = [part.replace("\\", "\\\\").replace('"', '\\"') for part in (text, title)]
        script = f'display notification "{quoted[0]}" with title "{quoted[1]}"'
        return ["osascript", "-e", script] if shutil.which("osascript") else None
    if sys.platform == "win32":
        return (
            ["msg", os.environ.get("USERNAME", "*"), "/TIME:60", f"{title}: {text}"]
            if shutil.which("msg")
            else None
        )
    bus = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if not bus or shutil.which("notify-send") is None:
        return None
    return ["notify-send", "--app-name=autotune", "--", title, text]


def show(title: str, text: str) -> bool:
    """Shows a notification; False where that was not possible. Raises nothing."""
    words = command(title, masked(text))
    if words is None:
        return False
    try:
        done = subprocess.run(words, capture_output=True, timeout=LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
