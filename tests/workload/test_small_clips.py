"""Small pictures of two clips: within their bytes whatever is in them, in step with the clips, and bare of metadata."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from autotune.model.clips import ClipPair
from autotune.workload.small_clips import FACTORS, MOST_FRAMES, STEPS, small_pair

Frames = NDArray[np.uint8]


def gif(frames: Frames, milliseconds: int = 120, comment: bytes = b"") -> bytes:
    images = [Image.fromarray(one) for one in frames]
    out = io.BytesIO()
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=milliseconds, comment=comment)
    return out.getvalue()


def noise(seed: int, count: int, height: int, width: int) -> Frames:
    """What compresses worst."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def ramp(count: int, height: int, width: int) -> Frames:
    """A soft picture that moves to the right by a fixed step a frame."""
    across = np.arange(width)[None, None, :, None] + 9 * np.arange(count)[:, None, None, None]
    down = np.arange(height)[None, :, None, None]
    wave = 120 + 60 * np.sin(across / 23) + 40 * np.cos(down / 17)
    return np.repeat(wave, 3, axis=3).astype(np.uint8)


def pair(first: Frames, second: Frames, budget: int = 1_500_000, milliseconds: int = 120) -> ClipPair:
    return small_pair((gif(first[:2], milliseconds), b""), (first, second), ("a", "b"), (3, 7), budget)


def strip(picture: bytes, made: ClipPair) -> Frames:
    """The frames of a strip, unpacked again by Pillow."""
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "WEBP"
        assert image.size == (made.width, made.height * made.frames)
        return np.asarray(image.convert("RGB")).reshape(made.frames, made.height, made.width, 3)


@pytest.mark.parametrize(("count", "height", "width", "budget"), [
    pytest.param(16, 512, 512, 1_500_000, marks=pytest.mark.slow),
    pytest.param(16, 768, 512, 375_000, marks=pytest.mark.slow),
    (32, 128, 128, 60_000), (8, 64, 64, 60_000), (100, 40, 24, 60_000), (2, 8, 700, 60_000)])
def test_noise_keeps_within_its_bytes(count: int, height: int, width: int, budget: int) -> None:
    made = pair(noise(1, count, height, width), noise(2, count, height, width), budget)
    assert made.difference is not None
    assert sum(map(len, (*made.strips, made.difference))) <= budget
    for picture in (*made.strips, made.difference):
        strip(picture, made)


def test_a_soft_clip_is_not_made_smaller_than_it_must_be() -> None:
    made = pair(ramp(16, 300, 400), ramp(16, 300, 400)[:, :, ::-1])
    assert (made.width, made.height, made.frames, made.every) == (400, 300, 16, 1)
    seen = strip(made.strips[0], made).astype(int)
    assert np.abs(seen - ramp(16, 300, 400)).mean() < 3, "each frame stands in its own place"


def test_the_longest_side_and_the_length_of_a_strip_are_bounded() -> None:
    for count, height, width in ((16, 900, 640), (48, 512, 512), (400, 64, 64), (40, 700, 100)):
        made = pair(ramp(count, height, width), ramp(count, height, width) // 2)
        assert max(made.width, made.height) <= STEPS[0][0]
        assert made.frames <= MOST_FRAMES and made.height * made.frames <= 16383
        assert made.width / made.height == pytest.approx(width / height, rel=0.05)
        assert made.frames == -(-count // made.every) == len(made.ssim)


def test_a_long_clip_skips_frames_and_keeps_its_speed() -> None:
    made = pair(ramp(100, 32, 32), ramp(100, 32, 32) // 2, milliseconds=80)
    assert (made.every, made.frames) == (3, 34)
    assert made.frame_seconds == pytest.approx(0.24)
    seen = strip(made.strips[0], made)[5].astype(int)
    assert np.abs(seen - ramp(100, 32, 32)[15]).mean() < 4


@pytest.mark.parametrize("most", [1, 3, 5, 20, 60, 200])
def test_a_difference_is_what_differs_times_its_factor(most: int) -> None:
    first = np.full((4, 64, 64, 3), 20, dtype=np.uint8)
    second = first.copy()
    second[:, :, 32:] += np.uint8(most)
    made = pair(first, second)
    assert made.factor in (*FACTORS, 1) and made.factor * most <= 255
    assert made.factor == FACTORS[0] or made.factor * 2 * most > 255, "as large as it can be shown"
    assert made.difference is not None
    seen = strip(made.difference, made).astype(int)
    assert seen[:, :, :28].max() <= 6
    assert np.abs(seen[:, :, 36:] - most * made.factor).max() <= 12


def test_equal_clips_have_no_difference() -> None:
    made = pair(ramp(6, 48, 48), ramp(6, 48, 48))
    assert made.difference is None and made.ssim == (1.0,) * 6


def test_likeness_is_that_of_each_frame() -> None:
    first, second = ramp(6, 48, 48), ramp(6, 48, 48)
    second[3] = noise(0, 1, 48, 48)[0]
    made = pair(first, second)
    assert made.ssim[3] < 0.3 and min(made.ssim[:3] + made.ssim[4:]) == 1.0


def test_nothing_but_pixels_is_in_the_pictures() -> None:
    first = ramp(4, 32, 32)
    clip = gif(first, comment=b"masterpiece, ada, C:\\Users\\ada")
    assert b"ada" in clip
    made = small_pair((clip, clip), (first, first // 2), ("a", "b"), (0, 1), 100_000)
    for picture in (*made.strips, made.difference or b""):
        assert picture[:4] == b"RIFF" and picture[8:12] == b"WEBP"
        chunks, at = [], 12
        while at < len(picture):
            chunks.append(picture[at:at + 4])
            size = int.from_bytes(picture[at + 4:at + 8], "little")
            at += 8 + size + size % 2
        assert chunks == [b"VP8 "], "no EXIF, XMP or profile"
