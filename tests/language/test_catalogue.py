"""The catalogues say all that the source says, with the same figures; what is made of them is what gettext's own
compiler makes."""

from __future__ import annotations

import ast
import gettext
import re
import shutil
import string
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import click
import hatchling.build
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from autotune.cli import click_words
from autotune.language.compile import compile_catalogues
from autotune.language.translate import FOLDER, LANGUAGES, SOURCE, use_language
from tests.language import catalogue
from tests.language.catalogue import Id, extract, file_of, filled, key, read

ROOT = Path(__file__).parents[2]
OTHERS = [language for language in LANGUAGES if language != SOURCE]
PERCENT = re.compile(r"%\((\w+)\)[a-z]|%%")


def messages(language: str) -> list[Message]:
    return [one for one in read(language) if one.id]


def forms(text: Id) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def fields(text: str) -> Counter[str]:
    """What is filled in, with how it is written; ``{{`` is a brace."""
    parts = string.Formatter().parse(text)
    return Counter(f"{name}!{how}:{spec}" for _, name, spec, how in parts if name is not None) + Counter(
        PERCENT.findall(text))


def figures(text: str) -> Counter[str]:
    """The digits of a text, outside of what is filled in."""
    bare = re.sub(r"\{[^{}]*\}|%\(\w+\)[a-z]", " ", text)
    return Counter(re.findall(r"\d+(?:\.\d+)*", bare))


@pytest.mark.parametrize("language", OTHERS)
def test_the_catalogue_holds_what_the_source_says_and_nothing_else(language: str) -> None:
    said = {key(one.id) for one in extract() if one.id}
    known = {key(one.id) for one in messages(language)}
    assert len(said) > 150, "the extraction lost the source"
    assert said ^ known == set(), "run `make messages`"


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_has_its_translation(language: str) -> None:
    assert [one.id for one in messages(language) if not filled(one) or one.fuzzy] == []
    assert read(language).obsolete == {}


def unlike(language: str) -> list[str]:
    """What differs between the languages in what is filled in, in its figures, or in the quoted code."""
    found = []
    for one in messages(language):
        for english in forms(key(one.id)):
            for text in forms(key(one.string or "")):
                for what in (fields, figures, quoted):
                    if text and what(english) != what(text) and not plural_without(one, english, text, what):
                        found.append(f"{what.__name__}: {english!r} -> {text!r}")
    return found


def quoted(text: str) -> Counter[str]:
    """Commands, options and variables, which no language changes."""
    return Counter(re.findall(r"`[^`]+`|(?<![A-Za-z0-9-])--[a-z][a-z-]+|(?<![A-Z_])AUTOTUNE_[A-Z_]+", text))


def plural_without(message: Message, english: str, text: str, what: object) -> bool:
    """Whether it is the one form of a plural, which another form of the English says with a number of its own."""
    return isinstance(message.id, list | tuple) and english == message.id[0] and what in (fields, figures) and (
        fields(key(message.id)[1]) == fields(text))


@pytest.mark.parametrize("language", OTHERS)
def test_figures_and_what_is_filled_in_are_the_same(language: str) -> None:
    assert unlike(language) == []


@pytest.mark.parametrize(("english", "text", "same"), [
    ("{n:.2f} s of {all}", "{all} のうち {n:.2f} s", True), ("{n:.2f} s", "{n:.1f} s", False),
    ("64 letters", "65 文字", False), ("`autotune tune`", "`autotune tune` を", True),
    ("with --force", "--yes で", False),
    ("%(n)s clips", "%(m)s クリップ", False), ("{{a}} {b}", "{b} {{a}}", True),
])
def test_a_difference_is_found(english: str, text: str, same: bool) -> None:
    assert all(what(english) == what(text) for what in (fields, figures, quoted)) == same


