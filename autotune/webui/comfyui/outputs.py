"""The clip among the outputs of a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def clip_of(outputs: Mapping[str, Any], shown: Sequence[str], fetch: Callable[[Mapping[str, str]], bytes]) -> bytes:
    """."""
    raise NotImplementedError
