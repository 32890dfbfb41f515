"""One web UI process of ours, a trial: its start, readiness and end, after which no trace of it is left.

Names are loaded when they are first asked for, so that the guard process (``autotune.trial.guard``) starts
with psutil and the standard library only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.trial.gpu_memory import wait_for_gpu_memory
    from autotune.trial.launch_plan import Cancelled, LaunchFailed, LaunchPlan
    from autotune.trial.server import Server, StopReport, start

__all__ = ["Cancelled", "LaunchFailed", "LaunchPlan", "Server", "StopReport", "start", "wait_for_gpu_memory"]

_MODULE_OF = {
    **dict.fromkeys(("Cancelled", "LaunchFailed", "LaunchPlan"), "launch_plan"),
    **dict.fromkeys(("Server", "StopReport", "start"), "server"), "wait_for_gpu_memory": "gpu_memory",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
