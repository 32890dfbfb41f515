"""One look at a whole ComfyUI: what it shows, what it asks for, and what its fingerprint is made of."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.config.staleness_rules import RULES
from autotune.machine import torch_probe
from autotune.model import codec
from autotune.model.errors import NothingToWorkOn
from autotune.model.machine import Fingerprint, Machine
from autotune.webui.comfyui import fingerprint, hosts, machine, models, watched_folders
from autotune.webui.comfyui.fingerprint import from_files, narrowed, shared_parts
from tests.nvml_fake import Fake
from tests.webui.comfyui import installs
from tests.webui.conformance import tree
from tests.webui.installs import repository, write

WORDS = ("--preview-method", "auto", "--use-pytorch-cross-attention", "--port", "8190")


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Python of this machine stands in for one that an install lacks."""
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hosts, "_in_container", lambda: False)


def look(root: Path, words: tuple[str, ...] = WORDS) -> Machine:
    return machine.inspect(root, None, words)


def test_a_look_shows_everything_and_changes_nothing(tmp_path: Path, fake: Fake) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI")
    installs.checkpoint(root / "models/checkpoints/xl.safetensors", "sdxl")
    before = tree(tmp_path)
    seen = look(root)
    assert tree(tmp_path) == before
    assert [gpu.name for gpu in seen.gpus] == ["NVIDIA GeForce RTX 3090"] * 2
    assert (seen.webui.flavour, seen.webui.version, seen.webui.root) == ("comfyui", installs.VERSION, root)
    assert seen.webui.tuned_flags == ("--use-pytorch-cross-attention",)
    assert seen.webui.kept_flags == ("--preview-method", "auto", "--port", "8190")
    assert seen.animatediff is not None and seen.animatediff.version == "1.5.7" and seen.settings == ()
    assert [path.name for path in seen.models] == ["sd15.safetensors"]
    assert seen.fingerprint == from_files(root, WORDS)
    json.dumps(codec.dump(seen))


@pytest.mark.parametrize("name", sorted(installs.HOSTS))
def test_cheap_and_full_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made = installs.HOSTS[name](tmp_path)
    for key, value in made.environ.items():
        monkeypatch.setenv(key, value)
    seen = machine.inspect(made.root, None, WORDS)
    assert from_files(made.root, WORDS) == seen.fingerprint
    assert dict(seen.fingerprint.parts)["torch"] == installs.PACKAGES["torch"]
    folders = watched_folders.folders_of(made.root, None, WORDS)
    assert made.root in folders and len(folders) == len(set(folders))
    assert seen.animatediff is not None and seen.animatediff.root in folders
    flags = made.root.parent / "of another program" / "settings.json"
    assert flags.parent in watched_folders.folders_of(made.root, flags, WORDS)


LACKS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "nodes": (lambda root: (root / "custom_nodes" / installs.NODES).rename(root / "custom_nodes/x.disabled"),
              "the nodes of AnimateDiff-Evolved are not installed", "custom_nodes"),
    "module": (lambda root: (root / "models/animatediff_models/mm_sd15_v3.safetensors").unlink(),
               "finds no motion module", "models/animatediff_models"),
    "checkpoint": (lambda root: (root / "models/checkpoints/sd15.safetensors").unlink(), "no checkpoint in",
                   "models/checkpoints"),
    "sd15": (lambda root: installs.checkpoint(root / "models/checkpoints/sd15.safetensors", "sdxl"),
             "none of the checkpoints", "Stable Diffusion 1.5"),
}


@pytest.mark.parametrize("name", sorted(LACKS))
def test_what_a_clip_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    harm, said, hint = LACKS[name]
    root = installs.comfyui(tmp_path / "ComfyUI")
    harm(root)
    seen = look(root)
    torchless = pytest.raises(NothingToWorkOn, match="torch cannot be imported")
    with torchless:
        machine.require_clips(seen)  # the interpreter of such an install has none
    monkeypatch.setattr(torch_probe, "ask", _with_torch)
    with pytest.raises(NothingToWorkOn, match=said) as fault:
        machine.require_clips(look(root))
    assert hint in fault.value.hint.replace("\\", "/")


