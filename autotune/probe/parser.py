"""Which flags an install's own parser has, read from its source: forks drop some and add others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autotune.flags import checker
from autotune.flags.catalogue import Catalogue

# Where the parsers of the known web UIs are written; those of extensions are theirs.
_SOURCES = ("modules/cmd_args.py", "ldm_patched/modules/args_parser.py", "backend/args.py")
# Fewer arguments than this mean that the parser is written in a way that is not understood here.
_ENOUGH = 30


@dataclass(frozen=True, slots=True)
class ParserCheck:
    """``unclassified``: flags that the catalogue does not know (always left alone); ``lacks``: managed flags
    that this install would refuse."""

    unclassified: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


def check(root: Path, catalogue: Catalogue) -> ParserCheck:
    """Compares the catalogue with the parser at ``root``; nothing is said where it cannot be read."""
    sources = []
    for name in _SOURCES:
        try:
            sources.append((root / name).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    text = "\n".join(sources)
    try:
        count = sum(1 for _ in checker.arguments(text))
        if count < _ENOUGH:
            return ParserCheck()
        found = checker.compare(catalogue, text)
    except (SyntaxError, ValueError):
        return ParserCheck()
    managed = catalogue.managed(("precision", "memory"))
    return ParserCheck(found.unclassified, tuple(flag for flag in found.missing if flag in managed))
