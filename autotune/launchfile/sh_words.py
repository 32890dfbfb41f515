"""Turns words of a bash file into values: each character with the bytes that it came from, expansions resolved."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from autotune.language.translate import _
from autotune.launchfile.sh_tree import Node, begin_of, end_of, source_of, type_of
from autotune.launchfile.values import FROM_ENVIRONMENT, Atom, Expanded, Insertion, VariableValue, flatten

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WordParts = list[Atom | Expanded]
UNSET = VariableValue()
"""The value of a variable that the file unsets; it differs from an empty value by identity only."""

_UNEVEN = re.compile(r"[*?\[{~]")
"""Characters that may make an unquoted word something else, or several words."""
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b",
           "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v", "?": "?"}
_OPERATORS = frozenset((":-", "-", ":+", "+"))
_MODIFIERS = ("Excl", "Length", "Width", "Index", "Slice", "Repl", "Names", "Exp", "NestedParam", "Flags", "Modifiers",
         "IsSet")



def names(text: str) -> frozenset[str]:
    """The set of words in a text."""
    return frozenset(text.split())


SET_BY_BASH = names("""
    _ BASH BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND BASH_LINENO
    BASH_MONOSECONDS BASH_REMATCH BASH_SOURCE BASH_SUBSHELL BASH_TRAPSIG BASH_VERSINFO BASH_VERSION COLUMNS COMP_CWORD
    COPROC DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD IFS LINENO LINES MAPFILE OLDPWD OPTARG
    OPTERR OPTIND PIPESTATUS PPID PWD RANDOM REPLY SCRIPT_DIR SECONDS SHELLOPTS SHLVL SRANDOM UID""")
"""Variables that bash (or webui.sh, before it reads its user file) sets itself, whatever the environment says."""
GIVEN_OR_SET = names("HOME HOSTNAME HOSTTYPE MACHTYPE OSTYPE PATH PS4 SHELL TERM")
"""Variables that bash sets when the environment does not."""


def as_latin1(text: str) -> str:
    """Text of the environment as bash sees it: each byte of its UTF-8 as one character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def beyond_environment(reasons: list[str]) -> list[str]:
    """Those of the reasons that do not name a variable of the environment."""
    return [r for r in reasons if not r.startswith(FROM_ENVIRONMENT)]


