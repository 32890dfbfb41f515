"""What doctor says of an install's own files: each harm gets a row that names it and what to do."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.engine.clip import Unusable, motion_file
from autotune.model.errors import NothingToWorkOn
from autotune.model.machine import Machine, Runtime
from autotune.webui.a1111 import data_folder
from autotune.webui.a1111 import machine as probe
from autotune.webui.a1111.checks import chosen_checkpoint, of_install
from autotune.webui.a1111.flags.attention import BY_NAME
from autotune.webui.a1111.flags.effective import effective, given
from autotune.webui.a1111.flags.in_effect import flag_states, idle_flags, mismatches
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.a1111.install import inspect
from autotune.webui.a1111.webui import WEBUI
from autotune.webui.face import Check
from autotune.webui.motion_modules import preferred_module
from tests.flags.machines import CPU, CUDA, MPS, OLD_TORCH, RTX50, XFORMERS
from tests.webui.installs import webui, write

WHOLE = b"\x02" + bytes(7) + b"{}"
MODELS, MODULES = "models/Stable-diffusion", "extensions/sd-webui-animatediff/model"


def install(folder: Path, config: object = None) -> Path:
    root = webui(folder)
    (root / MODELS / "model.safetensors").write_bytes(WHOLE)
    (root / MODULES / "mm_sd15_v3.safetensors").write_bytes(WHOLE)
    if config is not None:
        (root / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return root


def look(root: Path, *words: str, runtime: Runtime | None = None) -> Machine:
    seen = probe.inspect(root, None, words)
    return seen if runtime is None else replace(seen, runtime=runtime)


def rows(root: Path, *words: str, runtime: Runtime | None = None) -> dict[str, Check]:
    found = look(root, *words, runtime=runtime)
    return {one.name: one for one in of_install(found, found.webui.launch_file)}


def test_an_ordinary_install_has_nothing_to_mend(tmp_path: Path) -> None:
    found = rows(install(tmp_path, {"sd_model_checkpoint": "model.safetensors [6ce0161689]"}), "--api", runtime=CUDA)
    assert all(one.ok and not one.hint for one in found.values()), found


def zipped(size: int) -> bytes:
    """A torch checkpoint's archive, cut after ``size`` bytes."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/data/0", os.urandom(200_000))
    return whole.getvalue()[:size]


def put(where: str, data: bytes) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        for path in (root / where).iterdir():
            path.unlink()
        name = "a.ckpt" if where == MODELS else "mm_sd_v15_v2.ckpt"
        (root / where / name).write_bytes(data)

    return act


def config(text: str) -> Callable[[Path], object]:
    return lambda root: write(root / "config.json", text)


