"""A launch file stays as hidden and as pinned as it was; what lies in the cloud alone is not read for a look."""

from __future__ import annotations

import ctypes
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.disk import files as disk
from autotune.disk import windows_attributes as attributes
from autotune.launchfile import files, reader
from autotune.machine import weights
from autotune.model.errors import NothingToWorkOn

BITS = st.integers(0, 0x7FFFFF)


class CloudStat:
    """What os.stat says of a placeholder that was never downloaded."""

    st_size = 2_000_000_000
    st_mode = stat.S_IFREG | 0o666
    st_file_attributes = 0x400000 | 0x1000 | 0x400 | 0x20


@given(BITS, BITS)
def test_what_goes_over_and_what_does_not(now: int, like: int) -> None:
    found = attributes.attributes_like(now, like)
    assert found & attributes.COPIED == like & attributes.COPIED
    assert found & ~attributes.COPIED == now & ~attributes.COPIED


def test_a_model_in_the_cloud_alone_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "sd.safetensors"
    model.write_bytes(b"")
    opened: list[object] = []
    monkeypatch.setattr(Path, "open", lambda *words, **_: opened.append(words))
    monkeypatch.setattr(Path, "stat", lambda *_, **__: CloudStat())
    assert "cloud" in (weights.damage(model) or "") and not opened


@pytest.mark.parametrize("code", [362, 388, 404])
def test_a_launch_file_that_cannot_be_had_from_the_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    file = tmp_path / "webui-user.bat"
    file.touch()

    def refuse(_: Path) -> bytes:
        error = OSError(22, "The cloud file provider is not running")
        error.winerror = code  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(NothingToWorkOn, match="provider is not running") as told:
        reader.load_bytes(file)
    assert "Always keep on this device" in told.value.hint


def bits_of(path: Path) -> int:
    """The file's attributes, as Windows alone tells them."""
    return int(path.stat().st_file_attributes)  # type: ignore[attr-defined, unused-ignore]


@pytest.mark.skipif(sys.platform != "win32", reason="other systems have no such attributes")
@pytest.mark.parametrize("given_bits", [0x2, 0x4, 0x6, 0x2 | 0x2000])
def test_a_replaced_launch_file_keeps_its_attributes(tmp_path: Path, given_bits: int) -> None:
    mine = tmp_path / "webui-user.bat"
    mine.write_bytes(b"call webui.bat\r\n")
    ctypes.WinDLL("kernel32").SetFileAttributesW(ctypes.c_wchar_p(str(mine)), given_bits | 0x20)  # type: ignore[attr-defined, unused-ignore]
    before = bits_of(mine) & attributes.COPIED
    files.replace_file(files.FileLayer(), files.examine(mine), b"rem\r\n", "t")
    assert mine.read_bytes() == b"rem\r\n" and bits_of(mine) & attributes.COPIED == before


@pytest.mark.skipif(sys.platform != "win32", reason="other systems open long paths anyhow")
@pytest.mark.parametrize("length", [200, 246, 255])
def test_a_file_whose_temporary_name_is_longer_than_windows_opens(tmp_path: Path, length: int) -> None:
    """Wine opens any length; that the prefixed path is the same file is seen there too."""
    folder = tmp_path
    while len(str(folder)) < length - 20:
        folder = folder / ("d" * max(1, min(100, length - 20 - len(str(folder)))))
    disk.openable(folder).mkdir(parents=True)
    mine = folder / "webui-user.bat"
    disk.openable(mine).write_bytes(b"call webui.bat\r\n")
    files.replace_file(files.FileLayer(), files.examine(mine), b"rem\r\n", "20261127-221500-abcd")
    assert disk.openable(mine).read_bytes() == b"rem\r\n"
    assert [one.name for one in disk.openable(folder).iterdir()] == [mine.name]
    disk.write_whole(mine, b"whole")
    assert disk.openable(mine).read_bytes() == b"whole"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows may have a limit")
def test_elsewhere_nothing_is_changed(tmp_path: Path) -> None:
    assert disk.openable(tmp_path) is tmp_path and attributes.long_paths()
    attributes.copy(tmp_path.stat(), tmp_path)
