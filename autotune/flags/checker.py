"""Compares the catalogue with the parser of a real install, by reading its source, never running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from autotune.flags.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Parsed:
    """One argument of a parser's source: its names, and how many values it takes (see ``Flag.takes``)."""

    names: tuple[str, ...]
    takes: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """``unclassified``: in the source, not in the catalogue (always kept). ``missing``: the other way round.
    ``differing``: flags whose number of values differs."""

    unclassified: tuple[str, ...]
    missing: tuple[str, ...]
    differing: tuple[str, ...]


def compare(catalogue: Catalogue, cmd_args_source: str) -> Comparison:
    """Lists what the catalogue does not classify, or has otherwise, in an install's modules/cmd_args.py.

    Flags of built-in extensions stand in their own preload.py files and so may be ``missing`` here.
    Raises SyntaxError if the source is not Python.
    """
    found = {name: argument.takes for argument in arguments(cmd_args_source) for name in argument.names}
    known = catalogue.flags
    return Comparison(
        unclassified=tuple(name for name in found if name not in known),
        missing=tuple(name for name, flag in known.items() if name not in found and flag.kind != "alias"),
        differing=tuple(name for name in found if name in known and known[name].takes != found[name]),
    )


def arguments(source: str) -> Iterator[Parsed]:
    """All ``…add_argument("--name", …)`` calls of a source, in its order."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "add_argument":
            continue
        words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
        names = tuple(word for word in words if isinstance(word, str) and word.startswith("-"))
        if names:
            yield Parsed(names, _takes(call))


def _takes(call: ast.Call) -> str:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    nargs = keywords.get("nargs")
    if isinstance(nargs, ast.Constant) and nargs.value is not None:
        return str(nargs.value)
    action = keywords.get("action")
    plain = isinstance(action, ast.Constant) and isinstance(action.value, str)
    without_value = ("store_true", "store_false", "store_const", "append_const", "count", "help", "version")
    return "0" if plain and isinstance(action, ast.Constant) and action.value in without_value else "1"
