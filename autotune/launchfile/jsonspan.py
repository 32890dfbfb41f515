"""Finds where the members of a JSON object lie in its text, so that one value can change and no other byte does."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from json import JSONDecodeError, JSONDecoder, dumps
from typing import Any, NamedTuple

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


def spelled(value: Any) -> str:  # noqa: ANN401  # any JSON value
    """A value as JSON, characters as they are; halves of surrogate pairs, which no file can hold, as escapes."""
    plain = dumps(value, ensure_ascii=False)
    return dumps(value) if any("\ud800" <= char <= "\udfff" for char in plain) else plain


def without(text: str, at: int, gone: Collection[int]) -> str:
    """The text without these members, by number, of the object that opens at ``at``. Raises ValueError."""
    for number in sorted(gone, reverse=True):
        found, _end = members(text, at)
        if number > 0:
            text = text[: found[number - 1].end] + text[found[number].end :]
        elif len(found) > 1:
            text = text[: found[0].start] + text[found[1].start :]
        else:
            text = text[: found[0].start] + text[found[0].end :]
    return text


def with_members(text: str, at: int, number: int, new: Mapping[str, Any]) -> str:
    """The text with new members in the object that opens at ``at``, before its ``number``-th one, laid out as those
    that are there. Raises ValueError."""
    found, _end = members(text, at)
    if not new:
        return text
    if not found:
        return text[: at + 1] + ", ".join(f"{spelled(k)}: {spelled(v)}" for k, v in new.items()) + text[at + 1 :]
    last = found[-1]
    gap = text[at + 1 : found[0].start]
    if len(found) > 1:
        between = text[found[-2].end : last.start]
        gap = between[between.index(",") + 1 :]
    colon = text[last.start : last.value]
    colon = colon[len(colon.rstrip(" :\t\r\n")) :]
    lines = [f"{spelled(key)}{colon}{spelled(value)}" for key, value in new.items()]
    if number < len(found):
        before = found[number].start
        return text[:before] + "".join(f"{line},{gap}" for line in lines) + text[before:]
    return text[: last.end] + "".join(f",{gap}{line}" for line in lines) + text[last.end :]


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
