"""The failure class of a start or clip. The rules are in ``model.failures``."""

from __future__ import annotations

from autotune.model.failures import NOT_ANIMATED, Classified, Evidence, classify, judge

__all__ = ["NOT_ANIMATED", "Classified", "Evidence", "classify", "judge"]
