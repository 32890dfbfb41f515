"""stdout is UTF-8 where it is JSON, on every code page, and text never ends in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.engine import cmd_args

pytestmark = pytest.mark.slow

NAMES = ("Müller", "アニメーション", "Приве́т", "动画 →", "한국어 é")
CODE_PAGES = ("ascii", "cp1252", "cp932", "cp850", "utf-8")


def webui(place: Path) -> Path:
    """As little of a web UI as is recognised, with a launch file."""
    (place / "modules").mkdir(parents=True)
    (place / "launch.py").write_text("", encoding="utf-8")
    (place / "modules" / "cmd_args.py").write_bytes(Path(cmd_args.__file__).read_bytes())
    for name, text in (("webui-user.sh", 'export COMMANDLINE_ARGS="--xformers"\n'),
                       ("webui-user.bat", "set COMMANDLINE_ARGS=--xformers\r\ncall webui.bat\r\n")):
        (place / name).write_bytes(text.encode())
    return place


def run(root: Path, encoding: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """The program with its output piped in that code page, as Windows pipes it in the ANSI one."""
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    where = ("--webui", str(root), "--state-dir", str(root.parent / "state"))
    command = [sys.executable, "-m", "autotune", *where, *words]
    return subprocess.run(command, env=env, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=120)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_json_is_utf8_and_text_degrades(tmp_path: Path, name: str, encoding: str) -> None:
    root = webui(tmp_path / name)
    told = run(root, encoding, "status", "--json")
    assert json.loads(told.stdout.decode("utf-8"))["root"] == str(root)
    text = run(root, encoding, "status")
    assert (told.returncode, text.returncode) == (0, 0)
    assert b"Traceback" not in told.stderr + text.stderr
    assert text.stdout.decode(encoding)
    gone = run(tmp_path / f"{name} gone", encoding, "status")
    assert gone.returncode == 3
    assert b"Traceback" not in gone.stderr
