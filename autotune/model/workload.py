"""Workload and decision rule of a profile, as its TOML file gives them (docs/contract.md: a profile)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from autotune.language.translate import _

SEARCH_LEVELS: dict[str, tuple[str, ...]] = {
    "attention": ("xformers", "split", "sdp-no-mem", "sdp", "sub-quad", "v1", "invokeai", "none",
                  "pytorch", "quad", "sage", "flash"),
    "channelslast": ("false", "true"),
    "no_half_vae": ("false", "true"),
    "batch_cond_uncond": ("false", "true"),
    "precision": ("autocast", "half", "full"),
    "memory": ("none", "medvram", "lowvram", "highvram", "gpu-only", "novram"),
    "cudnn_benchmark": ("default", "on"),
    "fp16_accumulation": ("default", "on"),
    "sdpa_order": ("default", "flash", "mem-efficient", "cudnn", "math"),
    "cublas_ops": ("default", "on"),
    "cuda_malloc": ("default", "on", "off"),
    "dynamic_vram": ("default", "on", "off"),
    "cache": ("default", "classic", "ram", "high-ram", "lru-64"),
    "async_offload": ("default", "off", "2", "4"),
    "pinned_memory": ("default", "off"),
    "smart_memory": ("default", "off"),
    "fp8_matrix_mult": ("default", "on"),
    "fp16_intermediates": ("default", "on"),
    "unet": ("default", "fp16", "bf16", "fp32", "fp8-e4m3fn", "fp8-e5m2"),
    "vae": ("default", "fp16", "bf16", "fp32"),
}
"""Dimensions that a profile may search and their levels, as text (docs/webuis.md, "What a tuner may touch")."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One AnimateDiff clip. Sizes in pixels; ``weight`` is its share in the weighted geometric mean.

    ``context``: frames that go through the UNet at a time; a longer clip is rendered in windows that overlap. None,
    as in studies older than this field: all frames at once.

    ``workflow``: the file of a workflow of the user's that is rendered as it is, and ``workflow_digest`` what tells it
    from others (the file may lie elsewhere the next time); sizes, frames and steps are then what can be read in it, for
    words only, and 0 where nothing can.
    """

    width: Annotated[int, Meta(ge=0, le=1 << 20)]
    height: Annotated[int, Meta(ge=0, le=1 << 20)]
    frames: Annotated[int, Meta(ge=0, le=1 << 20)]
    steps: Annotated[int, Meta(ge=0, le=1 << 20)]
    cfg_scale: Annotated[float, Meta(ge=0.0, le=1000.0)] = 7.0
    sampler: str = "Euler a"
    weight: Annotated[float, Meta(gt=0.0, le=1e9)] = 1.0
    context: Annotated[int, Meta(ge=1, le=1 << 20)] | None = None
    workflow: str | None = field(default=None, compare=False, repr=False)
    workflow_digest: Annotated[str, Meta(max_length=64)] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError for a clip of our own without a size."""
        if not self.is_workflow and not min(self.width, self.height, self.frames, self.steps):
            raise ValueError(_("width, height, frames and steps must be above 0"))

    @property
    def is_workflow(self) -> bool:
        """Whether a workflow of the user's is rendered, in which nothing but the seed may vary: not its steps."""
        return self.workflow_digest is not None

    @property
    def window(self) -> int:
        """Frames that go through the UNet at a time: what a motion module must be able to take."""
        return self.frames if self.context is None else self.context


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """What may vary: (dimension, levels) in the file's order. A dimension left out keeps the user's value."""

    dimensions: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class DecideSpec:
    """When a set is adopted. ``min_gain``: smallest gain worth a change, as a share (0.02 = 2 %); ``confidence`` in
    (0.5, 1); ``precision``: how precisely a gain is to be known, as a share (0.03 = within 3 % either way), with budget
    left; 0 in a study older than this field, whose verdict follows the rule of its time."""

    min_gain: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.02
    confidence: Annotated[float, Meta(ge=0.5, lt=1.0)] = 0.95
    precision: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.03

    @property
    def uses_older_rule(self) -> bool:
        """True in a study older than ``precision``."""
        return self.precision == 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A whole profile; ``minutes`` is its time budget."""

    name: str
    workloads: tuple[Workload, ...]
    search: SearchSpec
    decide: DecideSpec = DecideSpec()
    minutes: float = 30.0


@dataclass(frozen=True, slots=True)
class BudgetRecord:
    """A profile's time budget, as its file has it."""

    minutes: Annotated[float, Meta(gt=0.0, le=1e6)]


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """A profile as a document has it: the sections of its file."""

    name: str
    workload: Annotated[tuple[Workload, ...], Meta(min_length=1, max_length=1000)]
    search: dict[str, tuple[str, ...]]
    decide: DecideSpec
    budget: BudgetRecord
