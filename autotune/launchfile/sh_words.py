"""What a bash word stands for: its tree from the parser, its characters with the bytes they came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from autotune.launchfile.sh_tree import Node, kind, start, stop
from autotune.launchfile.values import ENVIRONMENT, Atom, Insertion, Ref, Value, flatten

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
UNSET = Value()
"""The value of a variable that the file takes away; told from an empty one by identity."""

_UNEVEN = re.compile(r"[*?\[{~]")
"""Characters that may make an unquoted word something else, or several words."""
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b",
           "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v", "?": "?"}
_OPERATORS = frozenset((":-", "-", ":+", "+"))
_TOLD = ("Excl", "Length", "Width", "Index", "Slice", "Repl", "Names", "Exp", "NestedParam", "Flags", "Modifiers",
         "IsSet")



def names(text: str) -> frozenset[str]:
    """Words of a text as a set."""
    return frozenset(text.split())


SET_BY_BASH = names("""
    _ BASH BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND BASH_LINENO
    BASH_MONOSECONDS BASH_REMATCH BASH_SOURCE BASH_SUBSHELL BASH_TRAPSIG BASH_VERSINFO BASH_VERSION COLUMNS COMP_CWORD
    COPROC DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD IFS LINENO LINES MAPFILE OLDPWD OPTARG
    OPTERR OPTIND PIPESTATUS PPID PWD RANDOM REPLY SCRIPT_DIR SECONDS SHELLOPTS SHLVL SRANDOM UID""")
"""Variables that bash (or webui.sh, before it reads its user file) sets itself, whatever the environment says."""
GIVEN_OR_SET = names("HOME HOSTNAME HOSTTYPE MACHTYPE OSTYPE PATH PS4 SHELL TERM")
"""Variables that bash sets when the environment does not."""


def latin(text: str) -> str:
    """Text of the environment as the bytes bash sees, one character each."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def unsure(reasons: list[str]) -> list[str]:
    """The reasons that are more than a variable of the environment."""
    return [r for r in reasons if not r.startswith(ENVIRONMENT)]


