"""Takes words out of a launch file's bytes and puts others in, so that continuation lines stay valid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from autotune.launchfile.reader import split_value
from autotune.launchfile.values import Atom, Reading, Word


class Splice(NamedTuple):
    """Replace the bytes [start, end) by ``text`` (Latin-1)."""

    start: int
    end: int
    text: str


Place = tuple[int, str, bool]
"""Where words can be written: offset, quoting there, and whether a blank is needed first."""


def remove_words(
    text: str, reading: Reading, line: Sequence[int], inside: Sequence[int], keep_first: bool
) -> tuple[list[Splice], Place | None] | None:
    """Splices that take words out, and the place where the first of the value's words stood.

    ``line`` and ``inside``: indexes into the words of the starting line and of the value. ``keep_first``: that place is
    asked for, so the blanks around it stay. None if one of the words cannot be taken out byte by byte.
    """
    changes: list[Splice] = []
    for i in line:
        on_line = reading.line_words[i]
        if not on_line.literal:
            return None
        start = on_line.start
        while start > 0 and text[start - 1] in " \t":
            start -= 1
        changes.append(Splice(start, on_line.end, ""))
    spelled = split_value(reading)
    atoms, words = spelled.flat.atoms, spelled.words
    gone: list[Atom] = []
    place: Place | None = None
    left: Word | None = None
    for i, word in enumerate(words):
        if i not in inside:
            left = word
            continue
        if not (word.literal and word.editable):
            return None
        begin, end = word.first, word.last + 1
        if keep_first and place is None:
            place = (atoms[begin].start, atoms[begin].where, False)
        elif left is not None:
            begin = _same_line(atoms, words[i - 1].last + 1, begin)
        elif i + 1 < len(words):
            while end < words[i + 1].first and atoms[end].start == atoms[end - 1].end:
                end += 1
        gone.extend(a for a in atoms[begin:end] if a.editable and not a.depends)
        if place is not None:
            left = word
    return [*changes, *_removals((a.start, a.end) for a in gone)], place


def _same_line(atoms: list[Atom], begin: int, end: int) -> int:
    """Index of the first of the blanks before the word at ``end`` that stand on the same line as it."""
    at = end
    while at > begin and atoms[at - 1].end == atoms[at].start and atoms[at - 1].editable:
        at -= 1
    return at


def drop_empty_lines(text: str, changes: list[Splice], reading: Reading) -> list[Splice]:
    """The changes, and removals of the continuation lines that they leave empty: their mark would join other lines."""
    mark = "\\" if reading.kind == "sh" else "^"
    out = list(changes)
    for assignment in reading.assignments:
        begin, end = assignment.start, assignment.end
        touched = sorted(c for c in changes if begin <= c.start <= end)
        if not touched or "\n" not in text[begin:end]:
            continue
        out.extend(_empty_lines(text, touched, begin, end, mark))
    return [*(c for c in out if c.text), *_removals((c.start, c.end) for c in out if not c.text)]


def _empty_lines(text: str, touched: list[Splice], begin: int, end: int, mark: str) -> list[Splice]:
    """Removals of an assignment's lines, after its first, that hold nothing but a continuation mark any more."""
    extra: list[Splice] = []
    starts = [begin, *(begin + m.end() for m in re.finditer("\n", text[begin:end]))]
    left = 0
    for number, at in enumerate(starts[1:], 1):
        last = number == len(starts) - 1
        stop = end if last else starts[number + 1]
        rest = _what_is_left(text, [c for c in touched if at <= c.start < stop], at, stop)
        if rest is not None and not last and re.fullmatch(rf"[ \t]*{re.escape(mark)}\r?\n", rest):
            extra.append(Splice(at, stop, ""))
            continue
        if last and mark == "^" and rest is not None and not rest.strip(" \t\r\n"):
            before = re.compile(r"[ \t]*\^\r?\n$").search(text[starts[left] : starts[left + 1]])
            if before:
                extra.append(Splice(starts[left] + before.start(), stop, ""))
        left = number
    return extra


def _what_is_left(text: str, mine: list[Splice], at: int, stop: int) -> str | None:
    """What the changes leave of the line [at, stop); None if they do not touch it or write into it."""
    if not mine or any(c.text for c in mine):
        return None
    rest = ""
    for change in sorted(mine):
        rest += text[at : change.start]
        at = max(at, change.end)
    return rest + text[at:stop]


def _removals(spans: Iterable[tuple[int, int]]) -> list[Splice]:
    """Removals of byte ranges, joined where these touch or overlap."""
    found: list[Splice] = []
    for start, end in sorted(spans):
        if found and start <= found[-1].end:
            found[-1] = Splice(found[-1].start, max(found[-1].end, end), "")
        else:
            found.append(Splice(start, end, ""))
    return found


def apply_splices(text: str, changes: list[Splice]) -> str:
    """The text with all changes made. An insertion at the start of a removal goes in its place."""
    out, position = [], 0
    for change in sorted(changes, key=lambda c: (c.start, c.end)):
        if change.start > position:
            out.append(text[position : change.start])
            position = change.start
        out.append(change.text)
        position = max(position, change.end)
    out.append(text[position:])
    return "".join(out)
