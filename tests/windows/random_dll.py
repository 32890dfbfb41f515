"""Writes a ``bcryptprimitives.dll`` for wine 8, which lacks it: no program that Go 1.22 or newer built starts without.

``random_dll.py FILE``. The library holds no code: its one export, ProcessPrng, is forwarded to the random numbers of
advapi32 (RtlGenRandom, exported as SystemFunction036), which takes the same two arguments.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

NAME, EXPORT, TARGET = b"bcryptprimitives.dll\0", b"ProcessPrng\0", b"advapi32.SystemFunction036\0"
PAGE, IN_FILE = 0x1000, 0x200
IMAGE = 0x180000000


def exports(base: int) -> bytes:
    """The export directory at address ``base``: one name, whose address lies inside it and so is a forwarder."""
    tables = base + 40
    functions, names, ordinals, texts = tables, tables + 4, tables + 8, tables + 12
    name, export, target = texts, texts + len(NAME), texts + len(NAME) + len(EXPORT)
    directory = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, name, 1, 1, 1, functions, names, ordinals)
    return directory + struct.pack("<IIHxx", target, export, 0) + NAME + EXPORT + TARGET


def library() -> bytes:
    """The whole file: headers, one read-only section."""
    data = exports(PAGE)
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 112 + 16 * 8, 0x2022)
    optional = struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20B, 14, 0, 0, IN_FILE, 0, 0, 0, IMAGE, PAGE,
                           IN_FILE, 6, 0, 0, 0, 6, 0, 0, 2 * PAGE, IN_FILE, 0, 3, 0x100, 1 << 20, 1 << 12, 1 << 20,
                           1 << 12, 0, 16)
    folders = struct.pack("<II", PAGE, len(data)) + bytes(15 * 8)
    section = struct.pack("<8sIIIIIIHHI", b".rdata", len(data), PAGE, IN_FILE, IN_FILE, 0, 0, 0, 0, 0x40000040)
    headers = dos + b"PE\0\0" + coff + optional + folders + section
    return headers.ljust(IN_FILE, b"\0") + data.ljust(IN_FILE, b"\0")


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(library())
