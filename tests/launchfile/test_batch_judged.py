"""No batch file called certain is read wrongly, and none is edited so that a kept word is lost: cmd.exe judges."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from random import Random

import pytest

from autotune.launchfile import advice
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import parse
from autotune.model.errors import Refused
from tests.launchfile.batch_hostile import HOSTILE
from tests.launchfile.batch_maker import HELPERS, batch
from tests.launchfile.judges import NO_CMD, TARGET, cmd, cmd_variables, edit, owns
from tests.launchfile.test_corpus import split, wanted

pytestmark = pytest.mark.slow

SEEDS = (11, 12)
FILES = 100
"""A seed."""


def windows(text: str | None) -> str:
    """Folders as either system spells them: the judge's are on a drive of Windows."""
    return (text or "").replace("/", "\\")


def wrong(file: LaunchFile, judged: dict[str, str], names: set[str]) -> list[str]:
    """Variables that are called certain and are something else."""
    return [name for name in sorted(names | set(judged))
            if file.variable(name).certain and windows(file.variable(name).text) != windows(judged.get(name))]


@pytest.mark.skipif(cmd() is None, reason=NO_CMD)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_called_certain_is_so_and_no_kept_word_is_lost(seed: int, quick_path: Path, cmd_home: Path) -> None:
    random = Random(seed)
    _judge([batch(random) for _ in range(FILES)], quick_path, cmd_home)


@pytest.mark.skipif(cmd() is None, reason=NO_CMD)
@pytest.mark.parametrize("name", ["X", "COMMANDLINE_ARGS"])
def test_files_written_to_trip_the_reader(name: str, quick_path: Path, cmd_home: Path) -> None:
    texts = [re.sub(r"\bX\b", name, f"@echo off\n{text}\ncall webui.bat\n") for text in HOSTILE]
    _judge([text.replace("\n", "\r\n").encode() for text in texts], quick_path, cmd_home)


def _judge(files: list[bytes], quick_path: Path, cmd_home: Path) -> None:
    outside, found = cmd_variables(files, quick_path / "before", cmd_home, HELPERS)
    started: list[tuple[LaunchFile, dict[str, str]]] = []
    certain = opaque = 0
    for number, (data, judged) in enumerate(zip(files, found, strict=True)):
        try:
            file = parse(data, quick_path / "before" / str(number) / "webui-user.bat", outside)
        except Refused:
            continue
        assert file.reading is not None and judged is not None
        begun = (quick_path / "before" / f"{number}.start").exists()
        if file.reading.launch_at is not None and not begun:
            continue  # it ended before the start, so nothing is claimed of it
        assert wrong(file, judged, {*outside, *file.reading.variables}) == [], data.decode()
        if file.static:
            assert list(file.words) == shlex.split(judged.get("COMMANDLINE_ARGS", "")), data.decode()
        opaque += bool(file.reading.changes_any)
        certain += not file.reading.changes_any and all(v.certain for v in file.reading.variables.values())
        started.append((file, judged))
    assert certain > len(started) // 5 and opaque < len(started) // 2, (certain, opaque, len(started))
    _no_word_lost(started, quick_path / "after", cmd_home)
    _advice_holds(started, quick_path / "advised", cmd_home)


def _no_word_lost(started: list[tuple[LaunchFile, dict[str, str]]], home: Path, prefix: Path) -> None:
    edits: list[tuple[bytes, bytes, list[str]]] = []
    for file, judged in started:
        try:
            edited = edit(file, TARGET, owns)
            was = judged.get("COMMANDLINE_ARGS", "").replace(str(file.path.parent), "HERE")
            edits.append((file.data, edited, shlex.split(was)))
        except (Refused, ValueError):
            continue
    assert len(edits) > len(started) // 3
    _, after = cmd_variables([data for _, data, _ in edits], home, prefix, HELPERS)
    for number, ((before, data, had), now) in enumerate(zip(edits, after, strict=True)):
        assert now is not None
        words = shlex.split(now.get("COMMANDLINE_ARGS", "").replace(str(home / str(number)), "HERE"))
        assert split(words) == wanted(had), f"{before.decode()}\n=====\n{data.decode()}"


def _advice_holds(started: list[tuple[LaunchFile, dict[str, str]]], home: Path, prefix: Path) -> None:
    """What is advised where an edit is refused, followed to the letter: no word of the owner's lost, ours there."""
    copies: list[tuple[LaunchFile, bytes, list[str]]] = []
    for file, judged in started:
        try:
            edit(file, TARGET, owns)
        except Refused as error:
            assert error.hint
            was = judged.get("COMMANDLINE_ARGS", "").replace(str(file.path.parent), "HERE")
            ways = list(advice.ways_that_work(file, TARGET, owns, None))
            if ways and ways[0].text == error.hint:
                copies.append((file, ways[0].data, shlex.split(was)))
    _, after = cmd_variables([data for _, data, _ in copies], home, prefix, HELPERS)
    for number, ((file, data, had), now) in enumerate(zip(copies, after, strict=True)):
        assert now is not None
        words = shlex.split(now.get("COMMANDLINE_ARGS", "").replace(str(home / str(number)), "HERE"))
        kept, mine = split(words)
        assert kept == wanted(had)[0] and set(TARGET) <= set(mine), f"{file.data.decode()}\n=====\n{data.decode()}"
