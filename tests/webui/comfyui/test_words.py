"""What the commands say of a ComfyUI: nothing of another web UI's files and flags, in any language."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.webui.comfyui import installs

OTHERS = re.compile(r"webui-user|COMMANDLINE_ARGS|launch\.py|sd-webui|Stable-diffusion|config\.json|python_cmd|"
                    r"--medvram|--no-half|--xformers|--api\b|--opt-|\bextension\b|拡張機能", re.IGNORECASE)
"""Names of AUTOMATIC1111's files, settings and flags."""


def said(made: installs.Made, state: Path, *words: str) -> tuple[int, str]:
    """(exit code, all that a command prints), the install being looked at on a machine of its own."""
    environ = {**os.environ, "HOME": str(state), "USERPROFILE": str(state), **made.environ, "COLUMNS": "200"}
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "AUTOTUNE_LANG"):
        environ.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "autotune", *words, "--webui", str(made.root), "--state-dir", str(state / "state")],
        env=environ, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("name", "language"), [
    ("", "en"), ("stability-matrix", "ja"), ("comfy-cli", "en"), ("desktop 2", "ja")])
def test_no_word_of_another_web_ui_is_said(tmp_path: Path, name: str, language: str) -> None:
    made = installs.HOSTS[name](tmp_path / "install")
    for command in ("probe", "doctor", "status"):
        code, text = said(made, tmp_path, command, "--lang", language)
        assert code in (0, 3) and (command == "status" or str(made.root) in text.replace("\n", ""))
        told = text.replace(str(tmp_path), "")
        assert not OTHERS.search(told), f"{command}: {OTHERS.search(told)}\n{told}"
    for more in (("tune", "--yes"), ("apply", "--flags", "--use-split-cross-attention", "--dry-run")):
        code, text = said(made, tmp_path, *more, "--lang", language)
        assert code in (0, 3, 5) and not OTHERS.search(text.replace(str(tmp_path), "")), text


@pytest.mark.slow
def test_a_clone_is_no_fault_of_its_owners(tmp_path: Path) -> None:
    """It has no launch file of its own: that is said as a note, with the place of its flags."""
    made = installs.clone(tmp_path)
    code, text = said(made, tmp_path, "doctor", "--json")
    (row,) = (one for one in json.loads(text[text.index("{"):])["checks"] if one["name"] == "launch file")
    assert code == 3 and row["ok"] and "main.py" in row["hint"]  # 3: its interpreter has no torch


@pytest.mark.slow
@pytest.mark.parametrize(("environ", "place"), [
    ({}, "behind main.py in the shell script"), ({"CLI_ARGS": "--cpu"}, "CLI_ARGS"),
    ({"COMFY_CMDLINE_EXTRA": "--cpu"}, "COMFY_CMDLINE_EXTRA"), ({"COMFYUI_FLAGS": "--cpu"}, "COMFYUI_FLAGS"),
])
def test_what_to_paste_is_printed_where_no_file_is_edited(
    tmp_path: Path, environ: Mapping[str, str], place: str
) -> None:
    made = replace(installs.clone(tmp_path), environ=environ)
    code, text = said(made, tmp_path, "apply", "--yes", "--flags", "--use-split-cross-attention")
    assert code == 5 and place in text and "Paste there" in text and "--use-split-cross-attention" in text
