"""Reading bash word by word: where a word ends, and what characters it stands for."""

from __future__ import annotations

import re
from collections.abc import Callable

from autotune.launchfile.values import Atom, Insertion, Ref, Value, flatten

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BREAK = frozenset(" \t\n;&|()<>")
_PLAIN = re.compile(r"[^ \t\n;&|()<>\\'\"`$]+")
_DOUBLE_PLAIN = re.compile(r"[^\"\\`$]+")
_WHOLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\[([@*])\]")
_UNEVEN = re.compile(r"[*?\[{~]")
"""Characters that may make an unquoted word of an array something else, or several words."""
_DEFAULT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:?-)")


class Unterminated(Exception):
    """A quote or bracket that never closes; the argument is its byte offset."""


def word_end(s: str, i: int) -> int:
    """Offset after the shell word that starts at ``i``. Raises Unterminated."""
    n = len(s)
    while i < n:
        match = _PLAIN.match(s, i)
        if match:
            i = match.end()
            continue
        c = s[i]
        if c in BREAK:
            return i
        if c == "\\":
            i += 2
        elif c == "'":
            i = _find(s, "'", i + 1, i) + 1
        elif c == '"':
            i = double_end(s, i)
        elif c == "`":
            i = _backtick_end(s, i)
        else:
            i = dollar_end(s, i)
    return min(i, n)


def _find(s: str, what: str, i: int, opened: int) -> int:
    at = s.find(what, i)
    if at < 0:
        raise Unterminated(opened)
    return at


def double_end(s: str, i: int) -> int:
    """Offset after the double-quoted string that opens at ``i``."""
    opened, i = i, i + 1
    while i < len(s):
        match = _DOUBLE_PLAIN.match(s, i)
        if match:
            i = match.end()
            continue
        c = s[i]
        if c == '"':
            return i + 1
        if c == "\\":
            i += 2
        elif c == "`":
            i = _backtick_end(s, i)
        else:
            i = dollar_end(s, i, quoted=True)
    raise Unterminated(opened)


def _backtick_end(s: str, i: int) -> int:
    opened, i = i, i + 1
    while i < len(s):
        if s[i] == "\\":
            i += 2
        elif s[i] == "`":
            return i + 1
        else:
            i += 1
    raise Unterminated(opened)


def dollar_end(s: str, i: int, quoted: bool = False) -> int:
    """Offset after the expansion that the ``$`` at ``i`` begins (``i + 1`` for a lone dollar)."""
    c = s[i + 1 : i + 2]
    if c == "(":
        return bracket_end(s, i + 1, "(", ")")
    if c == "{":
        return bracket_end(s, i + 1, "{", "}")
    if c == '"' and not quoted:
        return double_end(s, i + 1)
    if c == "'" and not quoted:
        opened, i = i, i + 2
        while i < len(s) and s[i] != "'":
            i += 2 if s[i] == "\\" else 1
        if i >= len(s):
            raise Unterminated(opened)
        return i + 1
    match = NAME.match(s, i + 1)
    if match:
        return match.end()
    return i + 2 if c and c in "0123456789@*#?$!-" else i + 1


def bracket_end(s: str, i: int, left: str, right: str) -> int:
    """Offset after the bracket that matches the one at ``i``; quotes inside are honoured."""
    opened, depth = i, 0
    while i < len(s):
        c = s[i]
        if c == left:
            depth += 1
        elif c == right:
            depth -= 1
            if depth == 0:
                return i + 1
        elif c == "\\":
            i += 1
        elif c == "'":
            i = _find(s, "'", i + 1, i)
        elif c == '"':
            i = double_end(s, i) - 1
        elif c == "`":
            i = _backtick_end(s, i) - 1
        i += 1
    raise Unterminated(opened)


def array_words(s: str, i: int) -> tuple[list[tuple[int, int]], int]:
    """Elements of the array that opens at ``i`` as (start, end), and the offset after it. Raises Unterminated."""
    opened, i = i, i + 1
    found: list[tuple[int, int]] = []
    while i < len(s):
        c = s[i]
        if c == ")":
            return found, i + 1
        if c in " \t\n":
            i += 1
        elif c == "\\" and s[i + 1 : i + 2] == "\n":
            i += 2
        elif c == "#":
            i = _find(s, "\n", i, opened)
        else:
            stop = max(word_end(s, i), i + 1)
            found.append((i, stop))
            i = stop
    raise Unterminated(opened)


Look = Callable[[str], Value | None]
"""The value an earlier statement of the file gave a variable; None when the file never set it."""

Env = Callable[[str], str | None]
"""The value the environment gives a variable (Latin-1), None when it is unset."""


