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
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "AUTOTUNE_LANG", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        environ.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "autotune", *words, "--webui", str(made.root), "--state-dir", str(state / "state")],
        env=environ, cwd=state, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False,
        timeout=120)
    return done.returncode, done.stdout + done.stderr


VERBS: dict[tuple[str, ...], tuple[int, ...]] = {
    ("probe",): (0, 3), ("doctor",): (0, 3), ("status",): (0,), ("history",): (0,), ("explain",): (0,),
    ("tune", "--yes"): (0, 3), ("apply", "--flags", "--use-split-cross-attention", "--dry-run"): (0, 3, 5),
    ("apply", "--yes"): (3, 5), ("verify", "--no-start"): (0, 3, 5, 7), ("rollback", "--yes"): (3,), ("report",): (3,),
    ("card",): (3,), ("export",): (3,), ("replay",): (3,), ("profiles", "check", "comfyui-default"): (0,),
    ("profiles", "show", "comfyui-default"): (0,), ("daemon", "--once"): (0,), ("service", "status"): (0,),
    ("service", "install", "--timer"): (0,), ("extension", "show"): (0,), ("extension", "status"): (3,),
    ("extension", "install"): (3,), ("extension", "uninstall"): (3,), ("shortcut", "."): (0,),
}
"""Each command, and the exit codes that it may have on a ComfyUI that was never tuned and cannot be started."""
ON_LINUX = {"service", "shortcut"}
"""Commands that write into the system's own places, which are the home's on Linux alone."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "language"), [
    ("", "en"), ("stability-matrix", "ja"), ("comfy-cli", "en"), ("desktop 2", "ja")])
def test_no_word_of_another_web_ui_is_said(tmp_path: Path, name: str, language: str) -> None:
    made = installs.HOSTS[name](tmp_path / "install")
    for words, codes in VERBS.items():
        if words[0] in ON_LINUX and not sys.platform.startswith("linux"):
            continue
        code, text = said(made, tmp_path, *words, "--lang", language)
        told = text.replace("\n", "").replace(str(tmp_path), "")
        assert code in codes and "Traceback" not in told, (words, code, text)
        assert not OTHERS.search(told), f"{words}: {OTHERS.search(told)}\n{text}"
        if words[0] in ("probe", "doctor"):
            assert str(made.root) in text.replace("\n", "")


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
