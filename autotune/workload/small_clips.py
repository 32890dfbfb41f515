"""Makes small pictures of two clips and of their difference, within a given number of bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from autotune.language.translate import _
from autotune.model.clips import ClipPair

if TYPE_CHECKING:
    from autotune.workload.clip import Frames

MOST_FRAMES = 48
"""Frames kept of a clip; of a longer one every second, third, … is kept."""
MOST_PIXELS = 2048 * 2048
"""Pixels of all frames of a strip: a browser holds them unpacked, four bytes each."""
TALLEST = 16_000
"""Pixels that a strip is tall at most; a WebP picture ends at 16383."""
STEPS = ((512, 85), (512, 72), (512, 58), (384, 65), (384, 45), (320, 50), (256, 55), (256, 35),
         (208, 45), (160, 40), (96, 30), (48, 20))
"""Longest side of a frame in pixels and quality (0 to 100), the best first; what fits first is taken."""
FACTORS = (64, 32, 16, 8, 4, 2)
"""What a difference may be multiplied with: the most that leaves all but a thousandth of it within the range."""
USUAL_FRAME = 0.125
"""Seconds of a frame where a file says nothing: AnimateDiff's own 8 frames a second."""


def small_pair(clips: tuple[bytes, bytes], frames: tuple[Frames, Frames], names: tuple[str, str],
               place: tuple[int, int], budget: int) -> ClipPair:
    """The pair as pictures that take ``budget`` bytes in all, if possible.

    ``clips``: both answers, current flags first; ``frames``: the same unpacked, of one shape (count, height, width, 3);
    ``names``: the sets' ids; ``place``: number of the workload, and the seed.
    """
    from autotune.workload.ssim import frame_similarities

    every = -(-len(frames[0]) // MOST_FRAMES)
    first, second = frames[0][::every], frames[1][::every]
    apart, factor = _difference(first, second)
    stacks = [first, second] if apart is None else [first, second, apart]
    strips, (width, height) = _strips(stacks, budget)
    return ClipPair(
        workload=place[0], current=names[0], other=names[1], seed=place[1], every=every, frames=len(first),
        frame_seconds=_frame_seconds(clips[0]) * every, width=width, height=height, strips=(strips[0], strips[1]),
        difference=strips[2] if apart is not None else None, factor=factor,
        ssim=tuple(round(one, 5) for one in frame_similarities(first, second)))


def fault(pair: ClipPair) -> str | None:
    """What is wrong with the pictures of a pair that came from elsewhere, None where they are such as are made here."""
    from PIL import Image, UnidentifiedImageError

    if pair.width * pair.height * pair.frames > MOST_PIXELS or len(pair.ssim) != pair.frames:
        return _("{frames} frames of {width} x {height} pixels, and the likeness of {told}").format(
            frames=pair.frames, width=pair.width, height=pair.height, told=len(pair.ssim))
    for picture in (*pair.strips, *([] if pair.difference is None else [pair.difference])):
        try:
            with Image.open(io.BytesIO(picture), formats=["WEBP"]) as image:
                size = image.size
        except (OSError, ValueError, SyntaxError, UnidentifiedImageError):
            return _("a picture that is no WebP")
        if size != (pair.width, pair.height * pair.frames):
            return _("a picture of {width} x {height} pixels").format(width=size[0], height=size[1])
    return None


def _difference(first: Frames, second: Frames) -> tuple[Frames | None, int]:
    """What differs between two stacks of frames, times a factor, and that factor; (None, 1) where nothing does."""
    import numpy as np

    apart, counts = np.empty_like(first), np.zeros(256, dtype=np.int64)
    for number, (mine, theirs) in enumerate(zip(first, second, strict=True)):
        apart[number] = np.maximum(mine, theirs) - np.minimum(mine, theirs)
        counts += np.bincount(apart[number].ravel(), minlength=256)
    if not counts[1:].any():
        return None, 1
    most = int(np.searchsorted(np.cumsum(counts), 0.999 * counts.sum()))
    factor = next((one for one in FACTORS if one * most <= 255), 1)
    return np.minimum(np.arange(256) * factor, 255).astype(np.uint8)[apart], factor


def _strips(stacks: Sequence[Frames], budget: int) -> tuple[list[bytes], tuple[int, int]]:
    """Each stack as a WebP strip, all at the first of STEPS with which they fit (the last one in any case), and the
    size of a frame in them."""
    for side, quality in STEPS:
        size, strips = _size(stacks[0], side), []
        for stack in stacks:
            strips.append(_strip(stack, *size, quality))
            if sum(map(len, strips)) > budget and quality != STEPS[-1][1]:
                break
        else:
            break
    return strips, size


def _size(stack: Frames, side: int) -> tuple[int, int]:
    """Width and height of a frame whose longest side is ``side`` at most, so small that the strip keeps its bounds."""
    count, height, width = stack.shape[:3]
    scale = min(1.0, side / max(width, height), (MOST_PIXELS / (count * width * height)) ** 0.5,
                TALLEST / (count * height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _strip(stack: Frames, width: int, height: int, quality: int) -> bytes:
    """The frames below one another as one WebP picture, with nothing else in the file."""
    from PIL import Image

    strip = Image.new("RGB", (width, height * len(stack)))
    for number, frame in enumerate(stack):
        strip.paste(Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS), (0, number * height))
    out = io.BytesIO()
    strip.save(out, "WEBP", quality=quality, method=2)  # half the time of Pillow's own 4, for a twentieth more bytes
    return out.getvalue()


def _frame_seconds(clip: bytes) -> float:
    """Seconds for which a GIF or WEBP shows its first frame."""
    from PIL import Image

    with Image.open(io.BytesIO(clip)) as image:
        image.load()  # a WEBP tells it with its first frame
        milliseconds = float(image.info.get("duration") or 0.0)
    return milliseconds / 1000 if 0 < milliseconds <= 1000 else USUAL_FRAME
