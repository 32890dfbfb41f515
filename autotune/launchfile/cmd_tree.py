"""Parses a batch file into commands, chains, ( ) blocks, IF and FOR, one unit at a time.

A unit is what cmd.exe reads before it runs any of it: a logical line, or all lines up to the ``)`` that closes a
block begun there. Every ``%X%`` in a unit is expanded before its first command runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import dropwhile, islice, takewhile
from typing import NamedTuple

from autotune.language.translate import _
from autotune.launchfile.cmd_scan import DELIMITERS, BatchChar, LineReader, text_of, without_redirections
from autotune.launchfile.values import FROM_ENVIRONMENT, Atom, shown

ALWAYS, MAYBE, PIPED = "always", "maybe", "piped"
"""How a command in a chain runs: always; depending on the one before (``&&``, ``||``); in a child process (``|``)."""

_OPERATORS = frozenset(("==", "equ", "neq", "lss", "leq", "gtr", "geq"))


@dataclass(slots=True)
class BatchCommand:
    """A command without blocks. ``odd``: one of ``, ; =`` stands before it, which some versions of cmd do not skip."""

    chars: list[BatchChar]
    odd: bool = False


@dataclass(slots=True)
class Group:
    """A ( ) block, and the redirections behind it (``chars``)."""

    body: list[Step]
    chars: list[BatchChar]


class Condition(NamedTuple):
    """The condition of an IF. ``kind``: exist, defined, one of == equ neq lss leq gtr geq, or '' for anything else."""

    kind: str
    left: list[BatchChar]
    right: list[BatchChar]
    negated: bool
    caseless: bool


@dataclass(slots=True)
class If:
    """An IF: its characters up to the first branch, its condition, and both branches."""

    head: list[BatchChar]
    condition: Condition
    body: list[Step]
    other: list[Step] = field(default_factory=list)
    spans: tuple[range, range] = (range(0), range(0))
    """Where either branch stands in the file."""


@dataclass(slots=True)
class For:
    """A FOR: its characters up to DO, and the commands that it repeats."""

    head: list[BatchChar]
    body: list[Step]


@dataclass(slots=True)
class UnknownSyntax:
    """Syntax whose effect is not known: a label inside a block, a FOR without DO."""

    what: str
    at: int


BatchNode = BatchCommand | Group | If | For | UnknownSyntax


@dataclass(slots=True)
class Step:
    """A part of a chain of commands, and how it runs: ALWAYS, MAYBE or PIPED."""

    node: BatchNode
    how: str = ALWAYS


class Parser:
    """Parses the unit that starts at byte ``pos``; afterwards ``pos`` is where the next one starts."""

    def __init__(self, lines: LineReader, pos: int) -> None:
        self.lines = lines
        self.chars, self.pos = lines.logical(pos)
        self.i = 0
        self.depth = 0
        self.open = False
        """The file ended inside a block."""

    def unit(self) -> list[Step]:
        """The unit's commands, in order."""
        return self._sequence(one_line=True)

    # -- tokens

    def _char(self) -> BatchChar | None:
        """The character here, None at the end; inside a block the next line is read where this one ends."""
        while self.i >= len(self.chars):
            if not self.depth or self.pos >= len(self.lines.s):
                return None
            at = self.pos
            chars, self.pos = self.lines.logical(self.pos)
            self.chars += [BatchChar(Atom("\n", at, at, "plain", "", False), False, True), *chars]
        return self.chars[self.i]

    def _special(self, text: str) -> bool:
        char = self._char()
        return char is not None and char.special and char.text == text

    def _pass(self, holds: Callable[[BatchChar], bool]) -> None:
        """Move on over characters of the unit as long as ``holds`` is true of them."""
        while self.i < len(self.chars) and holds(self.chars[self.i]):
            self.i += 1

    def _skip(self, also: str = "") -> bool:
        """Skip blanks; True where one of , ; = was among them."""
        odd = False
        while (char := self._char()) is not None and not char.quoted and char.text in tuple(DELIMITERS + also):
            odd |= char.text in tuple(",;=")
            self.i += 1
        return odd

    # -- grammar

    def _sequence(self, one_line: bool) -> list[Step]:
        steps: list[Step] = []
        how = ALWAYS
        while True:
            odd = self._skip("@")
            char = self._char()
            if char is None:
                self.open |= self.depth > 0
                return steps
            if self._special("\n"):
                if one_line and self.depth:
                    return steps
                how = ALWAYS
                self.i += 1
            elif self._special(")"):
                if not self.depth:
                    self.i = len(self.chars)  # cmd takes the rest of such a line for a remark
                return steps
            elif self._special("&") or self._special("|"):
                how = self._operator(steps)
            elif not char.text and self._nothing_before_sign():
                self.i += 1
                if not char.atom.depends.startswith(FROM_ENVIRONMENT):
                    steps.append(Step(UnknownSyntax(shown(char.atom.depends), char.atom.start)))
            elif char.text == ":" and not char.quoted:
                self._to_line_end()
                if self.depth:
                    steps.append(Step(UnknownSyntax(_("the label inside a block"), char.atom.start)))
            else:
                steps.append(Step(self._command(odd), how))

    def _nothing_before_sign(self) -> bool:
        """Does a sign follow an empty expansion? cmd then sees the sign alone."""
        following = next((t for t in self.chars[self.i :] if t.text), None)
        return following is None or following.special or following.text in tuple(DELIMITERS + "@:")

    def _operator(self, steps: list[Step]) -> str:
        sign = self.chars[self.i].text
        self.i += 1
        if self.i < len(self.chars) and self._special(sign):
            self.i += 1
            return MAYBE
        if sign == "|" and steps:
            steps[-1].how = PIPED
        return PIPED if sign == "|" else ALWAYS

    def _to_line_end(self) -> None:
        self._pass(lambda char: not (char.special and char.text == "\n"))

    def _command(self, odd: bool) -> BatchNode:
        if self._special("("):
            return self._group()
        begin = self.i
        head = self._word_ahead()
        if head in ("if", "if/i"):
            return self._if()
        if head == "for":
            return self._for()
        if head == "rem" or head.startswith("rem/"):
            self._to_line_end()
        else:
            self._to_command_end()
        return BatchCommand(self.chars[begin : self.i], odd)

    def _word_ahead(self) -> str:
        """The next word in lower case, up to a blank, a sign or a quote."""
        ahead = self.chars[self.i : self.i + 8]
        return text_of(list(takewhile(
            lambda char: not (char.quoted or char.special or char.delimits), ahead))).lower()

    def _to_command_end(self) -> None:
        while self.i < len(self.chars):
            char = self.chars[self.i]
            text = char.text
            if char.special and (text == "\n" or text in "&|" or (text == ")" and self.depth)):
                before = self.chars[self.i - 1]
                if not (text == "&" and before.special and before.text in "<>"):  # 2>&1
                    return
            self.i += 1

    def _group(self) -> BatchNode:
        self.i += 1
        self.depth += 1
        body = self._sequence(one_line=False)
        self.depth -= 1
        if self.i < len(self.chars) and self._special(")"):
            self.i += 1
        begin = self.i
        if not self._else_ahead():
            self._to_command_end()
        behind = self.chars[begin : self.i]
        if self.i < len(self.chars) and self._special(")") and not self.depth:
            self._to_line_end()
            return UnknownSyntax(_("the second )"), self.chars[begin - 1].atom.start)
        if any(t.text.strip(DELIMITERS) for t in without_redirections(behind)[0]):
            return UnknownSyntax(_("the text behind the )"), behind[0].atom.start)
        return Group(body, behind)

    def _else_ahead(self) -> bool:
        here = (self.chars[k] for k in range(self.i, len(self.chars)))
        ahead = list(islice(dropwhile(lambda char: char.delimits, here), 5))
        return text_of(ahead[:4]).lower() == "else" and (
            len(ahead) == 4 or ahead[4].text in tuple(DELIMITERS + "(\n"))

    def _branch(self) -> tuple[list[Step], bool]:
        """The commands of an IF, ELSE or DO, and whether they are one block and nothing more."""
        self._skip("@")
        if not self._special("("):
            return self._sequence(one_line=True), False
        block = Step(self._group())
        if self._else_ahead():
            return [block], True
        rest = self._sequence(one_line=True)
        for step in rest:
            step.how = MAYBE if step.how == ALWAYS else step.how
        return [block, *rest], not rest

    def _if(self) -> If:
        begin = self.i
        self.i += 2
        condition = self._condition()
        head = self.chars[begin : self.i]
        begin = self._offset()
        body, block = self._branch()
        between = self._offset()
        found = If(head, condition, body)
        if block and self._else_ahead():
            self._skip()
            self.i += 4
            found.other = self._branch()[0]
        found.spans = (range(begin, between), range(between, self._offset()))
        return found

    def _offset(self) -> int:
        return self.chars[self.i].atom.start if self.i < len(self.chars) else self.pos

    def _condition_word(self) -> list[BatchChar]:
        self._skip_blanks()
        begin = self.i
        while (self.i < len(self.chars)) and (
                self.chars[self.i].quoted or self.chars[self.i].text not in tuple(" \t,;")):
            char = self.chars[self.i]
            if self._special("\n") or (char.special and self.i > begin) or self._equals(begin):
                break
            self.i += 1
        return self.chars[begin : self.i]

    def _equals(self, begin: int) -> bool:
        """Is here the ``==`` that ends the word which starts at ``begin``?"""
        two = self.chars[self.i : self.i + 2]
        return self.i > begin and text_of(two) == "==" and len(two) == 2 and not two[0].quoted

    def _skip_blanks(self) -> None:
        self._pass(lambda char: not char.quoted and char.text in (" ", "\t"))

    def _condition(self) -> Condition:
        negated = caseless = False
        word = self._condition_word()
        while (text := text_of(word).lower()) in ("/i", "not"):
            negated ^= text == "not"
            caseless |= text == "/i"
            word = self._condition_word()
        if text in ("exist", "defined", "errorlevel", "cmdextversion"):
            kind = text if text in ("exist", "defined") else ""
            return Condition(kind, self._condition_word(), [], negated, caseless)
        self._skip_blanks()
        two = self.chars[self.i : self.i + 2]
        if len(two) == 2 and text_of(two) == "==":
            self.i += 2
            return Condition("==", word, self._condition_word(), negated, caseless)
        kind = text_of(self._condition_word()).lower()
        return Condition(kind if kind in _OPERATORS else "", word, self._condition_word(), negated, caseless)

    def _for(self) -> BatchNode:
        begin = self.i
        self._pass(lambda char: not (char.special and char.text in ("(", "\n")))
        self.depth += 1
        while (char := self._char()) is not None and not (char.special and char.text == ")"):
            self.i += 1
        self.depth -= 1
        self.i += 1
        self._skip()
        if text_of(self.chars[self.i : self.i + 2]).lower() != "do":
            self.i = min(self.i, len(self.chars))
            self._to_line_end()
            return UnknownSyntax(_("the loop"), self.chars[begin].atom.start)
        self.i += 2
        head = self.chars[begin : self.i]
        return For(head, self._branch()[0])
