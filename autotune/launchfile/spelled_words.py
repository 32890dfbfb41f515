"""Argv words that one text spells: splits it as the program that keeps it does, and changes some of the words.

.NET splits as the C runtime of Windows does: blanks and tabs part words outside quotes; 2n backslashes before a quote
are n of them, one more makes the quote an ordinary character, and so does a second quote right behind one inside
quotes. Comfy Desktop takes quotes of both kinds away, knows no backslash, and drops a word that is empty then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WINDOWS_BLANKS = " \t"
SCRIPT_BLANKS = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" \
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What JavaScript takes for white space."""


class SpelledWord(NamedTuple):
    """One word, and where [start, end) of the text spells it, quotes included."""

    text: str
    start: int
    end: int


def replaced(value: str, words: Sequence[SpelledWord], gone: Sequence[bool], new: str, blanks: str) -> str:
    """The text without the words that are ``gone``, and with ``new`` where the first of them stood, else at the end."""
    mine = [word for word, out in zip(words, gone, strict=True) if out]
    if not mine and new:
        return value + (" " if value and value[-1] not in blanks else "") + new
    for number, word in reversed(list(enumerate(mine))):
        before, after = value[: word.start], value[word.end :]
        if number == 0 and new:
            value = before + new + after
        else:
            value = before.rstrip(blanks) + after if before else after.lstrip(blanks)
    return value


def split_quoted(text: str) -> tuple[list[SpelledWord], bool]:
    """(the words that Comfy Desktop 2 makes of a text, whether every quote in it is closed)."""
    words: list[SpelledWord] = []
    i, closed, text = 0, True, text.rstrip(SCRIPT_BLANKS)  # even those that a quote without end would hold
    while i < len(text):
        if text[i] in SCRIPT_BLANKS:
            i += 1
            continue
        begin, word = i, ""
        while i < len(text) and text[i] not in SCRIPT_BLANKS:
            if text[i] not in "\"'":
                word, i = word + text[i], i + 1
                continue
            end = text.find(text[i], i + 1)
            closed = end >= 0
            end = end if closed else len(text)
            word, i = word + text[i + 1 : end], end + 1
        if word:
            words.append(SpelledWord(word, begin, min(i, len(text))))
    return words, closed


def split(text: str) -> list[SpelledWord]:
    """The words that Windows makes of a text. A quote that is never closed reaches to its end, see ``is_closed``."""
    return _scan(text)[0]


def is_closed(text: str) -> bool:
    """Whether every quote that opens is closed again, so that more words can be written behind it."""
    return _scan(text)[1]


def _scan(text: str) -> tuple[list[SpelledWord], bool]:
    words: list[SpelledWord] = []
    i, closed = 0, True
    while i < len(text):
        if text[i] in WINDOWS_BLANKS:
            i += 1
            continue
        begin, word, quoted = i, "", False
        while i < len(text) and (quoted or text[i] not in WINDOWS_BLANKS):
            slashes = 0
            while text[i : i + 1] == "\\":
                slashes, i = slashes + 1, i + 1
            if text[i : i + 1] != '"':
                word += "\\" * slashes
                if i < len(text) and (quoted or text[i] not in WINDOWS_BLANKS):
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
