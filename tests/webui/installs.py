"""Small install folders with the files of a web UI, each made in a temporary place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from venv import EnvBuilder

import pytest

OURS = Path(__file__).resolve().parents[2]


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())  # the ends of lines as they are given, on every system
    return path


def webui(root: Path, config: dict[str, Any] | None = None, animatediff: bool = True) -> Path:
    """An A1111 1.10.1 with AnimateDiff, a motion module, a checkpoint, a venv; nothing in it runs."""
    write(root / "launch.py", "raise SystemExit('not to be started')\n")
    write(root / "modules/cmd_args.py")
    write(root / "CHANGELOG.md", "## 1.10.1\n\n### Bug Fixes:\n* fix\n\n## 1.10.0\n")
    write(root / "webui-user.sh", "#!/bin/bash\n#venv_dir=\"venv\"\n")
    write(root / "webui-user.bat", "@echo off\r\nset PYTHON=\r\nset VENV_DIR=\r\n")
    write(root / "models/Stable-diffusion/model.safetensors", "weights")
    write(root / "config.json", json.dumps(config or {}))
    venv(root / "venv")
    if animatediff:
        extension = root / "extensions/sd-webui-animatediff"
        write(extension / "scripts/animatediff.py")
        write(extension / "docs/CHANGELOG.md", "- [v1.13.1](x): a\n- [v2.0.1-a](x): b\n- [v1.9.4](x): c\n")
        write(extension / "model/mm_sd15_v3.safetensors", "motion")
    return root


def venv(folder: Path, packages: dict[str, str] | None = None, version: str = "3.10.11") -> Path:
    """A venv-shaped folder; its interpreter is a script that runs ours, without packages, so that it is fast.

    On Windows, where a script is no program, it is a real venv, whose file says the version. ``packages``: name to
    version, of what its files say is installed.
    """
    home, site = "/usr/bin", folder / f"lib/python{version.rpartition('.')[0]}/site-packages"
    if sys.platform == "win32":
        EnvBuilder(with_pip=False).create(folder)
        home, site = sys.base_prefix, folder / "Lib/site-packages"
    write(folder / "pyvenv.cfg", f"home = {home}\ninclude-system-site-packages = false\nversion = {version}\n")
    site.mkdir(parents=True, exist_ok=True)
    for name, number in (packages or {"torch": "2.1.2+cu121"}).items():
        (site / f"{name}-{number}.dist-info").mkdir()
    if sys.platform == "win32":
        return python_of(folder)
    python = write(folder / "bin/python", f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    return python


def python_of(folder: Path) -> Path:
    """The interpreter of such a venv."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def git(folder: Path, *words: str) -> str:
    """Runs git in ``folder``; skips the test where there is none."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    who = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **who}
    done = subprocess.run(
        ["git", "-C", str(folder), *words], env={**os.environ, **plain}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def repository(folder: Path) -> str:
    """Makes ``folder`` a git repository with one commit; returns the commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "master")
    write(folder / "file", "x")
    git(folder, "add", "file")
    git(folder, "commit", "-q", "-m", "one")
    return git(folder, "rev-parse", "HEAD")
