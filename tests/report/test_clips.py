"""The page's part with the clips: only those of the two sets compared, one script of our own, and never over 3 MB."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autotune.model.clips import ClipPair
from autotune.report import html
from autotune.search.thresholds import THRESHOLDS
from autotune.tune.compared_clips import MOST_BYTES, MOST_WORKLOADS
from autotune.workload.small_clips import small_pair
from tests.report import examples
from tests.report.test_page import Outline
from tests.workload.test_small_clips import gif, ramp


def clips(count: int = 1, frames: int = 6, current: str = "doggettx", other: str = "sdp") -> list[ClipPair]:
    """A pair for each workload, as a tune of the example would have kept it."""
    first = ramp(frames, 96, 128)
    second = np.clip(first.astype(int) + 5 * (np.arange(128) > 60)[None, None, :, None], 0, 255).astype(np.uint8)
    made = small_pair((gif(first), gif(second)), (first, second), (examples.full(current), examples.full(other)),
                      (0, 20_240_301), 300_000)
    return [replace(made, workload=number) for number in range(count)]


def page(pairs: list[ClipPair], workloads: int = 1) -> str:
    note = examples.recorded(workloads)
    return html.render(examples.document(note), note.samples, note.launches, examples.DIFF, pairs)


def outline(text: str) -> Outline:
    """What is on the page; ``input`` and ``img`` need no end."""
    parsed = Outline()
    parsed.feed(re.sub(r"<(input|img)\b([^>]*)>", r"<\1\2/>", text))
    parsed.close()
    assert parsed.open == []
    return parsed


def test_both_clips_and_their_difference_are_in_the_page_itself() -> None:
    (pair,) = clips()
    text = page([pair])
    pictures = [a for tag, a in outline(text).tags if tag == "img"]
    held = [base64.b64decode(str(one["src"]).removeprefix("data:image/webp;base64,")) for one in pictures]
    assert held == [*pair.strips, pair.difference]
    names = ["Current", "Tuned", f"Difference, {pair.factor} times as large as it is"]
    assert [str(one["alt"]).split(":")[0] for one in pictures] == names
    words = outline(text).words
    least = min(pair.ssim)
    assert "20240301" in words and f"lowest {least:.4f}, at frame {1 + pair.ssim.index(least)}" in words


def test_the_only_script_is_ours_and_the_policy_names_it() -> None:
    text = page(clips())
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in text
    assert "unsafe-inline'; img-src data:;" in text
    for tag, attributes in outline(text).tags:
        assert not [name for name in attributes if name.startswith("on")], tag
    assert "http:" not in text and "https:" not in text
    assert "script" not in page([])


@pytest.mark.parametrize("pairs", [[], clips(other="v1"), clips(current="sdp", other="doggettx")])
def test_clips_of_other_sets_are_not_shown_and_that_is_said(pairs: list[ClipPair]) -> None:
    text = page(pairs)
    assert "<img" not in text and "script" not in text
    assert "not kept in this study" in outline(text).words


def test_equal_clips_are_said_to_be_equal() -> None:
    (pair,) = clips()
    same = replace(pair, difference=None, factor=1, ssim=(1.0,) * pair.frames)
    text = page([same])
    assert text.count("<img") == 2 and "No pixel differs in any frame" in outline(text).words


def test_each_workload_has_its_pair_and_the_rest_is_counted() -> None:
    text = page(clips(3), workloads=5)
    assert text.count("<img") == 9
    assert "The clips of 2 other workloads are left out" in outline(text).words


@pytest.mark.slow
def test_the_page_stays_below_3_mb_with_all_that_a_study_keeps_and_many_sets() -> None:
    """As many samples as a search ever takes, each with a long detail, fill the tables."""
    note = examples.recorded(MOST_WORKLOADS)
    while len(note.samples) < THRESHOLDS.max_samples:
        note.samples.append(replace(note.samples[-1], number=len(note.samples), detail="x" * 150))
    document = examples.document(note)
    each = bytes(MOST_BYTES // MOST_WORKLOADS // 3)
    pairs = [replace(pair, strips=(each, each), difference=each) for pair in clips(MOST_WORKLOADS)]
    full = html.render(document, note.samples, note.launches, examples.DIFF, pairs)
    assert full.count("<img") == 3 * MOST_WORKLOADS, "what a study keeps fits"
    assert MOST_BYTES < len(full.encode()) <= html.MOST_BYTES == 3_000_000
    # Where it does not (kept by other rules, or with records of many workers), clips give way, the last first.
    greedy = [replace(pair, strips=(bytes(400_000), bytes(400_000))) for pair in pairs]
    less = html.render(document, note.samples, note.launches, examples.DIFF, greedy)
    assert 0 < less.count("<img") < 3 * MOST_WORKLOADS and len(less.encode()) <= html.MOST_BYTES
    assert re.search(r"The clips of \d other workloads? are left out", less)


def test_text_from_outside_stays_text_beside_clips() -> None:
    note = examples.recorded()
    document: dict[str, Any] = examples.document(note)
    document["profile"]["workloads"][0]["sampler"] = "</script><script>alert(1)</script>"
    text = html.render(document, note.samples, note.launches, None, clips())
    assert text.count("<script") == 1
