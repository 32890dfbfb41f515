"""Settings, checkpoints, AnimateDiff and motion modules as the files give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autotune.webui.a1111 import data_folder
from autotune.webui.a1111.install import Install, inspect, settings_files
from tests.webui.installs import git, repository, webui, write


def look(root: Path, *words: str) -> Install:
    return inspect(root, words)


def test_animatediff(tmp_path: Path) -> None:
    found = data_folder.animatediff(look(webui(tmp_path)), {})
    assert found is not None
    assert found.version == "2.0.1-a" and found.commit is None
    assert [module.name for module in found.motion_modules] == ["mm_sd15_v3.safetensors"]
    assert found.motion_modules[0].size == len("motion")


def test_a_tag_is_surer_than_the_documents(tmp_path: Path) -> None:
    extension = webui(tmp_path) / "extensions/sd-webui-animatediff"
    here = repository(extension)
    git(extension, "tag", "v2.0.2-a")
    found = data_folder.animatediff(look(tmp_path), {})
    assert found and (found.version, found.commit) == ("v2.0.2-a", here)


def test_a_stated_version(tmp_path: Path) -> None:
    write(webui(tmp_path) / "extensions/sd-webui-animatediff/scripts/animatediff_version.py", 'version = "2.0.0-a"\n')
    found = data_folder.animatediff(look(tmp_path), {})
    assert found and found.version == "2.0.0-a"


@pytest.mark.parametrize(
    "options",
    [
        {"disabled_extensions": ["sd-webui-animatediff"]},
        {"disable_all_extensions": "all"},
        {"disable_all_extensions": "extra"},
    ],
)
def test_disabled_is_missing(tmp_path: Path, options: dict[str, Any]) -> None:
    assert data_folder.animatediff(look(webui(tmp_path)), options) is None


@pytest.mark.parametrize(("options", "words", "there"), [
    ({}, (), True),
    ({"disabled_extensions": ["sd-webui-animatediff"]}, (), True),
    ({"disabled_extensions": ["sd-webui-autotune"]}, (), False),
    ({"disable_all_extensions": "extra"}, (), False),
    ({}, ("--disable-extra-extensions",), False),
])
def test_switches_that_are_loaded(tmp_path: Path, options: dict[str, Any], words: tuple[str, ...], there: bool) -> None:
    root = webui(tmp_path)
    assert not data_folder.has_switches(look(root), options, words), "nobody installed them"
    write(root / "extensions/sd-webui-autotune/scripts/autotune_tab.py", "")
    assert not data_folder.has_switches(look(root), options, words), "the tab alone"
    write(root / "extensions/sd-webui-autotune/scripts/autotune_switches.py", "")
    assert data_folder.has_switches(look(root), options, words) == there


def test_absent(tmp_path: Path) -> None:
    root = webui(tmp_path, animatediff=False)
    assert data_folder.animatediff(look(root), {}) is None
    (root / "extensions/sd-webui-animatediff").mkdir(parents=True)  # an empty folder is not the extension
    assert data_folder.animatediff(look(root), {}) is None


def test_a_renamed_folder_is_found(tmp_path: Path) -> None:
    root = webui(tmp_path)
    (root / "extensions/sd-webui-animatediff").rename(root / "extensions/my-AnimateDiff")
    assert data_folder.animatediff(look(root), {}) is not None


def test_motion_modules_where_the_option_says(tmp_path: Path) -> None:
    root = webui(tmp_path / "w")
    write(tmp_path / "motion/sub/mm_sd_v15_v2.ckpt", "xx")
    write(tmp_path / "motion/readme.txt")
    found = data_folder.animatediff(look(root), {"animatediff_model_path": str(tmp_path / "motion")})
    assert found and [module.name for module in found.motion_modules] == ["sub/mm_sd_v15_v2.ckpt"]


def test_data_dir_moves_everything(tmp_path: Path) -> None:
    root = webui(tmp_path / "program", animatediff=False)
    data = webui(tmp_path / "data", {"batch_cond_uncond": False})
    found = look(root, "--data-dir", str(data))
    words = ("--data-dir", str(data))
    assert data_folder.animatediff(found, {}) is not None
    assert settings_files(root, words)[0] == data / "config.json"
    assert data_folder.checkpoints(found, words) == (data / "models/Stable-diffusion/model.safetensors",)


def test_checkpoints_elsewhere(tmp_path: Path) -> None:
    root = webui(tmp_path / "w")
    one = write(tmp_path / "more/other.ckpt")
    two = write(tmp_path / "single.safetensors")
    found = look(root)
    words = ("--ckpt-dir", str(tmp_path / "more"), f"--ckpt={two}")
    assert data_folder.checkpoints(found, words)[1:] == (one, two)
    assert settings_files(root, ("--ui-settings-file", "mine.json"))[0] == root / "mine.json"


def test_settings_that_bear_on_tuning_and_differ() -> None:
    options = {
        "cross_attention_optimization": "Doggettx",
        "batch_cond_uncond": True,
        "token_merging_ratio": 0.5,
        "sd_model_checkpoint": "a.safetensors [1234]",
        "quicksettings_list": ["x"],
        "fp8_storage": "Disable",
        "pad_cond_uncond": ["nonsense"],
    }
    assert data_folder.relevant_settings(options) == (
        ("cross_attention_optimization", "Doggettx"),
        ("sd_model_checkpoint", "a.safetensors [1234]"),
        ("token_merging_ratio", 0.5),
    )


@pytest.mark.parametrize("text", ["{", "", "\x00", '{"a": 1'])
def test_a_broken_config_is_a_warning(tmp_path: Path, text: str) -> None:
    warnings: list[str] = []
    path = write(tmp_path / "config.json", text)
    assert data_folder.read_options(path, warnings) == {}
    assert len(warnings) == 1 and str(path) in warnings[0]


def test_a_missing_config_is_not(tmp_path: Path) -> None:
    warnings: list[str] = []
    assert data_folder.read_options(tmp_path / "config.json", warnings) == {} and warnings == []
    assert data_folder.read_options(write(tmp_path / "c.json", "[1]"), warnings) == {}


def test_extensions(tmp_path: Path) -> None:
    root = webui(tmp_path)
    here = repository(root / "extensions/other")
    assert data_folder.extensions(look(root)) == (("other", here), ("sd-webui-animatediff", ""))
