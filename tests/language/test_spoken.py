"""Help in each language: every verb's, in 80 columns by what a terminal takes for its letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from autotune.cli.examples import EXAMPLES
from autotune.cli.main import VERBS, run
from autotune.cli.wide_help import NOT_FIRST, NOT_LAST, columns, fold
from autotune.language.translate import use_language

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    run(["--version", "--lang", "en"])
    use_language("en")


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_help_in_japanese(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([*path.split(), "-h"])
    english = capsys.readouterr().out
    run(["--lang", "ja", *path.split(), "-h"])
    text = capsys.readouterr().out
    assert JAPANESE.search(text) and not JAPANESE.search(english)
    assert max(map(cell_len, text.split("\n"))) <= 80
    assert [one for one in re.findall(r"--[a-z-]+", english) if one not in text] == []
    assert all(line in text for line, _ in EXAMPLES[path])


def test_the_list_of_commands_says_whole_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--lang", "ja", "-h"])
    text = capsys.readouterr().out
    assert "..." not in text.split("\n", 1)[1]
    for verb in VERBS:
        assert re.search(rf"^  {verb} +.*{JAPANESE.pattern}", text, re.MULTILINE), verb


def test_errors_of_the_command_line_are_japanese(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--lang", "ja", "status", "--nonsense"]) == 2
    said = capsys.readouterr().err
    assert JAPANESE.search(said) and "--nonsense" in said
    assert run(["status", "--lang", "fr"]) == 2
    assert "'fr'" in capsys.readouterr().err


@given(st.text(st.sampled_from("日本語のテスト、。（）「」 abcdefg--xyz12")), st.integers(12, 40))
def test_folded_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = fold(text, width)
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)
    for line in lines:
        # What cannot be parted: a word of ASCII, or a letter with all that may not begin a line.
        assert cell_len(line) <= width or len(re.findall(r"[!-~]+|.", line.strip(), re.DOTALL)) == 1 or any(
            letter in NOT_FIRST | NOT_LAST for letter in line)
    for before, after in pairwise(lines):
        assert not before or before[-1] not in NOT_LAST or after == "" or " " in text
        assert not after or after[0] not in NOT_FIRST or " " in text


@given(st.text())
def test_columns_are_those_of_a_terminal(text: str) -> None:
    """rich's table of widths is the judge, where unicodedata knows the letter, too."""
    # Hexagrams are wide since Unicode 16, which rich knows and this Python may not.
    plain = "".join(letter for letter in text if letter.isprintable() and not "䷀" <= letter <= "䷿"
                    and ("぀" <= letter <= "鿿" or letter < "\x7f"))
    assert columns(plain) == sum(map(cell_len, plain))
