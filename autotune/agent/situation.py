"""Reads what the machine and its user do right now: the user's web UI, GPU, CPU, battery; what is unknown is None."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autotune.agent.may_run import Situation
from autotune.agent.user_idle import user_idle
from autotune.webui import running


class SituationReader:
    """Reads the situation again and again. Keeps what it learnt of processes, so that a later reading costs little."""

    def __init__(self, root: Path) -> None:
        self._ours: frozenset[int] = frozenset()
        self._monitor = running.Monitor(root, lambda: self._ours)

    def read(self, ours: frozenset[int], session: bool) -> Situation:
        """The machine as it is now, processes of ``ours`` left out; ``session``: one of ours is measuring."""
        import psutil

        self._ours = ours
        activities = self._monitor.activities()
        gpu = _gpu(ours, session)
        return Situation(
            webui_runs=any(one.webui.certain for one in activities),
            job=next((one.evidence for one in activities if one.busy), None),
            job_unknown=next((str(one) for one in activities if one.busy is None), None),
            gpu_present=bool(gpu["present"]),
            gpu_percent=gpu["percent"],
            gpu_memory=gpu["memory"],
            temperature=gpu["temperature"],
            # While a session measures, the machine's load is its own.
            cpu_percent=None if session else psutil.cpu_percent(interval=None),
            user_idle=user_idle(),
            on_battery=on_battery(),
        )

    def web_uis(self, ours: frozenset[int]) -> tuple[running.OwnWebUI, ...]:
        """The user's web UIs that run from the folder."""
        return self._monitor.finder.web_uis(ours)

    def webui_processes(self, ours: frozenset[int]) -> dict[int, bool]:
        """Process ids of the user's web UI, each with whether it has opened a port."""
        return {one.pid: one.listens != () for one in self._monitor.finder.web_uis(ours) if one.certain}


def _gpu(ours: frozenset[int], session: bool) -> dict[str, Any]:
    """Of all GPUs together: are there any, highest use (percent) and heat (°C), memory of other processes (MiB)."""
    from autotune.machine.nvml import Nvml, may_be_present

    found: dict[str, Any] = {"present": False, "percent": None, "memory": None, "temperature": None}
    if not may_be_present():
        return found
    with Nvml() as nvml:
        gpus = range(nvml.count())
        found["present"] = len(gpus) > 0
        rates = [rate for rate in map(nvml.utilisation, gpus) if rate is not None]
        found["temperature"] = max((t for t in map(nvml.temperature, gpus) if t is not None), default=None)
        # Utilisation is of the whole card: while we measure, it is mostly ours.
        found["percent"] = None if session else max(rates, default=None)
        lists = [table for table in map(nvml.process_memory, gpus) if table is not None]
        found["memory"] = memory_of_others([size for table in lists for pid, size in table.items() if pid not in ours],
                                           bool(lists))
    return found


def memory_of_others(sizes: list[float | None], listed: bool) -> float | None:
    """MiB that other processes hold, as far as known: the sum of their ``sizes`` without those that are None.

    None where processes are not ``listed`` at all, or where there are some and none of them has a known size.
    """
    known = [size for size in sizes if size is not None]
    return sum(known) if listed and (known or not sizes) else None


def on_battery() -> bool | None:
    """Whether the machine runs on its battery; None where there is none, or the system does not say."""
    import psutil

    sensor = getattr(psutil, "sensors_battery", None)
    one = sensor() if sensor else None
    return None if one is None or one.power_plugged is None else not one.power_plugged
