"""Checks whether a set is really in effect, by what a running ComfyUI reports and logs."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.model.flagset import Effective
from autotune.model.machine import Machine
from autotune.webui.face import FlagState, Reported


def mismatches(expected: Effective, reported: Reported, machine: Machine) -> list[str]:
    """."""
    raise NotImplementedError


def flag_states(words: Sequence[str], reported: Reported | None, machine: Machine) -> list[FlagState]:
    """."""
    raise NotImplementedError
