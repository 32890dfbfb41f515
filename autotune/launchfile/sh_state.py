"""The variables of a bash file while it is read: their values, which are exported, and which are not certain."""

from __future__ import annotations

import re
from collections.abc import Mapping

from autotune.language.translate import _
from autotune.launchfile import sh_commands
from autotune.launchfile.blocks import Block
from autotune.launchfile.sh_commands import BASH_CONTROLS, Effect
from autotune.launchfile.sh_tree import Node, begin_of, source_of
from autotune.launchfile.sh_words import UNSET, BashWords, beyond_environment
from autotune.launchfile.values import (
    COMMANDLINE_ARGS,
    Expanded,
    LineNumbers,
    Reading,
    TooLong,
    Variable,
    VariableValue,
    flatten,
)

_BUDGET = 1_000_000
"""Characters of all variables together that are spelled out."""


class ShState:
    """The variables of one file while it is read; ``out``: the Reading so far."""

    def __init__(self, text: str, environ: Mapping[str, str], block: Block | None = None) -> None:
        self.block = block
        self.s = text
        self.line = LineNumbers(text)
        self.environ = environ
        self.words = BashWords(text, environ, self.line)
        self.exported = set(environ)
        self.export_doubt: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self.readonly: set[str] = set()
        self.read_only_why = ""
        self.allexport = False
        self.functions: dict[str, list[Node]] = {}
        self.calls: list[str] = []
        self.boundary = 0
        self.pending = False
        self.ended = False
        self.out = Reading("sh")

    def _name(self, node: Node) -> str:
        return source_of(node["Name"], self.s)

    def _at(self, node: Node) -> int:
        return self.line(begin_of(node))

    # -- what is uncertain

    def _all_uncertain(self, reason: str) -> None:
        """From here on nothing is certain: the command may also have set traps or given commands other meanings."""
        self.out.changes_any = (*self.out.changes_any, reason)
        self.pending = True

    def _earlier_uncertain(self, reason: str) -> None:
        """Every variable may have another value now; what is assigned later is certain again."""
        self.words.changes_earlier.append(reason)
        for name in list(self.words.variables):
            self._make_uncertain(name, reason)
        self.pending = True

    def _make_uncertain(self, name: str, reason: str) -> None:
        if name == COMMANDLINE_ARGS:
            self._args_uncertain(reason)
            return
        old = self.words.variables.get(name) or self.words.value_of(name, (0, 0))
        self.words.variables[name] = VariableValue((Expanded(old, False),), (reason,))
        self.words.arrays.pop(name, None)
        if name not in self.exported:
            self.export_doubt.setdefault(name, reason)

    def _args_uncertain(self, reason: str) -> None:
        self.pending = True
        before = self.words.variables.get(COMMANDLINE_ARGS) or self._from_environment()
        self.words.variables[COMMANDLINE_ARGS] = VariableValue((Expanded(before, True),), (reason,))

    def _becomes_array(self, line: int, nested: bool) -> None:
        """COMMANDLINE_ARGS becomes an array, which bash does not export, until it is unset."""
        self.out.why_not = _("line {line} makes {name} an array, which never reaches the web UI").format(
            line=line, name=COMMANDLINE_ARGS)
        self.out.array_line = line if not nested else self.out.array_line
        self.pending = True

    def _note_effect(self, effect: Effect, reason: str, nested: bool = False, line: int = 0) -> None:
        """Make uncertain what a command in ``line`` may have set. ``reason`` names the command and its line."""
        if effect.changes_any:
            self._all_uncertain(reason)
        for name in effect.names:
            if name == COMMANDLINE_ARGS and name in effect.arrays:
                self._becomes_array(line, nested)
            elif name in BASH_CONTROLS or name in self.readonly:
                self._all_uncertain(reason)
            else:
                self._make_uncertain(name, reason)

    def _integer(self, name: str) -> bool:
        flat = flatten(self.words.value_of(name, (0, 0)))
        plain = re.fullmatch(r"|0|[1-9][0-9]{0,8}", flat.text) is not None
        certain = not beyond_environment(flat.reasons) and not self.out.changes_any
        return plain and certain and name not in self.words.arrays

    def _expand(self, node: Node | None) -> None:
        """Follow what the expansions below a node set (``${X:=word}`` and others)."""
        if node:
            effect = sh_commands.of_words(node, self.s, self._integer)
            at = self.line(begin_of(node)) if "Pos" in node else 0
            self._note_effect(
                effect, _("what is worked out or set while it is expanded in line {line}").format(line=at))

    # -- the result

    def _finish(self) -> None:
        out = self.out
        out.changes_any = tuple(dict.fromkeys(out.changes_any))
        out.changes_earlier = tuple(dict.fromkeys(self.words.changes_earlier))
        out.read_only = bool(out.why_not) and out.why_not == self.read_only_why
        out.variables = self._variables()
        own = self.words.variables.get(COMMANDLINE_ARGS)
        if out.array_line is not None:
            own = VariableValue()
        elif own is None:
            own = self._from_environment()
        out.value = VariableValue((Expanded(own, True),), out.changes_any) if out.changes_any else own
        sets = out.assigned or COMMANDLINE_ARGS in self.words.variables
        reaches = COMMANDLINE_ARGS in self.exported or COMMANDLINE_ARGS in self.export_doubt
        out.exported = not sets or bool(out.changes_any) or reaches

    def _from_environment(self) -> VariableValue:
        if not self.environ.get(COMMANDLINE_ARGS) and not self.words.changes_earlier:
            return VariableValue()
        return self.words.value_of(COMMANDLINE_ARGS, (0, 0))

    def _variables(self) -> dict[str, Variable]:
        found, left = {}, _BUDGET
        names = {*self.words.variables, *self.attributes, *self.export_doubt, *self.words.arrays}
        for name in sorted(names | (self.exported ^ set(self.environ))):
            value = self.words.variables.get(name) or self.words.value_of(name, (0, 0))
            reasons = [self.attributes[name]] if name in self.attributes else []
            reasons += [self.export_doubt[name]] if name in self.export_doubt else []
            try:
                if left < 0:
                    raise TooLong
                flat = flatten(value)
                left -= len(flat.atoms)
                reasons += beyond_environment(flat.reasons)
                text = flat.text.encode("latin-1").decode("utf-8", "surrogateescape")
            except TooLong:
                text, reasons = "", [*reasons, _("a value too long to follow")]
            if name in self.words.arrays:
                reasons.append(_("an array"))
            unset = value is UNSET or (name not in self.words.variables and name not in self.environ)
            gone = unset and not reasons
            found[name] = Variable(None if gone else text, name in self.exported and not gone,
                                   tuple(dict.fromkeys(reasons)))
        return found
