"""Paths as nobody expects them: a home of nobody, names that are no UTF-8, too long, loops. Never a traceback."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autotune.cli.engine import NEEDS
from autotune.cli.main import run
from autotune.cli.output import never_fail
from tests import reference
from tests.system import HAS_LINKS

# What a name that is no text turns into: bytes here, half of a pair on Windows (its names are 16 bits a letter).
NO_TEXT = "/nowhere/\ud800" if sys.platform == "win32" else os.fsdecode(b"/nowhere/\xff\xfe")
ODD = {"nobody's home": "~nouser-at-all/x", "nobody's home alone": "~nouser-at-all", "too long": "a" * 5000,
       "too deep": "/".join(["a"] * 3000), "not UTF-8": NO_TEXT, "a loop": "LOOP/x",
       "a file's inside": "FILE/x", "newline": "/nowhere/a\nb", "blank": " "}
OPTIONS = ("--webui", "--state-dir", "--config", "--launch-file", "--profile", "-o", "FILE")
VERBS = {"--webui": ("status", "probe", "rollback", "history"), "--state-dir": ("status", "history"),
         "--config": ("config check", "config show", "status"),
         "--launch-file": ("apply --dry-run", "rollback", "probe"),
         "--profile": ("tune",), "-o": ("export",),
         "FILE": ("import", "replay", "card", "profiles check", "profiles show")}


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and document; the text form must not fail either. Only foreseen errors may come."""
    never_fail()  # as the command itself begins
    run([*words, "-q"])
    capsys.readouterr()
    code = run([*words, "--json", "-q"])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, json.loads(said.out)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", list(ODD))
def test_an_odd_path_is_answered(
    option: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if HAS_LINKS:
        (tmp_path / "LOOP").symlink_to("LOOP")
    (tmp_path / "FILE").write_text("x", encoding="utf-8")
    plain = tmp_path / "webui"
    plain.mkdir()
    for verb in VERBS[option]:
        given = {"--webui": str(plain), "--state-dir": str(tmp_path / "state"), option: ODD[kind]}
        words = [*verb.split(), *(word for name, value in given.items()
                                  for word in ([name, value] if name != "FILE" else [value]))]
        code, document = answer(capsys, *words)
        assert code in (0, 2, 3, 5, 8), (verb, document)
        assert code == 0 or (document["kind"] == "error" and document["message"]), document
    assert not (tmp_path / "~nouser-at-all").exists()


def test_a_configuration_with_nobodys_home_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text('webui = "~nouser-at-all/x"\n', encoding="utf-8")
    code, document = answer(capsys, "status", "--config", str(file), "--state-dir", str(tmp_path / "state"))
    assert code == 3 and "nouser-at-all" in document["message"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_an_install_whose_name_is_no_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "made"
    reference.copy(made)
    root = tmp_path / os.fsdecode(b"web\xffui \xe9")
    made.rename(root)
    everywhere = ("--webui", str(root), "--state-dir", str(tmp_path / "state"))
    launch_file = root / "webui-user.sh"
    before = launch_file.read_bytes()
    code, probed = answer(capsys, "probe", *everywhere)
    assert code == 0 and probed["webui"]["root"] == str(root)
    code, applied = answer(capsys, "apply", "--flags", "--opt-channelslast", "--yes", "--no-start", *everywhere)
    assert code == 0 and applied["file"] == str(launch_file) and launch_file.read_bytes() != before
    code, status = answer(capsys, "status", *everywhere)
    assert code == 0 and status["file"] == str(launch_file) and status["applied"]["flags"] == ["--opt-channelslast"]
    assert answer(capsys, "history", *everywhere)[0] == 0
    code, undone = answer(capsys, "rollback", "--launch-file", str(launch_file), *everywhere)
    assert launch_file.read_bytes() == before
    assert (code, undone["kind"]) == (3, "error")  # asked twice: the first time undid it
    code, found = answer(capsys, "doctor", *everywhere)
    assert code == (0 if found["ok"] else 3) and found["root"] == str(root)


@pytest.mark.parametrize("name", ["Müllers (Kunst) & Co", "絵 (1) ü"])
def test_the_folder_of_a_new_reference_web_ui_is_told_whatever_the_code_page(name: str, tmp_path: Path) -> None:
    """As on Windows, where a program whose output is piped writes in the ANSI code page."""
    if [one for one in NEEDS if importlib.util.find_spec(one) is None]:
        pytest.skip(f"needs {', '.join(NEEDS)}")
    words = [sys.executable, "-m", "autotune", "-q", "engine", "create", str(tmp_path / name)]
    env = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(words, capture_output=True, encoding="cp1252", env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert name.encode("cp1252", "replace").decode("cp1252") in done.stdout
