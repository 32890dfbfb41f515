"""A clip by the API: what is answered, what is kept from before, and what the flags change."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from autotune.engine.create import create, update
from tests.engine.comfyui.running import Running, cached, graph, messages, seconds

pytestmark = pytest.mark.slow


def test_a_clip_is_an_animated_webp_of_as_many_frames(running: Running) -> None:
    entry = running.render(graph(seed=11, frames=3, size=64))
    file = entry["outputs"]["10"]["images"][0]
    assert entry["outputs"]["10"]["animated"] == [True]
    with Image.open(io.BytesIO(running.get("/view", params=file).content)) as picture:
        assert (picture.format, getattr(picture, "n_frames", 1), picture.size) == ("WEBP", 3, (64, 64))


def test_another_seed_computes_again_and_the_same_seed_does_not(running: Running) -> None:
    running.render(graph(seed=21))
    other, same = running.render(graph(seed=22)), running.render(graph(seed=22))
    assert not {"8", "9", "10"} & set(cached(other))
    assert {"1", "2", "3", "5", "6", "7"} <= set(cached(other))
    assert set(cached(same)) == set(graph())
    assert same["outputs"] == other["outputs"]


def test_what_is_kept_is_told_only_to_a_client_with_a_name(running: Running) -> None:
    running.render(graph(seed=31))
    assert running.render(graph(seed=31), client=None)["outputs"] == {}


def test_times_are_in_order_and_in_milliseconds(running: Running) -> None:
    told = messages(running.render(graph(seed=41)))
    begun, ended = (told[name]["timestamp"] for name in ("execution_start", "execution_success"))
    assert begun < ended
    assert 1.5e12 < begun < 1e13


@pytest.mark.parametrize("word", ["--use-split-cross-attention", "--use-pytorch-cross-attention"])
def test_kernels_differ_in_the_last_bits_only(running: Running, comfyui: Path, tmp_path: Path, word: str) -> None:
    plain = running.render(graph(seed=51))["outputs"]["10"]["images"][0]
    first = _frames(running.get("/view", params=plain).content)
    with Running(comfyui, tmp_path, [word, "--output-directory", str(tmp_path / "out")]) as other:
        other.ready()
        file = other.render(graph(seed=51))["outputs"]["10"]["images"][0]
        second = _frames(other.get("/view", params=file).content)
    apart = [abs(a - b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True)]
    assert max(apart) <= 8


def test_a_release_whose_kernel_is_slower(tmp_path: Path) -> None:
    root = create(tmp_path / "ComfyUI", "tiny", "cpu", flavour="comfyui")
    took = []
    for slower in ({}, {"quad": 6.0}):
        update(root, "0.27.0", slower)
        with Running(root, tmp_path) as one:
            one.ready().render(graph(seed=1))
            took.append(seconds(one.render(graph(seed=2, size=96, steps=3))))
    assert took[1] > 2 * took[0]


def test_a_base_folder_holds_models_nodes_and_results(comfyui: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    for name in ("models", "custom_nodes"):
        shutil.copytree(comfyui / name, base / name)
    with Running(comfyui, tmp_path, ["--base-directory", str(base)]) as one:
        file = one.ready().render(graph())["outputs"]["10"]["images"][0]["filename"]
        assert f"Setting base directory to: {base}" in one.log()
    assert (base / "output" / file).is_file()


def _frames(data: bytes) -> list[bytes]:
    with Image.open(io.BytesIO(data)) as picture:
        found = []
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            found.append(picture.convert("RGB").tobytes())
        return found
