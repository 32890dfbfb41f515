"""Shows desktop notifications where the system can. The log has the line in any case.

What shows it is always a short program of its own with a time limit, so that no desktop can hold up the agent:

- Windows: the library desktop-notifier, in a Python of ours (``windows_toast.py``). Nothing that ships with every
  Windows shows a toast: msg.exe is not in the Home editions, and toasts need compiled access to the Windows Runtime.
- macOS: osascript, which every Mac has. The library's way there is open to signed applications only, and a Python from
  Homebrew or pyenv is none.
- Linux: notify-send, which comes with every desktop. The library would bring a D-Bus stack of its own to send the same
  message.

Each is without a sound unless the configuration wants one: the user may be recording, or asleep.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from autotune.disk.programs import HIDDEN, console_python
from autotune.secrets.mask import masked

NOTIFIER_LIMIT = 10.0
"""Seconds a notifier may take: Python starts, and a desktop that was asleep wakes up."""


def command(title: str, text: str, sound: bool = False, system: str = sys.platform) -> list[str] | None:
    """The command that shows a notification on that system; None where there is none."""
    if system == "darwin":
        quoted = [part.replace("\\", "\\\\").replace('"', '\\"') for part in (text, title)]
        script = f'display notification "{quoted[0]}" with title "{quoted[1]}"'
        script += ' sound name "default"' if sound else ""
        return ["osascript", "-e", script] if shutil.which("osascript") else None
    if system == "win32":
        more = ["--sound"] if sound else []
        return [console_python(), "-m", "autotune.agent.windows_toast", title, text, *more]
    bus = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if not bus or shutil.which("notify-send") is None:
        return None
    hint = "string:sound-name:message-new-instant" if sound else "boolean:suppress-sound:true"
    return ["notify-send", "--app-name=autotune", f"--hint={hint}", "--", title, text]


def show(title: str, text: str, sound: bool = False) -> bool:
    """Shows a notification; False where that was not possible. Raises nothing."""
    words = command(title, masked(text), sound)
    return words is not None and run_notifier(words)


def run_notifier(words: list[str]) -> bool:
    """Runs a notifier; False when it failed or took too long, and then it is ended. Raises nothing."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=NOTIFIER_LIMIT, check=False, creationflags=HIDDEN)
    except (OSError, ValueError, subprocess.TimeoutExpired):  # ValueError: a null character in the text
        return False
    return done.returncode == 0
