"""Whatever files a graph writes, its clip comes out frame by frame; what is saved comes before what is previewed."""

from __future__ import annotations

import importlib.util
import io
import struct
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from autotune.model.api import ApiProblem
from autotune.model.workload import Workload
from autotune.webui.comfyui import outputs, trial_node
from autotune.workload.clip import ClipRefusal, check_clip

Frames = NDArray[np.uint8]
WORKFLOW = Workload(0, 0, 0, 0, workflow="w.json", workflow_digest="0" * 16)


def pictures(count: int, width: int = 40, height: int = 24, seed: int = 0) -> Frames:
    field = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return np.stack([np.roll(field, 3 * index, axis=1) for index in range(count)])


def file(frames: Frames, form: str, **options: Any) -> bytes:
    images, out = [Image.fromarray(one) for one in frames], io.BytesIO()
    images[0].save(out, form, save_all=len(images) > 1, append_images=images[1:], duration=125, **options)
    return out.getvalue()


def stack(frames: Frames) -> bytes:
    """A video as the trial's node hands it out."""
    files = [file(one[None], "PNG") for one in frames]
    return b"".join(struct.pack(">I", len(one)) + one for one in files)


class Folder:
    """Files by their address, as a ComfyUI hands them out."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, ...], bytes] = {}
        self.asked: list[str] = []

    def add(self, name: str, data: bytes, kind: str = "output", subfolder: str = "") -> dict[str, str]:
        self.files[name, subfolder, kind] = data
        return {"filename": name, "subfolder": subfolder, "type": kind}

    def __call__(self, wanted: Mapping[str, str]) -> bytes:
        parts = urlsplit(outputs.address(wanted))
        self.asked.append(parts.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        return self.files[query["filename"][0], query["subfolder"][0], query["type"][0]]


def frames_of(clip: bytes) -> Frames:
    found = check_clip(clip, WORKFLOW)
    assert not isinstance(found, ClipRefusal), found.detail
    return found


def written(folder: Folder, how: str, frames: Frames, kind: str = "output") -> dict[str, Any]:
    """What a node's output says after it wrote these frames."""
    if how == "frames":
        return {"images": [folder.add(f"a_{number:05}_.png", file(one[None], "PNG"), kind)
                           for number, one in enumerate(frames)]}
    if how == "webp":
        entry = folder.add("a_00001_.webp", file(frames, "WEBP", lossless=True, quality=0), kind, "sub/folder")
        return {"images": [entry], "animated": [True]}
    if how == "apng":
        return {"images": [folder.add("a_00001_.png", file(frames, "PNG"), kind)], "animated": [True]}
    if how == "vhs":
        entry = folder.add("AnimateDiff_00001.mp4", stack(frames), kind)
        return {"gifs": [{**entry, "format": "video/h264-mp4", "frame_rate": 8.0, "workflow": "AnimateDiff_00001.png",
                          "fullpath": "/x/AnimateDiff_00001.mp4"}]}
    return {"images": [folder.add("v_00001_.webm", stack(frames), kind)], "animated": [True]}


EXACT = ("frames", "webp", "apng", "vhs", "video")


