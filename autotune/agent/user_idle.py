"""How long nobody has used this machine: seconds since the last key, mouse or terminal input, as each system tells."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ANSWER_LIMIT = 2.0
"""Seconds that a helper program has for an answer."""
LARGEST_CLOCK_LEAD = 60.0
"""Seconds that the date of an input may lie ahead of the clock: clocks are corrected by little all the time."""
DESKTOP_METHODS = (
    ("org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core",
     "org.gnome.Mutter.IdleMonitor.GetIdletime"),
    ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver",
     "org.freedesktop.ScreenSaver.GetSessionIdleTime"),
)
"""Name, path and method on the session bus of the idle clocks of GNOME and KDE; both tell milliseconds."""


def user_idle() -> float | None:
    """Seconds since the last key, mouse or terminal input; None where the system does not tell."""
    if sys.platform == "win32":
        return _windows_idle()
    if sys.platform == "darwin":
        match = re.search(r'"HIDIdleTime"\s*=\s*(\d+)', _output_of(["ioreg", "-c", "IOHIDSystem", "-d", "4"]))
        return int(match[1]) / 1e9 if match else None
    known = [one for one in (_terminal_idle(), _desktop_idle()) if one is not None]
    return min(known, default=None)


def _windows_idle() -> float | None:
    class LastInputInfo(ctypes.Structure):
        _fields_ = [("cbSize", ctypes.c_uint32), ("dwTime", ctypes.c_uint32)]

    info = LastInputInfo(ctypes.sizeof(LastInputInfo), 0)
    library = getattr(ctypes, "windll", None)
    if library is None or not library.user32.GetLastInputInfo(ctypes.byref(info)):
        return None
    return float((library.kernel32.GetTickCount() - info.dwTime) & 0xFFFFFFFF) / 1000.0


def _terminal_idle() -> float | None:
    """Seconds since the last input on a terminal that somebody is logged in on."""
    import psutil

    times = []
    for user in psutil.users():
        try:
            since = time.time() - Path("/dev", user.terminal or "none").stat().st_atime
        except OSError:
            continue
        # An input of the future, by a clock that was wrong, would mean that somebody is here for good.
        if since > -LARGEST_CLOCK_LEAD:
            times.append(max(0.0, since))
    return min(times, default=None)


def _desktop_idle() -> float | None:
    """Seconds by GNOME's or KDE's own idle clock; other desktops do not tell."""
    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS") or shutil.which("gdbus") is None:
        return None
    for name, path, method in DESKTOP_METHODS:
        text = _output_of(["gdbus", "call", "--session", "--dest", name, "--object-path", path, "--method", method])
        match = re.search(r"\(uint(?:32|64) (\d+),\)", text)
        if match:
            return int(match[1]) / 1000.0
    return None


def _output_of(command: list[str]) -> str:
    """What a program prints; nothing where it is not there, fails, or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=ANSWER_LIMIT,
                              check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
