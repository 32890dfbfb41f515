"""A bash file's syntax, as shfmt's parser (mvdan/sh) gives it: a tree of plain dicts with byte offsets.

shfmt is asked in place of a grammar of our own: it knows here-documents, ``case`` inside ``$( )`` and comments inside
substitutions, takes 3 ms a file, and fails on what it does not understand. (tree-sitter-bash was measured too: 16 ms,
and it silently joins two statements where a comment stands inside a substitution.)
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from autotune.disk.programs import HIDDEN
from autotune.language.translate import N_, _

Node = dict[str, Any]
"""One node of the tree. ``Type`` tells its kind where several are possible; ``Pos`` and ``End`` its bytes."""

TIME_LIMIT = 20.0
"""Seconds; a launch file takes milliseconds."""

_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\xff]")
"""What bash takes for an ordinary character of a word and another parser may not: CR, form feeds, bytes above ASCII."""

_SAID = (
    N_("reached EOF without closing quote {quote}"),
    N_("reached EOF without matching {open} with {close}"),
    N_("unclosed here-document {name}"),
    N_("{open} statement must end with {close}"),
    N_("{before} must be followed by a statement"),
    N_("{before} must be followed by a statement list"),
    N_("{before} must be followed by a word"),
    N_("{before} must be followed by a name"),
    N_("{before} must be followed by an expression"),
    N_("{before} must be followed by {after}"),
    N_("{word} can only immediately follow a statement"),
    N_("{word} can only be used in a loop"),
    N_("{word} can only be used to end a loop"),
    N_("{word} can only be used in a case clause"),
    N_("{word} can only be used to close a block"),
    N_("{word} can only be used to close a subshell"),
    N_("{word} can only be used to end an {open}"),
    N_("statements must be separated by &, ; or a newline"),
    N_("not a valid parameter expansion operator: {operator}"),
    N_("invalid parameter name"),
)
"""What shfmt's parser says of a file, in its own words; of those that fit the first counts."""


class NotUnderstood(Exception):
    """The parser refuses the file. Arguments: line (0: none) and what it says."""


class NoParser(Exception):
    """There is no shfmt on this machine."""


@lru_cache(maxsize=1)
def find_shfmt() -> str | None:
    """The path of shfmt: beside this Python, else on the PATH; None where it is missing."""
    name = "shfmt.exe" if os.name == "nt" else "shfmt"
    for folder in (str(Path(sys.executable).parent), *os.environ.get("PATH", "").split(os.pathsep)):
        if folder and Path(folder, name).is_file():
            return str(Path(folder, name))
    return _installed(name)


def _installed(name: str) -> str | None:
    """Where the package's own list of files puts shfmt: an install outside the usual folders."""
    from importlib.metadata import PackageNotFoundError, files

    try:
        found = [one.locate() for one in files("shfmt-py") or [] if one.name == name]
    except PackageNotFoundError:
        return None
    return next((str(Path(one).resolve()) for one in found if Path(one).is_file()), None)


@lru_cache(maxsize=64)
def parse_bash(text: str) -> Node:
    """The tree of a file's Latin-1 text; it is shared, so nobody may change it. Raises NotUnderstood, NoParser."""
    found = find_shfmt()
    if found is None:
        raise NoParser
    # A dot is as ordinary as they are, and every offset stays.
    plain = _ODD.sub(".", text).encode("ascii")
    try:
        done = subprocess.run([found, "-ln", "bash", "--to-json"], input=plain, capture_output=True, timeout=TIME_LIMIT,
                              check=False, creationflags=HIDDEN)
        if done.returncode == 0:
            root: Node = json.loads(done.stdout)
            _refuse_nameless(root)
            return root
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise NotUnderstood(0, _("shfmt failed: {error}").format(error=type(error).__name__)) from None
    if b"exceeded max depth" in done.stderr:
        raise RecursionError
    said = re.search(r"(\d+):\d+: (.*)", done.stderr.decode("utf-8", "replace"))
    raise NotUnderstood(int(said.group(1)) if said else 0, _translated(said.group(2)) if said else _("shfmt failed"))


def _translated(said: str) -> str:
    """What shfmt says in the language in use; a sentence that is not known here stays as it is."""
    for text in _SAID:
        found = re.fullmatch(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(text)), said)
        if found:
            return _(text).format(**found.groupdict())
    return said


def _refuse_nameless(root: Node) -> None:
    """Raises NotUnderstood for a function without a name, which shfmt lets through and bash calls a syntax error."""
    for node in walk(root):
        if type_of(node) == "FuncDecl" and not node.get("Name"):
            raise NotUnderstood(int(node["Pos"]["Line"]), _("a function needs a name"))


def begin_of(node: Node) -> int:
    """Offset of a node's first byte."""
    return int(node["Pos"]["Offset"])


def end_of(node: Node) -> int:
    """Offset after a node's last byte."""
    return int(node["End"]["Offset"])


def source_of(node: Node, text: str) -> str:
    """The characters of a node in the text that was parsed."""
    return text[begin_of(node) : end_of(node)]


def type_of(node: Node | None) -> str:
    """The node's type, '' where it has none."""
    return str(node.get("Type", "")) if node else ""


def children(node: Node | list[Any]) -> Iterator[Node]:
    """Every node right below one, in the order of the file."""
    values = node.values() if isinstance(node, dict) else node
    for value in values:
        if isinstance(value, dict):
            if "Pos" in value or "Type" in value:
                yield value
            elif "Offset" not in value or "Line" not in value:
                yield from children(value)
        elif isinstance(value, list):
            yield from children(value)


def walk(node: Node, skip: frozenset[str] = frozenset()) -> Iterator[Node]:
    """A node and all below it, without the insides of the kinds in ``skip``."""
    stack = [node]
    while stack:
        one = stack.pop()
        yield one
        if type_of(one) not in skip:
            stack.extend(reversed(list(children(one))))


def end_with_heredocs(statement: Node) -> int:
    """Offset after a statement and the bodies of its here-documents (on the line of the last delimiter)."""
    return max([end_of(statement), *(end_of(n["Hdoc"]) for n in walk(statement) if n.get("Hdoc"))])
