"""The variables of a batch file while it is read, and which of their values are certain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from autotune.language.translate import _
from autotune.launchfile import codepage
from autotune.launchfile.cmd_facts import DYNAMIC, BatchFolders, upper_name
from autotune.launchfile.cmd_scan import BatchChar, text_of
from autotune.launchfile.values import (
    COMMANDLINE_ARGS,
    FROM_ENVIRONMENT,
    Atom,
    Reading,
    Variable,
    VariableValue,
    flatten,
    shown,
)

NOT_RUN, MAY_RUN, RUNS = 0, 1, 2
"""A command that does not run (for now), may run, runs."""


class CmdState:
    """Variables, the current folder, and why values are uncertain; ``out``: the Reading so far.

    ``facts``: reasons that are known for now (a file exists, a variable holds this).
    """

    def __init__(self, environ: Mapping[str, str], path: Path, before: Reading | None, page: int | None) -> None:
        self.environ = {upper_name(name): value for name, value in environ.items()}
        self.before = before.variables if before else {}
        self.changes_any_before = before.changes_any if before else ()
        self.folders = BatchFolders(path)
        self.vars: dict[str, VariableValue] = {}
        self.facts: set[str] = set()
        self.shifted = self.pending = False
        self.folder_lost_by = ""
        self.out = Reading("cmd", page=page)

    # -- what percent expansion asks for

    def variable(self, name: str) -> VariableValue:
        """A variable's value now."""
        key = upper_name(name)
        if key in self.vars:
            return self.vars[key]
        if key in self.before:
            known = self.before[key]
            parts = self._from_outside(name, known.text)
            return VariableValue(parts, (*known.depends, *self.out.changes_any))
        given = self.environ.get(key)
        if given is None and key == "CD":
            given = self.folders.here
            if not given:
                return VariableValue((), (self.folder_lost_by or _("the folder"),))
        elif given is None and key in DYNAMIC:
            return VariableValue((), (_("the changing variable {name}").format(name=name),))
        return VariableValue(self._from_outside(name, given), (*self.changes_any_before, *self.out.changes_any))

    def _from_outside(self, name: str, text: str | None) -> tuple[Atom, ...]:
        raw = codepage.from_unicode(text or "")
        depends = f"{FROM_ENVIRONMENT}{name}"
        return tuple(Atom(c, 0, 0, "plain", depends, False) for c in raw) or (
            Atom("", 0, 0, "plain", depends, False),)

    def argument(self, spelled: str) -> str | None:
        """The text of ``%~dp0`` and its like, None for an argument that the user gives at the start."""
        known = None if self.shifted else self.folders.argument(spelled)
        return None if known is None else codepage.from_unicode(known)

    def _variable(self, value: VariableValue) -> Variable:
        flat = flatten(value)
        text = codepage.decode_text(flat.text, self.out.page)
        return Variable(text or None, True, tuple(shown(r) for r in flat.reasons if not self._is_fact(r)))

    def _is_fact(self, reason: str) -> bool:
        return reason.startswith(FROM_ENVIRONMENT) or reason in self.facts

    def _own_given(self) -> VariableValue:
        value = self.variable(COMMANDLINE_ARGS)
        return value if flatten(value).text or value.reasons else VariableValue()

    # -- what makes variables uncertain

    def _args_uncertain(self, reason: str, mode: int = MAY_RUN) -> None:
        """COMMANDLINE_ARGS may have another value; where ``mode`` is not MAY_RUN, only if facts change."""
        self.pending = True
        before = self.vars[COMMANDLINE_ARGS] if COMMANDLINE_ARGS in self.vars else self._own_given()
        self.vars[COMMANDLINE_ARGS] = VariableValue(before.parts, tuple(dict.fromkeys((*before.reasons, reason))))
        if mode != MAY_RUN:
            self.facts.add(reason)

    def _make_uncertain(self, name: str, reason: str) -> None:
        if name == COMMANDLINE_ARGS:
            self._args_uncertain(reason)
            return
        before = self.variable(name)
        self.vars[name] = VariableValue(before.parts, tuple(dict.fromkeys((*before.reasons, reason))))

    def _all_uncertain(self, reason: str) -> None:
        self._args_uncertain(reason)
        for name in self.vars:
            self._make_uncertain(name, reason)
        self.out.changes_any = tuple(dict.fromkeys((*self.out.changes_any, reason)))
        self._lose_folder(reason)

    def _lose_folder(self, reason: str) -> None:
        self.folders.here, self.folder_lost_by = "", reason

    def _path(self, chars: list[BatchChar]) -> str:
        """The path that some characters spell, '' where its letters beyond ASCII are not known."""
        text = codepage.decode_text(text_of(chars), self.out.page)
        return "" if re.search(r"[\ud800-\udfff]", text) else text

    def _certain(self, chars: list[BatchChar]) -> bool:
        return all(not t.atom.depends or self._is_fact(t.atom.depends) for t in chars) and not (
            self.out.delayed_expansion and "!" in text_of(chars))
