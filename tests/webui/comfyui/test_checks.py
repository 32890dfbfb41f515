"""What doctor says of a ComfyUI's own files and flags: each harm gets a row that names it and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.model.machine import Runtime
from autotune.webui import find
from autotune.webui.comfyui import checks, hosts, machine
from autotune.webui.face import Check
from tests.webui.comfyui import installs
from tests.webui.installs import write

CUDA = Runtime("3.12.10", "2.7.0", "12.8", "90701", None, ("math",), "cuda", "8.6")
MODELS, MODULES, NODE = "models/checkpoints", "models/animatediff_models", f"custom_nodes/{installs.NODES}"


@pytest.fixture(autouse=True)
def nobodys_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hosts, "_in_container", lambda: False)


def doctor(root: Path, words: tuple[str, ...] = (), runtime: Runtime = CUDA) -> list[Check]:
    return list(checks.of_install(replace(machine.inspect(root, None, words), runtime=runtime), None))


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 9)


def test_a_whole_install_has_nothing_to_mend(tmp_path: Path) -> None:
    found = doctor(installs.comfyui(tmp_path / "ComfyUI"))
    assert all(one.ok and not one.hint for one in found), found
    assert {one.name for one in found} == {
        "checkpoint", "motion module", "AnimateDiff-Evolved", "flags in effect", "NaN check"}


SD15, MM, EXTRA = f"{MODELS}/sd15.safetensors", f"{MODULES}/mm_sd15_v3.safetensors", "extra_model_paths.yaml"
LATER = '[project]\nversion = "2"\n[tool.comfy]\nrequires-comfyui = ">=0.40.0"\n'
HARMS: dict[str, tuple[Callable[[Path], object], str, bool, str]] = {
    "no checkpoint": (lambda at: (at / SD15).unlink(), "checkpoint", False, "no checkpoint in"),
    "another family": (lambda at: installs.checkpoint(at / SD15, "flux"), "checkpoint", False,
                       "whole Stable Diffusion 1.5: sd15.safetensors"),
    "a broken download of it": (lambda at: cut(at / SD15), "checkpoint", False, "broke off"),
    "a broken download of another": (
        lambda at: cut(installs.checkpoint(at / MODELS / "z.safetensors")), "checkpoint", True, "z.safetensors"),
    "a broken module": (lambda at: cut(at / MM), "motion module", False, "broke off"),
    "nothing behind a link": (
        lambda at: (at / MODELS / "x.safetensors").symlink_to(at / "gone"), "linked models", False, "leads nowhere"),
    "old nodes": (lambda at: (at / NODE / checks.GEN_2).unlink(), "AnimateDiff-Evolved", False, "(Gen2)"),
    "nodes for a later one": (
        lambda at: write(at / NODE / "pyproject.toml", LATER), "AnimateDiff-Evolved", True, "0.40.0"),
    "an empty list of folders": (lambda at: write(at / EXTRA, "#\n"), "model folders", False, "stops ComfyUI's start"),
    "a folder of nodes that is gone": (
        lambda at: write(at / EXTRA, "a:\n  custom_nodes: gone\n"), "model folders", False, "there is no folder"),
    "a folder of models that is gone": (
        lambda at: write(at / EXTRA, "a:\n  checkpoints: gone\n"), "model folders", True, "is named for models"),
}


@pytest.mark.parametrize("name", sorted(HARMS))
def test_each_harm_is_told(tmp_path: Path, name: str) -> None:
    harm, check, ok, said = HARMS[name]
    root = installs.comfyui(tmp_path / "ComfyUI")
    harm(root)
    (found,) = (one for one in doctor(root) if one.name == check and (not one.ok or one.hint))
    assert found.ok is ok and said in found.detail and found.hint


@pytest.mark.parametrize(("words", "said"), [
    (("--use-sage-attention",), "sageattention cannot be imported"),
    (("--use-flash-attention",), "flash_attn cannot be imported"),
])
def test_a_flag_whose_package_is_missing_stops_a_start(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI")
    (found,) = (one for one in doctor(root, words) if not one.ok)
    assert said in found.detail and found.prevents == ("startup", "bad_flag")
    there = replace(CUDA, packages={"sageattention": "2.2.0", "flash_attn": "2.8"})
    assert all(one.ok for one in doctor(root, words, there))


@pytest.mark.parametrize(("words", "idle"), [
    (("--async-offload", "--cpu"), ["--async-offload"]),
    (("--cuda-malloc", "--force-channels-last"), ["--cuda-malloc"]),
    (("--fast", "autotune", "--highvram"), []),
])
def test_flags_that_do_nothing_are_named(tmp_path: Path, words: tuple[str, ...], idle: list[str]) -> None:
    row = next(one for one in doctor(installs.comfyui(tmp_path / "ComfyUI"), words) if one.name == "flags in effect")
    assert row.ok and [word for word in words if f"{word} does nothing" in row.detail] == idle


def test_folders_of_flags_must_exist(tmp_path: Path) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI")
    (found,) = (one for one in doctor(root, ("--user-directory", str(tmp_path / "gone"))) if not one.ok)
    assert str(tmp_path / "gone") in found.detail


@pytest.mark.parametrize(("name", "named"), [
    ("portable", "ComfyUI_windows_portable"), ("portable", "ComfyUI_windows_portable/python_embeded"),
    ("portable", ""), ("portable", "ComfyUI_windows_portable/ComfyUI/custom_nodes"),
    ("desktop 2", "ComfyUI-Installs/ComfyUI"), ("", ""),
])
def test_the_folder_that_is_meant_is_named(tmp_path: Path, name: str, named: str) -> None:
    from autotune.model.errors import NothingToWorkOn

    made = installs.HOSTS[name](tmp_path)
    assert find.check_folder(made.root) == made.root
    with pytest.raises(NothingToWorkOn) as fault:
        find.check_folder(tmp_path / named)
    assert str(made.root) in fault.value.hint or named.endswith("python_embeded")
    assert "main.py" in fault.value.message


def test_the_folder_of_comfy_desktop_leads_to_its_comfyui(tmp_path: Path) -> None:
    """Its owner knows the folder with the models; main.py lies among the app's resources."""
    made = installs.desktop_1(tmp_path, "win32")
    local = tmp_path / "Programs/ComfyUI/resources/ComfyUI"
    assert made.root == local and list(hosts.meant(made.base, made.environ, "win32"))[2:3] == [local]
    adopted = installs.desktop_2(tmp_path / "two", adopted=True)
    assert adopted.root in hosts.meant(adopted.base, adopted.environ, "linux")
