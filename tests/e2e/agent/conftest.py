"""Fixtures: an install to watch."""

from __future__ import annotations

from tests.agent.conftest import webui

__all__ = ["webui"]
