"""Structural similarity against scikit-image's own figures, recorded, and what must hold of any two clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from autotune.workload.ssim import structural_similarity

RECORDED = json.loads((Path(__file__).parent / "ssim_recorded.json").read_text(encoding="utf-8"))
"""``rows``: of clips that ``drawn`` makes, what scikit-image said of each frame (mean of frames), window 7 or the
largest odd one that fits."""

Clip = NDArray[np.float32]


def drawn(kind: str, frames: int, height: int, width: int, seed: int) -> Clip:
    """A clip that whole numbers alone make, so that it is the same everywhere."""
    f, y, x = np.indices((frames, height, width), dtype=np.int64)
    rough = (f * 7919 + y * 104_729 + x * 1_299_709 + seed * 15_485_863) * 2_654_435_761 % 4_294_967_296 // 16_777_216
    smooth = (3 * x + 2 * y + 11 * f + 17 * seed) % 256
    bars = 255 * ((x // 4 + f + seed) % 2)
    flat = np.full_like(x, (40 * seed + 5 * f) % 256)
    found = {"rough": rough, "smooth": smooth, "bars": bars, "flat": flat, "both": (smooth + rough // 8) % 256}
    clip: Clip = found[kind].astype(np.float32)
    return clip


def pair(row: dict[str, Any]) -> tuple[Clip, Clip]:
    """The two clips of a recorded row."""
    frames, height, width = row["shape"]
    (kind, seed), (other, second) = row["first"], row["second"]
    return drawn(kind, frames, height, width, seed), drawn(other, frames, height, width, second)


@pytest.mark.parametrize("row", RECORDED["rows"], ids=lambda row: f"{row['first']}-{row['second']}-{row['shape']}")
def test_as_scikit_image_says(row: dict[str, Any]) -> None:
    """To five places: the recorded figures are of 32-bit floats, as a clip's are."""
    assert structural_similarity(*pair(row)) == pytest.approx(row["ssim"], abs=1e-5)


def test_the_table_tells_clips_apart() -> None:
    """Figures from unlike to the same, in frames smaller than the window, too."""
    said = [row["ssim"] for row in RECORDED["rows"]]
    assert min(said) < 0.1
    assert 0.5 < max(said) <= 1.0
    assert any(0.5 < one < 0.999 for one in said)
    assert any(min(row["shape"][1:]) < 7 for row in RECORDED["rows"])


@given(kind=st.sampled_from(["rough", "smooth", "bars", "flat", "both"]),
       other=st.sampled_from(["rough", "both", "flat"]),
       height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 50))
def test_equal_clips_are_1_and_order_does_not_matter(kind: str, other: str, height: int, width: int, seed: int) -> None:
    """Never above 1, whatever the size."""
    first, second = drawn(kind, 2, height, width, seed), drawn(other, 2, height, width, seed + 1)
    assert structural_similarity(first, first) == pytest.approx(1.0, abs=1e-6)
    there = structural_similarity(first, second)
    assert there == pytest.approx(structural_similarity(second, first), abs=1e-6)
    assert -1.0 <= there <= 1.0 + 1e-6
