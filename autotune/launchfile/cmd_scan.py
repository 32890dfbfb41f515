"""Reads the lines of a batch file as cmd.exe does: percent expansion first, then carets and quotes.

Rules as cmd.exe applies them: ``%%`` is a percent sign, ``%NAME%`` an expansion done before anything else is
looked at, a lone ``%`` disappears; ``"`` toggles quoting; outside quotes ``^`` makes the next character an
ordinary one, and at the end of a line it joins the next line, whose first character becomes ordinary.
"""

from __future__ import annotations

import re
from itertools import dropwhile
from typing import NamedTuple, Protocol

from autotune.language.translate import _
from autotune.launchfile.cmd_facts import upper_name
from autotune.launchfile.values import ARGUMENT, COMMANDLINE_ARGS, FROM_ENVIRONMENT, Atom, VariableValue, flatten

MAX_LINE = 8191
"""cmd.exe's longest line, in characters."""

DELIMITERS = " \t,;="
_ARGUMENT = re.compile(r"%(\*|~[a-zA-Z$:]*[0-9]|[0-9])")
_VARIABLE = re.compile(r"%([^%:\r\n]+)(:[^%\r\n]*)?%")


class BatchChar(NamedTuple):
    """One character as cmd's parser sees it. ``special``: it is a sign of the language (``& | < > ( )``), not text."""

    atom: Atom
    quoted: bool
    special: bool

    @property
    def text(self) -> str:
        """The character; '' where it is not known."""
        return self.atom.text

    @property
    def delimits(self) -> bool:
        """Is it a blank or one of ``, ; =``, quoted or not?"""
        return self.text != "" and self.text in DELIMITERS


class LineTooLong(Exception):
    """A line has more than MAX_LINE characters; the argument is its byte offset."""


class Source(Protocol):
    """Gives percent expansion the values of variables and of arguments such as ``%~dp0``."""

    def variable(self, name: str) -> VariableValue:
        """The value now. No parts: not set. Atoms of the environment name the variable they depend on."""

    def argument(self, spelled: str) -> str | None:
        """The text of ``%~dp0`` and its like, None where only the start tells."""


class LineReader:
    """Reads the lines of a batch file, continuation lines joined, variables expanded.

    ``followed``: the variable whose characters keep the places where it was set, wherever they are expanded.
    """

    def __init__(self, s: str, source: Source, followed: str = COMMANDLINE_ARGS) -> None:
        self.s, self.source, self.followed = s, source, followed

    def logical(self, pos: int) -> tuple[list[BatchChar], int]:
        """Characters of the logical line that starts at ``pos``, and the offset of the next line."""
        chars: list[BatchChar] = []
        atoms, after = self.physical(pos)
        quoted, i = False, 0
        while i < len(atoms):
            atom = atoms[i]
            if atom.text == '"':
                chars.append(BatchChar(self._here(atom, True), True, False))
                quoted = not quoted
            elif atom.text != "^" or quoted:
                special = not quoted and atom.text in ("&", "|", "<", ">", "(", ")")
                chars.append(BatchChar(self._here(atom, quoted), quoted, special))
            elif any(a.text for a in atoms[i + 1 :]):
                while not atoms[i + 1].text:
                    chars.append(BatchChar(self._here(atoms[i + 1], False), False, False))
                    i += 1
                following = atoms[i + 1]
                if following.editable and atom.end == following.start:
                    following = following._replace(start=atom.start)
                chars.append(BatchChar(self._here(following, False), False, False))
                i += 1
            elif after >= len(self.s) or finished_remark(chars):
                pass
            else:
                empty, (atoms, after) = after, self.physical(after)
                if not atoms:  # the line's end itself is the ordinary character, and the line after it is joined
                    chars.append(BatchChar(Atom("\n", empty, after, "plain", "", False), False, False))
                    atoms, after = self.physical(after)
                    i = -1
                else:
                    chars.append(BatchChar(self._here(atoms[0], False), False, False))
                    i = 0
            i += 1
            if len(chars) > MAX_LINE:
                raise LineTooLong(pos)
        return chars, after

    @staticmethod
    def _here(atom: Atom, quoted: bool) -> Atom:
        """An atom with the quoting of this line; one that an expansion brought keeps the quoting that it has."""
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
            known = self.source.argument(argument.group())
            if known is None:
                atoms.append(Atom("", i, argument.end(), "plain", f"{ARGUMENT}{argument.group()}", False))
            else:
                atoms.extend(Atom(c, i, argument.end(), "plain", "", False) for c in known)
            return argument.end()
        match = _VARIABLE.match(s, i, stop)
        if not match:
            return i + 1
        name, change = match.group(1), match.group(2)
        value = flatten(self.source.variable(name))
        reasons = [r for r in value.reasons if not any(a.depends == r for a in value.atoms if a.text)]
        expanded: list[Atom]
        if change:
            if not value.text:  # cmd takes "%NAME:" away and reads on behind the colon
                atoms.extend(Atom("", i, match.end(1) + 1, "plain", r, False) for r in reasons)
                return match.end(1) + 1 if all(r.startswith(FROM_ENVIRONMENT) for r in reasons) else match.end()
            new = changed(value.text, change)
            reason = f"{FROM_ENVIRONMENT}{name}"
            if new is None:
                reason = _("the changed variable {name}").format(name=name)
            expanded = [Atom(c, i, match.end(), "plain", reason, False) for c in new or ""]
            reasons = [*value.reasons, reason]
        elif name.upper() == self.followed:
            expanded = [a for a in value.atoms if a.text]
        else:
            expanded = [Atom(a.text, i, match.end(), "plain", a.depends, False) for a in value.atoms if a.text]
        atoms.extend(Atom("", i, match.end(), "plain", r, False) for r in reasons)
        atoms.extend(expanded)
        return match.end()


