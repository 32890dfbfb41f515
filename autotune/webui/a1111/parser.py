"""Which flags an install's own parser has, read from its source: forks drop some and add others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autotune.flags import argv, checker
from autotune.flags.catalogue import Catalogue
from autotune.language.translate import _

# Where the parsers of the known web UIs are written; those of extensions are theirs.
_SOURCES = ("modules/cmd_args.py", "ldm_patched/modules/args_parser.py", "backend/args.py")
# Fewer arguments than this mean that the parser is written in a way that is not understood here.
_ENOUGH = 30


@dataclass(frozen=True, slots=True)
class ParserCheck:
    """How an install's parser differs from the catalogue. ``unclassified``: flags that the catalogue does not know,
    which are left alone; ``lacks``: managed flags that this install would refuse."""

    unclassified: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


def check(root: Path, catalogue: Catalogue) -> ParserCheck:
    """Compares the catalogue with the parser of the install at ``root``; empty where that cannot be read."""
    text = _source(root)
    try:
        count = sum(1 for _ in checker.arguments(text))
        if count < _ENOUGH:
            return ParserCheck()
        found = checker.compare(catalogue, text)
    except (SyntaxError, ValueError):
        return ParserCheck()
    managed = catalogue.managed(("precision", "memory"))
    return ParserCheck(found.unclassified, tuple(flag for flag in found.missing if flag in managed))


def complaint(root: Path, words: Sequence[str]) -> str | None:
    """Why the install's own parser would refuse argv words; None if nothing speaks against them."""
    try:
        return checker.complaint(words, _source(root))
    except (SyntaxError, ValueError):
        return None


def refused(root: Path, words: Sequence[str], catalogue: Catalogue) -> str | None:
    """Why a start with these words would end at once, in a sentence; None if nothing speaks against them.

    A flag counts as unknown only if neither the install's parser, nor the catalogue, nor the text of any extension's
    preload.py names it.
    """
    source = _source(root)
    if not source:
        return _("{file} is missing or empty: the install is broken").format(file=root / _SOURCES[0])
    try:
        known = {name: one for one in checker.arguments(source) for name in one.names}
    except (SyntaxError, ValueError) as error:
        return _("{file} is no Python that can be read: {reason}").format(file=root / _SOURCES[0], reason=error)
    if len(known) < _ENOUGH:
        return None
    preloads = _preloads(root)
    for piece in argv.pieces(words, {**catalogue.flags, **known}):
        word = words[piece.start].partition("=")[0]
        if piece.flag is None and word.startswith("--") and word != "--" and word not in preloads:
            return _("no parser here, nor any extension's, knows {word}").format(word=word)
    return complaint(root, words)


def _preloads(root: Path) -> str:
    texts = []
    for path in sorted(root.glob("extensions*/*/preload.py")):
        try:
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return "\n".join(texts)


def _source(root: Path) -> str:
    sources = []
    for name in _SOURCES:
        try:
            sources.append((root / name).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return "\n".join(sources)
