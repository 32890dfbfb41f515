"""Finds where the members of a JSON object lie in its text, so that one value can change and no other byte does."""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from typing import NamedTuple

_BLANK = re.compile(r"[ \t\r\n]*")
_VALUE = JSONDecoder().raw_decode
"""(value, offset after it) of the JSON value that starts at an offset; raises ValueError."""


class Member(NamedTuple):
    """One ``"key": value``: offsets of the key's quote, the value's first character, and the value's end."""

    key: str
    start: int
    value: int
    end: int


class Item(NamedTuple):
    """One element of an array: [start, end)."""

    start: int
    end: int


def blank(text: str, i: int) -> int:
    """Offset after white space."""
    match = _BLANK.match(text, i)
    assert match
    return match.end()


def members(text: str, i: int) -> tuple[list[Member], int]:
    """Members of the object that opens at ``i`` and the offset after it. Raises ValueError."""
    found: list[Member] = []
    i = blank(text, _expect(text, i, "{"))
    while text[i : i + 1] != "}":
        start = i
        _expect(text, i, '"')
        key, i = _VALUE(text, i)
        value = blank(text, _expect(text, blank(text, i), ":"))
        end = _VALUE(text, value)[1]
        found.append(Member(key, start, value, end))
        i = _next(text, end, "}")
    return found, i + 1


def items(text: str, i: int) -> tuple[list[Item], int]:
    """Elements of the array that opens at ``i`` and the offset after it. Raises ValueError."""
    found: list[Item] = []
    i = blank(text, _expect(text, i, "["))
    while text[i : i + 1] != "]":
        end = _VALUE(text, i)[1]
        found.append(Item(i, end))
        i = _next(text, end, "]")
    return found, i + 1


def _next(text: str, i: int, close: str) -> int:
    i = blank(text, i)
    if text[i : i + 1] == close:
        return i
    i = blank(text, _expect(text, i, ","))
    if text[i : i + 1] == close:
        raise JSONDecodeError("a comma before the end", text, i)
    return i


def _expect(text: str, i: int, char: str) -> int:
    if text[i : i + 1] != char:
        raise JSONDecodeError(f"expected {char}", text, i)
    return i + 1
