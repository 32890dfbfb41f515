"""Flags in the files of the programs that start ComfyUI, through the command line: written, proven, undone."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import reference
from tests.e2e import asked_once
from tests.e2e.verbs.conftest import Bench
from tests.e2e.verbs.test_faults import error
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the files are where Linux has them")

WORDS = ("--use-pytorch-cross-attention", "--force-channels-last")
ON_CUDA = ("--use-sage-attention", "--fast", "fp16_accumulation")


@dataclass
class Started:
    """An install, the file that its flags are in, that file's words, and the program that would write over it."""

    bench: Bench
    file: Path
    words: Callable[[], list[str]]
    program: str | None = None


def stability_matrix(folder: Path) -> tuple[Path, Path, str]:
    root, file = folder / "Data/Packages/ComfyUI", folder / "Data/settings.json"
    options = [{"Name": "--cpu", "Type": "Bool", "OptionValue": True},
               {"Name": "--use-split-cross-attention", "Type": "Bool", "OptionValue": True}]
    return root, file, json.dumps({"InstalledPackages": [
        {"Id": "1", "PackageName": "ComfyUI", "LibraryPath": "Packages\\ComfyUI", "LaunchArgs": options}]}, indent=2)


def comfy_cli(folder: Path) -> tuple[Path, Path, str]:
    root = folder / "home/comfy/ComfyUI"
    return root, folder / "home/.config/comfy-cli/config.ini", (
        f"[DEFAULT]\n# mine\ndefault_workspace = {root}\ndefault_launch_extras = --cpu\nenable_tracking = False\n")


def desktop_1(folder: Path) -> tuple[Path, Path, str]:
    root, base = folder / "app/resources/ComfyUI", folder / "Documents/ComfyUI"
    root.parent.mkdir(parents=True)
    (root.parent / "app.asar").write_bytes(b"")
    config = folder / "home/.config/ComfyUI/config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"basePath": str(base)}))
    return root, base / "user/default/comfy.settings.json", json.dumps(
        {"Comfy.ColorPalette": "dark", "Comfy.Server.LaunchArgs": {"cpu": ""}}, indent=4)


def desktop_2(folder: Path) -> tuple[Path, Path, str]:
    root = folder / "ComfyUI-Installs/ComfyUI/ComfyUI"
    return root, folder / "home/.local/share/comfyui-desktop-2/installations.json", json.dumps([
        {"id": "cloud", "installPath": "", "sourceId": "cloud"},
        {"id": "i", "name": "é", "installPath": str(root.parent), "sourceId": "standalone", "launchArgs": "--cpu"}],
        indent=2, ensure_ascii=False)


def of_matrix(text: str) -> list[str]:
    options = json.loads(text)["InstalledPackages"][0]["LaunchArgs"]
    return " ".join(one["OptionValue"] if one["Name"] == "" else one["Name"] for one in options
                    if one["OptionValue"]).split()


def of_config(text: str) -> list[str]:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser["DEFAULT"]["default_launch_extras"].split(" ")


def of_settings(text: str) -> list[str]:
    args = json.loads(text)["Comfy.Server.LaunchArgs"]
    return [word for key, value in args.items() for word in (f"--{key}", value) if word]


def of_list(text: str) -> list[str]:
    return str(json.loads(text)[1]["launchArgs"]).split()


HOSTS: dict[str, tuple[Callable[[Path], tuple[Path, Path, str]], Callable[[str], list[str]], str | None]] = {
    "stability-matrix": (stability_matrix, of_matrix, "StabilityMatrix"), "comfy-cli": (comfy_cli, of_config, None),
    "desktop 1": (desktop_1, of_settings, "ComfyUI"), "desktop 2": (desktop_2, of_list, "comfyui-desktop-2")}


@pytest.fixture(params=HOSTS)
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Started]:
    """The reference ComfyUI as each of the programs starts it. The file is a link, as dotfiles are kept."""
    make, words, program = HOSTS[request.param]
    root, file, text = make(tmp_path)
    reference.copy(root, "comfyui")
    kept = tmp_path / "dotfiles" / file.name
    for folder in (file.parent, kept.parent):
        folder.mkdir(parents=True, exist_ok=True)
    kept.write_text(text, encoding="utf-8")
    kept.chmod(0o640)
    file.symlink_to(kept)
    if request.param == "desktop 1":
        base = file.parents[2]
        (base / ".venv").symlink_to(root / "venv")
        for name in ("models", "custom_nodes", "input", "output"):
            shutil.move(root / name, base / name) if (root / name).exists() else (base / name).mkdir()
    env = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "home/.config"),
           "XDG_DATA_HOME": str(tmp_path / "home/.local/share")}
    bench = Bench(root, tmp_path / "state", tmp_path, env, asked_once.program())
    yield Started(bench, file, lambda: words(kept.read_text(encoding="utf-8")), program)
    assert wait_for(lambda: not bench.leftovers(), 20), bench.leftovers()


def state(file: Path) -> tuple[bytes, int, bool]:
    return file.read_bytes(), file.stat().st_mode & 0o777, file.is_symlink()


def test_written_proven_and_undone(started: Started) -> None:
    bench, before = started.bench, state(started.file)
    found = bench.json("status")
    assert found["file"] == str(started.file) and "--cpu" in found["flags_now"]
    done = bench.json("apply", "--flags", " ".join(WORDS), "--yes")
    assert done["verified"] is True and done["file"] == str(started.file)
    assert sorted(started.words()) == sorted(("--cpu", *WORDS))
    assert state(started.file)[1:] == before[1:]
    assert bench.json("verify")["ok"]
    assert set(WORDS) < set(bench.json("status")["flags_now"])
    bench.json("rollback")
    assert state(started.file) == before


def test_a_set_of_several_values_waits_until_no_program_would_write_over_it(started: Started) -> None:
    before = state(started.file)
    words = ("apply", "--flags", " ".join(ON_CUDA), "--yes", "--no-start")
    if started.program is not None:
        refused_while_it_runs(started, started.program, words)
    assert state(started.file) == before
    started.bench.json(*words)
    assert " ".join(ON_CUDA[1:]) in " ".join(started.words())
    done: dict[str, Any] = started.bench.json("rollback", "--launch-file", str(started.file))
    assert done["file"] == str(started.file.resolve()) and state(started.file) == before


def test_a_file_that_its_program_wrote_anew_gets_its_flags_back(started: Started) -> None:
    bench, words = started.bench, started.words()
    bench.json("apply", "--flags", " ".join(WORDS), "--yes", "--no-start")
    text = started.file.read_text(encoding="utf-8")
    if started.file.suffix == ".ini":
        started.file.write_text(text.replace("# mine\n", "recent_workspace = /x\n"), encoding="utf-8")
    else:
        started.file.write_text(json.dumps(json.loads(text), indent=1), encoding="utf-8")
    done = bench.json("rollback")
    assert sorted(started.words()) == sorted(words) and "written anew since" in " ".join(done["notes"])
    assert "recent_workspace = /x" in started.file.read_text() or started.file.suffix == ".json"


def refused_while_it_runs(started: Started, name: str, words: tuple[str, ...]) -> None:
    """A program of this name runs: exit 6, and the message names it."""
    program = started.bench.folder / name
    shutil.copy("/bin/sleep", program)
    running = subprocess.Popen([program, "600"])
    try:
        assert f"runs (pid {running.pid}) and would write over its settings" in error(started.bench, 6, *words)
    finally:
        running.kill()
        running.wait()
