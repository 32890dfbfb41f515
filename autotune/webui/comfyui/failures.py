"""Failure classes in ComfyUI's own words."""

from __future__ import annotations

from autotune.model.failures import Classified, Evidence


def judge(evidence: Evidence) -> Classified | None:
    """."""
    raise NotImplementedError
