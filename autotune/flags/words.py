"""Argv words of a launch file: which are ours, which stay, and how a set is written among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autotune.flags import argv
from autotune.flags.catalogue import Catalogue
from autotune.model.flagset import FlagSet


@dataclass(frozen=True, slots=True)
class Split:
    """Words as the user wrote them, in their order: ``tuned`` are managed, ``kept`` never change."""

    tuned: tuple[str, ...]
    kept: tuple[str, ...]


def split(words: Sequence[str], catalogue: Catalogue, dimensions: Sequence[str] = ()) -> Split:
    """Parts ``words`` into the managed ones and the rest."""
    mine = catalogue.owns(words, dimensions)
    return Split(
        tuned=tuple(word for word, ours in zip(words, mine, strict=True) if ours),
        kept=tuple(word for word, ours in zip(words, mine, strict=True) if not ours),
    )


def canonical(words: Sequence[str], catalogue: Catalogue) -> tuple[str, ...]:
    """Known flags in full, each once (its last value), in the catalogue's order; the rest is dropped."""
    given: dict[str, tuple[str, ...]] = {}
    for piece in argv.pieces(words, catalogue.flags):
        if piece.flag and piece.sound:
            given[piece.flag] = piece.values
    return tuple(word for name in catalogue.flags if name in given for word in (name, *given[name]))


def replace(
    words: Sequence[str], target: FlagSet, catalogue: Catalogue, dimensions: Sequence[str] = ()
) -> tuple[str, ...]:
    """``words`` with their managed words replaced by ``target.words``; all others keep place and order.

    The new words stand where the first managed word stood, else at the end (before a ``--``). Words whose
    managed part is already exactly the target come back unchanged.
    """
    mine = catalogue.owns(words, dimensions)
    if split(words, catalogue, dimensions).tuned == target.words:
        return tuple(words)
    first = mine.index(True) if True in mine else _end_of_options(words, catalogue)
    before = [word for word, ours in zip(words[:first], mine[:first], strict=True) if not ours]
    after = [word for word, ours in zip(words[first:], mine[first:], strict=True) if not ours]
    return (*before, *target.words, *after)


def _end_of_options(words: Sequence[str], catalogue: Catalogue) -> int:
    """Where appended flags go: the end, but before a ``--`` and before a last flag that lacks its value."""
    for piece in argv.pieces(words, catalogue.flags):
        ends = piece.flag is None and words[piece.start] == "--"
        if ends or (piece.end == len(words) and not piece.sound and not piece.values):
            return piece.start
    return len(words)
