"""A folder in memory where the system has one: thousands of fsyncs are not what these tests are about."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def quick_path() -> Iterator[Path]:
    memory = sys.platform != "win32" and os.access("/dev/shm", os.W_OK)
    base = "/dev/shm" if memory and Path("/dev/shm").is_dir() else None
    home = Path(tempfile.mkdtemp(dir=base))
    yield home
    for path in home.rglob("*") if sys.platform == "win32" else ():
        path.chmod(0o600)  # there a file that is read-only stays in its folder, and the folder with it
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def cmd_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One wine configuration for all tests, as making it takes seconds; Windows' own cmd.exe needs none."""
    return tmp_path_factory.mktemp("wine") / "prefix"
