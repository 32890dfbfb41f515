"""Renders and measures one clip: its seconds, what observers saw, whether its time counts, and why it failed."""

from __future__ import annotations

from autotune.measure.clip import ClipJob, ClipLimits, ClipProcess, ClipResult, clip
from autotune.measure.failures import Classified, classify
from autotune.measure.observations import Observations

__all__ = ["Classified", "ClipJob", "ClipLimits", "ClipProcess", "ClipResult", "Observations", "classify", "clip"]
