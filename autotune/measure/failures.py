"""Which of the contract's failure classes a launch or clip belongs to: the one table is ``model.failures``."""

from __future__ import annotations

from autotune.model.failures import NOT_ANIMATED, Classified, Evidence, classify, judge

__all__ = ["NOT_ANIMATED", "Classified", "Evidence", "classify", "judge"]
