"""The corpus: every file is read as expected, edited as expected, and bash and wine's cmd agree."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import parse
from autotune.model.errors import Refused
from tests.launchfile import corpus_bat, corpus_edits, corpus_sh
from tests.launchfile.judges import NO_CMD, TARGET, bash_accepts, bash_words, cmd, cmd_words, edit, owns

pytestmark = pytest.mark.slow

HOME = {"HOME": "/home/someone"}
_BLOCK = re.compile(rb"(?:# |rem )>>> autotune >>>.*?(?:# |rem )<<< autotune <<<", re.DOTALL)
_FILES = [("sh", *case) for case in corpus_sh.SH] + [("bat", *case) for case in corpus_bat.BAT]
_IDS = [f"{kind}-{name}" for kind, name, _, _ in _FILES]


def read(data: bytes, kind: str) -> LaunchFile:
    return parse(data, Path(f"webui-user.{kind}"), HOME)


def test_the_corpus_is_big_enough() -> None:
    assert len(_FILES) >= 80 and len(corpus_bat.BAT) >= 30
    assert len(set(_IDS)) == len(_IDS)
    bat = [data for _, data, _ in corpus_bat.BAT]
    assert any(b"\r\n" in d for d in bat) and any(b"\r" not in d for d in bat)
    assert any(d.startswith(b"\xef\xbb\xbf") for d in bat)
    assert any(b"^\r\n" in d for d in bat) and any(b"(\r\n" in d for d in bat)


@pytest.mark.parametrize(("kind", "name", "data", "words"), _FILES, ids=_IDS)
def test_read(kind: str, name: str, data: bytes, words: tuple[str, ...]) -> None:
    file = read(data, kind)
    assert file.words == words
    assert file.data == data
    assert file.static == (not file.depends)


def hosted(data: bytes, kind: str) -> LaunchFile:
    """As ``read``, in an install that a program starts which takes the first matching line."""
    return replace(read(data, kind), rewritten=True)


def first_match(data: bytes) -> int:
    """Number of the first line that a tool looking for COMMANDLINE_ARGS= would take."""
    return next(i for i, line in enumerate(data.upper().split(b"\n")) if b"COMMANDLINE_ARGS=" in line)


@pytest.mark.parametrize(("kind", "name", "data", "words"), _FILES, ids=_IDS)
def test_edit(kind: str, name: str, data: bytes, words: tuple[str, ...]) -> None:
    expected = (corpus_edits.SH if kind == "sh" else corpus_edits.BAT)[name]
    assert expected is not None
    lines = re.findall(rb"[^\n]*\n|[^\n]+$", data)
    for first, gone, put in reversed(expected):
        lines[first : first + gone] = [put]
    edited = edit(read(data, kind), TARGET, owns)
    assert _BLOCK.sub(b"<block>", edited) == b"".join(lines)
    if b"COMMANDLINE_ARGS=" in data:  # what edits "the first line that matches" still finds the line it found
        assert first_match(edited) == first_match(data)
    again = read(edited, kind)
    assert edit(again, TARGET, owns) == edited, "apply twice = apply once"
    if again.block is not None:
        assert again.base == data, "a block can be taken out without a trace"


@pytest.mark.parametrize(("kind", "name", "data", "words"), _FILES, ids=_IDS)
def test_empty_target_takes_all_managed_words_out(kind: str, name: str, data: bytes, words: tuple[str, ...]) -> None:
    file = read(data, kind)
    edited = edit(file, (), owns)
    after = read(edited, kind)
    assert after.words == tuple(w for w, mine in zip(words, owns(words), strict=True) if not mine)
    if not any(owns(words)) and not file.uncertain:
        assert edited == data


def judged(table: tuple[tuple[str, bytes, tuple[str, ...]], ...], own: dict[str, tuple[str, ...]]) -> list[list[str]]:
    """What a judge must say of each file before the edit."""
    return [list(own.get(name, words)) for name, _, words in table]


def wanted(before: list[str]) -> tuple[list[str], list[str]]:
    """Kept words in their order, and managed ones."""
    return [w for w, mine in zip(before, owns(before), strict=True) if not mine], sorted(TARGET)


def split(words: list[str]) -> tuple[list[str], list[str]]:
    mine = list(zip(words, owns(words), strict=True))
    return [w for w, m in mine if not m], sorted(w for w, m in mine if m)


def test_bash_agrees(tmp_path: Path) -> None:
    before = bash_words([data for _, data, _ in corpus_sh.SH], tmp_path / "before")
    assert before == judged(corpus_sh.SH, corpus_sh.JUDGED)
    edited = [edit(read(data, "sh"), TARGET, owns) for _, data, _ in corpus_sh.SH]
    after = bash_words(edited, tmp_path / "after")
    for (name, _, _), was, now, data in zip(corpus_sh.SH, before, after, edited, strict=True):
        assert split(now) == wanted(was), name
        assert bash_accepts(data) == "", name


def test_bash_agrees_on_arrays(tmp_path: Path) -> None:
    before = bash_words([data for _, data, _ in corpus_sh.ARRAYS], tmp_path / "before")
    edits: list[tuple[str, bytes]] = []
    for (name, data, words), was in zip(corpus_sh.ARRAYS, before, strict=True):
        file = read(data, "sh")
        assert file.words == tuple(was or ()) == (words or ()), name
        if words is not None:
            edits.append((name, edit(file, TARGET, owns)))
            continue
        assert file.why_not is not None and "an array" in file.why_not, name
        with pytest.raises(Refused, match="an array") as caught:
            edit(file, TARGET, owns)
        pasted = caught.value.hint.partition("): ")[2].encode()
        (line,) = bash_words([data + pasted + b"\n"], tmp_path / f"pasted-{name}")
        assert line is not None and line[-len(TARGET):] == list(TARGET), name
    after = bash_words([data for _, data in edits], tmp_path / "after")
    kept = {name: was for (name, _, _), was in zip(corpus_sh.ARRAYS, before, strict=True)}
    for (name, data), now in zip(edits, after, strict=True):
        assert now is not None and split(now) == wanted(kept[name] or []), name
        assert bash_accepts(data) == "", name


@pytest.mark.skipif(cmd() is None, reason=NO_CMD)
def test_cmd_agrees(tmp_path: Path, cmd_home: Path) -> None:
    before = cmd_words([data for _, data, _ in corpus_bat.BAT], tmp_path / "before", cmd_home)
    assert before == judged(corpus_bat.BAT, corpus_bat.JUDGED)
    edited = [edit(read(data, "bat"), TARGET, owns) for _, data, _ in corpus_bat.BAT]
    after = cmd_words(edited, tmp_path / "after", cmd_home)
    for (name, _, _), was, now in zip(corpus_bat.BAT, before, after, strict=True):
        assert was is not None and now is not None
        assert split(now) == wanted(was), name


@pytest.mark.skipif(cmd() is None, reason=NO_CMD)
def test_cmd_agrees_on_what_substitution_does_not_find(tmp_path: Path, cmd_home: Path) -> None:
    before = cmd_words([data for _, data in corpus_bat.HARD], tmp_path / "before", cmd_home)
    edited = [edit(read(data, "bat"), TARGET, owns) for _, data in corpus_bat.HARD]
    assert all(read(data, "bat").block is not None for data in edited)
    after = cmd_words(edited, tmp_path / "after", cmd_home)
    for (name, _), was, now in zip(corpus_bat.HARD, before, after, strict=True):
        assert was is not None and now is not None and "--no-half-vae" in was, name
        assert split(now) == wanted(was), name


def test_a_quoted_value_that_substitution_would_break_is_refused() -> None:
    data = corpus_bat.normal('set COMMANDLINE_ARGS=--title "use --xformers now" --api\n' + corpus_bat.LATE)
    assert "use --xformers now" in read(data, "bat").words
    with pytest.raises(Refused) as caught:
        edit(read(data, "bat"), TARGET, owns)
    assert caught.value.hint.startswith("Paste right before the command in line 10")
    assert "(and take out --no-half-vae)" in caught.value.hint


TOOLS = {
    "any": re.compile(rb"^.*COMMANDLINE_ARGS=.*$", re.MULTILINE),
    "assignment": re.compile(rb"^[ \t]*#?[ \t]*(?:export[ \t]+)?COMMANDLINE_ARGS=.*$", re.MULTILINE),
}
"""How other programs find "their" line: the first that matches, comment or not."""


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_that_takes_the_first_matching_line_is_not_overruled(tool: str, tmp_path: Path) -> None:
    """What it writes there reaches the web UI after our edit as it did before; of ours nothing breaks it."""

    def rewritten(data: bytes) -> bytes:
        return TOOLS[tool].sub(b'export COMMANDLINE_ARGS="--theme tool"', data, count=1)

    names = [name for name, data, _ in corpus_sh.SH if TOOLS[tool].search(data)]
    files = {name: data for name, data, _ in corpus_sh.SH}
    before = bash_words([rewritten(files[name]) for name in names], tmp_path / "before")
    edited = [rewritten(edit(hosted(files[name], "sh"), TARGET, owns)) for name in names]
    after = bash_words(edited, tmp_path / "after")
    assert len(names) > 50
    for name, was, now in zip(names, before, after, strict=True):
        assert was is not None and now is not None, name
        assert split(now)[0] == split(was)[0], name


@pytest.mark.skipif(cmd() is None, reason=NO_CMD)
def test_a_tool_that_takes_the_first_matching_batch_line(tmp_path: Path, cmd_home: Path) -> None:
    pattern = rb"^[ \t@]*(?:rem[ \t]+|::[ \t]*)?set[ \t]+\"?COMMANDLINE_ARGS=[^\r\n]*"
    line = re.compile(pattern, re.MULTILINE | re.IGNORECASE)

    def rewritten(data: bytes) -> bytes:
        return line.sub(b"set COMMANDLINE_ARGS=--theme tool", data, count=1)

    names = [name for name, data, _ in corpus_bat.BAT if line.search(data)]
    files = {name: data for name, data, _ in corpus_bat.BAT}
    before = cmd_words([rewritten(files[name]) for name in names], tmp_path / "before", cmd_home)
    edited = [rewritten(edit(hosted(files[name], "bat"), TARGET, owns)) for name in names]
    after = cmd_words(edited, tmp_path / "after", cmd_home)
    assert len(names) > 60
    for name, was, now in zip(names, before, after, strict=True):
        assert was is not None and now is not None, name
        assert split(now)[0] == split(was)[0], name


@pytest.mark.parametrize("line", [";set COMMANDLINE_ARGS=--xformers --api", "@,set COMMANDLINE_ARGS=--xformers",
                                  "=set \"COMMANDLINE_ARGS=--xformers\"", "set,COMMANDLINE_ARGS=--xformers",
                                  "set;COMMANDLINE_ARGS=--xformers", "set=COMMANDLINE_ARGS=--xformers"])
def test_a_separator_around_set_makes_it_uncertain(line: str) -> None:
    """Whether such a line acts differs between shells: a block that holds either way, and the line as it was."""
    file = read(corpus_bat.normal(f"{line}\ncall webui.bat\n"), "bat")
    assert not file.static and file.words == ()
    after = edit(file, TARGET, owns)
    assert _BLOCK.search(after) and line.encode() in after and edit(read(after, "bat"), TARGET, owns) == after
