"""The frames of a video file as pictures without loss, in the Python that made the file: ComfyUI needs PyAV itself."""

from __future__ import annotations

import importlib
import io
import struct
from pathlib import Path
from typing import Any

MOST = 600
"""Frames that are read; of a longer video the first ones are compared."""


def pictures(path: Path) -> bytes:
    """Each frame as a PNG file behind its length, four bytes, the greatest first.

    Raises OSError and ValueError (PyAV's own errors are both) where the file is no video.
    """
    if not path.is_file():
        raise FileNotFoundError(path.name)
    av: Any = importlib.import_module("av")
    out = io.BytesIO()
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("no video in it")
        for number, frame in enumerate(container.decode(video=0)):
            if number == MOST:
                break
            picture = io.BytesIO()
            frame.to_image().save(picture, "PNG", compress_level=1)
            out.write(struct.pack(">I", picture.tell()) + picture.getvalue())
    return out.getvalue()


def place_of(folder: str, subfolder: str, filename: str) -> Path:
    """A file of a prompt's outputs, in ComfyUI's folder of its type. Raises ValueError for one outside of it."""
    top = Path(folder).resolve()
    found = (top / subfolder / filename).resolve()
    found.relative_to(top)
    if not folder or found == top:
        raise ValueError("no such folder")
    return found
