"""A launch file's Windows permissions stay when its bytes are replaced."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autotune.disk import windows_acl
from autotune.launchfile import files

EVERYBODY = bytes.fromhex("0200" "1c00" "0100" "0000" "0000" "1400" "ff011f00" "010100000000000100000000")
"""A list with one entry: Everyone may do everything (S-1-1-0)."""
DESCRIPTOR = bytes.fromhex("01000490" "00000000" "00000000" "00000000" "14000000") + EVERYBODY
"""That list in a self-relative security descriptor, the folder's own entries kept out of it."""


@pytest.mark.skipif(sys.platform != "win32", reason="other systems have no such permissions")
def test_a_replaced_launch_file_keeps_its_permissions(tmp_path: Path) -> None:
    mine, other = tmp_path / "webui-user.bat", tmp_path / "other.bat"
    for path in (mine, other):
        path.write_bytes(b"call webui.bat\r\n")
    usual = windows_acl.read(other)
    windows_acl.write(mine, DESCRIPTOR)
    before = windows_acl.read(mine)
    assert before is not None and before != usual
    files.replace_file(files.FileLayer(), files.examine(mine), b"rem\r\ncall webui.bat\r\n", "t")
    assert mine.read_bytes().startswith(b"rem") and windows_acl.read(mine) == before
    assert windows_acl.read(other) == usual


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has them")
def test_elsewhere_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert windows_acl.read(tmp_path / "a") is None
    windows_acl.copy(tmp_path / "a", tmp_path / "gone")