def dangling(where: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        (root / where).joinpath("gone.safetensors").symlink_to(root / "drive" / "gone.safetensors")

    return act


HARMS: dict[str, tuple[Callable[[Path], object], str, str, bool]] = {
    "checkpoint cut": (put(MODELS, zipped(120_000)), "checkpoint", "broke off", False),
    "checkpoint whole": (put(MODELS, zipped(900_000)), "checkpoint", "a.ckpt", True),
    "checkpoint empty": (put(MODELS, b""), "checkpoint", "0 bytes", False),
    "checkpoint a page": (put(MODELS, b"<!DOCTYPE html><html>"), "checkpoint", "web page", False),
    "checkpoint a pointer": (put(MODELS, b"version https://git-lfs.github.com/spec/v1"), "checkpoint", "LFS", False),
    "module cut": (put(MODULES, zipped(120_000)), "motion module", "broke off", False),
    "module a page": (put(MODULES, b"<html></html>"), "motion module", "web page", False),
    "config a list": (config("[]"), "saved settings", "no JSON object", False),
    "config a word": (config('"x"'), "saved settings", "no JSON object", False),
    "config broken": (config('{"a": 1'), "saved settings", "cannot be read", False),
    "config with a mark": (config("\ufeff{}"), "saved settings", "byte order mark", False),
    "config empty": (config(""), "saved settings", "cannot be read", False),
    "chosen one deleted": (config('{"sd_model_checkpoint": "sd15/gone.safetensors [6ce0161689]"}'), "checkpoint",
                           "gone.safetensors", False),
    "a link that leads nowhere": (dangling(MODELS), "linked models", "leads nowhere", False),
    "a module's link that leads nowhere": (dangling(MODULES), "linked models", "leads nowhere", False),
    "option overrides": (config('{"cross_attention_optimization": "V1 - original v1"}'), "attention setting",
                         "overrides", True),
}


@pytest.mark.parametrize("name", HARMS)
@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_each_harm_has_its_row(tmp_path: Path, name: str) -> None:
    harm, row, says, ok = HARMS[name]
    root = install(tmp_path)
    harm(root)
    found = rows(root)[row]
    assert (found.ok, says in found.detail) == (ok, True), found
    assert found.ok or (found.hint and found.prevents)


@pytest.mark.parametrize(("said", "there"), [
    ("model.safetensors [6ce0161689]", True), ("sub/model.safetensors", True), ("sub\\model.safetensors [x]", True),
    ("model", True), ("MODEL.safetensors", True), ("6ce0161689", True), ("other.safetensors", False), ("", True),
    (None, True), ("other [6ce0161689]", False), ("my.model.v2.ckpt", False),
])
def test_the_checkpoint_that_the_settings_choose(said: str | None, there: bool) -> None:
    assert (chosen_checkpoint(said, (Path("/m/sub/model.safetensors"),)) is not None) == there


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_linked_folders_are_followed_and_circles_left(tmp_path: Path) -> None:
    root = install(tmp_path / "ui")
    disk = tmp_path / "disk"
    write(disk / "sd15/a.safetensors").write_bytes(WHOLE)
    (root / MODELS / "linked").symlink_to(disk)
    (disk / "round").symlink_to(root / MODELS)
    (disk / "self").symlink_to(disk / "self")
    found = [path.relative_to(root / MODELS).as_posix() for path in data_folder.checkpoints(inspect(root), ())]
    assert found == ["linked/sd15/a.safetensors", "model.safetensors"]
    row = rows(root)["linked models"]
    assert not row.ok and "back to itself" in row.detail and "folder above" in row.detail
    (disk / "self").unlink()
    assert rows(root)["linked models"].ok
    (disk / "round").unlink()
    row = rows(root)["linked models"]
    assert row.ok and not row.hint and str(disk) in row.detail


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_whole_model_folder_behind_a_link(tmp_path: Path) -> None:
    root = install(tmp_path / "ui")
    (root / MODELS).rename(tmp_path / "disk")
    (root / MODELS).symlink_to(tmp_path / "disk")
    assert [path.name for path in data_folder.checkpoints(inspect(root), ())] == ["model.safetensors"]
    assert rows(root)["linked models"].ok
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    found = rows(root)
    assert not found["linked models"].ok and not found["checkpoint"].ok
    assert "leads nowhere" in found["linked models"].detail


def test_a_module_in_a_subfolder_is_named_with_it(tmp_path: Path) -> None:
    root = install(tmp_path)
    (root / MODULES / "v2").mkdir()
    (root / MODULES / "mm_sd15_v3.safetensors").rename(root / MODULES / "v2" / "mm_sd15_v2.safetensors")
    assert WEBUI.motion_module(look(root), 16) == "v2/mm_sd15_v2.safetensors"
    row = rows(root)["motion module"]
    assert row.ok and "v2/mm_sd15_v2.safetensors" in row.detail and "subfolder" in row.hint
    assert preferred_module(["v3/mm_sd_v14.ckpt", "old/mm_sd15_v3.safetensors"], 16) == "old/mm_sd15_v3.safetensors"


def test_the_reference_web_ui_loads_it_by_that_name_alone_and_none_from_outside(tmp_path: Path) -> None:
    extension = install(tmp_path) / "extensions/sd-webui-animatediff"
    (extension / "model/v2").mkdir()
    deep = extension / "model/v2/mm_sd15_v2.safetensors"
    deep.write_bytes(WHOLE)
    assert motion_file(extension, "v2/mm_sd15_v2.safetensors") == deep.resolve()
    for name in ("mm_sd15_v2.safetensors", "../scripts/animatediff.py", "v2", ""):
        with pytest.raises(Unusable):
            motion_file(extension, name)


@pytest.mark.parametrize(("option", "made", "says", "hint"), [
    ("/content/drive/AnimateDiff", None, "points to /content/drive/AnimateDiff, which does not exist", "mm_sd15_v3"),
    ("motion", "motion", "points to motion, which holds no motion module", "mm_sd15_v3"),
    pytest.param(
        "motion ", "motion", 'points to "motion " (the name ends in a blank), which does not exist',
        "take the blank out", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows takes it away")),
    (" motion", None, "begins with a blank", "mm_sd15_v3"),
    ("config.json", None, "which is no folder", "mm_sd15_v3"),
])
def test_the_option_that_names_the_motion_modules_folder(
    tmp_path: Path, option: str, made: str | None, says: str, hint: str
) -> None:
    root = install(tmp_path, {"animatediff_model_path": option})
    if made:
        (root / made).mkdir()
    with pytest.raises(NothingToWorkOn) as caught:
        probe.require_animatediff(probe.inspect(root, None, ()))
    assert says in caught.value.message and "animatediff_model_path" in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.code == 3


IDLE: list[tuple[str, dict[str, Any], Runtime, dict[str, str]]] = [
    ("--xformers", {}, CUDA, {"--xformers": "cannot be imported"}),
    ("--xformers", {}, RTX50, {"--xformers": "compute capability"}),
    ("--xformers", {}, CPU, {"--xformers": "cannot be imported"}),
    ("--xformers --opt-sdp-attention", {}, XFORMERS, {"--opt-sdp-attention": "xformers is used instead"}),
    ("--opt-sdp-attention --opt-sdp-no-mem-attention", {}, CUDA, {"--opt-sdp-attention": "sdp-no-mem"}),
    ("--opt-sdp-attention", {"cross_attention_optimization": "Doggettx"}, CUDA, {"--opt-sdp-attention": "overrides"}),
    ("--opt-sdp-attention", {}, OLD_TORCH, {"--opt-sdp-attention": "torch 2 or newer"}),
    ("--medvram", {}, CPU, {"--medvram": "CPU"}), ("--lowvram", {}, CPU, {"--lowvram": "CPU"}),
    ("--medvram --lowvram", {}, CUDA, {"--medvram": "--lowvram is used"}),
    ("--medvram --opt-sdp-attention", {}, CUDA, {}), ("--xformers", {}, XFORMERS, {}), ("--medvram", {}, MPS, {}),
    ("--opt-sub-quad-attention --sub-quad-q-chunk-size 512", {}, CUDA, {}),
    ("--sub-quad-q-chunk-size 512 --sub-quad-kv-chunk-size=4", {}, CUDA,
     {"--sub-quad-q-chunk-size": "sub-quadratic", "--sub-quad-kv-chunk-size": "sub-quadratic"}),
    ("--no-half --no-half-vae --upcast-sampling", {}, CUDA,
     {"--no-half-vae": "redundant", "--upcast-sampling": "redundant"}),
    ("--disable-opt-split-attention --opt-sdp-attention", {}, CUDA, {"--opt-sdp-attention": "None is used"}),
    ("--opt-channelslast --no-half-vae --api --port 7860 --precision autocast", {}, CUDA, {}),
]


@pytest.mark.parametrize(("words", "saved", "runtime", "idle"), IDLE)
def test_flags_that_do_nothing_here(words: str, saved: dict[str, Any], runtime: Runtime, idle: dict[str, str]) -> None:
    found = dict(idle_flags(words.split(), saved, runtime))
    assert found.keys() == idle.keys(), found
    for flag, says in idle.items():
        assert says in found[flag], found


@pytest.mark.parametrize(("words", "saved", "runtime", "idle"), IDLE)
def test_verify_would_say_the_same(words: str, saved: dict[str, Any], runtime: Runtime, idle: dict[str, str]) -> None:
    """What doctor foresees is what a running web UI's answers come to: no attention flag is told two ways."""
    catalogue = load("a1111")
    parsed = {name.lstrip("-").replace("-", "_"): value if value is not None else True
              for name, value in effective_flags(words).items()}
    expected = effective(words.split(), saved, runtime)
    logged = BY_NAME[expected.attention].logged
    for state in flag_states(words.split(), parsed, saved, logged, runtime, catalogue):
        if "attention" in state.flag or state.flag == "--xformers":
            assert state.in_effect is (state.flag not in idle), state
    assert mismatches(expected, parsed, saved, logged, runtime, catalogue) == []


def effective_flags(words: str) -> dict[str, str | None]:
    return given(words.split(), load("a1111"))


def test_dead_flags_and_the_debug_mode_are_noted(tmp_path: Path) -> None:
    found = rows(install(tmp_path), "--xformers", "--ui-debug-mode", runtime=CUDA)
    assert found["flags in effect"].ok and "--xformers does nothing here" in found["flags in effect"].detail
    assert found["flags in effect"].hint and "A1111#12029" in found["debug mode"].detail and found["debug mode"].hint
