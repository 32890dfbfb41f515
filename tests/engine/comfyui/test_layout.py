"""What `create` lays out: a folder that is taken for a ComfyUI with AnimateDiff-Evolved, and nothing of another's."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.engine.create import create, update
from autotune.engine.install_files import MARKER, CannotCreate
from autotune.webui.comfyui.install import identify, is_comfyui
from tests.engine.comfyui.running import CHECKPOINT, MOTION, interpreter


def test_it_is_taken_for_a_comfyui(comfyui: Path) -> None:
    found = identify(comfyui)
    assert is_comfyui(comfyui)
    assert (found.kind, found.version, found.base) == ("reference-comfyui", "0.26.0", comfyui)
    assert str(found.python) == interpreter(comfyui)
    assert [path.name for path in (comfyui / "models" / "checkpoints").iterdir()] == [CHECKPOINT]
    assert [path.name for path in (comfyui / "models" / "animatediff_models").iterdir()] == [MOTION]


def test_equal_seeds_give_equal_files(comfyui: Path, tmp_path: Path) -> None:
    other = create(tmp_path / "other", "tiny", "cpu", flavour="comfyui")
    for name in (f"models/checkpoints/{CHECKPOINT}", f"models/animatediff_models/{MOTION}", "comfy/cli_args.py"):
        assert (other / name).read_bytes() == (comfyui / name).read_bytes()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print()", encoding="utf-8")
    with pytest.raises(CannotCreate, match="no reference web UI"):
        create(tmp_path, flavour="comfyui", force=True)
    assert (tmp_path / "main.py").read_text(encoding="utf-8") == "print()"


def test_one_flavour_replaces_the_other_by_force(tmp_path: Path) -> None:
    root = create(tmp_path / "one", "tiny", "cpu")
    create(root, "tiny", "cpu", force=True, flavour="comfyui")
    assert is_comfyui(root)
    assert not (root / "webui.py").exists()


def test_another_release(tmp_path: Path) -> None:
    root = create(tmp_path / "one", "tiny", "cpu", flavour="comfyui")
    update(root, "0.27.1", {"quad": 2.0})
    assert identify(root).version == "0.27.1"
    assert json.loads((root / MARKER).read_text(encoding="utf-8"))["slower_kernels"] == {"quad": 2.0}
    assert 'version = "0.27.1"' in (root / "pyproject.toml").read_text(encoding="utf-8")


def test_the_command_line(tmp_path: Path) -> None:
    root = tmp_path / "by command"
    words = [sys.executable, "-m", "autotune.engine", "create", str(root), "--device", "cpu", "--flavour", "comfyui"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stdout.strip() == str(root)
    assert is_comfyui(root)


def test_its_parser_stands_alone(comfyui: Path) -> None:
    """autotune reads it as text, and a web UI's own Python runs it."""
    names = runpy.run_path(str(comfyui / "comfy" / "cli_args.py"))
    assert names["finished"](names["parser"].parse_args(["--cache-lru", "3"])).cache_lru == 3
