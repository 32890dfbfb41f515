"""Check of a rendered clip: is it a valid animated GIF or WEBP of the right size, and how similar is it to a reference
clip?

AnimateDiff fails silently: a missing motion module gives HTTP 200 and ordinary stills (docs/webuis.md). So the file
itself is examined.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from autotune.language.translate import _, ngettext
from autotune.model.workload import Workload
from autotune.workload.webp import is_whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frames = NDArray[np.uint8]
else:
    Frames = object

RefusalKind = Literal[
    "not_a_gif", "truncated", "wrong_count", "wrong_size", "black", "constant", "all_alike"
]

BLACK_LEVEL = 8
"""Grey levels of 255 up to which a clip counts as black. A black clip's GIF holds 0; a palette may move it by a few
levels."""
FLAT_DEVIATION = 2.0
"""Grey levels. A frame whose standard deviation is below this shows nothing."""
STILL_DIFFERENCE = 0.25
"""Mean grey levels between frames and their mean, below which nothing moves. Copies of one still differ by palette
noise at most."""
MOST_PIXELS = 4096 * 4096
"""Pixels of a frame above which it is not decoded."""


@dataclass(frozen=True, slots=True)
class ClipRefusal:
    """Why a clip does not count. ``animated`` False: these are stills, AnimateDiff did not run."""

    kind: RefusalKind
    detail: str

    @property
    def animated(self) -> bool:
        """False when the clip shows that AnimateDiff did not act."""
        return self.kind not in ("not_a_gif", "wrong_count", "all_alike")


def check_clip(data: bytes, workload: Workload) -> Frames | ClipRefusal:
    """Decodes a GIF or WEBP and checks it: frames as uint8 (frames, height, width, 3), or the refusal.

    The checks go from the container inwards, so that each fault gets its own name. How many frames of what size a
    workflow of the user's makes is not known before its first clip; one that makes a single picture is a clip as well.
    """
    import numpy as np

    form = format_of(data)
    if form is None:
        return ClipRefusal(
            "not_a_gif", _("the answer is neither GIF nor WEBP (starts with {start!r})").format(start=data[:6]))
    if not _is_whole(data, form):
        return ClipRefusal("truncated", _("the {format} of {count} bytes has no end").format(
            format=form, count=len(data)))
    images = _decode(data, form)
    if isinstance(images, ClipRefusal):
        return images
    # Before they are counted: of frames that are alike in every pixel, a WEBP of Pillow's keeps one.
    if max(int(image.max()) for image in images) <= BLACK_LEVEL:
        return ClipRefusal("black", _("every frame is black"))
    # Frame by frame: a long clip of a workflow, all of it as floating point numbers, would take gigabytes.
    if max(float(image.astype(np.float32).std(axis=(0, 1)).max()) for image in images) < FLAT_DEVIATION:
        return ClipRefusal("constant", _("every frame is one flat colour"))
    height, width = images[0].shape[:2]
    if workload.workflow_digest is None:
        if len(images) != workload.frames:
            return ClipRefusal("wrong_count", wrong_count(len(images), workload.frames))
        if (width, height) != (workload.width, workload.height):
            return ClipRefusal("wrong_size", wrong_size((width, height), (workload.width, workload.height)))
    if any(image.shape != images[0].shape for image in images):
        return ClipRefusal("truncated", _("its frames are not of one size"))
    frames = np.stack(images)
    mean = frames.mean(axis=0, dtype=np.float32)
    if len(images) > 1 and np.mean([float(np.abs(one - mean).mean()) for one in frames]) < STILL_DIFFERENCE:
        return ClipRefusal("all_alike", _("all frames are alike: nothing moves"))
    return frames


def format_of(data: bytes) -> Literal["GIF", "WEBP"] | None:
    """What kind of file a clip is, by how it begins; None for any other."""
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    return "WEBP" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def wrong_count(count: int, wanted: int) -> str:
    """In words: so many frames where others were wanted."""
    return ngettext("{count} frame instead of {frames}", "{count} frames instead of {frames}", count).format(
        count=count, frames=wanted)


def wrong_size(size: tuple[int, int], wanted: tuple[int, int]) -> str:
    """In words: frames of such a size (width, height) where another was wanted."""
    return _("{size} instead of {wanted}").format(size=f"{size[0]}x{size[1]}", wanted=f"{wanted[0]}x{wanted[1]}")


def unlike(frames: Frames, reference: Frames) -> str | None:
    """Why two clips cannot be compared, in words: another number or size of frames; None where they can."""
    if len(frames) != len(reference):
        return wrong_count(len(frames), len(reference))
    if frames.shape != reference.shape:
        sizes = [(one.shape[2], one.shape[1]) for one in (frames, reference)]
        return wrong_size(sizes[0], sizes[1])
    return None


def _is_whole(data: bytes, form: str) -> bool:
    """Whether a file was not cut off on its way or while it was written: a GIF ends in 0x3B, a WEBP tells its size."""
    return is_whole(data) if form == "WEBP" else data.rstrip(b"\0").endswith(b";")


def _decode(data: bytes, form: str) -> list[Frames] | ClipRefusal:
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    images: list[Frames] = []
    try:
        with Image.open(io.BytesIO(data), formats=[form]) as image:
            if image.width * image.height > MOST_PIXELS:
                return ClipRefusal("wrong_size", _("{size} pixels").format(size=f"{image.width}x{image.height}"))
            for index in range(getattr(image, "n_frames", 1)):
                image.seek(index)
                images.append(np.asarray(image.convert("RGB"), dtype=np.uint8))
    except (OSError, SyntaxError, EOFError, ValueError, IndexError, UnidentifiedImageError,
            Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        return ClipRefusal("truncated", _("the {format} cannot be decoded: {error}").format(format=form, error=error))
    return images


def compare_clips(frames: Frames, reference: Frames) -> tuple[float, float]:
    """Similarity of two clips of one shape: (SSIM, PSNR in dB), averaged over frames; identical clips give (1.0,
    100.0).

    SSIM is taken on luma (workload/ssim.py). PSNR is capped at 100 dB so that it stays a number in JSON.
    """
    import numpy as np

    from autotune.workload.ssim import LUMA, structural_similarity

    if frames.shape != reference.shape:
        return 0.0, 0.0
    error = float(np.mean([np.mean((one.astype(np.float32) - other) ** 2)
                           for one, other in zip(frames, reference, strict=True)]))
    psnr = 100.0 if error == 0 else min(100.0, 10.0 * float(np.log10(255.0**2 / error)))
    luma = np.array(LUMA, dtype=np.float32)
    grey = [(one.astype(np.float32) @ luma for one in clip) for clip in (frames, reference)]
    return structural_similarity(grey[0], grey[1]), psnr
