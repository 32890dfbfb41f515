"""What a reader understands of a launch file: characters of a value, each with the bytes it came from.

Files are read as Latin-1 text (one character a byte), so that every position is a byte offset and no byte is
lost, whatever the encoding; words are decoded as UTF-8 at the very end.
"""

from __future__ import annotations

import re
import shlex
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import NamedTuple

from autotune.language.translate import _

COMMANDLINE_ARGS = "COMMANDLINE_ARGS"
"""The variable that launch.py splits with shlex and appends to its argv."""

MAX_VALUE = 65_536
"""Characters of a value that are followed; a longer one is not a launch line any more."""


class Atom(NamedTuple):
    """The smallest piece of a value, mostly one character: its ``text`` and the bytes [start, end) that spell it.

    ``where``: the quoting around it (sh: bare, double, single, ansi; cmd: plain, quoted). ``depends``: what an
    expansion depends on ("variable PORT"), '' for literal text. ``editable``: the bytes belong to an assignment of
    COMMANDLINE_ARGS itself.
    """

    text: str
    start: int
    end: int
    where: str
    depends: str = ""
    editable: bool = True


class Expanded(NamedTuple):
    """A variable's value inside another one: ``"$A --xformers"`` holds that of A. ``editable`` as for an Atom."""

    value: VariableValue
    editable: bool


@dataclass(frozen=True, slots=True)
class VariableValue:
    """What a variable holds, part by part. ``reasons``: why it may hold something else when the script runs."""

    parts: tuple[Atom | Expanded, ...] = ()
    reasons: tuple[str, ...] = ()


class LineNumbers:
    """Tells the line number, from 1, of a byte offset in a text."""

    def __init__(self, text: str) -> None:
        self._ends = [found.start() for found in re.finditer("\n", text)]

    def __call__(self, at: int) -> int:
        return bisect_left(self._ends, at) + 1


class TooLong(Exception):
    """A value has more than MAX_VALUE characters."""


@dataclass(slots=True)
class FlatValue:
    """A value without parts that are values: its atoms, and every reason why it is not certain.

    ``outer``: those of the reasons that no atom stands for.
    """

    atoms: list[Atom] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    outer: list[str] = field(default_factory=list)

    @property
    def open_reasons(self) -> list[str]:
        """Reasons that can add or remove words: all but expansions that only fill in part of a path or value."""
        loose = [a.depends for i, a in enumerate(self.atoms) if a.depends and not self._fills_in(i)]
        return list(dict.fromkeys([*self.outer, *loose]))

    def _fills_in(self, i: int) -> bool:
        """Is expansion ``i`` part of one word only: ``$HOME/models``, ``--port=$PORT``, ``%~dp0models``?"""
        before = self.atoms[i - 1].text[-1:] if i else ""
        after = self.atoms[i + 1].text[:1] if i + 1 < len(self.atoms) else ""
        name = self.atoms[i].depends
        if not name.startswith((FROM_ENVIRONMENT, ARGUMENT)) or not self._in_value(i):
            return False
        script_folder = name.startswith(f"{ARGUMENT}%~d") and after.strip() != ""
        return script_folder or before in tuple("=:/\\") or after in tuple("/\\")

    def _in_value(self, i: int) -> bool:
        """Does a flag stand in the same word as atom ``i`` or in the one before it?"""
        text = "".join(a.text if not a.depends else "x" for a in self.atoms[:i]).split()
        return bool(text) and any(w.startswith("-") for w in text[-2:])

    @property
    def text(self) -> str:
        """The characters alone."""
        return "".join(atom.text for atom in self.atoms)


def flatten(value: VariableValue) -> FlatValue:
    """A value with all values inside it written out, without recursion. Raises TooLong."""
    flat, seen, outer = FlatValue(), dict[str, None](), dict[str, None]()
    stack: list[tuple[VariableValue, int, bool]] = [(value, 0, True)]
    while stack:
        current, at, editable = stack.pop()
        if at == 0:
            seen.update(dict.fromkeys(current.reasons))
            outer.update(dict.fromkeys(current.reasons))
        for i in range(at, len(current.parts)):
            part = current.parts[i]
            if isinstance(part, Expanded):
                stack.append((current, i + 1, editable))
                stack.append((part.value, 0, editable and part.editable))
                break
            if part.depends:
                seen[part.depends] = None
            flat.atoms.append(part if editable else part._replace(editable=False))
        if len(flat.atoms) > MAX_VALUE or len(stack) > MAX_VALUE:
            raise TooLong
    flat.reasons, flat.outer = list(seen), list(outer)
    return flat


class Word(NamedTuple):
    """One argv word: its text (Latin-1) and the indexes [first, last] of the atoms that spell it.

    ``depends``: what the expansions inside it depend on; ``literal``: it holds none. ``editable``: all its bytes belong
    to assignments of COMMANDLINE_ARGS.
    """

    text: str
    first: int
    last: int
    depends: tuple[str, ...]
    literal: bool
    editable: bool


class UnclosedQuote(Exception):
    """shlex would raise ValueError: a quote that never closes, or a backslash at the end."""


