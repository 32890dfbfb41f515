"""What observers found out about the machine while one clip was rendered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Observations:
    """What was observed while one clip was rendered; None or empty where it is not known.

    ``memory_peak`` in MiB: of the web UI's process tree on the GPU, or, when NVML does not tell it per process, the
    device's growth since before the clip plus what the tree held then; without a GPU the tree's resident main memory.
    ``energy`` in joules, the integral of the power draw. ``throttled``: NVML's reasons that slow the clock for heat or
    power brake. ``foreign``: pids that are not ours and computed on the card. ``clock_low``, ``clock_high``: SM clock
    in MHz. ``looks``: how many readings were taken; ``longest_pause``: longest pause between two of them in seconds.
    ``lost``: the observer's source went away meanwhile.
    """

    memory_peak: float | None = None
    memory_full: float | None = None
    """Largest share of the card's memory in use, 0 to 1."""
    energy: float | None = None
    throttled: tuple[str, ...] = ()
    foreign: tuple[int, ...] = ()
    temperature: int | None = None
    clock_low: int | None = None
    clock_high: int | None = None
    looks: int = 0
    longest_pause: float = 0.0
    lost: bool = False
    disturbed: str = ""
    """Why the clip's time must not count, in words: the user's own web UI worked beside it."""
    spilled: float | None = None
    """MiB of the web UI's GPU memory that lay in main memory, beyond what a start needs; part of ``memory_peak``."""
    torch_active: float | None = None
    """MiB that torch's tensors held at most since the process began (it never resets this by itself)."""
    torch_reserved: float | None = None
    """MiB that torch had taken from the driver at most since the process began."""


NOTHING = Observations()
"""What is seen where no clip was rendered."""
