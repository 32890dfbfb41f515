"""What else a bash file says: all its other commands as written, and the comments that speak of COMMANDLINE_ARGS."""

from __future__ import annotations

import re

from autotune.launchfile.sh_tree import Node, children, kind, start, stop
from autotune.launchfile.values import OWN

_COMMENTED = re.compile(r"#[#\s]*(?:export\s+)?COMMANDLINE_ARGS=")


def commands(root: Node, text: str) -> list[str]:
    """Everything but assignments of COMMANDLINE_ARGS, in order: an edit must not change any of it."""
    found: list[str] = []
    stack: list[Node] = [root]
    while stack:
        one = stack.pop()
        what = kind(one)
        if what in ("CallExpr", "DeclClause"):
            words = [*(one.get("Assigns") or []), *(one.get("Args") or [])]
            said = [text[start(w) : stop(w)] for w in words if not _own(w, text)]
            said[:0] = [str(one["Variant"]["Value"])] if what == "DeclClause" else []
            found += [" ".join(said)] if said else []
        elif (what in ("Lit", "Word", "") and "Parts" in one) or what in ("ArithmCmd", "LetClause", "TestClause"):
            found.append(text[start(one) : stop(one)])
        else:
            found += [f"{what}{one.get('Op', '')}"] if what or one.get("Op") else []
            if "Value" in one and "ValuePos" in one:
                found.append(str(one["Value"]))
            stack.extend(reversed(list(children(one))))
    return found


def _own(word: Node, text: str) -> bool:
    if word.get("Name"):
        return text[start(word["Name"]) : stop(word["Name"])] == OWN and not word.get("Naked")
    raw = text[start(word) : stop(word)]
    return bool(word.get("Naked")) and raw.lstrip("\"'").startswith(OWN + "=")


def _comments(root: Node, end: int) -> list[Node]:
    """Comments outside every block, in order, up to an offset."""
    found = [c for s in root.get("Stmts") or [] for c in s.get("Comments") or []] + (root.get("Last") or [])
    return [c for c in sorted(found, key=start) if start(c) < end]


def default_at(root: Node, text: str, end: int) -> int | None:
    """Offset right after the line of the last commented-out default, None without one."""
    found = [c for c in _comments(root, end) if _COMMENTED.match(text, start(c), stop(c))]
    return min(stop(found[-1]) + 1, len(text)) if found else None


def mention_at(root: Node, text: str, end: int) -> int | None:
    """Offset of the first whole line that names ``COMMANDLINE_ARGS=`` in a comment, None without one."""
    for comment in _comments(root, end):
        line = text.rfind("\n", 0, start(comment)) + 1
        if not text[line : start(comment)].strip() and f"{OWN}=" in text[start(comment) : stop(comment)]:
            return line
    return None
