"""A launch file's alternate streams go with it when its bytes are replaced."""

from __future__ import annotations

import ctypes
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.disk import windows_streams
from autotune.disk.windows_streams import INVALID, FindStreamData
from autotune.launchfile import files

MARK = b"[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=https://github.com/\r\n"


class Listed:
    """FindFirstStreamW and FindNextStreamW as they are documented, for these names; they end with ``fault``."""

    def __init__(self, *names: str, fault: int = 38) -> None:
        self.names, self.end, self.closed, self.at = [*names], fault, 0, 0

    def _fill(self, into: FindStreamData) -> bool:
        if self.at >= len(self.names):
            return False
        text = f"{self.names[self.at]}\0".encode("utf-16-le")
        # LARGE_INTEGER StreamSize; WCHAR cStreamName[MAX_PATH + 36], what follows its end is left from before.
        raw = struct.pack("<q", 7) + text.ljust(2 * 296, b"\x41")[: 2 * 296]
        assert len(raw) == ctypes.sizeof(into) == 600
        ctypes.memmove(ctypes.byref(into), raw, len(raw))
        self.at += 1
        return True

    def first(self, path: str, into: FindStreamData) -> int | None:
        assert path
        return 7 if self._fill(into) else INVALID

    def next(self, handle: int | None, into: FindStreamData) -> bool:
        assert handle == 7
        return self._fill(into)

    def close(self, handle: int | None) -> None:
        self.closed += 1

    def fault(self) -> int:
        return self.end


@given(st.lists(st.text(st.characters(exclude_characters=":\\/\0", exclude_categories=["Cs"]), min_size=1, max_size=60),
                max_size=6))
def test_the_names_of_streams(names: list[str]) -> None:
    calls = Listed("::$DATA", *(f":{name}:$DATA" for name in names))
    assert windows_streams.names(Path("webui-user.bat"), calls) == names and calls.closed == 1


@pytest.mark.parametrize("fault", [38, 87, 50, 1, 120])
def test_a_disk_without_streams(fault: int) -> None:
    assert windows_streams.names(Path("x.bat"), Listed(fault=fault)) == []


def test_what_cannot_be_listed_is_said() -> None:
    with pytest.raises(OSError, match="Windows error 5"):
        windows_streams.names(Path("x.bat"), Listed("::$DATA", fault=5))


@pytest.mark.skipif(sys.platform == "win32", reason="a name with a colon is a file of its own elsewhere")
def test_streams_are_there_before_the_file_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "webui-user.bat"
    mine.write_bytes(b"call webui.bat\r\n")
    (tmp_path / "webui-user.bat:Zone.Identifier").write_bytes(MARK)
    monkeypatch.setattr(windows_streams, "_system", lambda: Listed("::$DATA", ":Zone.Identifier:$DATA"))
    target = files.examine(mine)
    files.write_beside(files.FileLayer(), target, b"rem\r\n", "t")
    assert Path(f"{files.temporary_path(mine, 't')}:Zone.Identifier").read_bytes() == MARK
    assert mine.read_bytes() == b"call webui.bat\r\n"


@pytest.mark.skipif(sys.platform != "win32", reason="this system's own calls")
def test_a_replaced_launch_file_keeps_its_streams(tmp_path: Path) -> None:
    """On NTFS; under wine, which has no streams, the calls say "none"."""
    mine = tmp_path / "webui-user.bat"
    mine.write_bytes(b"call webui.bat\r\n")
    before = windows_streams.names(mine)
    assert before == []
    try:
        Path(f"{mine}:Zone.Identifier").write_bytes(MARK)
        before = windows_streams.names(mine)
    except OSError:
        pass
    files.replace_file(files.FileLayer(), files.examine(mine), b"rem\r\n", "t")
    assert mine.read_bytes() == b"rem\r\n" and windows_streams.names(mine) == before
    if before:
        assert Path(f"{mine}:Zone.Identifier").read_bytes() == MARK


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has them")
def test_elsewhere_there_are_none(tmp_path: Path) -> None:
    assert windows_streams.names(tmp_path / "gone") == []
