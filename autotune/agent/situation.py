"""Is the owner here, and is the machine busy? Small questions to the system; what it cannot tell is None."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from autotune.agent.may_run import Situation
from autotune.webui import running

ASK_LIMIT = 2.0
"""Seconds that a helper program has for an answer."""
CLOCK_SLACK = 60.0
"""Seconds that a date may lie ahead of the clock: clocks are corrected by little all the time."""
_IDLE_BUSES = (
    (
        "org.gnome.Mutter.IdleMonitor",
        "/org/gnome/Mutter/IdleMonitor/Core",
        "org.gnome.Mutter.IdleMonitor.GetIdletime",
    ),
    (
        "org.freedesktop.ScreenSaver",
        "/org/freedesktop/ScreenSaver",
        "org.freedesktop.ScreenSaver.GetSessionIdleTime",
    ),
)


class Activity:
    """Looks at the machine. Keeps what it learnt of processes, so that a later look costs little."""

    def __init__(self, root: Path) -> None:
        self._ours: frozenset[int] = frozenset()
        self._watch = running.Watch(root, lambda: self._ours)

    def situation(self, ours: frozenset[int], session: bool) -> Situation:
        """The machine as it is now, processes of ``ours`` left out; ``session``: one of ours is measuring."""
        import psutil

        self._ours = ours
        states = self._watch.look()
        gpu = _gpu(ours, session)
        return Situation(
            webui_runs=any(state.webui.certain for state in states),
            job=next((state.evidence for state in states if state.busy), None),
            doubt=next((str(state) for state in states if state.busy is None), None),
            gpu_present=bool(gpu["present"]),
            gpu_percent=gpu["percent"],
            gpu_memory=gpu["memory"],
            temperature=gpu["temperature"],
            # While a session measures, the machine's load is its own.
            cpu_percent=None if session else psutil.cpu_percent(interval=None),
            user_idle=user_idle(),
            on_battery=on_battery(),
        )

    def listening(self, ours: frozenset[int]) -> dict[int, bool]:
        """Processes of the user's web UI, each with whether it has opened a port."""
        return {one.pid: one.listens != () for one in self._watch.finder.look(ours) if one.certain}


def _gpu(ours: frozenset[int], session: bool) -> dict[str, Any]:
    from autotune.machine.nvml import Nvml, likely

    found: dict[str, Any] = {"present": False, "percent": None, "memory": None, "temperature": None}
    if not likely():
        return found
    with Nvml() as nvml:
        gpus = range(nvml.count())
        found["present"] = len(gpus) > 0
        rates = [rate for rate in (nvml.utilisation(i) for i in gpus) if rate is not None]
        heat = [t for t in (nvml.temperature(i) for i in gpus) if t is not None]
        found["temperature"] = max(heat, default=None)
        # Utilisation is of the whole card: while we measure, it is mostly ours.
        found["percent"] = None if session else max(rates, default=None)
        lists = [table for table in (nvml.process_memory(i) for i in gpus) if table is not None]
        found["memory"] = _of_others([size for table in lists for pid, size in table.items() if pid not in ours],
                                     bool(lists))
    return found


def _of_others(sizes: list[float | None], listed: bool) -> float | None:
    """MiB that others hold, as far as it is told; None where they are not ``listed``, or none of them has a size."""
    known = [size for size in sizes if size is not None]
    return sum(known) if listed and (known or not sizes) else None


def on_battery() -> bool | None:
    """Whether the machine runs on its battery; None where there is none or nobody tells."""
    import psutil

    sensor = getattr(psutil, "sensors_battery", None)
    state = sensor() if sensor else None
    return None if state is None or state.power_plugged is None else not state.power_plugged


def user_idle() -> float | None:
    """Seconds since the last key, mouse or terminal input; None where the system does not tell."""
    if sys.platform == "win32":
        return _windows_idle()
    if sys.platform == "darwin":
        return _mac_idle()
    known = [one for one in (_terminal_idle(), _desktop_idle()) if one is not None]
    return min(known, default=None)


def _windows_idle() -> float | None:
    class Info(ctypes.Structure):
        _fields_ = [("cbSize", ctypes.c_uint32), ("dwTime", ctypes.c_uint32)]

    info = Info(ctypes.sizeof(Info), 0)
    library = getattr(ctypes, "windll", None)
    if library is None or not library.user32.GetLastInputInfo(ctypes.byref(info)):
        return None
    return float((library.kernel32.GetTickCount() - info.dwTime) & 0xFFFFFFFF) / 1000.0


def _mac_idle() -> float | None:
    text = _ask(["ioreg", "-c", "IOHIDSystem", "-d", "4"])
    match = re.search(r'"HIDIdleTime"\s*=\s*(\d+)', text)
    return int(match[1]) / 1e9 if match else None


def _terminal_idle() -> float | None:
    """Since the last input on a terminal that someone is logged in on."""
    import psutil

    times = []
    for user in psutil.users():
        try:
            since = time.time() - Path("/dev", user.terminal or "none").stat().st_atime
        except OSError:
            continue
        # An input of the future, by a clock that was wrong, would mean that somebody is here for good.
        if since > -CLOCK_SLACK:
            times.append(max(0.0, since))
    return min(times, default=None)


def _desktop_idle() -> float | None:
    """What GNOME's or KDE's own idle clock says; other desktops do not tell."""
    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS") or shutil.which("gdbus") is None:
        return None
    for name, path, method in _IDLE_BUSES:
        text = _ask(["gdbus", "call", "--session", "--dest", name, "--object-path", path, "--method", method])
        match = re.search(r"\(uint(?:32|64) (\d+),\)", text)
        if match:
            return int(match[1]) / 1000.0
    return None


def _ask(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=ASK_LIMIT,
                              check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
