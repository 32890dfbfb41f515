"""What to render and how to decide: a profile, as its TOML file says it (CONTRACT: a profile)."""

from __future__ import annotations

from dataclasses import dataclass

SEARCH_LEVELS: dict[str, tuple[str, ...]] = {
    "attention": ("xformers", "split", "sdp-no-mem", "sdp", "sub-quad", "v1", "invokeai", "none"),
    "channelslast": ("false", "true"),
    "no_half_vae": ("false", "true"),
    "batch_cond_uncond": ("false", "true"),
    "precision": ("autocast", "half", "full"),
    "memory": ("none", "medvram", "lowvram"),
}
"""Dimensions that a profile may search and their levels, as text (WEBUI.md, "What a tuner may touch")."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One AnimateDiff clip. Sizes in pixels; ``weight`` is its share in the weighted geometric mean."""

    width: int
    height: int
    frames: int
    steps: int
    cfg_scale: float = 7.0
    sampler: str = "Euler a"
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """What may vary: (dimension, levels) in the file's order. A dimension left out keeps the user's value."""

    dimensions: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class DecideSpec:
    """``min_gain``: smallest gain worth a change, as a share (0.02 = 2 %); ``confidence`` in (0.5, 1)."""

    min_gain: float = 0.02
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Profile:
    """A whole profile; ``minutes`` is its time budget."""

    name: str
    workloads: tuple[Workload, ...]
    search: SearchSpec
    decide: DecideSpec = DecideSpec()
    minutes: float = 30.0
