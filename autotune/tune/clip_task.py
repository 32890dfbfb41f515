"""One clip that a proposal asks for, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autotune.measure.observations import NOTHING, Observations
from autotune.measure.short_clips import ShortClip
from autotune.model.flagset import Candidate
from autotune.model.study import Failure, Proposal, SampleState
from autotune.model.workload import Workload


@dataclass(frozen=True)
class ClipTask:
    """One clip to render: of which set and workload (``index``: its place in the profile), in which round.

    ``state``: what a good clip is recorded as. ``short_clip``: it is rendered with fewer steps, and its seconds are
    scaled up to a whole clip.
    """

    candidate: Candidate
    proposal: Proposal
    index: int
    workload: Workload
    round: int
    state: SampleState = "ok"
    short_clip: ShortClip | None = None

    @property
    def phase(self) -> Literal["warmup", "measuring"]:
        """The part of the work that its time counts for."""
        return "warmup" if self.state == "warmup" else "measuring"


@dataclass(frozen=True)
class ClipOutcome:
    """How a clip went: see ``Sample``. ``likeness``: SSIM and PSNR (dB) to the frames of the current flags."""

    state: SampleState
    failure: Failure | None = None
    detail: str = ""
    seconds: float | None = None
    cost: float = 0.0
    seen: Observations = NOTHING
    likeness: tuple[float, float] | None = None
    rendered: float | None = None
    steps: int | None = None
