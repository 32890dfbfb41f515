"""Small parts: context windows, text, faults, options, GIFs, bodies, names of files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from tests.engine.recorded import OPTIONS, PARAMETERS

pytest.importorskip("starlette", reason="the reference web UI needs the engine extra")

from starlette.exceptions import HTTPException

from autotune.engine import clip, faults, output, request_checks, sampling, text
from autotune.engine.options import DEFAULTS, Options, fits


@given(frames=st.integers(1, 80), context=st.integers(1, 32), overlap=st.integers(0, 31), stride=st.integers(1, 3))
def test_windows_cover_every_frame(frames: int, context: int, overlap: int, stride: int) -> None:
    found = sampling.windows(frames, context, stride, min(overlap, context - 1))
    assert {f for window in found for f in window} == set(range(frames))
    assert all(len(window) == min(context, frames) for window in found)


SCHEDULE = [  # first and last frame of each window, as sd-webui-animatediff a88e889 gives them
    ((24, 16, 1, 4, 0, "R-P"), [0, 12], [15, 3]),
    ((24, 16, 1, 4, 1, "R-P"), [12, 0], [3, 15]),
    ((24, 16, 1, 4, 3, "R-P"), [18, 6], [9, 21]),
    ((24, 16, 2, 4, 1, "R-P"), [12, 0, 13], [3, 15, 19]),
    ((20, 16, 1, 4, 2, "R-P"), [5, 17], [0, 12]),
    ((28, 16, 1, 4, 0, "R-P"), [0, 12], [15, 27]),
    ((28, 16, 1, 4, 0, "A"), [0, 12, 24], [15, 27, 11]),
    ((40, 16, 1, 4, 2, "R-P"), [10, 22, 34], [25, 37, 9]),
    ((33, 8, 1, 2, 3, "R-P"), [25, 31, 4, 10, 16, 22], [32, 5, 11, 17, 23, 29]),
]


@pytest.mark.parametrize(("asked", "first", "last"), SCHEDULE)
def test_windows_are_those_of_the_extension(asked: tuple[int, int, int, int, int, str], first: list[int],
                                            last: list[int]) -> None:
    found = sampling.windows(*asked)
    assert [window[0] for window in found] == first and [window[-1] for window in found] == last


def test_chunks_of_text() -> None:
    assert text.chunks("") == 1
    assert text.chunks("word " * 75) == 1
    assert text.chunks("word " * 76) == 2
    assert text.tokens("Extraordinary, cat") == ["extraor", "dinary", ",", "cat"]


def test_faults_of_flags_and_of_one_attention_class() -> None:
    found = faults.Faults(faults.parse("unknown_flag@--medvram, spill:2@sdp, slow", ["--medvram"]))
    assert found.unknown_flags() == ("--medvram",)
    assert found.concerns("spill", "sdp") and not found.concerns("spill", "v1") and found.concerns("slow", "v1")
    assert faults.Faults(faults.parse("unknown_flag@--medvram", ["--api"])).unknown_flags() == ()
    assert faults.Faults(faults.parse("spill@--medvram", ["--medvram"])).concerns("spill", "sdp")


def test_faults_are_read_and_aimed() -> None:
    found = faults.Faults(faults.parse("oom:2, nan:*@sdp, black@--opt-channelslast, start_slow:1.5, dead_context:3",
                                       ["--opt-channelslast"]))
    assert found.of_job(1, "invokeai") == {"black"}
    assert found.of_job(2, "sdp") == {"black", "oom", "nan"}
    assert found.of_job(9, "v1") == {"black", "dead_context"}
    assert found.amount("start_slow", 0) == 1.5
    assert faults.parse("black@--opt-channelslast", ["--api"]) == ()
    for wrong in ("boom", "oom:soon", "oom;nan"):
        with pytest.raises(faults.BadFaults):
            faults.parse(wrong, [])


def test_options_have_a1111s_keys() -> None:
    assert list(json.loads(DEFAULTS.read_text(encoding="utf-8"))) == OPTIONS


def test_options_set_save_and_refuse(tmp_path: Path) -> None:
    options = Options(tmp_path / "config.json")
    called: list[str] = []
    options.callbacks["sd_vae"] = lambda: called.append("sd_vae")
    assert options.set("sd_vae", "None") and not options.set("sd_vae", "None")
    assert called == ["sd_vae"]
    with pytest.raises(KeyError, match="no_such_option"):
        options.set("no_such_option", 1)
    assert not options.set("no_such_option", None)  # as in A1111: equal to what is held
    options.save()
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["sd_vae"] == "None"
    assert Options(tmp_path / "config.json").get("sd_vae") == "None"


def test_failing_callbacks_give_the_old_value_back(tmp_path: Path) -> None:
    options = Options(tmp_path / "config.json")

    def fail() -> None:
        raise RuntimeError("no")

    options.callbacks["sd_vae"] = fail
    assert not options.set("sd_vae", "None")
    assert options.get("sd_vae") == "Automatic"


def test_frozen_options_stay(tmp_path: Path) -> None:
    assert not Options(tmp_path / "c.json", frozen=None).set("sd_vae", "None")
    some = Options(tmp_path / "c.json", frozen=("sd_vae",))
    assert not some.set("sd_vae", "None") and some.set("sd_unet", "None")


def test_overridden_settings_stay_when_config_json_lacks_them(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"sd_vae": "Automatic"}', encoding="utf-8")
    options = Options(tmp_path / "config.json")
    before = options.overridden({"sd_vae": "None", "sd_unet": "None"})
    assert options.get("sd_vae") == options.get("sd_unet") == "None"
    options.data.update(before)
    assert (options.get("sd_vae"), options.get("sd_unet")) == ("Automatic", "None")
    with pytest.raises(KeyError):
        options.overridden({"bogus": 1})


def test_wrong_types_break_the_answer(tmp_path: Path) -> None:
    options = Options(tmp_path / "config.json")
    options.set("batch_cond_uncond", "yes")
    with pytest.raises(TypeError, match="batch_cond_uncond"):
        options.everything()
    assert fits(1, 1.5) and not fits(True, 1) and not fits(1, True) and fits(None, "x")


@pytest.mark.parametrize("same", [False, True])
def test_gifs_keep_every_frame(same: bool) -> None:
    """Pillow's own writer would join frames that are alike."""
    shades = [40] * 5 if same else [40, 80, 120, 160, 200]
    data = output.gif([Image.new("RGB", (17, 9), (s, s, s)) for s in shades], 8, 0)
    picture = Image.open(io.BytesIO(data))
    assert isinstance(picture, GifImageFile)
    assert (picture.n_frames, picture.size, picture.info["loop"]) == (5, (17, 9), 0)
    for index, shade in enumerate(shades):
        picture.seek(index)
        assert picture.convert("RGB").getpixel((3, 3)) == (shade, shade, shade)
        assert picture.info["duration"] == 120  # 1/8 s in whole hundredths


