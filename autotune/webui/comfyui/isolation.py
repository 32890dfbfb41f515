"""Keeps a trial apart."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.webui.face import TrialCommand, TrialStart


def prepare(start: TrialStart) -> TrialCommand:
    """."""
    raise NotImplementedError


def trial_words(words: Sequence[str]) -> tuple[str, ...]:
    """."""
    raise NotImplementedError