class Evaluator:
    """Turns the bytes of a word into the value bash would give it."""

    def __init__(self, s: str, look: Look, env: Env, line: Callable[[int], int]) -> None:
        self.s, self.look, self.env, self.line = s, look, env, line
        self.arrays: dict[str, list[Value]] = {}

    def elements(self, words: list[tuple[int, int]]) -> list[Value] | None:
        """The elements of an array; None where one is not a plain word, or has a subscript."""
        found = []
        for start, end in words:
            parts, _ = self.value(start, end, False)
            if any(isinstance(p, Atom) and (p.depends or (p.where == "bare" and _UNEVEN.match(p.text)))
                   for p in parts):
                return None
            found.append(Value(tuple(parts)))
        return found

    def value(self, start: int, end: int, own: bool) -> tuple[list[Atom | Ref], Insertion]:
        """Parts of the word s[start:end] and the place where text can be added at its end.

        ``own``: the word is assigned to COMMANDLINE_ARGS, so its literal bytes may be edited.
        """
        s, i = self.s, start
        parts: list[Atom | Ref] = []
        tail = Insertion(start, "bare")
        while i < end:
            c = s[i]
            if c == "\\":
                if s[i + 1 : i + 2] != "\n":
                    parts.append(Atom(s[i + 1 : i + 2], i, i + 2, "bare", "", own))
                i += 2
                tail = Insertion(min(i, end), "bare")
            elif c == "'":
                close = s.index("'", i + 1)
                parts.extend(Atom(s[k], k, k + 1, "single", "", own) for k in range(i + 1, close))
                i, tail = close + 1, Insertion(close, "single")
            elif c == '"' or s.startswith('$"', i):
                i += c == "$"
                close = double_end(s, i) - 1
                self._double(i + 1, close, own, parts)
                i, tail = close + 1, Insertion(close, "double")
            elif s.startswith("$'", i):
                stop = dollar_end(s, i)
                self._ansi(i + 2, stop - 1, own, parts)
                i, tail = stop, Insertion(stop - 1, "ansi")
            elif c in "$`":
                i = self._expansion(i, "bare", own, parts)
                tail = Insertion(i, "bare")
            else:
                parts.append(Atom(c, i, i + 1, "bare", "", own))
                i += 1
                tail = Insertion(i, "bare")
        last = parts[-1] if parts else None
        if isinstance(last, Atom) and last.where == "bare" and last.text == "\r" and last.end == end:
            # A CRLF file: bash keeps the carriage return in the value, and the line's end has to stay its end.
            parts.pop()
            tail = self.value(start, last.start, own)[1]
            parts.append(last._replace(editable=False))
        return parts, tail

    def _double(self, i: int, end: int, own: bool, parts: list[Atom | Ref]) -> None:
        s = self.s
        while i < end:
            c = s[i]
            if c == "\\" and s[i + 1] in '$`"\\':
                parts.append(Atom(s[i + 1], i, i + 2, "double", "", own))
                i += 2
            elif c == "\\" and s[i + 1] == "\n":
                i += 2
            elif c in "$`":
                i = self._expansion(i, "double", own, parts)
            else:
                parts.append(Atom(c, i, i + 1, "double", "", own))
                i += 1

    def _ansi(self, i: int, end: int, own: bool, parts: list[Atom | Ref]) -> None:
        simple = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b",
                  "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v", "?": "?"}
        while i < end:
            c = self.s[i]
            if c != "\\":
                parts.append(Atom(c, i, i + 1, "ansi", "", own))
                i += 1
                continue
            known = simple.get(self.s[i + 1])
            if known is None:
                parts.append(Atom("", i, end, "ansi", "an escape in $'...'", False))
                return
            parts.append(Atom(known, i, i + 2, "ansi", "", own))
            i += 2

    def _expansion(self, i: int, where: str, own: bool, parts: list[Atom | Ref]) -> int:
        s = self.s
        stop = _backtick_end(s, i) if s[i] == "`" else dollar_end(s, i, quoted=True)
        inner = s[i + 2 : stop - 1] if s.startswith("${", i) else s[i + 1 : stop]
        if stop == i + 1:
            parts.append(Atom("$", i, stop, where, "", own))
        elif NAME.fullmatch(inner):
            parts.append(self._variable(inner, i, stop, where, own))
        elif s.startswith("${", i) and (whole := _WHOLE.fullmatch(inner)) and self._known(whole):
            for number, element in enumerate(self.arrays[whole.group(1)]):
                parts.extend([Atom(" ", i, stop, where, "", False)] if number else [])
                parts.append(Ref(element, False))
        elif s.startswith("${", i) and (match := _DEFAULT.match(inner)):
            parts.extend(self._default(match, i, stop, where))
        else:
            kind = "a command" if s[i] == "`" or s.startswith("$(", i) else "an expansion"
            parts.append(Atom("", i, stop, where, f"{kind} in line {self.line(i)}", False))
        return stop

    def _known(self, whole: re.Match[str]) -> bool:
        """An array that the file set, joined by blanks: ``[*]`` takes the first character of IFS for that."""
        return whole.group(1) in self.arrays and (whole.group(2) == "@" or self.look("IFS") is None)

    def _variable(self, name: str, start: int, stop: int, where: str, own: bool) -> Atom | Ref:
        known = self.look(name)
        if known is not None:
            return Ref(known, own and name == "COMMANDLINE_ARGS")
        return Atom(self.env(name) or "", start, stop, where, f"variable {name}", False)

    def _default(self, match: re.Match[str], start: int, stop: int, where: str) -> list[Atom | Ref]:
        name, empty_too = match.group(1), match.group(2) == ":-"
        inner = start + 2 + match.end()
        word: list[Atom | Ref] = []
        if where == "double":
            self._double(inner, stop - 1, False, word)
        else:
            word = self.value(inner, stop - 1, False)[0]
        known = self.look(name)
        if known is not None:
            flat = flatten(known)
            if not flat.reasons:
                return [Ref(known, False)] if flat.text or not empty_too else word
        given = self.env(name)
        text = flatten(Value(tuple(word))).text if not given and (empty_too or given is None) else given
        return [Atom(text or "", start, stop, where, f"variable {name}", False)]
