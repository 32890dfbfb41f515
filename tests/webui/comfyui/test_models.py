"""Which files are checkpoints and motion modules that clips can be rendered with, told from their heads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.machine.weights import damage
from autotune.webui import motion_modules
from autotune.webui.comfyui import custom_nodes, models
from autotune.webui.comfyui.install import identify
from tests.webui.comfyui import installs
from tests.webui.installs import write


@pytest.mark.parametrize("family", sorted(installs.CHECKPOINTS))
def test_only_a_whole_sd15_is_one(tmp_path: Path, family: str) -> None:
    path = installs.checkpoint(tmp_path / "a.safetensors", family)
    assert damage(path) is None
    assert models.is_sd15(path) is (family == "sd15")


def test_what_no_head_tells_is_not_known(tmp_path: Path) -> None:
    assert models.is_sd15(write(tmp_path / "a.ckpt", "\x80\x02")) is None
    assert models.is_sd15(write(tmp_path / "b.safetensors", "broken")) is None
    whole = installs.checkpoint(tmp_path / "c.safetensors")
    with whole.open("r+b") as file:
        file.truncate(100)
    assert models.is_sd15(whole) is None
    assert models.is_sd15(tmp_path / "gone.safetensors") is None


@pytest.mark.parametrize(("names", "used"), [
    ([("b", "sd15"), ("a", "sdxl"), ("c", "sd15")], "b.safetensors"),
    ([("z", "sd15"), ("a", "sd15 for inpainting")], "z.safetensors"),
    ([("sub/a", "sd15"), ("z", "sd15")], os.path.join("sub", "a.safetensors")),  # noqa: PTH118 - its list has these
    ([("a", "sdxl"), ("b", "flux")], None),
    ([("a", "ckpt"), ("b", "sd15")], "b.safetensors"),
    ([("b", "ckpt"), ("a", "sdxl")], "b.ckpt"),
    ([], None),
])
def test_the_checkpoint_is_the_first_that_is_certain(
    tmp_path: Path, names: list[tuple[str, str]], used: str | None
) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI", models=False)
    for name, family in names:
        place = root / "models/checkpoints" / name
        if family == "ckpt":
            write(place.with_suffix(".ckpt"), "\x80\x02")
        else:
            installs.checkpoint(place.with_suffix(".safetensors"), family)
    assert models.preferred_checkpoint(root, ()) == used


def test_a_name_that_two_folders_have_is_the_first_ones(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder / "same.safetensors")
        write(tmp_path / folder / f"{folder}.sft")
        write(tmp_path / folder / "notes.txt")
        write(tmp_path / folder / ".git/x.safetensors")
    found = models.listed([tmp_path / "one", tmp_path / "two", tmp_path / "gone"])
    assert found == [("one.sft", tmp_path / "one/one.sft"), ("same.safetensors", tmp_path / "one/same.safetensors"),
                     ("two.sft", tmp_path / "two/two.sft")]


@pytest.mark.parametrize(("made", "frames"), [
    ({"frames": 24}, 24),
    ({"frames": 32}, 32),
    ({"frames": 32, "middle": True}, 32),
    ({"frames": 16, "levels": 3}, None),  # for SDXL
    ({"frames": 32, "more": ("conv_in.weight", "conv_in.bias")}, None),  # PIA needs a picture
    ({"frames": 32, "more": ("img_encoder.x",)}, None),
    ({"frames": 32, "more": ("a.processor.to_q_lora.up.weight",)}, None),
])
def test_a_motion_module_tells_its_longest_clip(tmp_path: Path, made: dict[str, object], frames: int | None) -> None:
    path = installs.motion_module(tmp_path / "mm_v1.safetensors", **made)  # type: ignore[arg-type]
    assert models.frames_of(path) == frames


def test_other_files_beside_motion_modules(tmp_path: Path) -> None:
    lcm = {f"down_blocks.{level}.motion_modules.0.temporal_transformer.norm.weight": (8,) for level in range(4)}
    assert models.frames_of(installs.safetensors(tmp_path / "lcm.safetensors", lcm)) == 64
    assert models.frames_of(installs.checkpoint(tmp_path / "sd15.safetensors")) is None
    for name, frames in {"mm_sd_v14.ckpt": 24, "mm_sd_v15.ckpt": 24, "mm_sd_v15_v2.ckpt": 32, "v3_sd15_mm.ckpt": 32,
                         "temporaldiff-v1-animatediff.ckpt": 24, "mm-Stabilized_mid.pth": 32, "AnimateLCM.ckpt": 64,
                         "v3_sd15_adapter.ckpt": None, "v3_sd15_sparsectrl_rgb.ckpt": None,
                         "mm_sdxl_v10_beta.ckpt": None}.items():
        assert models.frames_of(write(tmp_path / name, "\x80\x02")) == frames


@given(st.dictionaries(st.sampled_from(["mm_v3.st", "mm_v15_v2.st", "mm_v14.st", "x/own.st", "lcm.st"]),
                       st.sampled_from([16, 24, 32, 64]), min_size=1), st.integers(1, 64))
def test_a_module_that_takes_so_many_frames_is_preferred(frames: dict[str, int], context: int) -> None:
    used = motion_modules.preferred_module(frames, context)
    assert used in frames
    assert frames[used or ""] >= context or max(frames.values()) < context


def test_disabled_nodes_do_not_count(tmp_path: Path) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI", nodes=False)
    place = root / "custom_nodes"
    installs.animatediff(place / f"{installs.NODES}.disabled")
    installs.animatediff(place / ".disabled" / installs.NODES)
    installs.custom_node(place / "other")
    write(place / "single.py")
    write(place / "example_node.py.example")
    write(place / "__pycache__/x.py")
    write(place / "no nodes/readme.md")
    assert [path.name for path in custom_nodes.nodes(identify(root))] == ["other", "single.py"]
    assert custom_nodes.animatediff(identify(root)) is None
    installs.animatediff(place / "なまえ")
    found = custom_nodes.animatediff(identify(root))
    assert found is not None and found.root == place / "なまえ" and found.version == "1.5.7"
    installs.animatediff(place / installs.NODES.lower())
    again = custom_nodes.animatediff(identify(root))
    assert again is not None and again.root.name == installs.NODES.lower()
    off = ("--disable-all-custom-nodes",)
    assert custom_nodes.nodes(identify(root, off)) == ()
    listed = (*off, "--whitelist-custom-nodes", "other", "なまえ")
    assert [path.name for path in custom_nodes.nodes(identify(root, listed))] == ["other", "なまえ"]


def test_modules_lie_in_three_places(tmp_path: Path) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI")
    installs.motion_module(root / "custom_nodes" / installs.NODES / "models/mm_v15_v2.safetensors", middle=True)
    installs.motion_module(tmp_path / "more/mm_v14.safetensors", 24)
    write(root / "extra_model_paths.yaml", f"a:\n  animatediff_models: {(tmp_path / 'more').as_posix()}\n")
    found = custom_nodes.animatediff(identify(root))
    assert found is not None
    assert [one.name for one in found.motion_modules] == [
        "mm_sd15_v3.safetensors", "mm_v14.safetensors", "mm_v15_v2.safetensors"]
