"""Clips, GIF or WEBP: six faults, six names; equal clips compare as equal."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from autotune.model.workload import Workload
from autotune.workload import clip
from autotune.workload.webp import animation

Written: TypeAlias = Callable[[np.ndarray], bytes]
WORKLOAD = Workload(width=64, height=48, frames=6, steps=2)


def gif(frames: np.ndarray) -> bytes:
    images = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=125, loop=0)
    return buffer.getvalue()


def webp(frames: np.ndarray) -> bytes:
    return animation([Image.fromarray(frame) for frame in frames], 0.125)


def moving(count: int = 6, height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    field = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return np.stack([np.roll(field, 5 * index, axis=1) for index in range(count)])


@pytest.mark.parametrize("written", [gif, webp])
def test_a_real_clip_is_accepted(written: Written) -> None:
    frames = clip.check_clip(written(moving()), WORKLOAD)
    assert not isinstance(frames, clip.ClipRefusal)
    assert frames.shape == (6, 48, 64, 3)
    assert written is gif or np.array_equal(frames, moving()), "a WEBP without loss"


def test_a_webp_of_another_writer_is_read() -> None:
    out, images = io.BytesIO(), [Image.fromarray(frame) for frame in moving()]
    images[0].save(out, "WEBP", save_all=True, append_images=images[1:], duration=125, lossless=True)
    frames = clip.check_clip(out.getvalue(), WORKLOAD)
    assert not isinstance(frames, clip.ClipRefusal) and np.array_equal(frames, moving())


def faults(written: Written) -> list[tuple[str, bytes, bool]]:
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
        ("not_a_gif", b"RIFF\x10\0\0\0WAVEfmt ", False),
        ("truncated", written(moving())[:-400], True),
        ("wrong_count", written(moving(5)), False),
        ("wrong_count", written(moving(1)), False),
        ("wrong_size", written(moving(width=48)), True),
        ("black", written(dark), True),
        ("constant", written(flat), True),
        ("all_alike", written(still), False),
    ]


@pytest.mark.parametrize(("kind", "data", "animated"), [*faults(gif), *faults(webp)])
def test_each_fault_has_its_name(kind: str, data: bytes, animated: bool) -> None:
    refusal = clip.check_clip(data, WORKLOAD)
    assert isinstance(refusal, clip.ClipRefusal)
    assert (refusal.kind, refusal.animated) == (kind, animated)
    assert refusal.detail


@pytest.mark.parametrize(("level", "kind"), [(0, "black"), (90, "constant")])
@pytest.mark.parametrize("form", ["GIF", "WEBP"])
def test_frames_that_a_writer_made_one_of_have_their_own_fault(level: int, kind: str, form: str) -> None:
    out, images = io.BytesIO(), [Image.new("RGB", (64, 48), (level, level, level)) for _ in range(6)]
    images[0].save(out, form, save_all=True, append_images=images[1:], duration=125)
    refusal = clip.check_clip(out.getvalue(), WORKLOAD)
    assert isinstance(refusal, clip.ClipRefusal) and (refusal.kind, refusal.animated) == (kind, True)


@pytest.mark.parametrize("written", [gif, webp])
def test_a_file_cut_anywhere_is_never_accepted(written: Written) -> None:
    data = written(moving())
    for end in range(0, len(data), 97):
        assert isinstance(clip.check_clip(data[:end], WORKLOAD), clip.ClipRefusal), end


@given(st.binary(max_size=40), st.integers(0, 2000))
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise(noise: bytes, at: int) -> None:
    data = webp(moving(3, 9, 9))
    at %= len(data)
    for one in (b"RIFF" + noise[:4] + b"WEBP" + noise[4:], data[:at] + noise + data[at + len(noise):]):
        clip.check_clip(one, WORKLOAD)


def test_a_workflow_may_make_any_number_of_frames_of_any_size_and_a_still() -> None:
    mine = Workload(64, 64, 4, 2, workflow="w.json", workflow_digest="0" * 16)
    for count, height, width in ((1, 20, 30), (2, 9, 9), (9, 48, 64)):
        frames = clip.check_clip(webp(moving(count, height, width)), mine)
        assert not isinstance(frames, clip.ClipRefusal) and frames.shape == (count, height, width, 3)
    for kind, data, _ in faults(webp):
        found = clip.check_clip(data, mine)
        told = found.kind if isinstance(found, clip.ClipRefusal) else None
        assert told == (None if kind in ("wrong_count", "wrong_size") else kind)


def test_why_two_clips_cannot_be_compared() -> None:
    assert clip.unlike(moving(), moving(seed=2)) is None
    assert clip.unlike(moving(5), moving()) == "5 frames instead of 6"
    assert clip.unlike(moving(width=40), moving()) == "40x48 instead of 64x48"


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
