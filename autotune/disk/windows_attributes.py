"""Reads and copies a file's attributes on Windows: hidden, kept on this device, in the cloud alone (OneDrive).

A file that replaces another one gets them from it.
https://learn.microsoft.com/windows/win32/fileio/file-attribute-constants
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from autotune.language.translate import _

PINNED, UNPINNED, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS = 0x80000, 0x100000, 0x40000, 0x400000
COPIED = (stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_SYSTEM | stat.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
        | PINNED | UNPINNED)
"""What SetFileAttributesW sets; read-only is the mode's business."""
CLOUD_FAULTS = (362, *range(376, 399), 404)
"""ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING and the others of that name."""


def how_to_download() -> str:
    """What to do so that a file that lies in the cloud alone can be read; a sentence without its full stop."""
    return _('Start OneDrive, or in the Explorer choose "Always keep on this device" for the web UI\'s folder, '
             "and wait until it is there")


def in_cloud(info: os.stat_result) -> bool:
    """Does the file, or a part of it, lie in the cloud alone, so that reading it downloads it?"""
    return bool(getattr(info, "st_file_attributes", 0) & (RECALL_ON_OPEN | RECALL_ON_DATA_ACCESS))


def is_cloud_error(error: OSError) -> bool:
    """Is this Windows' error for a file that cannot be downloaded from the cloud right now?"""
    return getattr(error, "winerror", None) in CLOUD_FAULTS


def attributes_like(now: int, like: int) -> int:
    """The attributes ``now`` of a file, with those that are copied taken from another file's (``like``)."""
    return now & ~COPIED | like & COPIED


def copy(like: os.stat_result, target: Path) -> None:
    """Copies the attributes of the file that ``like`` describes to ``target``; on Windows only. Raises OSError."""
    if sys.platform == "win32":
        import ctypes

        now = target.stat().st_file_attributes
        put = attributes_like(now, like.st_file_attributes)
        library = ctypes.WinDLL("kernel32", use_last_error=True)
        if put != now and not library.SetFileAttributesW(ctypes.c_wchar_p(str(target)), ctypes.c_ulong(put)):
            raise ctypes.WinError(ctypes.get_last_error())


def long_paths() -> bool:
    """Does this Windows open paths of more than 259 letters? True on other systems."""
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
                return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
        except OSError:
            return False
    return True
