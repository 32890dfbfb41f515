"""What a web UI gives away of its user's clips: tqdm writes the bars, Pillow the files, as in the web UI itself."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from autotune.model.use import PrintedClip
from autotune.webui.a1111 import used_clips

tqdm = pytest.importorskip("tqdm").tqdm
START, END = "2026-11-28 10:00:00,000 - AnimateDiff - INFO - AnimateDiff process {}.\n".format, "end"
FIELDS = ("Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 5, Size: 512x768, Model hash: "
          "0123456789, Model: dream, AnimateDiff: \"model: mm.safetensors, video_length: 24, fps: 8, loop_number: 0, "
          "closed_loop: R-P, batch_size: 16, stride: 1, overlap: 4, mm_hash: ab\", Version: v1.10.1")


def bars(steps: int, done: int, seconds: float) -> str:
    """Both bars of a pass, as A1111 draws them, by a clock of the test's."""
    file = io.StringIO()
    now = [100.0]
    whole = tqdm(total=steps, desc="Total progress", position=1, file=file)
    both = [tqdm(total=steps, file=file, mininterval=0), whole]
    for bar in both:
        bar._time = lambda: now[0]
        bar.start_t = bar.last_print_t = now[0]
    for _ in range(done):
        now[0] += seconds
        for bar in both:
            bar.update()
    for bar in both:
        bar.close()
    return file.getvalue()


def job(*passes: str) -> str:
    return START("start") + "".join(passes) + START("end")


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 60), st.floats(0.02, 20.0))
def test_the_rate_of_a_whole_pass_is_read(steps: int, seconds: float) -> None:
    (clip,) = used_clips.printed(job(bars(steps, steps, seconds)).encode()).clips
    assert clip.steps == steps
    assert clip.step_seconds == pytest.approx(seconds, rel=0.006)  # the bar has two decimals


def test_what_is_not_one_whole_pass_counts_as_a_clip_without_a_time() -> None:
    whole = bars(8, 8, 0.5)
    text = job(bars(8, 3, 0.5)) + job(whole, bars(8, 8, 0.5)) + job() + job(whole)
    clips = used_clips.printed(text.encode()).clips
    assert [clip.steps for clip in clips] == [0, 0, 0, 8]
    assert used_clips.printed(whole.encode()).clips == ()  # a still: no clip


def test_a_job_that_has_not_ended_is_read_again_with_what_follows() -> None:
    data = (job(bars(8, 8, 0.5)) + START("start") + bars(8, 8, 0.25)).encode()
    first = used_clips.printed(data)
    assert len(first.clips) == 1
    rest = data[first.read :] + START("end").encode()
    assert used_clips.printed(rest).clips == (PrintedClip(8, 0.25),)


def test_the_start_tells_its_time_once() -> None:
    assert used_clips.printed(b"x\nStartup time: 12.3s (import torch: 4.1s).\n").startup == 12.3
    assert used_clips.printed(b"nothing\n").startup is None


def save(path: Path, infotext: str, at: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "green")]
    if path.suffix == ".gif":
        frames[0].save(path, save_all=True, append_images=frames[1:], comment=infotext, loop=0)
    else:
        info = PngInfo()
        info.add_text("parameters", infotext)
        frames[0].save(path, pnginfo=info)
    if at is not None:
        os.utime(path, (at, at))


PROMPTS = ["a cat", "Steps: 9, Sampler: none, Size: 1x1", "猫" * 300, "line\nSteps: 3\nmore\nNegative prompt: bad"]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("name", ["00000-5.gif", "00000-5/00000.png"])
def test_the_figures_of_a_saved_clip_are_read_and_its_prompt_is_not(tmp_path: Path, prompt: str, name: str) -> None:
    save(tmp_path / "outputs/txt2img-images/AnimateDiff/2026-11-28" / name, f"{prompt}\nNegative prompt: x\n{FIELDS}")
    (clip,) = used_clips.saved(tmp_path, (), {}, 0.0)
    assert clip is not None
    assert (clip.width, clip.height, clip.frames, clip.context, clip.steps) == (512, 768, 24, 16, 20)
    assert (clip.sampler, clip.guided, clip.model) == ("Euler a", True, "0123456789")
    assert "cat" not in repr(clip) and "猫" not in repr(clip)


HIRES = FIELDS.replace("Size", "Hires steps: 4, Hires upscaler: x, Size")


@pytest.mark.parametrize("text", ["", "a cat", "a\n" + HIRES, "a\n" + FIELDS.split(", AnimateDiff", maxsplit=1)[0],
                                  "a\n" + FIELDS + ", Hires upscale: 2"])
def test_a_file_without_the_figures_of_one_plain_pass_tells_nothing(tmp_path: Path, text: str) -> None:
    save(tmp_path / "outputs/txt2img-images/AnimateDiff/2026-11-28/00000-5.gif", text)
    assert used_clips.saved(tmp_path, (), {}, 0.0) == [None]


def test_one_clip_in_several_formats_is_one_and_older_ones_are_not_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "AnimateDiff" / "2026-11-28"
    save(folder / "00001-7.gif", f"a\n{FIELDS}", 2000.0)
    save(folder / "00001-7.webp.gif", f"a\n{FIELDS}", 1000.0)
    save(folder / "00002-8.gif", f"a\n{FIELDS.replace('512x768', '64x64')}", 3000.0)
    (folder / "00002-8.mp4").write_bytes(b"video")
    os.utime(folder / "00002-8.mp4", (3001.0, 3001.0))
    options: dict[str, Any] = {"outdir_txt2img_samples": "mine"}
    found = used_clips.saved(tmp_path, (), options, 1500.0)
    assert [clip.width for clip in found if clip is not None] == [512, 64]
    assert used_clips.saved(tmp_path, (), options, 3500.0) == []
    assert used_clips.saved(tmp_path / "absent", (), options, 0.0) == []