def test_file_names_count_up(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        path = output.next_file(tmp_path / "deep", "7-id.gif")
        path.touch()
        names.append(path.name)
    assert names == ["00000-7-id.gif", "00001-7-id.gif", "00002-7-id.gif"]


def test_clip_arguments() -> None:
    found = clip.read([{"enable": True, "video_length": 5, "batch_size": 8, "format": "GIF"}])
    assert found is not None
    assert (found.frames, found.length, found.window_overlap, found.format) == (8, 5, 2, ("GIF",))
    assert clip.read([{"enable": True}]).frames == 16  # type: ignore[union-attr]
    assert clip.read([{"enable": False}]) is None and clip.read([]) is None
    with pytest.raises(clip.Unusable, match="unexpected keyword argument 'bogus'"):
        clip.read([{"enable": True, "bogus": 1}])


def test_bodies_are_checked() -> None:
    assert request_checks.txt2img({"steps": "3", "unknown": 1, "cfg_scale": 7}) == {"steps": 3, "cfg_scale": 7.0}
    refused_bodies: tuple[dict[str, Any], ...] = (
        {"steps": "many"}, {"width": None}, {"alwayson_scripts": 3}, {"save_images": "?"}, {"prompt": []},
    )
    for wrong in refused_bodies:
        with pytest.raises(request_checks.InvalidField):
            request_checks.txt2img(wrong)
    request_checks.scripts({"alwayson_scripts": {"AnimateDiff": {}}}, True)
    with pytest.raises(HTTPException) as refused:
        request_checks.scripts({"alwayson_scripts": {"AnimateDiff": {}}}, False)
    assert (refused.value.status_code, refused.value.detail) == (422, "Script 'AnimateDiff' not found")


def test_the_request_has_a1111s_fields() -> None:
    from autotune.engine.jobs import LISTS

    assert sorted(LISTS["txt2img"]) == sorted(PARAMETERS)
