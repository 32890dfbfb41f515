"""A file's attributes on Windows: hidden, kept on this device, in the cloud alone.

What takes a file's place is as hidden, and as much to be kept on this device (OneDrive), as that was.
https://learn.microsoft.com/windows/win32/fileio/file-attribute-constants
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

PINNED, UNPINNED, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS = 0x80000, 0x100000, 0x40000, 0x400000
COPIED = (stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_SYSTEM | stat.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
        | PINNED | UNPINNED)
"""What SetFileAttributesW sets; read-only is the mode's business."""
CLOUD_FAULTS = (362, *range(376, 399), 404)
"""ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING and the others of that name."""
HOW_TO_DOWNLOAD = ('Start OneDrive, or in the Explorer choose "Always keep on this device" for the web UI\'s folder, '
                   "and wait until it is there")


def in_cloud(info: os.stat_result) -> bool:
    """Does the file, or a part of it, lie in the cloud alone, so that reading it downloads it?"""
    return bool(getattr(info, "st_file_attributes", 0) & (RECALL_ON_OPEN | RECALL_ON_DATA_ACCESS))


def is_cloud_error(error: OSError) -> bool:
    """Is it Windows' word for a file that cannot be had from the cloud right now?"""
    return getattr(error, "winerror", None) in CLOUD_FAULTS


def attributes_like(now: int, like: int) -> int:
    """The attributes that a file with ``now`` gets to be ``like`` another one."""
    return now & ~COPIED | like & COPIED


def copy(like: os.stat_result, target: Path) -> None:
    """Gives ``target`` those attributes. Raises OSError; does nothing on other systems."""
    if sys.platform == "win32":
        import ctypes

        now = target.stat().st_file_attributes
        put = attributes_like(now, like.st_file_attributes)
        library = ctypes.WinDLL("kernel32", use_last_error=True)
        if put != now and not library.SetFileAttributesW(ctypes.c_wchar_p(str(target)), ctypes.c_ulong(put)):
            raise ctypes.WinError(ctypes.get_last_error())


def long_paths() -> bool:
    """May paths be long here? Elsewhere they may."""
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
                return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
        except OSError:
            return False
    return True
