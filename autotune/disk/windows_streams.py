"""A file's alternate data streams on Windows ("downloaded from the internet" is one), copied to another file.

A file that takes another one's place would have none. The streams are small files of their own that open by
"FILE:NAME"; they are copied to the new file before it is moved over in one step, as its permissions are.
https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-findfirststreamw
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from autotune.language.translate import _

STANDARD = 0
"""FindStreamInfoStandard."""
INVALID = ctypes.c_void_p(-1).value
NO_STREAMS = (1, 38, 50, 87, 120)
"""No (more) streams, and a disk that has none: ERROR_INVALID_FUNCTION, _HANDLE_EOF, _NOT_SUPPORTED,
_INVALID_PARAMETER, _CALL_NOT_IMPLEMENTED."""
DATA = ":$DATA"
"""The kind that ends a stream's name; the file's own bytes are "::$DATA"."""


class FindStreamData(ctypes.Structure):
    """WIN32_FIND_STREAM_DATA: size, and a name of 260 + 36 UTF-16 units with its end."""

    _fields_ = [("size", ctypes.c_int64), ("name", ctypes.c_uint16 * (260 + 36))]

    def text(self) -> str:
        """The name as ":NAME:$DATA"."""
        return bytes(self.name).decode("utf-16-le", "surrogatepass").partition("\0")[0]


class StreamCalls(Protocol):
    """The calls of kernel32 that list streams."""

    def first(self, path: str, into: FindStreamData) -> int | None:
        """FindFirstStreamW: a handle, ``INVALID`` where there is none."""
        ...

    def next(self, handle: int | None, into: FindStreamData) -> bool:
        """FindNextStreamW."""
        ...

    def close(self, handle: int | None) -> None:
        """FindClose."""
        ...

    def fault(self) -> int:
        """GetLastError of the last call."""
        ...


def names(path: Path, calls: StreamCalls | None = None) -> list[str]:
    """Names of a file's alternate streams; none on other systems. Raises OSError."""
    calls = calls or _system()
    if calls is None:
        return []
    found, out = FindStreamData(), list[str]()
    handle = calls.first(os.fspath(path), found)
    if handle in (INVALID, None):
        return _ended(path, calls.fault(), out)
    try:
        while True:
            name = found.text()
            if name.startswith(":") and name.endswith(DATA) and name != f":{DATA}":
                out.append(name[1 : -len(DATA)])
            if not calls.next(handle, found):
                return _ended(path, calls.fault(), out)
    finally:
        calls.close(handle)


def _ended(path: Path, fault: int, out: list[str]) -> list[str]:
    if fault not in NO_STREAMS:
        raise OSError(None, _("its alternate streams cannot be listed (Windows error {fault})").format(fault=fault),
                      str(path), fault)
    return out


def copy(source: Path, target: Path, calls: StreamCalls | None = None) -> None:
    """Gives ``target`` the alternate streams of ``source``. Raises OSError."""
    for name in names(source, calls):
        with open(f"{source}:{name}", "rb") as old, open(f"{target}:{name}", "wb") as new:  # noqa: PTH123 - no path
            shutil.copyfileobj(old, new)
            new.flush()
            os.fsync(new.fileno())


def _system() -> StreamCalls | None:
    if sys.platform == "win32":
        return _Kernel(ctypes.WinDLL("kernel32", use_last_error=True), ctypes.get_last_error)
    return None


class _Kernel:
    """The system's own calls."""

    def __init__(self, library: Any, fault: Callable[[], int]) -> None:  # noqa: ANN401 - ctypes
        self.fault = fault
        self._first, self._next, self._close = library.FindFirstStreamW, library.FindNextStreamW, library.FindClose
        self._first.argtypes = [ctypes.c_wchar_p, ctypes.c_int, ctypes.POINTER(FindStreamData), ctypes.c_ulong]
        self._first.restype = ctypes.c_void_p
        self._next.argtypes = [ctypes.c_void_p, ctypes.POINTER(FindStreamData)]
        self._close.argtypes = [ctypes.c_void_p]

    def first(self, path: str, into: FindStreamData) -> int | None:
        handle: int | None = self._first(path, STANDARD, ctypes.byref(into), 0)
        return handle

    def next(self, handle: int | None, into: FindStreamData) -> bool:
        return bool(self._next(handle, ctypes.byref(into)))

    def close(self, handle: int | None) -> None:
        self._close(handle)
