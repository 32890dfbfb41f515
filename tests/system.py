"""What this system lacks and a test cannot do without: marks that skip the test and say what is missing."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from pathlib import Path

import pytest


def _links_are_links() -> bool:
    """Links need a right on Windows, and wine 8 makes them but does not tell them from files."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "link")
        try:
            link.symlink_to("target")
        except (OSError, NotImplementedError):
            return False
        return link.is_symlink() and link.readlink() == Path("target") and not link.exists()


def under_wine() -> bool:
    """Is this wine, not Windows?"""
    return sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")


def need_bash() -> None:
    """Skips the test that calls it where bash is no part of the system."""
    if sys.platform == "win32":
        pytest.skip(NO_BASH)


def fewer(number: int) -> int:
    """How many of a kind are tried: all, a tenth on Windows, where each start of a program takes long under wine."""
    return number if sys.platform != "win32" else number // 10


NO_BASH = "bash is the judge, and Windows has none of its own"
bash = pytest.mark.skipif(sys.platform == "win32", reason=NO_BASH)
HAS_LINKS = _links_are_links()
links = pytest.mark.skipif(not HAS_LINKS, reason="no symbolic links here: a right on Windows, a lack of wine")
modes = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
