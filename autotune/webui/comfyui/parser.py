"""Reads which flags an install takes from the text of its own comfy/cli_args.py. Nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from autotune.flags import argv, checker
from autotune.flags.checker import Parsed
from autotune.language.translate import _

SOURCE = "comfy/cli_args.py"
ENOUGH = 30
"""Fewer arguments than this mean that the parser is written in a way that is not understood here. ComfyUI of April 2023
had fewer, and none of the flags that are tuned but two; of June 2026 it has 99."""
_HELP = Parsed(("--help", "-h"), "0")
"""argparse's own."""


@dataclass(frozen=True)
class OwnParser:
    """The arguments of an install's parser. ``by_name``: each under all its names; ``most``: the largest number of
    values of those for which the source has a rule of its own. Both are empty where the source was not understood."""

    by_name: Mapping[str, Parsed] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)

    def knows(self, flag: str, value: str = "") -> bool:
        """Whether it takes the flag, and this value with it; True for all where the source was not understood."""
        if not self.by_name:
            return True
        known = self.by_name.get(flag)
        return known is not None and (not value or (known.takes != "0" and value in (known.choices or (value,))))


def read(root: Path) -> OwnParser:
    """The parser of the install at ``root``, kept in memory until its file changes."""
    path = root / SOURCE
    try:
        state = path.stat()
    except OSError:
        return OwnParser()
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _read(path: Path, stamp: int, size: int) -> OwnParser:  # noqa: ARG001 - they are keys of the cache
    try:
        return of_source(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return OwnParser()


def of_source(text: str) -> OwnParser:
    """The parser that a text in the form of comfy/cli_args.py builds; an empty one if it is not understood."""
    try:
        known = {name: one for one in checker.arguments(text) for name in one.names}
        most = _limits(checker.syntax_tree(text))
    except (SyntaxError, ValueError, RecursionError):
        return OwnParser()
    if len(known) < ENOUGH:
        return OwnParser()
    return OwnParser({**known, **dict.fromkeys(_HELP.names, _HELP)}, most)


def complaint(root: Path, words: Sequence[str]) -> str | None:
    """Why the install's own parser would refuse these words, in a sentence; None if nothing speaks against them."""
    return complaint_of(read(root), words)


def complaint_of(parser: OwnParser, words: Sequence[str]) -> str | None:
    """The same for a parser already read. ComfyUI takes no words but its own flags and their values: custom nodes
    cannot add any, as the command line is parsed before they are loaded."""
    if not parser.by_name:
        return None
    for piece in argv.pieces(words, parser.by_name):
        if piece.flag is None:
            word = words[piece.start]
            return _ambiguous(word, parser) or _("this ComfyUI does not know {word}").format(word=word)
    wrong = checker.complaint_of(words, parser.by_name)
    if wrong:
        return wrong
    for flag, values in argv.all_values(words, parser.by_name).items():
        if len(values) > parser.most.get(flag, len(values)):
            return _("{flag} takes at most {count} values").format(flag=flag, count=parser.most[flag])
    return None


def _ambiguous(word: str, parser: OwnParser) -> str | None:
    head = word.partition("=")[0]
    fits = [name for name in parser.by_name if name.startswith(head)] if len(head) > 2 and head[:2] == "--" else []
    if len(fits) < 2:
        return None
    return _("{word} can mean {flags}").format(word=word, flags=", ".join(fits))


def _limits(tree: ast.Module) -> dict[str, int]:
    """Flags whose number of values the source limits: ``if … len(args.NAME) > N: parser.error(…)``."""
    found = {}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.If) and any(_is_error(one) for one in node.body)):
            continue
        for part in ast.walk(node.test):
            limit = _limit(part)
            if limit:
                found[limit[0]] = limit[1]
    return found


def _is_error(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "error"


def _limit(part: ast.AST) -> tuple[str, int] | None:
    """(flag, most values) of a comparison ``len(args.NAME) > N``."""
    if not (isinstance(part, ast.Compare) and len(part.ops) == 1 and isinstance(part.ops[0], ast.Gt)):
        return None
    left, right = part.left, part.comparators[0]
    if not (isinstance(left, ast.Call) and isinstance(left.func, ast.Name) and left.func.id == "len" and left.args):
        return None
    value = left.args[0]
    if not (isinstance(value, ast.Attribute) and isinstance(right, ast.Constant) and isinstance(right.value, int)):
        return None
    return "--" + value.attr.replace("_", "-"), right.value
