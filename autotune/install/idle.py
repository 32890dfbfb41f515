"""Is the machine free for measuring? A tune never starts while the user's web UI works (guarantee 3)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from autotune.language.translate import _
from autotune.model.errors import Busy
from autotune.model.machine import Machine

if TYPE_CHECKING:
    from autotune.webui.running import Activity

BUSY_GPU = 20.0
"""Percent of GPU utilisation by other programs above which a measurement would be distorted."""
BUSY_CPU = 60.0
"""Percent of all cores used by other programs above which nothing is measured on the CPU; the default of the agent's
``cpu_busy_percent``. Less than half of the machine is left then."""
CPU_SPAN = 1.0
"""Seconds over which the CPU's load is measured."""


def require_idle(machine: Machine) -> None:
    """Raises Busy when the user's web UI renders, may render or holds GPU memory, or another program uses the GPU.

    Takes two seconds where a web UI runs that holds no GPU memory, no time where none runs.
    """
    from autotune.install import which_gpu
    from autotune.machine.nvml import Nvml
    from autotune.webui import running

    for activity in running.activities(machine.webui.root):
        why = in_the_way(activity, holds_gpu(machine))
        if why is not None:
            raise why
    with Nvml() as nvml:
        own = which_gpu.of_machine(machine)
        for gpu in (one for one in nvml.gpus() if one.index == own):
            used = nvml.utilisation(gpu.index)
            if used is not None and used > BUSY_GPU:
                raise Busy(_("another program uses the GPU ({used:.0f} % of {name})").format(used=used, name=gpu.name),
                           _("Run again when it is done."))


def holds_gpu(machine: Machine) -> bool:
    """Whether a running web UI of this install holds GPU memory; then it is in the way even when idle."""
    return bool(machine.gpus) or machine.runtime.device != "cpu"


def in_the_way(activity: Activity, gpu: bool) -> Busy | None:
    """Why nothing can be measured beside this web UI; None where it can. ``gpu``: it holds GPU memory. Pure."""
    if activity.busy:
        return Busy(
            _("{name} has a job running: {evidence}").format(name=activity.webui.name, evidence=activity.evidence),
            _("Run again when it is done."))
    if gpu and activity.webui.certain:
        return Busy(_("{name} is running and holds GPU memory").format(name=activity.webui.name),
                    _("Close it and run again: two web UIs on one GPU would measure each other."))
    if not activity.free:
        return Busy(
            _("{name} may have a job running: {evidence}").format(name=activity.webui.name, evidence=activity.evidence),
            _("Close it and run again; a web UI whose API answers can be asked (AUTOMATIC1111: with --api, and "
              "credentials on its own command line)."))
    return None


def cpu_load() -> tuple[float, str]:
    """(percent of all cores that other programs use, the same in words with the load average). Takes CPU_SPAN s."""
    import psutil

    from autotune.machine.cpu_use import machine_seconds

    mine = psutil.Process()
    busy, whole, own = *machine_seconds(), sum(mine.cpu_times()[:2])
    time.sleep(CPU_SPAN)
    busy_now, whole_now, own_now = *machine_seconds(), sum(mine.cpu_times()[:2])
    if whole_now <= whole:
        return 0.0, _("the CPU's load is not told")
    used = max(0.0, 100.0 * (busy_now - busy - (own_now - own)) / (whole_now - whole))
    cores = psutil.cpu_count() or 1
    try:
        load = psutil.getloadavg()[0]
    except (RuntimeError, OSError):  # Windows counts it by performance counters, which can be switched off
        return used, _("other programs use {used:.0f} % of the CPU on {cores} cores").format(used=used, cores=cores)
    return used, _("other programs use {used:.0f} % of the CPU, load {load:.1f} on {cores} cores").format(
        used=used, load=load, cores=cores)
