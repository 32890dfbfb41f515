"""Text broken into the lines of a terminal, wide letters counted as two columns. From the standard library alone, so
that `status` starts at once."""

from __future__ import annotations

import re
import unicodedata

_PIECES = re.compile(r"[^ ]*?[^\x00-\u2fff](?![。、）」])[。、）」]*|[^ ]+? (?=[^ ])|[^ ]+|.")
"""Up to a wide letter, behind which Japanese breaks (not before what ends a sentence or bracket), or up to a space."""
_HANGING = re.compile(r"\s*\S{1,12}(?: \S{1,10})?\s{2,}|\s*")
"""What stands before the text of a line: its indentation, or a label and the spaces behind it."""

_NAMED = re.compile(r"\S{1,24}: ")
"""A name at the beginning of a line: what is said of it is indented a little, so that names stand out."""


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
               for one in text)


def broken(text: str, width: int, hanging: int = 0) -> list[str]:
    """A text in lines of at most so many columns, all but the first indented by ``hanging`` ones. A word that is wider
    than a line stays whole: a path that is to be copied."""
    lines, line = [], ""
    for piece in _PIECES.findall(text):
        if line.strip() and columns(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = " " * hanging
        line += piece
    return [*lines, line.rstrip()]


def fitted(text: str, width: int) -> str:
    """Each line of a text broken to fit, and its rest indented to where its text begins."""
    return "\n".join(part for line in text.split("\n") for part in (
        [line] if columns(line) <= width else broken(line, width, _indentation(line, width))))


def _indentation(line: str, width: int) -> int:
    found = _HANGING.match(line)
    indented = columns(found.group()) if found is not None else 0
    if indented == 0 and _NAMED.match(line):
        return 2
    return indented if indented <= width // 3 else 0
