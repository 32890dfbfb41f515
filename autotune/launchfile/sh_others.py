"""Lists what an edit must leave alone in a bash file, its other commands, and finds comments on COMMANDLINE_ARGS."""

from __future__ import annotations

import re

from autotune.launchfile.sh_tree import Node, begin_of, children, end_of, source_of, type_of
from autotune.launchfile.values import COMMANDLINE_ARGS

_COMMENTED = re.compile(r"#[#\s]*(?:export\s+)?COMMANDLINE_ARGS=")


def other_commands(root: Node, text: str) -> list[str]:
    """All commands but assignments of COMMANDLINE_ARGS, in order, to compare a file with its edited copy."""
    found: list[str] = []
    stack: list[Node] = [root]
    while stack:
        one = stack.pop()
        what = type_of(one)
        if what in ("CallExpr", "DeclClause"):
            words = [*(one.get("Assigns") or []), *(one.get("Args") or [])]
            said = [source_of(w, text) for w in words if not _own(w, text)]
            said[:0] = [str(one["Variant"]["Value"])] if what == "DeclClause" else []
            found += [" ".join(said)] if said else []
        elif (what in ("Lit", "Word", "") and "Parts" in one) or what in ("ArithmCmd", "LetClause", "TestClause"):
            found.append(source_of(one, text))
        else:
            found += [f"{what}{one.get('Op', '')}"] if what or one.get("Op") else []
            if "Value" in one and "ValuePos" in one:
                found.append(str(one["Value"]))
            stack.extend(reversed(list(children(one))))
    return found


def _own(word: Node, text: str) -> bool:
    if word.get("Name"):
        return source_of(word["Name"], text) == COMMANDLINE_ARGS and not word.get("Naked")
    raw = source_of(word, text)
    return bool(word.get("Naked")) and raw.lstrip("\"'").startswith(COMMANDLINE_ARGS + "=")


def _comments(root: Node, end: int) -> list[Node]:
    """Comments outside every block, in order, up to an offset."""
    found = [c for s in root.get("Stmts") or [] for c in s.get("Comments") or []] + (root.get("Last") or [])
    return [c for c in sorted(found, key=begin_of) if begin_of(c) < end]


def default_at(root: Node, text: str, end: int) -> int | None:
    """Offset right after the line of the last commented-out default, None without one."""
    found = [c for c in _comments(root, end) if _COMMENTED.match(text, begin_of(c), end_of(c))]
    return min(end_of(found[-1]) + 1, len(text)) if found else None


def mention_at(root: Node, text: str, end: int) -> int | None:
    """Offset of the first whole line that names ``COMMANDLINE_ARGS=`` in a comment, None without one."""
    for comment in _comments(root, end):
        begin = begin_of(comment)
        line = text.rfind("\n", 0, begin) + 1
        if not text[line:begin].strip() and f"{COMMANDLINE_ARGS}=" in text[begin : end_of(comment)]:
            return line
    return None