class BashWords:
    """The values of words as bash would expand them. ``variables``, ``arrays``: what the file has set so far."""

    def __init__(self, text: str, environ: Mapping[str, str], line: Callable[[int], int]) -> None:
        self.s, self.environ, self.line = text, environ, line
        self.variables: dict[str, VariableValue] = {}
        self.arrays: dict[str, list[VariableValue]] = {}
        self.before: tuple[dict[str, VariableValue], dict[str, list[VariableValue]]] | None = None
        """Variables and arrays as they were, while a command such as ``export A=1 B=$A`` expands all its words."""
        self.changes_earlier: list[str] = []
        """Commands that may have changed variables which the file has not set since."""

    # -- variables

    def value_of(self, name: str, at: tuple[int, int], where: str = "bare") -> VariableValue:
        """The value of ``$name`` here, UNSET where it has none. ``at``: the bytes of the expansion."""
        known = self._current.get(name)
        if known is not None:
            return known
        if name in SET_BY_BASH or (name in GIVEN_OR_SET and name not in self.environ):
            return self._guess(_("{name}, which is set by bash itself").format(name=name), at, where)
        given = self.environ.get(name)
        reasons = tuple(self.changes_earlier)
        atom = Atom(as_latin1(given or ""), *at, where, f"{FROM_ENVIRONMENT}{name}", False)
        return VariableValue((atom,), reasons)

    def is_set(self, name: str) -> bool:
        """Whether a variable has a value, as far as is known."""
        known = self._current.get(name)
        return known is not UNSET if known is not None else name in self.environ

    def _guess(self, why: str, at: tuple[int, int], where: str, text: str = "") -> VariableValue:
        return VariableValue((Atom(text, *at, where, why, False),))

    @property
    def _current(self) -> dict[str, VariableValue]:
        return self.before[0] if self.before else self.variables

    @property
    def _current_arrays(self) -> dict[str, list[VariableValue]]:
        return self.before[1] if self.before else self.arrays

    # -- words

    def literal(self, word: Node | None) -> str | None:
        """The text of a word without expansions, None where it has one."""
        if word is None:
            return ""
        parts = self.value(word, False)[0]
        texts = [p.text for p in parts if isinstance(p, Atom) and not p.depends]
        return "".join(texts) if len(texts) == len(parts) else None

    def value(self, word: Node, editable: bool, after: int = 0) -> tuple[WordParts, Insertion]:
        """The parts of a word, and the place where text can be added at its end.

        ``editable``: the word is assigned to COMMANDLINE_ARGS, so its literal bytes may be edited. ``after``: bytes of
        its first part that are passed over (a ``NAME=`` inside the quotes).
        """
        parts: WordParts = []
        tail = Insertion(begin_of(word) + after, "bare")
        for part in word.get("Parts") or []:
            tail = self._part(part, editable, parts, tail, word)
        return parts, tail

    def _part(self, part: Node, editable: bool, parts: WordParts, tail: Insertion, word: Node) -> Insertion:
        s, a, b = self.s, begin_of(part), end_of(part)
        if type_of(part) == "Lit":
            return self._bare(a, b, editable, parts, tail, word)
        if type_of(part) == "SglQuoted":
            if part.get("Dollar"):
                self._ansi(a + 2, b - 1, editable, parts)
                return Insertion(b - 1, "ansi")
            parts.extend(Atom(s[k], k, k + 1, "single", "", editable) for k in range(a + 1, b - 1))
            return Insertion(b - 1, "single")
        if type_of(part) == "DblQuoted":
            for inner in part.get("Parts") or []:
                if type_of(inner) == "Lit":
                    self._double(begin_of(inner), end_of(inner), editable, parts)
                else:
                    self._expansion(inner, "double", editable, parts)
            return Insertion(b - 1, "double")
        self._expansion(part, "bare", editable, parts)
        return Insertion(b, "bare")

    def _bare(self, a: int, b: int, editable: bool, parts: WordParts, tail: Insertion, word: Node) -> Insertion:
        s, i = self.s, a
        while i < b:
            c = s[i]
            if c == "\\":
                if s[i + 1 : i + 2] != "\n":  # at the very end of a file, a backslash stands for itself
                    parts.append(Atom(s[i + 1 : i + 2] or c, i, min(i + 2, b), "bare", "", editable))
                i += 2
            elif c == "~" and (not parts or s[i - 1] in ":="):
                i = self._tilde(i, b, end_of(word), parts)
            elif c == "\r" and i + 1 == end_of(word):
                # A CRLF file: bash keeps the carriage return in the value, and the line's end has to stay its end.
                parts.append(Atom(c, i, i + 1, "bare", "", False))
                return tail
            else:
                parts.append(Atom(c, i, i + 1, "bare", "", editable))
                i += 1
            tail = Insertion(min(i, b), "bare")
        return tail

    def _tilde(self, i: int, end: int, whole: int, parts: WordParts) -> int:
        """``~`` at the start of a value or after a colon: the home folder, where only a slash or the end follows."""
        following = self.s[i + 1 : i + 2] if i + 1 < end else ""
        plain = following in ("/", ":") if following else end == whole
        if plain and (not parts or self.s[i - 1] == ":") and self._current.get("HOME") is not UNSET:
            parts.append(Expanded(self.value_of("HOME", (i, i + 1)), False))
        else:
            why = _("a home folder in line {line}").format(line=self.line(i))
            parts.append(Atom("~", i, i + 1, "bare", why, False))
        return i + 1

    def _double(self, i: int, end: int, editable: bool, parts: WordParts) -> None:
        s = self.s
        while i < end:
            if s[i] == "\\" and s[i + 1] in '$`"\\':
                parts.append(Atom(s[i + 1], i, i + 2, "double", "", editable))
                i += 2
            elif s[i] == "\\" and s[i + 1] == "\n":
                i += 2
            else:
                parts.append(Atom(s[i], i, i + 1, "double", "", editable))
                i += 1

    def _ansi(self, i: int, end: int, editable: bool, parts: WordParts) -> None:
        while i < end:
            c = self.s[i]
            if c != "\\":
                parts.append(Atom(c, i, i + 1, "ansi", "", editable))
                i += 1
                continue
            known = _SIMPLE.get(self.s[i + 1])
            if known is None:
                why = _("an escape in $'...' in line {line}").format(line=self.line(i))
                parts.append(Atom("", i, end, "ansi", why, False))
                return
            parts.append(Atom(known, i, i + 2, "ansi", "", editable))
            i += 2

    # -- expansions

    def _expansion(self, node: Node, where: str, editable: bool, parts: WordParts) -> None:
        at = (begin_of(node), end_of(node))
        name = str((node.get("Param") or {}).get("Value", "")) if type_of(node) == "ParamExp" else ""
        modifiers = [key for key in _MODIFIERS if node.get(key)]
        if NAME.fullmatch(name) and not modifiers and name not in self._current_arrays:
            value = self.value_of(name, at, where)
            parts.extend([Expanded(value, editable and name == "COMMANDLINE_ARGS")] if name in self._current
                         else self._as_atoms(value))
        elif NAME.fullmatch(name) and not modifiers:
            parts.extend(Expanded(one, False) for one in self._current_arrays[name][:1])
        elif name in self._current_arrays and modifiers == ["Index"] and self._is_whole_array(node):
            for number, element in enumerate(self._current_arrays[name]):
                parts.extend([Atom(" ", *at, where, "", False)] if number else [])
                parts.append(Expanded(element, False))
        elif (NAME.fullmatch(name) and name not in self._current_arrays
              and modifiers == ["Exp"] and node["Exp"]["Op"] in _OPERATORS):
            parts.extend(self._default(node, name, where))
        else:
            why = _("a command in line {line}") if type_of(node) == "CmdSubst" else _("an expansion in line {line}")
            parts.append(Atom("", *at, where, why.format(line=self.line(at[0])), False))

    @staticmethod
    def _as_atoms(value: VariableValue) -> WordParts:
        """The parts of a value of the environment, or the value itself where it is uncertain."""
        return [Expanded(value, False)] if value.reasons else list(value.parts)

    def _is_whole_array(self, node: Node) -> bool:
        """Is this ``[@]`` or ``[*]``, joined by blanks (which they are unless IFS is set)?"""
        return source_of(node["Index"], self.s) in ("@", "*") and "IFS" not in self._current

    def _default(self, node: Node, name: str, where: str) -> WordParts:
        """The parts that ``${X:-word}``, ``${X-word}``, ``${X:+word}`` or ``${X+word}`` gives."""
        op, word, at = str(node["Exp"]["Op"]), node["Exp"].get("Word"), (begin_of(node), end_of(node))
        known = self.value_of(name, at, where)
        flat = flatten(known)
        filled = self.is_set(name) and (":" not in op or flat.text != "")
        out: WordParts = []
        if beyond_environment(flat.reasons) or name in SET_BY_BASH:
            out.append(Atom("", *at, where, _("an expansion in line {line}").format(line=self.line(at[0])), False))
        elif flat.reasons or name not in self._current:
            out.append(Atom("", *at, where, f"{FROM_ENVIRONMENT}{name}", False))
        if filled == (op[-1] == "+"):
            out.extend(self._word(word, where))
        elif op[-1] == "-":
            out.append(Expanded(known, False))
        return out

    def _word(self, word: Node | None, where: str) -> WordParts:
        """The parts of an operator's word; inside double quotes, quotes in it are no part of the value."""
        if word is None:
            return []
        begin, end = begin_of(word), end_of(word)
        raw = self.s[begin:end]
        guess = Atom("", begin, end, where, _("an expansion in line {line}").format(line=self.line(begin)), False)
        if where != "double":
            return self.value(word, False)[0] if "~" not in raw else [guess]
        out: WordParts = []
        for part in word.get("Parts") or []:
            inner = part.get("Parts") or [] if type_of(part) == "DblQuoted" else [part]
            for one in inner:
                a, b = begin_of(one), end_of(one)
                if type_of(one) == "SglQuoted" and not one.get("Dollar") and not re.search(r'[$`\\"]', self.s[a:b]):
                    out.extend(Atom(self.s[k], k, k + 1, "double", "", False) for k in range(a, b))
                elif type_of(one) in ("SglQuoted", "DblQuoted") or (type_of(one) == "Lit" and "\\" in self.s[a:b]):
                    out.append(guess)
                elif type_of(one) == "Lit":
                    self._double(a, b, False, out)
                else:
                    self._expansion(one, "double", False, out)
        return out

    def elements(self, array: Node) -> list[VariableValue] | None:
        """The elements of ``( ... )``; None where one may be another number of words, or has a subscript."""
        found = []
        for element in array.get("Elems") or []:
            word = element.get("Value")
            if element.get("Index") or word is None:
                return None
            # An expansion without quotes is split and globbed; "${X[@]}" is several words.
            if any(type_of(p) not in ("Lit", "SglQuoted", "DblQuoted") for p in word["Parts"]):
                return None
            if any(type_of(p) == "DblQuoted" and any(n.get("Index") or (n.get("Param") or {}).get("Value") == "@"
                                                  for n in p.get("Parts") or []) for p in word["Parts"]):
                return None
            parts = self.value(word, False)[0]
            if any(isinstance(p, Atom) and (p.depends or (p.where == "bare" and _UNEVEN.match(p.text)))
                   for p in parts):
                return None
            found.append(VariableValue(tuple(parts)))
        return found
