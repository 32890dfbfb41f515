"""Compares the catalogue with the parser of a real install, by reading its source, never running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autotune.flags import argv
from autotune.flags.catalogue import Catalogue
from autotune.language.translate import _


@dataclass(frozen=True, slots=True)
class Parsed:
    """One argument of a parser's source: its names, and how many values it takes (see ``Flag.takes``).

    ``choices``: the values it accepts, () for any; ``number``: "int" or "float" where it must be one; ``group``: the
    name of the group of arguments that exclude each other, "" for none; ``usual``: the whole number that it is without
    being given, as text: giving that excludes nothing.
    """

    names: tuple[str, ...]
    takes: str
    choices: tuple[str, ...] = ()
    number: str = ""
    to: str | None = None
    group: str = ""
    usual: str = ""

    @property
    def name(self) -> str:
        """The name that argparse would use in a message."""
        return self.names[0]


@dataclass(frozen=True, slots=True)
class CatalogueDifference:
    """``unclassified``: in the source, not in the catalogue (always kept). ``missing``: the other way round.
    ``differing``: flags whose number of values differs."""

    unclassified: tuple[str, ...]
    missing: tuple[str, ...]
    differing: tuple[str, ...]


def compare(catalogue: Catalogue, cmd_args_source: str) -> CatalogueDifference:
    """Lists what the catalogue does not classify, or has otherwise, in an install's modules/cmd_args.py.

    Flags of built-in extensions stand in their own preload.py files and so may be ``missing`` here.
    Raises SyntaxError if the source is not Python.
    """
    found = {name: argument.takes for argument in arguments(cmd_args_source) for name in argument.names}
    known = catalogue.flags
    return CatalogueDifference(
        unclassified=tuple(name for name in found if name not in known),
        missing=tuple(name for name, flag in known.items() if name not in found and flag.kind != "alias"),
        differing=tuple(name for name in found if name in known and known[name].takes != found[name]),
    )


def syntax_tree(source: str) -> ast.Module:
    """The syntax tree of a source. Raises what ``ast.parse`` raises."""
    try:
        return ast.parse(source)
    except SystemError:  # "AST constructor recursion depth mismatch": seen once with CPython 3.11.7, not the source's
        return ast.parse(source)


def arguments(source: str) -> Iterator[Parsed]:
    """All ``…add_argument("--name", …)`` calls of a source, in its order."""
    tree = syntax_tree(source)
    members, groups = _enums(tree), _exclusive(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "add_argument":
            continue
        words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
        names = tuple(word for word in words if isinstance(word, str) and word.startswith("-"))
        if names:
            owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
            yield Parsed(names, _takes(call), _choices(call) or _members(call, members), _number(call),
                         group=owner if owner in groups else "", usual=_usual(call))


def complaint(words: Sequence[str], source: str) -> str | None:
    """Why the parser of this source would refuse argv words, in a sentence; None if nothing speaks against them.

    Flags that the source does not name are left out: extensions bring their own. Raises SyntaxError.
    """
    return complaint_of(words, {name: one for one in arguments(source) for name in one.names})


def complaint_of(words: Sequence[str], known: Mapping[str, Parsed]) -> str | None:
    """The same with the arguments of the source by name."""
    taken: dict[str, str] = {}
    for piece in argv.pieces(words, known):
        if piece.flag is None:
            continue
        argument = known[piece.flag]
        if not piece.sound:
            wrong = _("{flag} takes no value") if argument.takes == "0" else _("{flag} lacks its value")
            return wrong.format(flag=piece.flag)
        counts = argument.group and not (argument.usual and _same_number(piece.values, argument.usual))
        other = taken.setdefault(argument.group, argument.name) if counts else argument.name
        if other != argument.name:
            return _("{flag} and {other} exclude each other").format(flag=piece.flag, other=other)
        for value in piece.values:
            if argument.choices and value not in argument.choices:
                choices = ", ".join(argument.choices)
                return _("{flag} {value!r} is none of {choices}").format(flag=piece.flag, value=value, choices=choices)
            if argument.number and not _is(argument.number, value):
                whole = argument.number == "int"
                wrong = _("{flag} {value!r} is no whole number") if whole else _("{flag} {value!r} is no number")
                return wrong.format(flag=piece.flag, value=value)
    return None


def _same_number(values: Sequence[str], usual: str) -> bool:
    return len(values) == 1 and _is("int", values[0]) and int(values[0]) == int(usual)


def _usual(call: ast.Call) -> str:
    given = next((one.value for one in call.keywords if one.arg == "default"), None)
    plain = isinstance(given, ast.Constant) and type(given.value) is int
    return str(given.value) if plain and isinstance(given, ast.Constant) else ""


def _is(number: str, value: str) -> bool:
    try:
        int(value) if number == "int" else float(value)
    except ValueError:
        return False
    return True


def _choices(call: ast.Call) -> tuple[str, ...]:
    given = next((one.value for one in call.keywords if one.arg == "choices"), None)
    if not isinstance(given, ast.List | ast.Tuple) or not all(isinstance(one, ast.Constant) for one in given.elts):
        return ()
    values = [one.value for one in given.elts if isinstance(one, ast.Constant)]
    return tuple(values) if all(isinstance(one, str) for one in values) else ()  # type: ignore[arg-type]


def _enums(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """The text values of each enumeration that the source defines, by its name."""
    found = {}
    for node in ast.walk(tree):
        bases = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
        if isinstance(node, ast.ClassDef) and any(base.rpartition(".")[2].endswith("Enum") for base in bases):
            values = [one.value.value for one in node.body
                      if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant)]
            found[node.name] = tuple(value for value in values if isinstance(value, str))
    return found


def _members(call: ast.Call, enums: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The values that an argument of an enumeration's type takes, () for any other."""
    given = next((one.value for one in call.keywords if one.arg == "type"), None)
    return enums.get(given.id, ()) if isinstance(given, ast.Name) else ()


def _exclusive(tree: ast.Module) -> set[str]:
    """Names of the variables that hold groups of arguments that exclude each other."""
    found: set[str] = set()
    for node in ast.walk(tree):
        made = node.value if isinstance(node, ast.Assign) else None
        if (isinstance(node, ast.Assign) and isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute)
                and made.func.attr == "add_mutually_exclusive_group"):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return found


def _number(call: ast.Call) -> str:
    given = next((one.value for one in call.keywords if one.arg == "type"), None)
    return given.id if isinstance(given, ast.Name) and given.id in ("int", "float") else ""


def _takes(call: ast.Call) -> str:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    nargs = keywords.get("nargs")
    if isinstance(nargs, ast.Constant) and nargs.value is not None:
        return str(nargs.value)
    action = keywords.get("action")
    plain = isinstance(action, ast.Constant) and isinstance(action.value, str)
    without_value = ("store_true", "store_false", "store_const", "append_const", "count", "help", "version")
    return "0" if plain and isinstance(action, ast.Constant) and action.value in without_value else "1"
