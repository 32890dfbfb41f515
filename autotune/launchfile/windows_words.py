"""Splits one text into argv words as the C runtime of Windows does, which .NET does everywhere, too.

Blanks and tabs part words outside quotes; 2n backslashes before a quote are n of them, one more makes the quote an
ordinary character, and so does a second quote right behind one inside quotes.
"""

from __future__ import annotations

from typing import NamedTuple

_BLANKS = (" ", "\t")


class SpelledWord(NamedTuple):
    """One word, and where [start, end) of the text spells it, quotes included."""

    text: str
    start: int
    end: int


def split(text: str) -> list[SpelledWord]:
    """The words of ``text``. A quote that is never closed reaches to the end, see ``is_closed``."""
    return _scan(text)[0]


def is_closed(text: str) -> bool:
    """Whether every quote that opens is closed again, so that more words can be written behind it."""
    return _scan(text)[1]


def _scan(text: str) -> tuple[list[SpelledWord], bool]:
    words: list[SpelledWord] = []
    i, closed = 0, True
    while i < len(text):
        if text[i] in _BLANKS:
            i += 1
            continue
        begin, word, quoted = i, "", False
        while i < len(text) and (quoted or text[i] not in _BLANKS):
            slashes = 0
            while text[i : i + 1] == "\\":
                slashes, i = slashes + 1, i + 1
            if text[i : i + 1] != '"':
                word += "\\" * slashes
                if i < len(text) and (quoted or text[i] not in _BLANKS):
                    word += text[i]
                    i += 1
                continue
            word += "\\" * (slashes // 2)
            twice = quoted and not slashes % 2 and text[i + 1 : i + 2] == '"'
            if slashes % 2 or twice:
                word += '"'
                i += 1 + twice
            else:
                quoted = not quoted
                i += 1
        words.append(SpelledWord(word, begin, i))
        closed = not quoted
    return words, closed
