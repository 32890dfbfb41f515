"""What a batch file's variables hold while it is read, and which of that is certain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from autotune.launchfile import codepage
from autotune.launchfile.cmd_facts import DYNAMIC, BatchFolders, upper
from autotune.launchfile.cmd_scan import Tok, text_of
from autotune.launchfile.values import OWN, Atom, Reading, Value, Variable, flatten

DEAD, UNSURE, SURE = 0, 1, 2
"""A command that does not run (for now), may run, runs."""


class CmdState:
    """Variables, the current folder, and reasons for doubt; ``out`` is the Reading in the making.

    ``settled`` holds reasons that are facts for now (a file exists, a variable holds this).
    """

    def __init__(self, environ: Mapping[str, str], path: Path, before: Reading | None, page: int | None) -> None:
        self.environ = {upper(name): value for name, value in environ.items()}
        self.before = before.variables if before else {}
        self.doubted = before.opaque if before else ()
        self.places = BatchFolders(path)
        self.vars: dict[str, Value] = {}
        self.settled: set[str] = set()
        self.shifted = self.pending = False
        self.cd_lost = ""
        self.out = Reading("cmd", page=page)

    # -- what percent expansion asks for

    def variable(self, name: str) -> Value:
        """A variable's value now."""
        key = upper(name)
        if key in self.vars:
            return self.vars[key]
        if key in self.before:
            known = self.before[key]
            parts = self._from_outside(name, known.text)
            return Value(parts, (*known.depends, *self.out.opaque))
        given = self.environ.get(key)
        if given is None and key == "CD":
            given = self.places.here
            if not given:
                return Value((), (self.cd_lost or "the folder",))
        elif given is None and key in DYNAMIC:
            return Value((), (f"the changing variable {name}",))
        return Value(self._from_outside(name, given), (*self.doubted, *self.out.opaque))

    def _from_outside(self, name: str, text: str | None) -> tuple[Atom, ...]:
        raw = codepage.foreign(text or "")
        depends = f"variable {name}"
        return tuple(Atom(c, 0, 0, "plain", depends, False) for c in raw) or (
            Atom("", 0, 0, "plain", depends, False),)

    def argument(self, spelled: str) -> str | None:
        """``%~dp0`` and its like; what the user gives at the start is not known."""
        known = None if self.shifted else self.places.argument(spelled)
        return None if known is None else codepage.foreign(known)

    def _variable(self, value: Value) -> Variable:
        flat = flatten(value)
        text = codepage.decoded(flat.text, self.out.page)
        return Variable(text or None, True, tuple(r for r in flat.reasons if not self._is_fact(r)))

    def _is_fact(self, reason: str) -> bool:
        return reason.startswith("variable ") or reason in self.settled

    def _own_given(self) -> Value:
        value = self.variable(OWN)
        return value if flatten(value).text or value.reasons else Value()

    # -- what makes variables uncertain

    def _influenced(self, reason: str, mode: int = UNSURE) -> None:
        """COMMANDLINE_ARGS may be something else, or (``mode`` not UNSURE) would be with other facts."""
        self.pending = True
        before = self.vars[OWN] if OWN in self.vars else self._own_given()
        self.vars[OWN] = Value(before.parts, tuple(dict.fromkeys((*before.reasons, reason))))
        if mode != UNSURE:
            self.settled.add(reason)

    def _doubt(self, name: str, reason: str) -> None:
        if name == OWN:
            self._influenced(reason)
            return
        before = self.variable(name)
        self.vars[name] = Value(before.parts, tuple(dict.fromkeys((*before.reasons, reason))))

    def _all_uncertain(self, reason: str) -> None:
        self._influenced(reason)
        for name in self.vars:
            self._doubt(name, reason)
        self.out.opaque = tuple(dict.fromkeys((*self.out.opaque, reason)))
        self._lose_folder(reason)

    def _lose_folder(self, reason: str) -> None:
        self.places.here, self.cd_lost = "", reason

    def _path(self, toks: list[Tok]) -> str:
        """The path that some tokens spell, '' where its letters beyond ASCII are not known."""
        text = codepage.decoded(text_of(toks), self.out.page)
        return "" if re.search(r"[\ud800-\udfff]", text) else text

    def _certain(self, toks: list[Tok]) -> bool:
        return all(not t.atom.depends or self._is_fact(t.atom.depends) for t in toks) and not (
            self.out.delayed and "!" in text_of(toks))
