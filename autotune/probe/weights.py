"""Is a weights file whole? Read from its head and its size alone, never loaded."""

from __future__ import annotations

import json
import struct
from pathlib import Path

LONGEST_HEAD = 100 * 1024 * 1024
"""Bytes that the format allows for a safetensors head."""
STARTS = (b"PK", b"\x80")
"""A torch checkpoint is a ZIP archive, or a plain pickle before torch 1.6."""


def damage(path: Path) -> str | None:
    """Why the web UI could not load this file, in words; None when nothing speaks against it."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if path.suffix != ".safetensors":
                if start.startswith(b"version "):
                    return "it is a Git LFS pointer, not the file itself"
                return None if start.startswith(STARTS) else "it is no torch checkpoint"
            if start == b"version ":
                return "it is a Git LFS pointer, not the file itself"
            if len(start) < 8:
                return f"it has {size} bytes only"
            (length,) = struct.unpack("<Q", start)
            if length > min(size - 8, LONGEST_HEAD):
                return "it is no safetensors file, or a download that broke off"
            head = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"]
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return "its head is no safetensors head"
    told = 8 + length + max(ends, default=0)
    return f"it has {size} bytes, its head tells of {told}: a download that broke off" if size < told else None
