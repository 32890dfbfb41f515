"""Fixtures: one install, and one process on it that tests only ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.engine.create import create
from tests.engine.comfyui.running import Running


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny install on the CPU; tests that change it make their own."""
    return create(tmp_path_factory.mktemp("comfyui") / "ComfyUI", "tiny", "cpu", flavour="comfyui")


@pytest.fixture(scope="session")
def running(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A process with its own output folder and no flags of speed."""
    folder = tmp_path_factory.mktemp("running")
    words = ["--output-directory", str(folder / "output"), "--database-url", "sqlite:///:memory:"]
    with Running(comfyui, folder, words) as one:
        yield one.ready()
