"""What a start script gave launch.py, compared word by word with what it should have given."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from autotune.webui.a1111 import isolation, launch_shim, start_by_script

UNITS = [["--xformers"], ["--medvram"], ["--theme", "dark"], ["--port", "7860"], ["--api-auth", "me:secret-value"],
         ["--no-half"], ["--gradio-auth=me:secret-value"], ["--civitai-pat", "secret-value"], ["--ckpt=a b"],
         ["--listen"], ["ü"], [""]]
WORDS = st.lists(st.sampled_from(UNITS), max_size=5).map(lambda units: [word for unit in units for word in unit])
KEY = "0" * 32


def received(folder: Path, argv: list[str], variable: list[str]) -> start_by_script.Given:
    """What the shim, in a process of its own, says that launch.py was given."""
    launch = folder / "launch.py"
    launch.write_text("")
    spec = {"stripped": isolation.STRIPPED, "shortest": isolation.SHORTEST, "words": ["--nowebui"], "key": KEY,
            "given": str(folder / start_by_script.GIVEN), "launch": str(launch)}
    env = {**os.environ, "AUTOTUNE_SHIM": json.dumps(spec), "COMMANDLINE_ARGS": shlex.join(variable)}
    subprocess.run([sys.executable, "-I", launch_shim.__file__, *argv], env=env, check=True)
    found = start_by_script.given(folder, KEY)
    assert found is not None
    return found


def as_read(words: list[str]) -> start_by_script.Given:
    """The same without a process."""
    kept = launch_shim.words_kept(words, isolation.STRIPPED, isolation.SHORTEST)
    rows = [launch_shim._row(KEY, *pair) for pair in zip(words, kept, strict=True)]
    return start_by_script.Given(tuple(r[1] for r in rows if r[0] == "kept"), tuple(r[1] for r in rows),
                            tuple(r[2] for r in rows), KEY)


@pytest.mark.slow
@drawn(WORDS, WORDS)
@settings(max_examples=200)
def test_every_word_counts_and_no_value_is_shown(got: list[str], wanted: list[str]) -> None:
    found = as_read(got).differences(wanted)
    assert (not found) == (got == wanted)
    assert "secret-value" not in " ".join(found)
    if Counter(got) != Counter(wanted):
        assert any("did not get" in one for one in found) == bool(Counter(wanted) - Counter(got))
        assert any("also got" in one for one in found) == bool(Counter(got) - Counter(wanted))


def test_the_shim_writes_no_value_that_a_trial_is_not_given(tmp_path: Path) -> None:
    argv, line = ["--listen"], ["--api-auth", "me:secret-value", "--theme", "dark", "--no-half"]
    found = received(tmp_path, argv, line)
    assert found.words == ("--no-half",)
    assert found.differences([*argv, *line]) == []
    assert found.differences(["--listen", *line[:2], "--no-half"]) == ["launch.py also got --theme ***"]
    assert found.differences([*argv, "--api-auth", "me:other-value", *line[2:]]) == [
        "launch.py did not get ***", "launch.py also got ***"]
    assert found.differences([*argv, *line, "--xformers"]) == ["launch.py did not get --xformers"]
    assert "secret-value" not in (tmp_path / start_by_script.GIVEN).read_text() + repr(found)


@pytest.mark.parametrize("text", ["", "{", "[1]", '[["kept", "--a"]]', "null"])
def test_a_damaged_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / start_by_script.GIVEN).write_text(text)
    assert start_by_script.given(tmp_path, KEY) is None
