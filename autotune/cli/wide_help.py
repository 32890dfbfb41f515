"""Help whose letters are as wide as two: wrapped and aligned by columns of the terminal, not by letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import click

NOT_FIRST = frozenset("、。，．・：；？！）」』】〕ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々%％,.:;)")
"""Letters that no line of Japanese begins with."""
NOT_LAST = frozenset("（「『【〔([")
"""Letters that no line ends with."""
PIECE = re.compile(r"\n| +|[!-~]+|.", re.DOTALL)
"""What is kept together: a line's end, spaces, a word of ASCII; every other letter stands alone."""


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1
               for letter in text if not unicodedata.combining(letter))


def fold(text: str, width: int) -> list[str]:
    """The lines of a paragraph, none wider than ``width`` columns where its words allow that."""
    pieces: list[str] = []
    for piece in PIECE.findall(text):
        beside = pieces and not (pieces[-1].isspace() or piece.isspace())
        if beside and (piece[0] in NOT_FIRST or pieces[-1][-1] in NOT_LAST):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    lines = [""]
    for piece in pieces:
        if piece == "\n" or (columns(lines[-1] + piece.rstrip()) > width and lines[-1]):
            lines[-1] = lines[-1].rstrip()
            lines.append("" if piece.isspace() else piece)
        elif lines[-1] or not piece.isspace():
            lines[-1] += piece
    return [line.rstrip() for line in lines]


class WideFormatter(click.HelpFormatter):
    """click's help with lines of wide letters."""

    def write_text(self, text: str) -> None:
        """Paragraphs below the present indent; one that begins with \\b keeps its lines."""
        margin = " " * self.current_indent
        for number, paragraph in enumerate(text.split("\n\n")):
            self.write("\n" if number else "")
            kept = paragraph.startswith("\b\n")
            lines = paragraph[2:].split("\n") if kept else fold(paragraph, max(self.width - self.current_indent, 11))
            for line in lines:
                self.write(f"{margin}{line}\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Two columns: names, and what each is for."""
        rows = list(rows)
        first = min(max((columns(name) for name, _ in rows), default=0), col_max) + col_spacing
        margin, beside = " " * self.current_indent, " " * (self.current_indent + first)
        for name, words in rows:
            fits = columns(name) <= first - col_spacing
            lines = fold(words, max(self.width - self.current_indent - first - 2, 10)) if words else []
            head = f"{margin}{name}"
            if fits and lines:
                self.write(f"{head}{' ' * (first - columns(name))}{lines.pop(0)}\n")
            else:
                self.write(f"{head}\n")
            for line in lines:
                self.write(f"{beside}{line}\n")