@given(st.sampled_from(EXACT), st.integers(1, 7), st.integers(1, 40), st.integers(1, 30), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_frames_come_out_as_they_went_in(how: str, count: int, width: int, height: int, seed: int) -> None:
    folder, frames = Folder(), pictures(count, width + 7, height + 7, seed)
    clip = outputs.clip_of({"12": written(folder, how, frames)}, ["9", "12"], folder)
    assert clip[:4] == b"RIFF" and np.array_equal(frames_of(clip), frames)
    assert set(folder.asked) == {"/autotune/pictures" if how in ("vhs", "video") else "/view"}


def test_a_gif_keeps_its_frames() -> None:
    folder, frames = Folder(), pictures(5)
    entry = folder.add("a.gif", file(frames, "GIF"))
    clip = outputs.clip_of({"3": {"gifs": [{**entry, "format": "image/gif"}]}}, ["3"], folder)
    assert frames_of(clip).shape == frames.shape


def test_an_animated_webp_is_passed_on_as_it_is() -> None:
    folder, data = Folder(), file(pictures(4), "WEBP", quality=30)
    clip = outputs.clip_of({"3": {"images": [folder.add("a.webp", data)]}}, ["3"], folder)
    assert clip == data


def test_frames_that_are_alike_stay_apart() -> None:
    folder, frames = Folder(), np.repeat(pictures(2), 3, axis=0)
    clip = outputs.clip_of({"3": written(folder, "frames", frames)}, ["3"], folder)
    assert np.array_equal(frames_of(clip), frames)


@pytest.mark.parametrize(("said", "chosen"), [
    ([("1", "webp", 4, 40, "output"), ("2", "frames", 6, 40, "temp")], 0),  # saved before previewed
    ([("1", "frames", 4, 40, "temp"), ("2", "frames", 6, 40, "temp")], 1),
    ([("1", "frames", 4, 40, "output"), ("2", "frames", 6, 40, "output")], 1),  # most frames
    ([("1", "frames", 4, 60, "output"), ("2", "frames", 4, 40, "output")], 0),  # largest
    ([("1", "vhs", 4, 40, "output"), ("2", "frames", 4, 40, "output")], 1),  # least lossy
    ([("1", "apng", 4, 40, "output"), ("2", "vhs", 4, 40, "output")], 0),
    ([("7", "frames", 9, 40, "output"), ("2", "webp", 4, 40, "output")], 1),  # 7 is not behind a seed
    ([("2.0.0.5", "frames", 5, 40, "output"), ("1", "webp", 4, 40, "output")], 0),  # what node 2 was expanded to
])
def test_which_of_several_is_the_clip(said: list[tuple[str, str, int, int, str]], chosen: int) -> None:
    folder, made = Folder(), {}
    for number, (node, how, count, width, kind) in enumerate(said):
        part = Folder()
        made[node] = written(part, how, pictures(count, width, seed=number), kind)
        for key in outputs.KEYS:
            for entry in made[node].get(key, ()):
                data = part.files[entry["filename"], entry["subfolder"], entry["type"]]
                entry["filename"] = f"{number}-{entry['filename']}"
                folder.files[entry["filename"], entry["subfolder"], entry["type"]] = data
    clip = outputs.clip_of(made, ["1", "2"], folder)
    assert np.array_equal(frames_of(clip), pictures(said[chosen][2], said[chosen][3], seed=chosen))


def test_a_node_that_saves_and_previews_counts_what_it_saved() -> None:
    folder = Folder()
    images = written(folder, "frames", pictures(3))["images"]
    more = [folder.add(f"p{number}.png", file(one[None], "PNG"), "temp")
            for number, one in enumerate(pictures(5, seed=4))]
    clip = outputs.clip_of({"1": {"images": [*more, *images]}}, ["1"], folder)
    assert np.array_equal(frames_of(clip), pictures(3))


def test_outputs_as_comfyui_recorded_them() -> None:
    """The shapes that six output nodes of ComfyUI 0.26.0 leave in one history."""
    folder, frames = Folder(), pictures(5)
    said = {
        "3": {**written(folder, "webp", frames)}, "9": written(folder, "frames", frames),
        "6": {"images": [folder.add("w_00001_.webm", stack(frames))], "animated": [True]},
        "7": {"images": [folder.add("p_00001_.png", file(frames, "PNG"))], "animated": [True]},
        "8": {"images": [folder.add(f"ComfyUI_temp_{n}.png", file(frames[n:n + 1], "PNG"), "temp") for n in range(5)]},
        "5": {"images": [folder.add("v_00001_.mp4", stack(frames), subfolder="video")], "animated": [True]},
        "4": {"text": ["a prompt"]}, "2": {"audio": [{"filename": "a.flac", "subfolder": "", "type": "output"}]},
    }
    clip = outputs.clip_of(said, list(said), folder)
    assert np.array_equal(frames_of(clip), frames)


NOTHING: list[Any] = [
    {}, {"1": {}}, {"1": None}, {"1": []}, {"1": {"images": None}}, {"1": {"images": [None, 3, "x", {}]}},
    {"1": {"images": [{"filename": 5}]}}, {"1": {"audio": [{"filename": "a.flac"}]}}, {"1": {"images": "a.png"}},
    {"1": {"images": [{"filename": "model.safetensors", "type": "output"}]}},
    {"7": {"images": [{"filename": "a.png"}]}},
]


@pytest.mark.parametrize("said", NOTHING)
def test_without_a_picture_there_is_no_clip(said: Any) -> None:
    with pytest.raises(ApiProblem, match="no picture or video"):
        outputs.clip_of(said, ["1"], Folder())


@pytest.mark.parametrize(("name", "data"), [
    ("a.png", b""), ("a.png", b"no picture"), ("a.webp", file(pictures(3), "WEBP")[:200]),
    ("a.mp4", b""), ("a.mp4", b"\0\0"), ("a.mp4", stack(pictures(2))[:-9]), ("a.mp4", b"\0\0\0\4abcd")])
def test_a_broken_file_is_told(name: str, data: bytes) -> None:
    folder = Folder()
    entry = folder.add(name, data)
    with pytest.raises(ApiProblem, match=f"{name} is no picture or video"):
        outputs.clip_of({"1": {"images": [entry]}}, ["1"], folder)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.sampled_from(("images", "gifs", "filename", "type", "1", "x")), inner,
                                         max_size=4), max_leaves=12))
