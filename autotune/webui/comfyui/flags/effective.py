"""The effective set: what ComfyUI computes with some flags, by its own rules."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.model.flagset import Effective
from autotune.model.machine import Machine


def effective(words: Sequence[str], machine: Machine) -> Effective:
    """."""
    raise NotImplementedError


def describe(what: Effective) -> str:
    """."""
    raise NotImplementedError
