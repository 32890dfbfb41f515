"""Is the machine free for measuring? Tuning never starts while the owner works (guarantee 3)."""

from __future__ import annotations

from autotune.model.errors import Busy
from autotune.model.machine import Machine

BUSY_GPU = 20.0
"""Percent of GPU utilisation by others above which a measurement would be theirs as much as ours."""


def require_idle(machine: Machine) -> None:
    """Raises Busy when the owner's own web UI renders, or another program works the GPU."""
    from autotune.probe.nvml import Nvml
    from autotune.server.owner import owner_busy
    from autotune.session import card
    from autotune.session.owner import servers_of

    for pid, port in servers_of(machine.webui.root):
        state = owner_busy(port)
        if state.busy:
            raise Busy(
                f"the web UI (pid {pid}, port {port}) has a job running: {state.detail}",
                "Run again when it is done.",
            )
        if machine.gpus:
            raise Busy(
                f"the web UI is running (pid {pid}, port {port}) and holds GPU memory",
                "Close it and run again: two web UIs on one GPU would measure each other.",
            )
    with Nvml() as nvml:
        own = card.of_machine(machine)
        for gpu in (one for one in nvml.gpus() if one.index == own):
            used = nvml.utilisation(gpu.index)
            if used is not None and used > BUSY_GPU:
                raise Busy(
                    f"another program uses the GPU ({used:.0f} % of {gpu.name})",
                    "Run again when it is done.",
                )
