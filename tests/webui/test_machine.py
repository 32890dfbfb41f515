"""One look at a whole install."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from autotune.model import codec
from autotune.model.errors import NothingToWorkOn
from autotune.webui.a1111.fingerprint import from_files
from autotune.webui.a1111.flags import space
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.a1111.machine import inspect, require_animatediff
from tests import reference
from tests.nvml_fake import Fake
from tests.webui.installs import python_of, webui, write


def hashes(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file's time and content."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(root.rglob("*")) if path.is_file()
    }


def test_a_look_shows_everything_and_changes_nothing(tmp_path: Path, fake: Fake) -> None:
    root = webui(tmp_path, {"cross_attention_optimization": "Doggettx", "live_previews_enable": False})
    before = hashes(root)
    machine = inspect(root, None, ("--api", "--opt-sdp-attention", "--made-up", "--no-half-vae"))
    assert hashes(root) == before
    assert [gpu.name for gpu in machine.gpus] == ["NVIDIA GeForce RTX 3090"] * 2
    assert (machine.webui.flavour, machine.webui.version) == ("a1111", "1.10.1")
    assert machine.webui.tuned_flags == ("--opt-sdp-attention", "--no-half-vae")
    assert machine.webui.kept_flags == ("--api", "--made-up")
    assert machine.webui.launch_file == root / ("webui-user.bat" if sys.platform == "win32" else "webui-user.sh")
    assert machine.webui.manageable and not machine.webui.running
    assert machine.settings == (("cross_attention_optimization", "Doggettx"), ("live_previews_enable", False))
    assert machine.animatediff and machine.animatediff.version == "2.0.1-a"
    assert [path.name for path in machine.models] == ["model.safetensors"]
    assert machine.warnings == ()
    json.dumps(codec.dump(machine))
    assert len(space.build(machine).candidates) > 10


def test_the_launch_file_may_be_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    root = webui(tmp_path)
    mine = write(root / "my-start.sh", "venv_dir=-\n")
    assert inspect(root, mine, ()).webui.launch_file == mine


def test_no_interpreter(tmp_path: Path) -> None:
    root = webui(tmp_path)
    python_of(root / "venv").unlink()
    with pytest.raises(NothingToWorkOn) as fault:
        inspect(root, None, ())
    assert fault.value.code == 3 and "venv" in fault.value.hint


def test_no_extension_still_shows_the_rest(tmp_path: Path) -> None:
    machine = inspect(webui(tmp_path, animatediff=False), None, ())
    assert machine.animatediff is None and machine.models
    with pytest.raises(NothingToWorkOn, match="AnimateDiff"):
        require_animatediff(machine)


def test_no_motion_module(tmp_path: Path) -> None:
    root = webui(tmp_path)
    (root / "extensions/sd-webui-animatediff/model/mm_sd15_v3.safetensors").unlink()
    with pytest.raises(NothingToWorkOn, match="motion module"):
        require_animatediff(inspect(root, None, ()))


def test_no_torch_still_shows_the_rest(tmp_path: Path) -> None:
    machine = inspect(webui(tmp_path), None, ())
    assert machine.runtime.python and machine.runtime.torch is None


def test_an_unknown_version_and_a_broken_config_are_warnings(tmp_path: Path) -> None:
    root = webui(tmp_path)
    write(root / "CHANGELOG.md", "## 1.3.2\n")
    write(root / "config.json", "{")
    warnings = "\n".join(inspect(root, None, ()).warnings)
    assert "1.3.2" in warnings and "config.json" in warnings


def test_the_installs_own_parser_has_the_last_word(tmp_path: Path) -> None:
    root = webui(tmp_path)
    catalogue = load("a1111", "1.10.1")
    names = [name for name in catalogue.flags if name not in ("--opt-channelslast", "--ldsr-models-path")]
    lines = [f"parser.add_argument({name!r}, action='store_true')" for name in [*names, "--brand-new"]]
    write(root / "modules/cmd_args.py", "import argparse\nparser = argparse.ArgumentParser()\n" + "\n".join(lines))
    machine = inspect(root, None, ("--brand-new", "--xformers"))
    assert machine.webui.lacks == ("--opt-channelslast",)
    assert machine.webui.kept_flags == ("--brand-new",)
    assert any("--brand-new" in line for line in machine.warnings)
    made = space.build(machine)
    assert not any("--opt-channelslast" in candidate.flags.words for candidate in made.candidates)
    for odd in ("", "def (", "parser = make_parser()\n"):
        write(root / "modules/cmd_args.py", odd)
        assert inspect(root, None, ()).webui.lacks == ()


@pytest.mark.slow
def test_an_install_of_the_reference_web_ui(tmp_path: Path) -> None:
    root = reference.copy(tmp_path / "reference")
    before = hashes(root)
    machine = inspect(root, None, ("--api", "--opt-split-attention-v1"))
    assert hashes(root) == before
    assert (machine.webui.flavour, machine.webui.version) == ("reference", "1.10.1")
    assert machine.webui.python == root / "venv/bin/python" or sys.platform == "win32"
    assert machine.runtime.torch and machine.runtime.device == "cpu"
    require_animatediff(machine)
    assert machine.animatediff and machine.animatediff.version == "2.0.1-a"
    assert from_files(root, machine.webui.flags) == machine.fingerprint
    assert dict(machine.fingerprint.parts)["torch"].split("+")[0] == machine.runtime.torch.split("+")[0]
    made = space.build(machine)
    assert made[made.baseline].effective.attention == "v1"
    assert len(made.candidates) >= 24
