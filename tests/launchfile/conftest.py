"""A folder in memory where the system has one: thousands of fsyncs are not what these tests are about."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def quick_path() -> Iterator[Path]:
    base = "/dev/shm" if Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK) else None
    home = Path(tempfile.mkdtemp(dir=base))
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def wine_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One wine configuration for all tests: making it takes seconds."""
    return tmp_path_factory.mktemp("wine") / "prefix"