_BLANKS = re.compile(r"[ \t\r\n]*")
_SHLEX_WORD = re.compile(r"""(?:[^ \t\r\n"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.DOTALL)


def split(atoms: list[Atom]) -> list[Word]:
    """Split as ``shlex.split`` does (POSIX rules, no comments), keeping track of where each word lies.

    Raises UnclosedQuote where shlex raises ValueError.
    """
    text = "".join(atom.text for atom in atoms)
    owner = [index for index, atom in enumerate(atoms) for __ in atom.text]
    words: list[Word] = []
    at = _end(_BLANKS.match(text))
    while at < len(text):
        found = _SHLEX_WORD.match(text, at)
        at = _end(_BLANKS.match(text, _end(found)))
        if found is None or (at == found.end() < len(text)):
            raise UnclosedQuote
        first, last = owner[found.start()], owner[found.end() - 1]
        inside = atoms[first : last + 1]
        depends = tuple(dict.fromkeys(a.depends for a in inside if a.depends))
        editable = all(a.editable for a in inside)
        words.append(Word(shlex.split(found.group())[0], first, last, depends, not depends, editable))
    return words


def _end(found: re.Match[str] | None) -> int:
    return found.end() if found else 0


@dataclass(frozen=True, slots=True)
class Insertion:
    """A place inside a value where words can be written: byte offset and the quoting there."""

    offset: int
    where: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """One assignment of COMMANDLINE_ARGS: bytes [start, end) of its value, and where its value ends."""

    line: int
    start: int
    end: int
    tail: Insertion
    conditional: bool
    append: bool = False


class LaunchWord(NamedTuple):
    """A known word on the line that starts the web UI (``call webui.bat --api``), with its bytes [start, end).

    ``literal``: those bytes are the word itself, without quotes.
    """

    text: str
    start: int
    end: int
    literal: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable as a launch file leaves it where the web UI is started.

    ``text``: its value, None when the file takes it away. ``exported``: programs get it (in batch files all are).
    ``depends``: what the value depends on beside the file and its environment (a condition, a command, ...); empty
    when it is certain. ``text`` of an uncertain variable is a guess and never a fact.
    """

    text: str | None
    exported: bool = True
    depends: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        """True when the value follows from the file and the environment alone."""
        return not self.depends


@dataclass(slots=True)
class Reading:
    """What the bash or the batch reader found out about one file."""

    kind: str
    variables: dict[str, Variable] = field(default_factory=dict)
    """Every variable the file sets, exports or takes away, by name (upper case in batch files, where case is blind)."""
    changes_any: tuple[str, ...] = ()
    """Commands that may have changed any variable, also one the file never names ("eval in line 3"); empty: none."""
    changes_earlier: tuple[str, ...] = ()
    """Commands that may have changed variables set before them, and variables that the file does not set."""
    value: VariableValue = field(default_factory=VariableValue)
    assigned: bool = False
    exported: bool = True
    assignments: list[Assignment] = field(default_factory=list)
    line_words: list[LaunchWord] = field(default_factory=list)
    launch_line: int | None = None
    launch_at: int | None = None
    mention_at: int | None = None
    """Offset of the first line that names ``COMMANDLINE_ARGS=`` in a comment, None without one."""
    default_at: int | None = None
    """Offset right after the line of the last commented-out default, None without one."""
    plain_at: int | None = 0
    """Offset of a line where a new assignment is sure to take effect, None if there is none."""
    block_at: int | None = None
    """Offset after the last statement that bears on COMMANDLINE_ARGS and before the launch, None if none."""
    trouble: str = ""
    """Why the file cannot be understood, '' if it can."""
    array_line: int | None = None
    """sh: the line that makes COMMANDLINE_ARGS an array, None if it is none: bash exports no arrays."""
    why_not: str = ""
    """Why the file can be read but must not be edited, '' if it may be."""
    read_only: bool = False
    """sh: ``why_not`` is that COMMANDLINE_ARGS is read-only."""
    starts_inside: bool = False
    """sh: the web UI is started inside a block, a function or a subshell."""
    line_unknown: bool = False
    """Words on the starting line depend on variables."""
    facts: frozenset[str] = frozenset()
    """cmd: reasons of the value that are known for now, from files that exist and what variables hold."""
    from_elsewhere: bool = False
    """cmd: the value may come from a called file, a subroutine or a program, so its content is not known."""
    page: int | None = None
    """cmd: the code page its letters beyond ASCII are read in, None where that is not known."""
    delayed_expansion: bool = False
    """cmd: delayed expansion is on, so that ``!`` is not an ordinary character."""
    others: list[str] = field(default_factory=list)
    """All commands that are not an assignment of COMMANDLINE_ARGS, as written: an edit must not change them."""


FROM_ENVIRONMENT = "variable "
"""How a reason begins that is only a variable of the environment, whose value is known here as well."""
ARGUMENT = "the argument "
"""How a reason begins that is an argument of a batch file."""


def shown(reason: str) -> str:
    """A reason for people. Those two kinds are told apart by how they begin, so they are translated only here."""
    if reason.startswith(FROM_ENVIRONMENT):
        return _("variable {name}").format(name=reason.removeprefix(FROM_ENVIRONMENT))
    if reason.startswith(ARGUMENT):
        return _("the argument {name}").format(name=reason.removeprefix(ARGUMENT))
    return reason


def the_command(command: str, line: int) -> str:
    """A reason: what a command in that line does."""
    return _("the {command} in line {line}").format(command=command, line=line)
