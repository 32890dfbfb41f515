"""Clips: six faults, six names; equal clips compare as equal."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from autotune.model.workload import Workload
from autotune.workload import clip

WORKLOAD = Workload(width=64, height=48, frames=6, steps=2)


def gif(frames: np.ndarray) -> bytes:
    images = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=125, loop=0)
    return buffer.getvalue()


def moving(count: int = 6, height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    field = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return np.stack([np.roll(field, 5 * index, axis=1) for index in range(count)])


def test_a_real_clip_is_accepted() -> None:
    frames = clip.check_clip(gif(moving()), WORKLOAD)
    assert not isinstance(frames, clip.ClipRefusal)
    assert frames.shape == (6, 48, 64, 3)


def faults() -> list[tuple[str, bytes, bool]]:
    still = np.zeros((6, 48, 64, 3), np.uint8) + (np.arange(64, dtype=np.uint8) // 8 * 30)[:, None]
    still[:, 0, 0] = (np.arange(6) % 2 * 255)[:, None]  # Pillow drops a frame that repeats the one before
    flat = np.zeros((6, 48, 64, 3), np.uint8) + np.arange(40, 46, dtype=np.uint8)[:, None, None, None]
    dark = np.zeros((6, 48, 64, 3), np.uint8)
    dark[:, 0, 0] = np.arange(6, dtype=np.uint8)[:, None]
    png = io.BytesIO()
    Image.fromarray(moving()[0]).save(png, "PNG")
    return [
        ("not_a_gif", png.getvalue(), False),
        ("not_a_gif", b"", False),
        ("truncated", gif(moving())[:-400], True),
        ("wrong_count", gif(moving(5)), False),
        ("wrong_count", gif(moving(1)), False),
        ("wrong_size", gif(moving(width=48)), True),
        ("black", gif(dark), True),
        ("constant", gif(flat), True),
        ("all_alike", gif(still), False),
    ]


@pytest.mark.parametrize(("kind", "data", "animated"), faults())
def test_each_fault_has_its_name(kind: str, data: bytes, animated: bool) -> None:
    refusal = clip.check_clip(data, WORKLOAD)
    assert isinstance(refusal, clip.ClipRefusal)
    assert (refusal.kind, refusal.animated) == (kind, animated)
    assert refusal.detail


def test_a_gif_cut_anywhere_is_never_accepted() -> None:
    data = gif(moving())
    for end in range(0, len(data), 97):
        assert isinstance(clip.check_clip(data[:end], WORKLOAD), clip.ClipRefusal), end


def test_comparison_knows_equal_near_and_far() -> None:
    frames = moving()
    near = np.clip(frames.astype(int) + np.random.default_rng(1).integers(-1, 2, frames.shape), 0, 255)
    same, close = clip.compare_clips(frames, frames), clip.compare_clips(near.astype(np.uint8), frames)
    far = clip.compare_clips(moving(seed=3), frames)
    assert same == (1.0, 100.0)
    assert close[0] > 0.99
    assert close[1] > 40
    assert far[0] < 0.5
    assert far[1] < close[1]
    assert clip.compare_clips(moving(5), frames) == (0.0, 0.0)
