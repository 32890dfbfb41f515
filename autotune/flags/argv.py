"""Reads argv words the way argparse would: full names, unambiguous abbreviations, values, repeats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

_NEGATIVE_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")
"""What argparse takes as a value although it begins with a dash (its own pattern up to Python 3.13)."""


class Known(Protocol):
    """What this module needs to know of a flag: its name, its values (see ``Flag.takes``), its full name."""

    @property
    def name(self) -> str: ...
    @property
    def takes(self) -> str: ...
    @property
    def to(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words that belong together: a flag with its values, or words that are no known flag.

    ``start`` and ``end`` index the words; ``flag`` is the full name or None; ``values`` are its values;
    ``sound`` is False where argparse would stop (a value for a flag without one; a missing value, or one
    that looks like a flag).
    """

    start: int
    end: int
    flag: str | None
    values: tuple[str, ...] = ()
    sound: bool = True


def full_name(word: str, known: Mapping[str, Known]) -> str | None:
    """The known flag that ``word`` (without ``=value``) names, in full; None if unknown or ambiguous.

    argparse's rule: an exact name wins; otherwise a prefix counts only if it fits exactly one flag.
    """
    if word in known:
        return known[word].to or word
    if not word.startswith("--") or len(word) < 3:
        return None
    fits = [name for name, flag in known.items() if name.startswith(word) and flag.to is None]
    return fits[0] if len(fits) == 1 else None


def looks_like_flag(word: str, known: Mapping[str, Known]) -> bool:
    """Would argparse take this word as an option rather than a value or a positional?

    A known flag, abbreviated (even where that fits several) or with ``=value``, always; else a word without a blank
    that is no negative number.
    """
    if len(word) < 2 or not word.startswith("-"):
        return False
    head = word.partition("=")[0]
    named = full_name(head, known) is not None or (len(head) > 2 and any(name.startswith(head) for name in known))
    return named or (" " not in word and not _is_number(word))


def _is_number(word: str) -> bool:
    return _NEGATIVE_NUMBER.match(word) is not None


def pieces(words: Sequence[str], known: Mapping[str, Known]) -> tuple[Piece, ...]:
    """Cuts ``words`` into pieces; their ranges follow each other and cover all words."""
    found: list[Piece] = []
    at = 0
    while at < len(words):
        piece = _piece_at(words, at, known)
        found.append(piece)
        at = piece.end
    return tuple(found)


def given(words: Sequence[str], known: Mapping[str, Known]) -> dict[str, str | None]:
    """Flags in force by full name, with their last value (None for flags without one)."""
    found: dict[str, str | None] = {}
    for piece in pieces(words, known):
        if piece.flag and piece.sound:
            found[piece.flag] = piece.values[-1] if piece.values else None
    return found


def all_values(words: Sequence[str], known: Mapping[str, Known]) -> dict[str, tuple[str, ...]]:
    """Flags in force by full name, with all values of the last time each is given."""
    return {piece.flag: piece.values for piece in pieces(words, known) if piece.flag and piece.sound}


def _piece_at(words: Sequence[str], at: int, known: Mapping[str, Known]) -> Piece:
    word = words[at]
    if word == "--":
        return Piece(at, len(words), None)
    head, equals, value = word.partition("=")
    name = known[word].to or word if word in known else full_name(head, known)
    if name is None or not word.startswith("-"):
        return Piece(at, at + 1, None)
    takes = known[name].takes
    if equals and word not in known:
        return Piece(at, at + 1, name, (value,), sound=takes != "0")
    if takes == "0":
        return Piece(at, at + 1, name)
    if takes == "1":
        end = min(at + 2, len(words))
        values = tuple(words[at + 1 : end])
        return Piece(at, end, name, values, sound=len(values) == 1 and not looks_like_flag(values[0], known))
    end = at + 1
    most = 1 if takes == "?" else len(words)
    while end < len(words) and end - at <= most and not looks_like_flag(words[end], known):
        end += 1
    return Piece(at, end, name, tuple(words[at + 1 : end]), sound=takes != "+" or end > at + 1)
