"""The double-clickable starter: the shell that will run it is asked what it makes of it, for any folder name."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.cli import shortcut_file
from tests.cli.test_output import run, webui
from tests.system import under_wine

ROOT = Path(__file__).parents[2]
HOSTILE = ("plain", "with blank", "(x86) & more", "100% %PATH%", "it's \"quoted\"" if os.name == "posix" else "it's",
           "Müller アニメ", "back`tick $HOME", "caret^ bang!")


def answers(place: Path) -> list[str]:
    """A command that writes down the words it was given."""
    code = "import json, sys, pathlib; pathlib.Path(sys.argv[1]).write_text(json.dumps(sys.argv[2:]))"
    return [sys.executable, "-c", code, str(place)]


def desktop_exec(data: bytes) -> list[str]:
    """The argv of a desktop entry by its specification: the value unescaped, then quoting, then %%."""
    entry = configparser.ConfigParser(interpolation=None)
    entry.read_string(data.decode())
    value = entry["Desktop Entry"]["exec"].replace("\\\\", "\0").replace("\\s", " ").replace("\0", "\\")
    words: list[str] = []
    text, quoted, at = "", False, 0
    while at < len(value):
        char = value[at]
        if quoted and char == "\\" and value[at + 1] in '"`$\\':
            at += 1
            text += value[at]
        elif char == '"':
            quoted = not quoted
        elif char == " " and not quoted:
            words.append(text)
            text = ""
        else:
            text += char
        at += 1
    return [word.replace("%%", "%") for word in [*words, text]]


@pytest.mark.skipif(os.name != "posix", reason="bash and desktop entries")
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_a_shell_gets_the_words_back(tmp_path: Path, name: str, system: str) -> None:
    place = tmp_path / "given.json"
    data = shortcut_file.content([*answers(place), "--webui", name, "a b"], system)
    if system == "darwin":
        file = tmp_path / shortcut_file.name(system)
        file.write_bytes(data)
        command = ["bash", str(file)]
    else:
        command = desktop_exec(data)
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    assert json.loads(place.read_text()) == ["--webui", name, "a b"]


def encodable(text: str) -> bool:
    """Does the system's OEM code page have these letters?"""
    try:
        text.encode(shortcut_file.oem_encoding())
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "win32", reason="cmd.exe")
@pytest.mark.parametrize("name", HOSTILE)
def test_cmd_gets_the_words_back(tmp_path: Path, name: str) -> None:
    if under_wine() and not encodable(str(tmp_path) + name):
        pytest.skip("wine's cmd does not heed chcp 65001")
    folder = tmp_path / name.replace("`", "")
    folder.mkdir()
    place, file = tmp_path / "given.json", folder / shortcut_file.name("win32")
    script = tmp_path / "told.py"
    script.write_text("import json, sys, pathlib; pathlib.Path(sys.argv[1]).write_text(json.dumps(sys.argv[2:]))\n")
    file.write_bytes(shortcut_file.content([sys.executable, str(script), str(place), "--webui", name, "a b"], "win32"))
    # By its name from its own folder: how cmd takes a path on its command line is another test's matter.
    subprocess.run(["cmd", "/d", "/c", file.name], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                   check=False, timeout=60)
    assert json.loads(place.read_text()) == ["--webui", name, "a b"]


@pytest.mark.slow
def test_it_is_written_once_and_over_nobody_elses_file(tmp_path: Path) -> None:
    root = webui(tmp_path / "mine-4711")
    desk = tmp_path / "desk"
    desk.mkdir()
    first = json.loads(run(root, "utf-8", "shortcut", str(desk), "--json").stdout)
    assert first["changed"] is True
    file = Path(first["file"])
    assert file.name == shortcut_file.name()
    assert b"mine-4711" in file.read_bytes()
    again = json.loads(run(root, "utf-8", "shortcut", str(desk), "--json").stdout)
    assert again["changed"] is False
    file.write_bytes(b"mine")
    assert run(root, "utf-8", "shortcut", str(desk)).returncode == 2
    assert file.read_bytes() == b"mine"
    assert run(root, "utf-8", "shortcut", str(desk), "--yes").returncode == 0
    assert run(root, "utf-8", "shortcut", str(tmp_path / "nowhere")).returncode == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the desktop is where HOME says, on Linux alone")
def test_without_a_desktop_the_command_that_it_names_works(tmp_path: Path) -> None:
    root = webui(tmp_path / "my web UI")
    env = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    env |= {"HOME": str(tmp_path), "AUTOTUNE_STATE_DIR": str(tmp_path / "state"), "AUTOTUNE_LANG": "en"}
    said = subprocess.run([sys.executable, "-m", "autotune", "--webui", str(root), "shortcut"], env=env, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=120)
    assert said.returncode == 3 and f"there is no desktop folder at {tmp_path / 'Desktop'}" in said.stderr
    typed = " ".join(said.stderr.split()).split("`")[1]
    assert typed.startswith("autotune ")
    command = f"{shlex.quote(sys.executable)} -m {typed}"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env={**env, "PYTHONPATH": str(ROOT)}, check=True,
                   stdin=subprocess.DEVNULL, timeout=120)
    assert (tmp_path / shortcut_file.name()).is_file()
