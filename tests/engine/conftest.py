"""Fixtures: one install for the whole room."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.engine.create import create


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny install on the CPU; tests that change it make their own."""
    return create(tmp_path_factory.mktemp("engine") / "webui", "tiny", "cpu")
