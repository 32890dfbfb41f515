"""Who may do what with a file on Windows (its DACL), read and copied to another file.

A file that takes another one's place would have what its folder gives it. ReplaceFileW keeps all that but is two
renames, between which there is no file of that name; so the new file gets it before it is moved over in one step.
https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getfilesecurityw
"""

from __future__ import annotations

import sys
from pathlib import Path

DACL = 4
"""DACL_SECURITY_INFORMATION: the entries, inherited or not, and whether those of the folder are kept out."""


def read(path: Path) -> bytes | None:
    """The file's DACL as Windows holds it; None where the file system has none, and on other systems."""
    if sys.platform == "win32":
        import ctypes

        ask = ctypes.WinDLL("advapi32", use_last_error=True).GetFileSecurityW
        ask.argtypes = [ctypes.c_wchar_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong,
                        ctypes.POINTER(ctypes.c_ulong)]
        size = ctypes.c_ulong(0)
        ask(str(path), DACL, None, 0, ctypes.byref(size))
        room = ctypes.create_string_buffer(max(size.value, 1))
        if ask(str(path), DACL, room, len(room), ctypes.byref(size)):
            return room.raw
    return None


def copy(source: Path, target: Path) -> None:
    """Gives ``target`` the DACL of ``source`` where it has another one. Raises OSError."""
    wanted = read(source)
    if wanted is not None and wanted != read(target):
        write(target, wanted)


def write(path: Path, dacl: bytes) -> None:
    """Gives a file this DACL. Raises OSError; does nothing on other systems."""
    if sys.platform == "win32":
        import ctypes

        put = ctypes.WinDLL("advapi32", use_last_error=True).SetFileSecurityW
        put.argtypes = [ctypes.c_wchar_p, ctypes.c_ulong, ctypes.c_char_p]
        if not put(str(path), DACL, dacl):
            raise ctypes.WinError(ctypes.get_last_error())
