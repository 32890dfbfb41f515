"""Each kind of web UI answers as the door says, told from its files; the pretend one, too."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from autotune.webui import recognise
from autotune.webui.a1111.webui import WEBUI as A1111
from autotune.webui.comfyui.webui import WEBUI as COMFYUI
from autotune.webui.face import WebUI
from tests.webui import conformance
from tests.webui.comfyui import installs as comfyui_installs
from tests.webui.installs import webui, write
from tests.webui.pretend import flavour as pretend

FORGE = "modules_forge/forge_version.py"
KIN: dict[str, dict[str, str]] = {
    "a1111": {},
    "amdgpu": {"modules/zluda.py": ""},
    "reforge": {FORGE: "version = '1.3.5-v1.10.1RC'", "ldm_patched/x.py": ""},
    "forge": {FORGE: "version = '0.0.17v1.8.0rc'", "ldm_patched/x.py": ""},
}
FLAGS = "--api --medvram-sdxl --opt-split-attention"


def of_a1111(more: dict[str, str], root: Path) -> Path:
    webui(root)
    for name, text in more.items():
        write(root / name, text)
    # A parser that takes the flags that this kind is known to have.
    lines = [f"parser.add_argument({flag.name!r}, " + ("action='store_true')" if flag.takes == "0" else "type=str)")
             for flag in A1111.catalogue(root).flags.values() if flag.kind != "alias"]
    head = ["import argparse", "parser = argparse.ArgumentParser()"]
    write(root / "modules/cmd_args.py", "\n".join([*head, *lines, ""]))
    write(root / "webui-user.sh", f'#!/bin/bash\nexport COMMANDLINE_ARGS="{FLAGS}"\n')
    write(root / "webui-user.bat", f"@echo off\r\nset COMMANDLINE_ARGS={FLAGS}\r\ncall webui.bat\r\n")
    return root


def of_pretend(root: Path) -> Path:
    root.mkdir(parents=True)
    shutil.copyfile(Path(pretend.__file__).with_name("server.py"), root / "pretend.py")
    write(root / "pretend.ini", "; mine\nflags = --name 'my own' --engine dull\ncolour = blue\n")
    return root


def of_comfyui(root: Path) -> Path:
    """A package of Stability Matrix, whose settings.json gives a flag of its owner's and one that is tuned."""
    given = [{"Name": "--preview-size", "Type": "Int", "OptionValue": 256},
             {"Name": "--use-split-cross-attention", "Type": "Bool", "OptionValue": True}]
    made = comfyui_installs.stability_matrix(root, given).root
    write(made / "comfy/cli_args.py", comfyui_installs.cli_args({**comfyui_installs.TAKES, "--preview-size": "1"}))
    return made


@pytest.fixture(autouse=True)
def with_pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pretend kind as an installed package would bring it."""
    monkeypatch.setattr(recognise, "_from_packages", lambda: recognise.registered((pretend.WEBUI,)))


MADE: dict[str, tuple[WebUI, Callable[[Path], Path]]] = {
    **{name: (A1111, partial(of_a1111, more)) for name, more in KIN.items()},
    "comfyui": (COMFYUI, of_comfyui),
    "pretend": (pretend.WEBUI, of_pretend),
}


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_kind_of_web_ui_answers_as_the_door_says(tmp_path: Path, name: str) -> None:
    kind, make = MADE[name]
    (tmp_path / "empty").mkdir()
    root = make(tmp_path / "install")
    conformance.check_files(kind, root, tmp_path / "empty")
    assert conformance.machine_of(kind, root).webui.flavour == name


@pytest.mark.parametrize("wrong", ["holds everything", "forgets a word", "one name for all", "writes into the install"])
def test_a_kind_that_does_not_is_found_out(tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite can fail: a kind with one wrong answer does not pass it."""
    (tmp_path / "empty").mkdir()
    root, kind = of_pretend(tmp_path / "install"), pretend.WEBUI
    lies = {
        "holds everything": ("holds", lambda folder: True),
        "forgets a word": ("process_for", lambda candidate, space, cold: ((), {})),
        "one name for all": ("name_of", lambda effective: "engine=dull"),
        "writes into the install": ("checks", lambda machine, file: iter([(root / "left.txt").write_text("x")][:0])),
    }
    name, answer = lies[wrong]
    monkeypatch.setattr(kind, name, answer)
    with pytest.raises(AssertionError):
        conformance.check_files(kind, root, tmp_path / "empty")