@pytest.mark.parametrize("language", OTHERS)
@given(value=st.integers() | st.floats(allow_nan=False) | st.text())
def test_every_translation_can_be_filled_in(language: str, value: object) -> None:
    """Where the English can, with a value of any kind."""
    for one in CATALOGUES[language]:
        for english, text in zip(forms(key(one.id)), forms(key(one.string or "")) * 2, strict=False):
            # Whoever fills in a plural gives all names of both forms.
            names = {name for form in forms(key(one.id)) for _, name, _, _ in string.Formatter().parse(form) if name}
            try:
                english.format(**dict.fromkeys(names, value))
            except ValueError:
                continue  # a format for numbers, or for texts
            text.format(**dict.fromkeys(names, value))


@pytest.mark.parametrize("language", OTHERS)
def test_every_translation_of_a_template_can_be_filled_in(language: str) -> None:
    """There a per cent sign begins what is filled in, as in the English."""
    found = [one for one in messages(language) if any("/templates/" in name for name, _ in one.locations)]
    assert found
    for one in found:
        names = {name for text in forms(key(one.id)) for name in PERCENT.findall(text) if name}
        for text in (*forms(key(one.id)), *forms(key(one.string or ""))):
            assert text % dict.fromkeys(names, "x") or not text


def test_every_letter_is_one_of_a_japanese_windows() -> None:
    """In its code page, which it encodes what is piped in."""
    for one in messages("ja"):
        for text in forms(key(one.string or "")):
            text.encode("cp932")


CATALOGUES = {language: messages(language) for language in OTHERS}


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="gettext's own compiler is the judge")
def test_gettext_compiles_the_same(language: str, tmp_path: Path) -> None:
    made = tmp_path / "theirs.mo"
    subprocess.run(["msgfmt", "--check-format", "--check-header", "-o", str(made), str(file_of(language))], check=True,
                   capture_output=True)
    compile_catalogues()
    with made.open("rb") as theirs, file_of(language).with_suffix(".mo").open("rb") as ours:
        left, right = gettext.GNUTranslations(theirs), gettext.GNUTranslations(ours)
    assert {k: v for k, v in left._catalog.items() if k} == {k: v for k, v in right._catalog.items() if k}  # type: ignore[attr-defined]


def test_a_file_is_written_only_when_it_is_older(tmp_path: Path) -> None:
    folder = tmp_path / "ja" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "autotune.po").write_bytes(file_of("ja").read_bytes())
    made, = compile_catalogues(tmp_path)
    first = made.stat().st_mtime_ns
    assert compile_catalogues(tmp_path) == [made] and made.stat().st_mtime_ns == first
    made.write_bytes(b"")
    compile_catalogues(tmp_path)
    assert [one.name for one in folder.iterdir() if one.suffix == ".tmp"] == []


@pytest.mark.slow
def test_a_wheel_has_the_catalogues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / hatchling.build.build_wheel(str(tmp_path))) as wheel:
        assert {f"autotune/language/{one}/LC_MESSAGES/autotune.mo" for one in OTHERS} <= set(wheel.namelist())


def test_click_says_the_words_that_are_listed() -> None:
    """Judged by click's own source, of the version that is installed."""
    package = Path(click.__file__).parent
    said = {key(text) for _, _, text, _, _ in extract_from_dir(str(package), [("**.py", "python")])}
    shown = {one.value for path in package.glob("*.py") for one in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(one, ast.Constant)}
    assert {one for one in click_words.WORDS if one not in said | shown} == set()
    assert {one for one in click_words.PLURALS if one not in said} == set()


def test_without_a_compiled_catalogue_it_is_english() -> None:
    code = ("import autotune.language.translate as t\nt.FOLDER = 'nowhere'\nt.use_language('ja')\n"
            "print(t.language(), t._('Usage:'), t.ngettext('one', 'many', 2))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["en", "Usage:", "many"]


def test_updating_changes_nothing_that_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "autotune.po"
    monkeypatch.setattr(catalogue, "file_of", lambda language: file)
    known = catalogue.translations(read_file(file_of("ja")))
    catalogue.update("ja", known)
    assert file.read_bytes() == file_of("ja").read_bytes()


def read_file(path: Path) -> Catalog:
    with path.open("rb") as stream:
        return read_po(stream, locale="ja")


def test_the_catalogue_is_where_it_is_looked_for() -> None:
    use_language("ja")
    use_language(SOURCE)
    assert file_of("ja").is_relative_to(FOLDER)
