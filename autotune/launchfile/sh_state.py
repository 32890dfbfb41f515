"""What a bash file has made of its variables so far: values, what is exported, and what is no longer certain."""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping

from autotune.launchfile import sh_commands
from autotune.launchfile.blocks import Block
from autotune.launchfile.sh_commands import FATAL_NAMES, Effect
from autotune.launchfile.sh_tree import Node, start, stop
from autotune.launchfile.sh_words import UNSET, Words, unsure
from autotune.launchfile.values import OWN, Reading, Ref, TooLong, Value, Variable, flatten

_BUDGET = 1_000_000
"""Characters of all variables together that are spelled out."""


class ShState:
    """The variables of one file while it is read, and the Reading that comes of it."""

    def __init__(self, text: str, environ: Mapping[str, str], block: Block | None = None) -> None:
        self.block = block
        self.s = text
        self.newlines = [m.start() for m in re.finditer("\n", text)]
        self.environ = environ
        self.words = Words(text, environ, self.line)
        self.exported = set(environ)
        self.export_doubt: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self.readonly: set[str] = set()
        self.allexport = False
        self.functions: dict[str, list[Node]] = {}
        self.calls: list[str] = []
        self.boundary = 0
        self.pending = False
        self.ended = False
        self.out = Reading("sh")

    def line(self, at: int) -> int:
        """Line number of a byte offset, from 1."""
        return bisect.bisect_left(self.newlines, at) + 1

    def _name(self, node: Node) -> str:
        return self.s[start(node["Name"]) : stop(node["Name"])]

    def _at(self, node: Node) -> int:
        return self.line(start(node))

    # -- what is uncertain

    def _any(self, reason: str) -> None:
        """Anything may have changed, for good: traps, read-only names, other meanings of commands included."""
        self.out.opaque = (*self.out.opaque, reason)
        self.pending = True

    def _passed(self, reason: str) -> None:
        """Any variable may have another value now, but later assignments hold."""
        self.words.passing.append(reason)
        for name in list(self.words.variables):
            self._doubt(name, reason)
        self.pending = True

    def _doubt(self, name: str, reason: str) -> None:
        if name == OWN:
            self._influenced(reason)
            return
        old = self.words.variables.get(name) or self.words.look(name, (0, 0))
        self.words.variables[name] = Value((Ref(old, False),), (reason,))
        self.words.arrays.pop(name, None)
        if name not in self.exported:
            self.export_doubt.setdefault(name, reason)

    def _influenced(self, reason: str) -> None:
        self.pending = True
        before = self.words.variables.get(OWN) or self._from_environment()
        self.words.variables[OWN] = Value((Ref(before, True),), (reason,))

    def _becomes_array(self, line: int, nested: bool) -> None:
        """bash exports no arrays, and an array stays one until it is unset: nothing reaches the web UI."""
        self.out.refuse = f"line {line} makes {OWN} an array, which never reaches the web UI"
        self.out.array = line if not nested else self.out.array
        self.pending = True

    def _take(self, effect: Effect, reason: str, nested: bool = False) -> None:
        """Note what a command may have set. ``reason`` names the command and its line."""
        if effect.opaque:
            self._any(reason)
        for name in effect.names:
            if name == OWN and name in effect.arrays:
                self._becomes_array(int(reason.rsplit(" ", 1)[-1]), nested)
            elif name in FATAL_NAMES or name in self.readonly:
                self._any(reason)
            else:
                self._doubt(name, reason)

    def _integer(self, name: str) -> bool:
        flat = flatten(self.words.look(name, (0, 0)))
        plain = re.fullmatch(r"|0|[1-9][0-9]{0,8}", flat.text) is not None
        return plain and not unsure(flat.reasons) and not self.out.opaque and name not in self.words.arrays

    def _expand(self, node: Node | None) -> None:
        """The side effects of expanding words."""
        if node:
            effect = sh_commands.of_words(node, self.s, self._integer)
            at = self.line(start(node)) if "Pos" in node else 0
            self._take(effect, f"what is worked out or set while it is expanded in line {at}")

    # -- the result

    def _finish(self) -> None:
        out = self.out
        out.opaque, out.passing = tuple(dict.fromkeys(out.opaque)), tuple(dict.fromkeys(self.words.passing))
        out.variables = self._variables()
        own = self.words.variables.get(OWN)
        if out.array is not None:
            own = Value()
        elif own is None:
            own = self._from_environment()
        out.value = Value((Ref(own, True),), out.opaque) if out.opaque else own
        sets = out.assigned or OWN in self.words.variables
        out.exported = not sets or bool(out.opaque) or OWN in self.exported or OWN in self.export_doubt

    def _from_environment(self) -> Value:
        if not self.environ.get(OWN) and not self.words.passing:
            return Value()
        return self.words.look(OWN, (0, 0))

    def _variables(self) -> dict[str, Variable]:
        found, left = {}, _BUDGET
        names = {*self.words.variables, *self.attributes, *self.export_doubt, *self.words.arrays}
        for name in sorted(names | (self.exported ^ set(self.environ))):
            value = self.words.variables.get(name) or self.words.look(name, (0, 0))
            reasons = [self.attributes[name]] if name in self.attributes else []
            reasons += [self.export_doubt[name]] if name in self.export_doubt else []
            try:
                if left < 0:
                    raise TooLong
                flat = flatten(value)
                left -= len(flat.atoms)
                reasons += unsure(flat.reasons)
                text = flat.text.encode("latin-1").decode("utf-8", "surrogateescape")
            except TooLong:
                text, reasons = "", [*reasons, "a value too long to follow"]
            if name in self.words.arrays:
                reasons.append("an array")
            unset = value is UNSET or (name not in self.words.variables and name not in self.environ)
            gone = unset and not reasons
            found[name] = Variable(None if gone else text, name in self.exported and not gone,
                                   tuple(dict.fromkeys(reasons)))
        return found
