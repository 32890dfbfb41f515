"""Clips of the comparison are kept once a set, become small pictures with the verdict, and never pile up."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autotune.model.errors import StateDamaged, UsageProblem
from autotune.model.study import MeasuredSet
from autotune.model.workload import Profile, SearchSpec, Workload
from autotune.overview.exported_study import export, import_study, read_export
from autotune.store.places import Places
from autotune.store.studies import CLIPS, Study, find_study
from autotune.tune import compared_clips
from autotune.workload.webp import animation
from tests.store.test_damaged import EXPORT
from tests.workload.test_small_clips import gif, ramp

SHAPE = (6, 48, 64)
PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
"""A whole PNG of one pixel."""


def profile(count: int = 1) -> Profile:
    clip = Workload(width=SHAPE[2], height=SHAPE[1], frames=SHAPE[0], steps=4)
    return Profile("p", (clip,) * count, SearchSpec(()))


def study(folder: Path) -> Study:
    return Study(folder / "0001-abc", {"id": "0001-abc"})


def clip(shift: int) -> bytes:
    return gif(np.roll(ramp(*SHAPE), shift, axis=2))


def rival(name: str = "b") -> MeasuredSet:
    return MeasuredSet(name, 1.0, 1.0, 1.0, None, 1, 1)


def left(one: Study) -> list[str]:
    return sorted(path.name for path in one.folder.iterdir())


def test_both_sets_clips_become_one_small_file(tmp_path: Path) -> None:
    one = study(tmp_path)
    for name, shift in (("a", 0), ("b", 2), ("b", 9), ("c", 5)):
        compared_clips.keep(one.folder, 0, name, clip(shift))
    assert len(left(one)) == 3, "the first of each set"
    compared_clips.conclude(one, profile(), "a", rival())
    assert left(one) == [CLIPS]
    (made,) = one.clips()
    assert (made.current, made.other, made.seed, made.workload) == ("a", "b", compared_clips.SEED, 0)
    assert made.ssim and max(made.ssim) < 1.0
    again = Study(one.folder, one.head)
    assert again.clips() == (made,)
    if sys.platform != "win32":
        assert stat.S_IMODE((one.folder / CLIPS).stat().st_mode) == 0o600


def test_a_verdict_without_new_clips_leaves_what_is_there(tmp_path: Path) -> None:
    one = study(tmp_path)
    for name in "ab":
        compared_clips.keep(one.folder, 0, name, clip(ord(name)))
    compared_clips.conclude(one, profile(), "a", rival())
    made = one.clips()
    compared_clips.keep(one.folder, 0, "b", clip(1))
    compared_clips.conclude(one, profile(), "a", rival())
    compared_clips.conclude(one, profile(), "a", None)
    assert one.clips() == made and left(one) == [CLIPS]


@pytest.mark.parametrize("broken", [b"", b"GIF89a", b"no gif at all"])
def test_a_clip_that_cannot_be_read_is_left_out(tmp_path: Path, broken: bytes) -> None:
    one = study(tmp_path)
    compared_clips.keep(one.folder, 0, "a", clip(0))
    compared_clips.keep(one.folder, 0, "b", broken)
    compared_clips.conclude(one, profile(), "a", rival())
    assert one.clips() == () and left(one) == []


def test_a_pillow_without_webp_costs_the_pictures_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = study(tmp_path)
    for name in "ab":
        compared_clips.keep(one.folder, 0, name, clip(ord(name)))
    Image.init()
    monkeypatch.delitem(Image.SAVE, "WEBP")
    compared_clips.conclude(one, profile(), "a", rival())
    assert one.clips() == () and left(one) == []


def test_many_workloads_keep_the_first_ones_within_the_same_bytes(tmp_path: Path) -> None:
    one, many = study(tmp_path), 9
    for number in range(many):
        for name in "ab":
            compared_clips.keep(one.folder, number, name, clip(number + ord(name)))
    compared_clips.conclude(one, profile(many), "a", rival())
    made = one.clips()
    assert [pair.workload for pair in made] == list(range(compared_clips.MOST_WORKLOADS))
    assert sum(len(x) for pair in made for x in (*pair.strips, pair.difference or b"")) <= compared_clips.MOST_BYTES


def test_an_export_carries_the_pictures_only_when_asked(tmp_path: Path) -> None:
    places, webui = Places(tmp_path / "state"), tmp_path / "webui"
    one = import_study(places, webui, read_export(EXPORT))
    other = "of another machine"
    for name in ("a", other):
        compared_clips.keep(one.folder, 0, name, clip(len(name)))
    compared_clips.conclude(one, profile(), "a", rival(other))
    assert one.clips() and "clips" not in export(one)
    file = tmp_path / "study.json"
    file.write_text(json.dumps(export(one, clips=True)), encoding="utf-8")
    assert import_study(places, webui, read_export(file)).clips() == one.clips()
    changes: tuple[dict[str, Any], ...] = (
            {"strips": ["<script>", "<script>"]}, {"strips": [PNG, PNG]}, {"strips": ["", ""]}, {"width": 7},
            {"frames": 2}, {"frames": 16383, "width": 16383}, {"ssim": []}, {"ssim": [2.0] * 6}, {"factor": 0},
            {"difference": PNG}, {"frame_seconds": 0})
    for change in changes:
        broken = export(one, clips=True)
        broken["clips"][0].update(change)
        file.write_text(json.dumps(broken), encoding="utf-8")
        with pytest.raises(UsageProblem, match="clips"):
            read_export(file)


def test_pictures_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    one = study(tmp_path)
    one.save_clips([])
    path = one.folder / CLIPS
    for damaged in ("{", '{"pairs": 3}', '{"pairs": [{"workload": 0}]}', "[]"):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(StateDamaged) as found:
            one.clips()
        assert str(path) in found.value.message


def test_a_study_named_in_full_is_that_one_and_not_its_import(tmp_path: Path) -> None:
    places, webui = Places(tmp_path / "state"), tmp_path / "webui"
    first, second = (import_study(places, webui, read_export(EXPORT)) for _ in range(2))
    assert second.id.startswith(first.id)
    for one in (first, second):
        assert find_study(places.studies(webui), one.id).id == one.id


@pytest.mark.parametrize(("mine", "theirs", "shared"), [
    ((5, 6, 7), (6, 7, 5), 5), ((5, 6), (6, 9), 6), ((5,), (6,), None), ((None,), (None,), compared_clips.SEED),
    ((1, 2, 3, 4, 5), (5,), None), ((), (5,), None)])
def test_the_two_clips_have_one_seed(
    tmp_path: Path, mine: tuple[int | None, ...], theirs: tuple[int | None, ...], shared: int | None
) -> None:
    """A web UI that needs another seed for each clip: the pictures are of two clips that can be compared."""
    one = study(tmp_path)
    for name, seeds in (("a", mine), ("b", theirs)):
        for seed in seeds:
            compared_clips.keep(one.folder, 0, name, clip((seed or 0) % 11), seed)
    assert len(left(one)) <= 2 * compared_clips.MOST_SEEDS
    compared_clips.conclude(one, profile(), "a", rival())
    assert [pair.seed for pair in one.clips()] == ([] if shared is None else [shared])
    # Equal seeds made equal clips here.
    assert all(min(pair.ssim) == 1.0 for pair in one.clips()) and left(one) == ([] if shared is None else [CLIPS])


def test_clips_of_an_older_version_are_paired_and_removed(tmp_path: Path) -> None:
    one = study(tmp_path)
    for name in "ab":
        compared_clips.keep(one.folder, 0, name, clip(3))
    for path in list(one.folder.iterdir()):
        path.rename(path.with_name(f"{path.stem.rpartition('-')[0]}.gif"))
    compared_clips.conclude(one, profile(), "a", rival())
    assert [pair.seed for pair in one.clips()] == [compared_clips.SEED] and left(one) == [CLIPS]


def test_webp_clips_become_small_pictures_too(tmp_path: Path) -> None:
    one = study(tmp_path)
    for name, shift in (("a", 0), ("b", 1)):
        frames = [Image.fromarray(frame) for frame in np.roll(ramp(*SHAPE), shift, axis=2)]
        compared_clips.keep(one.folder, 0, name, animation(frames, 0.05), 77)
    compared_clips.conclude(one, profile(), "a", rival())
    (made,) = one.clips()
    assert made.seed == 77 and made.frame_seconds == 0.05 and made.frames == SHAPE[0]
