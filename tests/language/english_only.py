"""Finds the sentences in the source that no catalogue takes: strings of two words and more that stand in no ``_()``."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MARKS = {"_", "N_", "ngettext"}
WORDS = re.compile(r"(?<![\w./\\<>=-])[A-Za-z][a-z']+[,.;:]? (?:\{\} )?(?:[A-Za-z][a-z']+|[aI])(?![\w/\\=(])")
"""Two English words side by side; not flags, paths, names of functions or assignments."""
PATTERN = re.compile(r"\\[bwWsSdD()]|\(\?[:i!=<]")
"""A regular expression, for what other programs say."""
LISTS = Path(__file__).parent / "english"
"""One file a room: what stays English, by file and reason."""


def sentences(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string that looks like words for people and is in no ``_()``; ``{}`` for what is filled in.

    Docstrings, ``assert``, regular expressions and ``help=`` are not looked at: click's help is taken from the
    commands.
    """
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        text = _text(node)
        if text and WORDS.search(text) and not PATTERN.search(text) and not _left_out(node, parents):
            yield node.lineno, text  # type: ignore[attr-defined]


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _left_out(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    if isinstance(parents.get(node), ast.Expr | ast.JoinedStr):  # a docstring; a piece of an f-string
        return True
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.Assert) or (isinstance(node, ast.keyword) and node.arg == "help"):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS:
            return True
    return False


def allowed() -> dict[str, dict[str, list[str]]]:
    """File -> reason -> the texts that stay English for it; one that ends in … stands for all that begin so, * for
    the whole file."""
    found: dict[str, dict[str, list[str]]] = {}
    for file in sorted(LISTS.glob("*.toml")):
        for place, reasons in tomllib.loads(file.read_text(encoding="utf-8")).items():
            assert place not in found, f"{place} stands in two lists"
            found[place] = reasons
    return found


def matches(text: str, entry: str) -> bool:
    """Whether an entry of a list stands for the text."""
    return entry in ("*", text) or (entry.endswith("…") and text.startswith(entry[:-1]))
