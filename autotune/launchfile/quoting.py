"""Quotes words for a launch file: one layer for shlex, one for the script language around it.

launch.py splits COMMANDLINE_ARGS with POSIX shlex, so a word is quoted for shlex first; the result is then
escaped for the place in the script where it goes.
"""

from __future__ import annotations

import re

_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./\-~\x80-\xff]+")
_ANSI = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'"}
_META = frozenset("&|<>^()")


def for_shlex(word: str) -> str:
    """The word in quotes for shlex, where it needs them."""
    if _SAFE.fullmatch(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def joined(words: tuple[str, ...]) -> str:
    """Words as one string that shlex splits back into them."""
    return " ".join(for_shlex(word) for word in words)


def for_sh(text: str, where: str) -> str:
    """``text`` as bash source inside the quoting ``where``; unquoted text gets double quotes of its own."""
    if where == "single":
        return text.replace("'", "'\\''")
    if where == "ansi":
        return "".join(_ANSI.get(c, c) for c in text)
    escaped = re.sub(r'[\\"$`]', r"\\\g<0>", text)
    return f'"{escaped}"' if where == "bare" and text else escaped


def for_cmd(text: str, where: str) -> str | None:
    """``text`` as batch source; None where it cannot be written (line breaks, an odd quote inside quotes)."""
    if re.search(r"[\r\n\0\x1a]", text):
        return None
    quoted = where == "quoted"
    out: list[str] = []
    for c in text:
        if c == "%":
            out.append("%%")
        elif c == '"' and where == "quoted":
            out.append(c)
            quoted = not quoted
        elif not quoted and (c in _META or c == '"'):
            out.append("^" + c)
        else:
            out.append(c)
    if where == "quoted" and not quoted:
        return None
    return "".join(out)
