"""One clip measured: observers around it, guards that discard it, and why it failed if it did."""

from __future__ import annotations

from autotune.measure.clip import ClipJob, ClipLimits, ClipProcess, ClipResult, clip
from autotune.measure.failures import Classified, classify
from autotune.measure.observations import Observations

__all__ = ["Classified", "ClipJob", "ClipLimits", "ClipProcess", "ClipResult", "Observations", "classify", "clip"]
