"""Two clips of a comparison as small pictures, for the page of a tune."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from autotune.model.bounds import Count, Similarity

_Some = Annotated[int, Meta(ge=1, le=1 << 20)]
_Pixels = Annotated[int, Meta(ge=1, le=16383)]


@dataclass(frozen=True, slots=True)
class ClipPair:
    """A clip of the current flags and one of the set they were compared with, at the same seed.

    ``workload``: its place in the profile. ``current`` and ``other``: the sets' ids. ``frame_seconds``: how long a
    frame is shown. ``every``: of the clip's frames each ``every``-th is kept, ``frames`` in all.

    ``strips``: of each clip one WebP picture with its frames below one another, ``width`` x ``height`` pixels each.
    ``difference``: such a strip of what differs between the two, pixel by pixel, times ``factor``; None where no pixel
    differs. ``ssim``: likeness of each kept frame, 1 for equal ones. Both were taken from the frames as they were
    rendered, not from the small pictures.
    """

    workload: Count
    current: str
    other: str
    seed: int
    frame_seconds: Annotated[float, Meta(gt=0.0, le=60.0)]
    every: _Some
    frames: _Some
    width: _Pixels
    height: _Pixels
    strips: tuple[bytes, bytes]
    difference: bytes | None
    factor: _Some
    ssim: tuple[Similarity, ...]