def test_a_whole_one_renders_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_probe, "ask", _with_torch)
    seen = look(installs.comfyui(tmp_path / "ComfyUI"))
    machine.require_clips(seen)
    assert models.preferred_module(seen, 16) == "mm_sd15_v3.safetensors"


def _with_torch(python: Path, limit: float, packages: tuple[str, ...]) -> tuple[object, list[str]]:
    from autotune.model.machine import Runtime

    assert "sageattention" in packages and python.is_file() and limit > 0
    return Runtime("3.12.10", "2.7.0", "12.8", "90701", None, packages={"sageattention": "2.2.0"}), []


def test_no_interpreter_names_the_places(tmp_path: Path) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI", environment=None)
    with pytest.raises(NothingToWorkOn, match="no Python is found") as fault:
        look(root)
    assert str(root / "venv") in fault.value.message and str(tmp_path / "venv") in fault.value.message


def test_a_file_that_stops_comfyui_is_a_warning(tmp_path: Path) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI")
    write(root / "extra_model_paths.yaml", "# all is commented out\n")
    assert any("extra_model_paths.yaml stops ComfyUI's start" in one for one in look(root).warnings)


SITE = "venv/Lib/site-packages" if sys.platform == "win32" else "venv/lib/python3.12/site-packages"
NODE = f"custom_nodes/{installs.NODES}"
CHANGES: dict[str, Callable[[Path], object]] = {
    "webui_version": lambda root: write(root / "comfyui_version.py", '__version__ = "0.27.0"\n'),
    "webui_commit": repository,
    "animatediff": lambda root: installs.animatediff(root / NODE, "1.6.0"),
    "extensions": lambda root: installs.custom_node(root / "custom_nodes/KJNodes"),
    "python": lambda root: write(root / "venv/pyvenv.cfg", "version = 3.12.11\n"),
    "torch": lambda root: (root / SITE / "torch-2.7.0+cu128.dist-info").rename(root / SITE / "torch-2.8.dist-info"),
    "xformers": lambda root: (root / SITE / "xformers-0.0.30.dist-info").mkdir(),
    "sageattention": lambda root: (root / SITE / "sageattention-2.2.0.dist-info").mkdir(),
    "flash_attn": lambda root: (root / SITE / "flash_attn-2.8.dist-info").mkdir(),
    "checkpoint": lambda root: installs.checkpoint(root / "models/checkpoints/a.safetensors"),
    "motion_module": lambda root: installs.motion_module(root / "models/animatediff_models/mm_v14.safetensors", 24),
}


@pytest.mark.parametrize("part", sorted(CHANGES))
def test_each_part_changes_it(tmp_path: Path, part: str) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI")
    before = dict(from_files(root, WORDS).parts)
    CHANGES[part](root)
    after = dict(from_files(root, WORDS).parts)
    assert [name for name in before if before[name] != after[name]] == [part]


def test_every_part_has_a_rule() -> None:
    known = {name for name, _, _ in RULES}
    assert set(dict(_empty().parts)) <= known


def _empty() -> Fingerprint:
    return fingerprint.from_files(Path("/nothing there"), ())


def test_kept_flags_hold_no_secret_and_no_choice_of_a_card(tmp_path: Path) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI")
    one, other = (from_files(root, ("--cuda-device", n, "--listen", "0.0.0.0")) for n in "01")
    assert one != other and shared_parts(one) == shared_parts(other)
    assert dict(one.parts)["kept_flags"].startswith("--cuda-device 0")


def test_only_the_module_in_use_counts(tmp_path: Path) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI")
    before = dict(from_files(root, ()).parts)
    assert narrowed(before, 16)["motion_module"].startswith("mm_sd15_v3.safetensors ")
    installs.motion_module(root / "models/animatediff_models/mm_v14, the old 7.safetensors", 24)
    after = dict(from_files(root, ()).parts)
    assert before["motion_module"] != after["motion_module"] and narrowed(before, 16) == narrowed(after, 16)
    (root / "models/animatediff_models/mm_sd15_v3.safetensors").unlink()
    assert narrowed(dict(from_files(root, ()).parts), 16)["motion_module"].startswith("mm_v14, the old 7.safetensors ")
    assert set(narrowed(after, 32)) == set(after)
