"""Is the owner here, and is the machine busy? Small questions to the system; what it cannot tell is None."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autotune.daemon.when import Situation

ASK_LIMIT = 2.0
"""Seconds that a helper program has for an answer."""
ANSWER_LIMIT = 1.0
"""Seconds that the owner's web UI has for an answer that takes it a few thousandths when it is idle."""
CLOCK_SLACK = 60.0
"""Seconds that a date may lie ahead of the clock: clocks are corrected by little all the time."""
WORKING = 50.0
"""Percent of one core from which a web UI that will not say is taken to be working."""
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
        self.root = root
        self._kinds: dict[tuple[int, float], bool] = {}
        self._seen: dict[int, tuple[int, float]] = {}
        self._working: dict[int, Any] = {}

    def situation(self, ours: frozenset[int], session: bool) -> Situation:
        """The machine as it is now, processes of ``ours`` left out; ``session``: one of ours is measuring."""
        import psutil

        pids = self.webui_pids(ours)
        gpu = _gpu(ours, session)
        return Situation(
            webui_runs=bool(pids),
            job=self._job(pids),
            gpu_present=bool(gpu["present"]),
            gpu_percent=gpu["percent"],
            gpu_memory=gpu["memory"],
            temperature=gpu["temperature"],
            # While a session measures, the machine's load is its own.
            cpu_percent=None if session else psutil.cpu_percent(interval=None),
            user_idle=user_idle(),
            on_battery=on_battery(),
        )

    def webui_pids(self, ours: frozenset[int]) -> tuple[int, ...]:
        """Processes of the owner's web UI. Only processes that were not there before are looked into."""
        import psutil

        now = set(psutil.pids())
        for pid in [pid for pid in self._seen if pid not in now]:
            self._kinds.pop(self._seen.pop(pid), None)
        for pid in now - set(self._seen):
            try:
                process = psutil.Process(pid)
                key = (pid, process.create_time())
                self._kinds[key] = self._is_webui(process)
                # A shell that has not yet become python is looked at again.
                # A date of birth in the future (the clock was set back) makes no process young for good.
                if self._kinds[key] or not 0 <= time.time() - key[1] <= ASK_LIMIT:
                    self._seen[pid] = key
            except (psutil.Error, OSError):
                continue
        return tuple(sorted(p for p, key in self._seen.items() if self._kinds.get(key) and p not in ours))

    def _is_webui(self, process: Any) -> bool:  # noqa: ANN401 - psutil.Process, imported where used
        words = process.cmdline()
        script = next((w for w in words[1:8] if Path(w).name in ("launch.py", "webui.py")), None)
        if script is None or "AUTOTUNE_RUN" in process.environ():
            return False
        return bool((Path(process.cwd()) / script).resolve().parent == self.root.resolve())

    def listens(self, pid: int) -> tuple[int, ...]:
        """Loopback ports on which a process can be asked."""
        import psutil

        try:
            connections = psutil.Process(pid).net_connections(kind="inet")
        except (psutil.Error, OSError):
            return ()
        return tuple(sorted({c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}))

    def _job(self, pids: Iterable[int]) -> str | None:
        for pid in pids:
            answers = [job_of(port) for port in self.listens(pid)]
            for answer in answers:
                if answer:
                    return answer
            if None in answers and self._works(pid):
                return "its process is at work"
        return None

    def _works(self, pid: int) -> bool:
        """Whether a process that will not say used much CPU since the last look."""
        import psutil

        try:
            process = self._working.setdefault(pid, psutil.Process(pid))
            return float(process.cpu_percent(interval=None)) >= WORKING
        except psutil.Error:
            self._working.pop(pid, None)
            return False


def job_of(port: int) -> str | None:
    """What a web UI on this loopback port renders: "" for nothing, None where it will not say.

    One that listens and is too busy to answer is at work.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_LIMIT)
    try:
        connection.request("GET", "/sdapi/v1/progress?skip_current_image=true")
        answer = connection.getresponse()
        if answer.status != 200:
            return None
        state = json.loads(answer.read(1_000_000)).get("state") or {}
    except TimeoutError:
        return "it is too busy to answer"
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return None
    finally:
        connection.close()
    if state.get("job_count") or state.get("job"):
        return f"job {str(state.get('job') or '')[:40]}".strip()
    return ""


def _gpu(ours: frozenset[int], session: bool) -> dict[str, Any]:
    from autotune.probe.nvml import Nvml, likely

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
        if lists:
            found["memory"] = sum(
                size or 0.0 for table in lists for pid, size in table.items() if pid not in ours
            )
    return found


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
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