def changed(text: str, change: str) -> str | None:
    """The value of ``%X:~1,3%``, ``%X:a=b%`` or ``%X:*a=b%`` for a value ``text`` of X; None where it is not known."""
    if any(ord(c) > 126 for c in text + change):
        return None  # cmd counts characters, these are bytes
    cut = re.fullmatch(r":~ *(-?\d+)?(?:, *(-?\d+))?", change)
    if cut:
        begin = int(cut.group(1) or 0)
        begin = max(0, len(text) + begin) if begin < 0 else min(begin, len(text))
        if cut.group(2) is None:
            return text[begin:]
        length = int(cut.group(2))
        return text[begin : max(begin, len(text) + length)] if length < 0 else text[begin : begin + length]
    old, equals, new = change[1:].partition("=")
    if not equals or not old or old.startswith("~") or old == "*":
        return None
    if old.startswith("*"):
        found = re.search(re.escape(old[1:]), text, re.IGNORECASE)
        return new + text[found.end() :] if found else text
    return re.sub(re.escape(old), lambda __: new, text, flags=re.IGNORECASE)


def finished_remark(chars: list[BatchChar]) -> bool:
    """Is this a REM with more than one word? Only in its first word a caret joins the next line."""
    text = "".join(t.text for t in chars).rsplit("&", 1)[-1].lstrip(DELIMITERS + "@(")
    if text[:3].lower() != "rem" or text[3:4] not in tuple(DELIMITERS):
        return False
    rest = text[4:].lstrip(DELIMITERS)
    return any(c in DELIMITERS for c in rest)


def text_of(chars: list[BatchChar]) -> str:
    """The text of some characters; what is not known gives none."""
    return "".join(t.text for t in chars)


def words_of(chars: list[BatchChar]) -> list[list[BatchChar]]:
    """Split a command at blanks outside quotes."""
    words: list[list[BatchChar]] = []
    current: list[BatchChar] = []
    for char in chars:
        if char.text in (" ", "\t", ",", ";") and not char.quoted:
            if current:
                words.append(current)
                current = []
        else:
            current.append(char)
    return [*words, current] if current else words


def without_redirections(chars: list[BatchChar]) -> tuple[list[BatchChar], str]:
    """A command without ``> file``, ``2>&1`` and the like, and the target of these in lower case, '' without any."""
    kept: list[BatchChar] = []
    i, target, glued = 0, "", False
    while i < len(chars):
        if not (chars[i].special and chars[i].text in "<>"):
            kept.append(chars[i])
            i += 1
            continue
        if kept and kept[-1].text in tuple("0123456789") and kept[-1].text and not kept[-1].quoted and (
                len(kept) == 1 or kept[-2].delimits):
            glued |= len(kept) > 1 and kept[-2].text in tuple(",;=")  # X=1>nul: not every cmd takes 1 for a handle
            kept.pop()  # 2>nul
        while i < len(chars) and chars[i].special and chars[i].text in "<>&":
            i += 1
        while i < len(chars) and chars[i].text in (" ", "\t"):
            i += 1
        begin = i
        while i < len(chars) and (chars[i].quoted or chars[i].text not in tuple(" \t<>&|")):
            i += 1
        text = text_of(chars[begin:i]).lower()
        target = "nul" if text in ("nul", "1", "2") and target in ("", "nul") else text or "?"
    return kept, "?" if glued else target


def unquoted(args: list[BatchChar]) -> list[BatchChar]:
    """A SET command's arguments without the quote that begins them and all from the last quote on, as cmd does."""
    if not args or args[0].text != '"':
        return args
    args = args[1:]
    return args[: max((k for k, t in enumerate(args) if t.text == '"'), default=len(args))]


def assigned(chars: list[BatchChar]) -> tuple[str, list[BatchChar]]:
    """The variable that a SET command assigns, and its new value; no name where it assigns none."""
    args = unquoted(list(dropwhile(lambda char: char.delimits, chars[3:])))
    equals = next((k for k, t in enumerate(args) if t.text == "="), 0)
    return upper_name(text_of(args[:equals])), args[equals + 1 :]
