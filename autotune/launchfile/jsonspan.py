"""Where the members of a JSON object lie in its text, so that one value can change and no other byte does."""

from __future__ import annotations

import re
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # the standard library's own string scanner
from typing import NamedTuple

_BLANK = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity")


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
        key, i = scanstring(text, _expect(text, i, '"'), True)
        value = blank(text, _expect(text, blank(text, i), ":"))
        end = value_end(text, value)
        found.append(Member(key, start, value, end))
        i = _next(text, end, "}")
    return found, i + 1


def items(text: str, i: int) -> tuple[list[Item], int]:
    """Elements of the array that opens at ``i`` and the offset after it. Raises ValueError."""
    found: list[Item] = []
    i = blank(text, _expect(text, i, "["))
    while text[i : i + 1] != "]":
        end = value_end(text, i)
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


def value_end(text: str, i: int) -> int:
    """Offset after the value that starts at ``i``; nesting is followed without recursion. Raises ValueError."""
    depth = 0
    while True:
        c = text[i : i + 1]
        if c == '"':
            i = scanstring(text, i + 1, True)[1]
        elif c in ("{", "["):
            depth, i = depth + 1, i + 1
            if text[blank(text, i) : blank(text, i) + 1] not in ("}", "]"):
                i = blank(text, i)
                continue
            i = blank(text, i)
        elif c in ("}", "]") and depth:
            pass
        else:
            match = _SCALAR.match(text, i)
            if not match:
                raise JSONDecodeError("expected a value", text, i)
            i = match.end()
        while depth and text[blank(text, i) : blank(text, i) + 1] in ("}", "]"):
            depth, i = depth - 1, blank(text, i) + 1
        if not depth:
            return i
        i = blank(text, i)
        if text[i : i + 1] not in (",", ":"):
            raise JSONDecodeError("expected , or :", text, i)
        i = blank(text, i + 1)
