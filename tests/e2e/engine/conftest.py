"""Fixtures: the room's one install."""

from __future__ import annotations

from tests.engine.conftest import install

__all__ = ["install"]