@settings(max_examples=200, deadline=None)
def test_no_answer_raises_anything_else(said: Any) -> None:
    try:
        outputs.clip_of(said if isinstance(said, dict) else {"1": said}, ["1"], lambda file: b"")
    except ApiProblem as problem:
        assert problem.kind == "shape"


def of_the_node() -> ModuleType:
    """The node's module as a file of its own: its package begins to work when it is imported."""
    place = Path(trial_node.__file__).parent / "autotune_trial" / "video.py"
    spec = importlib.util.spec_from_file_location("video_of_the_node", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("codec", [("mp4", "libx264"), ("webm", "libvpx-vp9"), ("mov", "mpeg4")])
def test_the_node_unpacks_a_video(tmp_path: Path, codec: tuple[str, str]) -> None:
    av: Any = pytest.importorskip("av")
    video = of_the_node()
    path, frames = tmp_path / f"v.{codec[0]}", pictures(6, 64, 48) // 4 + 90
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec[1], rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for one in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(one, format="rgb24")))
        container.mux(stream.encode())
    folder = Folder()
    entry = folder.add(path.name, video.pictures(path))
    found = frames_of(outputs.clip_of({"1": {"images": [entry]}}, ["1"], folder))
    with av.open(str(path)) as container:  # the judge: the frames as PyAV itself unpacks them
        direct = np.stack([one.to_ndarray(format="rgb24") for one in container.decode(video=0)])
    assert np.array_equal(found, direct) and found.shape == frames.shape
    with pytest.raises((OSError, ValueError)):
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(b"no video at all")
        video.pictures(bad)


@pytest.mark.parametrize(("subfolder", "filename", "inside"), [
    ("", "a.mp4", True), ("x/y", "a.mp4", True), ("", "../a.mp4", False), ("..", "a.mp4", False), ("", "", False),
    ("", "/etc/passwd", False), ("x/../..", "a.mp4", False)])
def test_the_node_gives_nothing_from_outside_of_the_trials_folders(
    tmp_path: Path, subfolder: str, filename: str, inside: bool
) -> None:
    video = of_the_node()
    if inside:
        assert video.place_of(str(tmp_path), subfolder, filename) == (tmp_path / subfolder / filename).resolve()
        return
    with pytest.raises(ValueError, match=r"no such folder|is not in the subpath"):
        video.place_of(str(tmp_path), subfolder, filename)
