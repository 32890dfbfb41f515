"""Writes animated WEBP files without loss, and without leaving out frames that are alike."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

ANIMATED = 0x02
"""Flag of the VP8X chunk."""
REPLACES = 0x02
"""Flag of an ANMF chunk: the frame is drawn over the last one without blending."""


def animation(frames: Sequence[Image.Image], seconds: float) -> bytes:
    """RGB frames of one size as an animated WEBP, each shown for ``seconds``.

    Put together chunk by chunk after the WebP Container Specification: Pillow's own writer makes one frame of
    two that are alike, and a clip that stands still must keep the number of its frames.
    """
    width, height = frames[0].size
    chunks = [_chunk(b"VP8X", struct.pack("<I", ANIMATED) + _whole(width - 1) + _whole(height - 1)),
              _chunk(b"ANIM", struct.pack("<IH", 0, 0))]
    for frame in frames:
        head = b"".join(map(_whole, (0, 0, width - 1, height - 1, round(1000 * seconds))))
        chunks.append(_chunk(b"ANMF", head + bytes([REPLACES]) + _picture(frame)))
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def is_whole(data: bytes) -> bool:
    """Whether a WEBP has all the bytes that its head promises; one that was cut off has not."""
    return len(data) >= 12 and len(data) >= 8 + int(struct.unpack("<I", data[4:8])[0])


def _picture(frame: Image.Image) -> bytes:
    """The chunk with a frame's pixels (VP8L), taken out of a WEBP of it alone."""
    out = io.BytesIO()
    frame.save(out, "WEBP", lossless=True, quality=0, method=0)
    data, at = out.getvalue(), 12
    while at < len(data):
        size = int(struct.unpack("<I", data[at + 4:at + 8])[0])
        if data[at:at + 4] == b"VP8L":
            return data[at:at + 8 + size + size % 2]
        at += 8 + size + size % 2
    raise OSError("Pillow wrote a WEBP without VP8L")


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _whole(value: int) -> bytes:
    """A whole number in three bytes, the least first."""
    return struct.pack("<I", value)[:3]
