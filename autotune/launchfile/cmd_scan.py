"""cmd.exe's first two steps on a batch file: percent expansion, then carets and quotes, line by line.

Rules as cmd.exe applies them: ``%%`` is a percent sign, ``%NAME%`` an expansion done before anything else is
looked at, a lone ``%`` disappears; ``"`` toggles quoting; outside quotes ``^`` makes the next character an
ordinary one, and at the end of a line it joins the next line, whose first character becomes ordinary.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from autotune.launchfile.values import OWN, Atom, Value, flatten

MAX_LINE = 8191
"""cmd.exe's longest line, in characters."""

DELIMITERS = " \t,;="
_ARGUMENT = re.compile(r"%(\*|~[a-zA-Z$:]*[0-9]|[0-9])")
_VARIABLE = re.compile(r"%([^%:\r\n]+)(:[^%\r\n]*)?%")


class Tok(NamedTuple):
    """One character as cmd's parser sees it. ``special``: it may end a command or open a block."""

    atom: Atom
    quoted: bool
    special: bool


class LineTooLong(Exception):
    """A line outgrew MAX_LINE; the argument is its byte offset."""


Look = Callable[[str], Value | None]
Env = Callable[[str], str | None]


class LineReader:
    """Reads logical lines of a batch file."""

    def __init__(self, s: str, look: Look, env: Env) -> None:
        self.s, self.look, self.env = s, look, env

    def logical(self, pos: int) -> tuple[list[Tok], int]:
        """Characters of the logical line that starts at ``pos``, and the offset of the next line."""
        toks: list[Tok] = []
        atoms, after = self.physical(pos)
        quoted, i = False, 0
        while i < len(atoms):
            atom = atoms[i]
            if atom.text == '"':
                toks.append(Tok(self._here(atom, True), True, False))
                quoted = not quoted
            elif atom.text != "^" or quoted:
                special = not quoted and atom.text in ("&", "|", "<", ">", "(", ")")
                toks.append(Tok(self._here(atom, quoted), quoted, special))
            elif i + 1 < len(atoms):
                following = atoms[i + 1]
                if following.editable and atom.end == following.start:
                    following = following._replace(start=atom.start)
                toks.append(Tok(self._here(following, False), False, False))
                i += 1
            elif after >= len(self.s) or finished_remark(toks):
                pass
            else:
                empty, (atoms, after) = after, self.physical(after)
                if not atoms:  # the line's end itself is the ordinary character, and the line after it is joined
                    toks.append(Tok(Atom("\n", empty, after, "plain", "", False), False, False))
                    atoms, after = self.physical(after)
                    i = -1
                else:
                    toks.append(Tok(self._here(atoms[0], False), False, False))
                    i = 0
            i += 1
            if len(toks) > MAX_LINE:
                raise LineTooLong(pos)
        return toks, after

    @staticmethod
    def _here(atom: Atom, quoted: bool) -> Atom:
        """Literal characters of this line get its quoting; expanded ones keep that of where they stand."""
        if atom.where:
            return atom
        return Atom(atom.text, atom.start, atom.end, "quoted" if quoted else "plain", atom.depends, atom.editable)

    def physical(self, pos: int) -> tuple[list[Atom], int]:
        """Characters of one physical line after percent expansion, and the offset of the next line."""
        s = self.s
        stop = s.find("\n", pos)
        after = len(s) if stop < 0 else stop + 1
        stop = len(s) if stop < 0 else stop
        atoms: list[Atom] = []
        i = pos
        while i < stop:
            c = s[i]
            if c == "\r":
                i += 1
            elif c != "%":
                atoms.append(Atom(c, i, i + 1, ""))
                i += 1
            else:
                i = self._percent(i, stop, atoms)
        if len(atoms) > MAX_LINE:
            raise LineTooLong(pos)
        return atoms, after

    def _percent(self, i: int, stop: int, atoms: list[Atom]) -> int:
        s = self.s
        if s.startswith("%%", i):
            atoms.append(Atom("%", i, i + 2, ""))
            return i + 2
        argument = _ARGUMENT.match(s, i, stop)
        if argument:
            atoms.append(Atom("", i, argument.end(), "plain", f"the argument {argument.group()}", False))
            return argument.end()
        match = _VARIABLE.match(s, i, stop)
        if not match:
            return i + 1
        name, change = match.group(1), match.group(2)
        known = None if change else self.look(name)
        if known is None:
            text = "" if change else self.env(name) or ""
            atoms.append(Atom(text, i, match.end(), "plain", f"variable {name}", False))
        else:
            flat = flatten(known)
            own = name.upper() == OWN
            atoms.extend(a if own else a._replace(editable=False) for a in flat.atoms)
            if flat.reasons and not any(a.depends for a in flat.atoms):
                atoms.append(Atom("", i, match.end(), "plain", flat.reasons[0], False))
        return match.end()


def finished_remark(toks: list[Tok]) -> bool:
    """A REM with more than one word is over at the end of its line: only its first word is parsed for carets."""
    text = "".join(t.atom.text for t in toks).rsplit("&", 1)[-1].lstrip(DELIMITERS + "@(")
    if text[:3].lower() != "rem" or text[3:4] not in tuple(DELIMITERS):
        return False
    rest = text[4:].lstrip(DELIMITERS)
    return any(c in DELIMITERS for c in rest)


def text_of(toks: list[Tok]) -> str:
    """The characters of some tokens, unknown expansions left out."""
    return "".join(t.atom.text for t in toks if not t.atom.depends)


def words_of(toks: list[Tok]) -> list[list[Tok]]:
    """Split a command at blanks outside quotes."""
    words: list[list[Tok]] = []
    current: list[Tok] = []
    for tok in toks:
        if tok.atom.text in (" ", "\t", ",", ";") and not tok.quoted:
            if current:
                words.append(current)
                current = []
        else:
            current.append(tok)
    return [*words, current] if current else words
