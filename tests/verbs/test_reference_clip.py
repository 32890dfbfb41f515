"""A clip is compared with the baseline's of the same workload, steps and seed, today as after a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from autotune.model.workload import Profile, SearchSpec, Workload
from autotune.tune.compared_clips import SEED
from autotune.tune.reference_clip import MOST_HELD, ReferenceClips, ReferenceKey
from autotune.workload.webp import animation
from tests.workload.test_small_clips import gif, ramp

Frames = NDArray[np.uint8]
CLIP = Workload(40, 32, 3, 8)
WORKFLOW = Workload(0, 0, 0, 0, workflow="w.json", workflow_digest="0" * 16)
PROFILE = Profile("p", (CLIP, WORKFLOW), SearchSpec(()))


def frames_of(number: int) -> Frames:
    return np.roll(ramp(3, 32, 40), number, axis=2)


def webp(frames: Frames) -> bytes:
    return animation([Image.fromarray(one) for one in frames], 0.125)


@given(st.lists(st.tuples(st.sampled_from([None, SEED, 5, 6, 7]), st.integers(0, 1), st.sampled_from([8, 4]),
                          st.booleans()), max_size=14))
@settings(max_examples=60, deadline=None)
def test_the_first_of_the_baseline_is_what_all_others_of_its_seed_are_compared_with(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int | None, int, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("study")
    known: dict[tuple[int, int, int], Frames] = {}
    for number, (seed, index, steps, baseline) in enumerate(asked):
        workload = replace(CLIP, steps=steps) if index == 0 else WORKFLOW
        frames = frames_of(number)
        # Each time as after a restart: what counts is on disk.
        found = ReferenceClips(folder, PROFILE).of(ReferenceKey(index, workload, seed), baseline, webp(frames), frames)
        place = (index, steps if index == 0 else 0, SEED if seed is None else seed)
        if baseline:
            known.setdefault(place, frames)
        assert (found is None) == (place not in known)
        assert found is None or np.array_equal(found, known[place])


def test_a_study_of_a_gif_is_read_as_before(tmp_path: Path) -> None:
    data = gif(frames_of(2))
    (tmp_path / "reference-0.gif").write_bytes(data)
    (tmp_path / "reference-0-4-steps.gif").write_bytes(gif(frames_of(5)))
    clips = ReferenceClips(tmp_path, PROFILE)
    whole = clips.of(ReferenceKey(0, CLIP), True, b"", frames_of(9))
    short = clips.of(ReferenceKey(0, replace(CLIP, steps=4)), True, b"", frames_of(9))
    assert whole is not None and short is not None and not np.array_equal(whole, short)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reference-0-4-steps.gif", "reference-0.gif"]


def test_files_are_called_what_they_are_and_few_are_held(tmp_path: Path) -> None:
    clips = ReferenceClips(tmp_path, PROFILE)
    clips.of(ReferenceKey(0, CLIP), True, gif(frames_of(0)), frames_of(0))
    for seed in range(MOST_HELD + 3):
        clips.of(ReferenceKey(1, WORKFLOW, seed), True, webp(frames_of(seed)), frames_of(seed))
    names = {path.name: path.read_bytes()[:4] for path in tmp_path.iterdir()}
    assert names.pop("reference-0.gif") == b"GIF8"
    assert set(names.values()) == {b"RIFF"} and "reference-1-seed-0.webp" in names
    for seed in range(MOST_HELD + 3):
        found = clips.of(ReferenceKey(1, WORKFLOW, seed), False, b"", frames_of(99))
        assert found is not None and np.array_equal(found, frames_of(seed))