class Words:
    """Turns the tree of a word into the value bash would give it. ``variables``: what the file has set so far."""

    def __init__(self, text: str, environ: Mapping[str, str], line: Callable[[int], int]) -> None:
        self.s, self.environ, self.line = text, environ, line
        self.variables: dict[str, Value] = {}
        self.arrays: dict[str, list[Value]] = {}
        self.before: tuple[dict[str, Value], dict[str, list[Value]]] | None = None
        """Variables and arrays as they were, while a command such as ``export A=1 B=$A`` expands all its words."""
        self.passing: list[str] = []
        """Commands that may have changed variables which the file has not set since."""

    # -- variables

    def look(self, name: str, at: tuple[int, int], where: str = "bare") -> Value:
        """What ``$name`` gives here; UNSET where it has no value. ``at``: the bytes of the expansion."""
        known = self._now.get(name)
        if known is not None:
            return known
        if name in SET_BY_BASH or (name in GIVEN_OR_SET and name not in self.environ):
            return self._guess(f"{name}, which is set by bash itself", at, where)
        given = self.environ.get(name)
        reasons = tuple(self.passing)
        atom = Atom(latin(given or ""), *at, where, f"{ENVIRONMENT}{name}", False)
        return Value((atom,), reasons)

    def is_set(self, name: str) -> bool:
        """Whether a variable has a value, as far as is known."""
        known = self._now.get(name)
        return known is not UNSET if known is not None else name in self.environ

    def _guess(self, why: str, at: tuple[int, int], where: str, text: str = "") -> Value:
        return Value((Atom(text, *at, where, why, False),))

    @property
    def _now(self) -> dict[str, Value]:
        return self.before[0] if self.before else self.variables

    @property
    def _lists(self) -> dict[str, list[Value]]:
        return self.before[1] if self.before else self.arrays

    # -- words

    def literal(self, word: Node | None) -> str | None:
        """The text of a word without expansions, None where it has one."""
        if word is None:
            return ""
        parts, _ = self.value(word, False)
        texts = [p.text for p in parts if isinstance(p, Atom) and not p.depends]
        return "".join(texts) if len(texts) == len(parts) else None

    def value(self, word: Node, own: bool, after: int = 0) -> tuple[list[Atom | Ref], Insertion]:
        """Parts of a word and the place where text can be added at its end.

        ``own``: the word is assigned to COMMANDLINE_ARGS, so its literal bytes may be edited. ``after``: bytes of
        its first part that are passed over (a ``NAME=`` inside the quotes).
        """
        parts: list[Atom | Ref] = []
        tail = Insertion(start(word) + after, "bare")
        for part in word.get("Parts") or []:
            tail = self._part(part, own, parts, tail, word)
        return parts, tail

    def _part(self, part: Node, own: bool, parts: list[Atom | Ref], tail: Insertion, word: Node) -> Insertion:
        s, a, b = self.s, start(part), stop(part)
        if kind(part) == "Lit":
            return self._bare(a, b, own, parts, tail, word)
        if kind(part) == "SglQuoted":
            if part.get("Dollar"):
                self._ansi(a + 2, b - 1, own, parts)
                return Insertion(b - 1, "ansi")
            parts.extend(Atom(s[k], k, k + 1, "single", "", own) for k in range(a + 1, b - 1))
            return Insertion(b - 1, "single")
        if kind(part) == "DblQuoted":
            for inner in part.get("Parts") or []:
                if kind(inner) == "Lit":
                    self._double(start(inner), stop(inner), own, parts)
                else:
                    self._expansion(inner, "double", own, parts)
            return Insertion(b - 1, "double")
        self._expansion(part, "bare", own, parts)
        return Insertion(b, "bare")

    def _bare(self, a: int, b: int, own: bool, parts: list[Atom | Ref], tail: Insertion, word: Node) -> Insertion:
        s, i = self.s, a
        while i < b:
            c = s[i]
            if c == "\\":
                if s[i + 1 : i + 2] != "\n":  # at the very end of a file, a backslash stands for itself
                    parts.append(Atom(s[i + 1 : i + 2] or c, i, min(i + 2, b), "bare", "", own))
                i += 2
            elif c == "~" and (not parts or s[i - 1] in ":="):
                i = self._tilde(i, b, stop(word), parts)
            elif c == "\r" and i + 1 == stop(word):
                # A CRLF file: bash keeps the carriage return in the value, and the line's end has to stay its end.
                parts.append(Atom(c, i, i + 1, "bare", "", False))
                return tail
            else:
                parts.append(Atom(c, i, i + 1, "bare", "", own))
                i += 1
            tail = Insertion(min(i, b), "bare")
        return tail

    def _tilde(self, i: int, end: int, whole: int, parts: list[Atom | Ref]) -> int:
        """``~`` at the start of a value or after a colon: the home folder, where only a slash or the end follows."""
        following = self.s[i + 1 : i + 2] if i + 1 < end else ""
        plain = following in ("/", ":") if following else end == whole
        if plain and (not parts or self.s[i - 1] == ":") and self._now.get("HOME") is not UNSET:
            parts.append(Ref(self.look("HOME", (i, i + 1)), False))
        else:
            parts.append(Atom("~", i, i + 1, "bare", f"a home folder in line {self.line(i)}", False))
        return i + 1

    def _double(self, i: int, end: int, own: bool, parts: list[Atom | Ref]) -> None:
        s = self.s
        while i < end:
            if s[i] == "\\" and s[i + 1] in '$`"\\':
                parts.append(Atom(s[i + 1], i, i + 2, "double", "", own))
                i += 2
            elif s[i] == "\\" and s[i + 1] == "\n":
                i += 2
            else:
                parts.append(Atom(s[i], i, i + 1, "double", "", own))
                i += 1

    def _ansi(self, i: int, end: int, own: bool, parts: list[Atom | Ref]) -> None:
        while i < end:
            c = self.s[i]
            if c != "\\":
                parts.append(Atom(c, i, i + 1, "ansi", "", own))
                i += 1
                continue
            known = _SIMPLE.get(self.s[i + 1])
            if known is None:
                parts.append(Atom("", i, end, "ansi", f"an escape in $'...' in line {self.line(i)}", False))
                return
            parts.append(Atom(known, i, i + 2, "ansi", "", own))
            i += 2

    # -- expansions

    def _expansion(self, node: Node, where: str, own: bool, parts: list[Atom | Ref]) -> None:
        at = (start(node), stop(node))
        name = str((node.get("Param") or {}).get("Value", "")) if kind(node) == "ParamExp" else ""
        told = [key for key in _TOLD if node.get(key)]
        if NAME.fullmatch(name) and not told and name not in self._lists:
            value = self.look(name, at, where)
            parts.extend([Ref(value, own and name == "COMMANDLINE_ARGS")] if name in self._now
                         else self._here(value))
        elif NAME.fullmatch(name) and not told:
            parts.extend(Ref(one, False) for one in self._lists[name][:1])
        elif name in self._lists and told == ["Index"] and self._whole(node):
            for number, element in enumerate(self._lists[name]):
                parts.extend([Atom(" ", *at, where, "", False)] if number else [])
                parts.append(Ref(element, False))
        elif NAME.fullmatch(name) and told == ["Exp"] and node["Exp"]["Op"] in _OPERATORS and name not in self._lists:
            parts.extend(self._default(node, name, where))
        else:
            what = "a command" if kind(node) == "CmdSubst" else "an expansion"
            parts.append(Atom("", *at, where, f"{what} in line {self.line(at[0])}", False))

    @staticmethod
    def _here(value: Value) -> list[Atom | Ref]:
        """The environment's value as atoms of this place, unless more is to be said of it."""
        return [Ref(value, False)] if value.reasons else list(value.parts)

    def _whole(self, node: Node) -> bool:
        """``[@]`` or ``[*]``, joined by blanks: IFS decides about that."""
        return self.s[start(node["Index"]) : stop(node["Index"])] in ("@", "*") and "IFS" not in self._now

    def _default(self, node: Node, name: str, where: str) -> list[Atom | Ref]:
        """``${X:-word}``, ``${X-word}``, ``${X:+word}``, ``${X+word}``."""
        op, word, at = str(node["Exp"]["Op"]), node["Exp"].get("Word"), (start(node), stop(node))
        known = self.look(name, at, where)
        flat = flatten(known)
        filled = self.is_set(name) and (":" not in op or flat.text != "")
        out: list[Atom | Ref] = []
        if unsure(flat.reasons) or name in SET_BY_BASH:
            out.append(Atom("", *at, where, f"an expansion in line {self.line(at[0])}", False))
        elif flat.reasons or name not in self._now:
            out.append(Atom("", *at, where, f"{ENVIRONMENT}{name}", False))
        if filled == (op[-1] == "+"):
            out.extend(self._word(word, where))
        elif op[-1] == "-":
            out.append(Ref(known, False))
        return out

    def _word(self, word: Node | None, where: str) -> list[Atom | Ref]:
        """The word of an operator; inside double quotes, quotes in it are no part of the value."""
        if word is None:
            return []
        raw = self.s[start(word) : stop(word)]
        guess = Atom("", start(word), stop(word), where, f"an expansion in line {self.line(start(word))}", False)
        if where != "double":
            return self.value(word, False)[0] if "~" not in raw else [guess]
        out: list[Atom | Ref] = []
        for part in word.get("Parts") or []:
            inner = part.get("Parts") or [] if kind(part) == "DblQuoted" else [part]
            for one in inner:
                a, b = start(one), stop(one)
                if kind(one) == "SglQuoted" and not one.get("Dollar") and not re.search(r'[$`\\"]', self.s[a:b]):
                    out.extend(Atom(self.s[k], k, k + 1, "double", "", False) for k in range(a, b))
                elif kind(one) in ("SglQuoted", "DblQuoted") or (kind(one) == "Lit" and "\\" in self.s[a:b]):
                    out.append(guess)
                elif kind(one) == "Lit":
                    self._double(a, b, False, out)
                else:
                    self._expansion(one, "double", False, out)
        return out

    def elements(self, array: Node) -> list[Value] | None:
        """The elements of ``( ... )``; None where one may be another number of words, or has a subscript."""
        found = []
        for element in array.get("Elems") or []:
            word = element.get("Value")
            if element.get("Index") or word is None:
                return None
            # An expansion without quotes is split and globbed; "${X[@]}" is several words.
            if any(kind(p) not in ("Lit", "SglQuoted", "DblQuoted") for p in word["Parts"]):
                return None
            if any(kind(p) == "DblQuoted" and any(n.get("Index") or (n.get("Param") or {}).get("Value") == "@"
                                                  for n in p.get("Parts") or []) for p in word["Parts"]):
                return None
            parts, _ = self.value(word, False)
            if any(isinstance(p, Atom) and (p.depends or (p.where == "bare" and _UNEVEN.match(p.text)))
                   for p in parts):
                return None
            found.append(Value(tuple(parts)))
        return found
