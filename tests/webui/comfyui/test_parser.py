"""What ComfyUI's own parser takes, read from its text: judged by argparse itself."""

import os
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.flags import checker
from autotune.webui.comfyui import parser
from tests.webui.comfyui.own_parsers import MOST, NEWER, OLDER, Argument, lay_out, refusal, source

FORMS = {"older": OLDER, "newer": NEWER}
PARTS = ("use", "disable", "fast", "cache", "vram", "cuda", "malloc", "fp16", "high", "list")
VALUES = ("0", "1", "-1", "-0.5", "-.5", "-5.", "0.25", "x", "", "two words", "auto", "md5", "INFO", "autotune",
          "fp16_accumulation", "nonsense", "-x", "=", "a=b")


def _arguments() -> st.SearchStrategy[tuple[Argument, ...]]:
    """Parsers of enough flags to be believed, with every kind of argument that ComfyUI has."""
    name = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map(lambda parts: "--" + "-".join(parts))
    kinds = st.sampled_from((("0", ""), ("1", ""), ("1", "int"), ("?", "int"), ("*", "float"), ("+", ""),
                             ("*", "enum"), ("1", "action"), ("?", "choices"), ("1", "choices")))
    groups = st.sampled_from(("", "", "one_group", "other_group"))
    members = ("auto", "INFO", "autotune", "fp16_accumulation")
    rows = st.lists(st.tuples(name, kinds, groups), min_size=35, max_size=45, unique_by=lambda row: row[0])
    return rows.map(lambda rows: tuple(
        Argument(flag, takes, values, members if values in ("enum", "action", "choices") else (), group)
        for flag, (takes, values), group in rows))


def _words(data: st.DataObject, arguments: tuple[Argument, ...]) -> list[str]:
    flags = st.sampled_from([one.name for one in arguments])
    cut = st.tuples(flags, st.integers(2, 20)).map(lambda pair: pair[0][: pair[1]])
    equal = st.tuples(st.one_of(flags, cut), st.sampled_from(VALUES)).map("=".join)
    return data.draw(st.lists(st.one_of(flags, flags, cut, equal, st.sampled_from(VALUES)), max_size=5))


@lru_cache(maxsize=8)
def _read(arguments: tuple[Argument, ...]) -> parser.OwnParser:
    found = parser.of_source(source(arguments, _most(arguments)))
    assert found.by_name
    return found


def _most(arguments: tuple[Argument, ...]) -> dict[str, int]:
    known = {one.name for one in arguments}
    return {name: count for name, count in MOST.items() if name in known}


def _agree(arguments: tuple[Argument, ...], words: list[str]) -> None:
    if "--help".startswith(tuple(word for word in words if len(word) > 3)) or "-h" in words:
        return
    said, judged = parser.complaint_of(_read(arguments), words), refusal(arguments, words, _most(arguments))
    assert (said is None) == (judged is None), (words, said, judged)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_words_are_refused_where_argparse_refuses_them(data: st.DataObject) -> None:
    arguments = data.draw(_arguments())
    for _ in range(5):
        _agree(arguments, _words(data, arguments))


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_words_are_refused_where_comfyuis_own_form_refuses_them(form: str, data: st.DataObject) -> None:
    _agree(FORMS[form], _words(data, FORMS[form]))


@pytest.mark.parametrize(("words", "said"), [
    (["--fast", "fp16_accumulation", "autotune"], None),
    (["--fast"], None),
    (["--fast", "nonsense"], "is none of"),
    (["--fast", "autotune", "stray", "--port", "1"], "is none of"),
    (["--cache-ram"], None),
    (["--cache-ram", "1", "2"], None),
    (["--cache-ram", "1", "2", "3"], "at most 2"),
    (["--cache-ram", "much"], "is no number"),
    (["--async-offload", "3", "4"], "does not know 4"),
    (["--use-split-cross-attention", "--use-quad-cross-attention"], "exclude each other"),
    (["--use-split-cross-attention", "--use-split-cross-attention"], None),
    (["--cache-lru", "0", "--cache-classic"], None),
    (["--cache-lru", "1", "--cache-classic"], "exclude each other"),
    (["--cpu", "--lowvram"], "exclude each other"),
    (["--offline"], "does not know --offline"),
    (["--disable"], "can mean"),
    (["--high"], "can mean"),
    (["--port"], "lacks its value"),
    (["--port", "--cpu"], "lacks its value"),
    (["--highvram=1"], "takes no value"),
    (["--preview-method", "best"], "is none of"),
    (["--whitelist-custom-nodes", "a", "b", "--cpu"], None),
    (["stray"], "does not know stray"),
    (["--"], "does not know --"),
])
def test_what_is_said(words: list[str], said: str | None, tmp_path: Path) -> None:
    found = parser.complaint(lay_out(tmp_path), words)
    assert found is None if said is None else said in (found or "")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    words = ["--disable-dynamic-vram"]
    lay_out(tmp_path, OLDER)
    assert parser.complaint(tmp_path, words)
    before = (tmp_path / parser.SOURCE).stat().st_mtime_ns
    lay_out(tmp_path, NEWER)
    os.utime(tmp_path / parser.SOURCE, ns=(before + 1, before + 1))
    assert parser.complaint(tmp_path, words) is None


@pytest.mark.parametrize("text", [None, "", "def broken(:", "parser.add_argument('--one')", "\0"])
def test_a_parser_that_is_not_understood_refuses_nothing(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "comfy").mkdir()
        (tmp_path / parser.SOURCE).write_text(text, encoding="utf-8")
    assert parser.complaint(tmp_path, ["--whatever"]) is None
    assert parser.read(tmp_path).knows("--whatever")


def test_nothing_of_it_is_run(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    lay_out(tmp_path)
    path = tmp_path / parser.SOURCE
    path.write_text(f"open({str(touched)!r}, 'w')\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert parser.complaint(tmp_path, ["--fast"]) is None and not touched.exists()


def test_groups_and_choices_are_read() -> None:
    known = {one.name: one for one in checker.arguments(source(NEWER, MOST))}
    for one in NEWER:
        found = known[one.name]
        assert (found.takes, found.group, found.choices) == (one.takes, one.group, one.members)
