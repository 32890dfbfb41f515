"""Follows what sets bash variables for good: assignments, export and its like, unset."""

from __future__ import annotations

import re

from autotune.language.translate import _
from autotune.launchfile.sh_commands import BASH_CONTROLS
from autotune.launchfile.sh_state import ShState
from autotune.launchfile.sh_tree import Node, begin_of, end_of, source_of, type_of
from autotune.launchfile.sh_words import NAME, SET_BY_BASH, UNSET
from autotune.launchfile.values import (
    COMMANDLINE_ARGS,
    Assignment,
    Atom,
    Expanded,
    Insertion,
    VariableValue,
    the_command,
)


class ShAssigns(ShState):
    """Follows assignments and declarations; ``nested``: the command may not be reached when the script runs."""

    def _unset(self, args: list[str | None], nested: bool, line: int) -> None:
        functions = bool(args) and args[0] == "-f"
        names = args[1:] if args and args[0] in ("-v", "-f") else args
        if any(n is None or not NAME.fullmatch(n) or n in self.functions or n in self.readonly or n in BASH_CONTROLS
               for n in names):
            self._all_uncertain(the_command("unset", line))
            return
        for name in names if not functions else []:
            assert name is not None
            if nested:
                self._make_uncertain(name, _("a condition or loop in line {line}").format(line=line))
            else:
                self._forget(name)

    def _forget(self, name: str) -> None:
        self.words.variables[name] = UNSET if name not in SET_BY_BASH else VariableValue((), (_("bash itself"),))
        self.words.arrays.pop(name, None)
        self.exported.discard(name)
        self.attributes.pop(name, None)
        self.export_doubt.pop(name, None)
        if name == COMMANDLINE_ARGS:
            self.pending = True
            if self.out.array_line is not None:
                self.out.array_line, self.out.why_not = None, ""

    # -- assignments

    def _assign(self, one: Node, nested: bool, export: bool) -> bool:
        """Follow one NAME=value (``export``: it exports the variable, too)."""
        name = self._name(one)
        self._expand(one)
        own, line, append = name == COMMANDLINE_ARGS, self._at(one), bool(one.get("Append"))
        if name in BASH_CONTROLS or name in self.readonly or not NAME.fullmatch(name):
            self._all_uncertain(_("the assignment in line {line}").format(line=line))
        if one.get("Index") or one.get("Array"):
            value = self._array(name, one, append, nested)
        else:
            value = self._plain(one, name, append, nested)
        if export:
            self._export(name, nested, line)
        if own and nested:
            self._args_uncertain(_("a condition, loop or function around line {line}").format(line=line))
            return True
        if nested:
            old = self.words.variables.get(name) or self.words.value_of(name, (begin_of(one), begin_of(one)))
            value = VariableValue((Expanded(old, False),), (_("a condition or loop in line {line}").format(line=line),))
        elif name in SET_BY_BASH and name not in ("IFS", "SCRIPT_DIR", "OPTARG", "REPLY", "COLUMNS", "LINES"):
            value = VariableValue(value.parts, (*value.reasons, _("bash itself")))
        elif name in self.attributes:
            value = VariableValue(value.parts, (*value.reasons, self.attributes[name]))
        self.words.variables[name] = value
        self.pending = self.pending or own
        return own

    def _export(self, name: str, nested: bool, line: int) -> None:
        if not nested:
            self.exported.add(name)
            self.export_doubt.pop(name, None)
        elif name not in self.exported:
            self.export_doubt[name] = _("a condition or loop in line {line}").format(line=line)

    def _plain(self, one: Node, name: str, append: bool, nested: bool) -> VariableValue:
        own, at = name == COMMANDLINE_ARGS, end_of(one["Name"]) + (2 if append else 1)
        word = one.get("Value")
        end = end_of(word) if word else at
        parts, tail = self.words.value(word, own) if word else ([], Insertion(at, "bare"))
        if append:
            before, self.words.before = self.words.before, None
            parts.insert(0, Expanded(self.words.value_of(name, (at, at)), own))
            self.words.before = before
        value = VariableValue(tuple(parts))
        if name in self.words.arrays:  # a plain assignment to an array sets its first element
            self.words.arrays[name] = [value, *self.words.arrays[name][1:]]
            if nested or append:
                self.words.arrays.pop(name)
                self.attributes[name] = _("an array in line {line}").format(line=self._at(one))
        if own:
            self.out.assigned = True
            self.out.assignments.append(Assignment(self._at(one), at, end, tail, nested, append))
        return value

    def _array(self, name: str, one: Node, append: bool, nested: bool) -> VariableValue:
        """The value of ``$NAME``, its first element, after ``NAME=(...)``, ``NAME+=(...)`` or ``NAME[0]=...``."""
        line = self._at(one)
        if name == COMMANDLINE_ARGS:
            self._becomes_array(line, nested)
        found = self.words.elements(one["Array"]) if one.get("Array") and not nested else None
        old = self.words.arrays.pop(name, None)
        if append and old is None and name in self.words.variables:
            old = [self.words.variables[name]]
        if one.get("Index"):
            raw = source_of(one["Index"], self.s)
            if not re.fullmatch(r"0|[1-9][0-9]{0,8}", raw):
                self._all_uncertain(_("the subscript in line {line}").format(line=line))
        if found is None or (append and old is None):
            self.attributes[name] = _("an array in line {line}").format(line=line)
            return VariableValue((), (_("an array in line {line}").format(line=line),))
        self.words.arrays[name] = [*(old or []), *found] if append else found
        return next(iter(self.words.arrays[name]), VariableValue())

    def _declare(self, command: Node, nested: bool) -> None:
        variant, line = str(command["Variant"]["Value"]), self._at(command)
        args = command.get("Args") or []
        options, names = self._split(args)
        letters = "".join(o[1:] for o in options if o[0] == "-")
        allowed = "pfn" if variant == "export" else "xriulcaAgpfFt"
        if any(o[0] == "+" and o != "+x" for o in options) or set(letters) - set(allowed):
            self._all_uncertain(
                _("{command} in line {line}").format(command=f"{variant} {' '.join(options)}", line=line))
        elif variant in self.functions or names is None or (variant == "local" and not self.calls):
            self._all_uncertain(the_command(variant, line))
        for one in args:
            self._expand(one)
        if "f" in letters or "F" in letters:
            return
        exports = (variant == "export" and "n" not in letters) or "x" in letters
        self.words.before = (dict(self.words.variables), dict(self.words.arrays))
        for one in names or []:
            self._declared(one, variant, letters, exports or (self.allexport and bool(one.get("Value"))), nested)
            name = self._declared_name(one)
            if (variant == "export" and "n" in letters) or "+x" in options:
                self.exported.discard(name)
                if nested:
                    self.export_doubt[name] = _("a condition or loop in line {line}").format(line=line)
        self.words.before = None

    def _split(self, args: list[Node]) -> tuple[list[str], list[Node] | None]:
        """The options of a declaration, and its names; None for these where a word is known only when it runs."""
        options: list[str] = []
        names: list[Node] = []
        for one in args:
            if one.get("Name"):
                names.append(one)
                continue
            text, parts = self._quoted(one)
            if text is None:
                return options, None
            if text[:1] in ("-", "+") and not names and text != "--":
                options.append(text)
            elif "=" in text and parts:
                names.append(one)
            elif text != "--" or names:
                return options, None
        return options, names

    def _quoted(self, one: Node) -> tuple[str | None, bool]:
        """The literal text before what is only known when it runs, and whether that names a variable: ``"X=..."``."""
        word = one.get("Value") or {}
        parts = self.words.value(word, False)[0]
        text = ""
        for part in parts:
            if not isinstance(part, Atom) or part.depends:
                break
            text += part.text
        named = re.match(r"([A-Za-z_][A-Za-z0-9_]*)=", text) is not None
        bare = any(type_of(p) not in ("SglQuoted", "DblQuoted", "Lit")
                   or (type_of(p) == "Lit" and re.search(r"[*?\[{~]", source_of(p, self.s)))
                   for p in word.get("Parts") or [])
        whole = len(text) == sum(1 for __ in parts)
        return (text, named) if (named and not bare) or whole else (None, False)

    def _declared_name(self, one: Node) -> str:
        return self._name(one) if one.get("Name") else (self._quoted(one)[0] or "").partition("=")[0]

    def _declared(self, one: Node, variant: str, letters: str, export: bool, nested: bool) -> None:
        """Follow one name of export, declare, typeset, readonly or local (``variant``) with its option letters."""
        name, line = self._declared_name(one), self._at(one)
        valued = bool(one.get("Value")) or bool(one.get("Array")) or not one.get("Naked")
        literals = [n for n in (one.get("Value") or {}).get("Parts") or [] if type_of(n) == "Lit"]
        if any("{" in source_of(n, self.s) for n in literals):
            self._all_uncertain(_("the braces in line {line}").format(line=line))
        if set("iulc") & set(letters):
            self.attributes[name] = _("{command} in line {line}").format(command=f"declare -{letters}", line=line)
            self._make_uncertain(name, self.attributes[name])
        if one.get("Name") and valued:
            self._assign(one, nested, export)
        elif not one.get("Name"):
            self._quoted_assign(one, name, nested, export)
        elif export:
            self._export(name, nested, line)
        if name in BASH_CONTROLS:
            self._all_uncertain(_("{command} in line {line}").format(command=variant, line=line))
        if set("aA") & set(letters):
            self.words.arrays.pop(name, None)
            self.attributes[name] = _("an array in line {line}").format(line=line)
            self._make_uncertain(name, self.attributes[name])
            if name == COMMANDLINE_ARGS:
                self._becomes_array(line, nested)
        if variant == "local" or (variant in ("declare", "typeset") and self.calls):
            self._make_uncertain(name, the_command(variant, line))
        if variant == "readonly" or "r" in letters:
            self.readonly.add(name)
            if name == COMMANDLINE_ARGS:
                why = _("line {line} makes {name} read-only").format(line=line, name=COMMANDLINE_ARGS)
                self.read_only_why = why if not self.out.why_not else self.read_only_why
                self.out.why_not = self.out.why_not or why

    def _quoted_assign(self, one: Node, name: str, nested: bool, export: bool) -> None:
        """Follow an assignment with its name inside quotes: ``export "COMMANDLINE_ARGS=..."``."""
        own, line = name == COMMANDLINE_ARGS, self._at(one)
        parts, tail = self.words.value(one["Value"], own)
        if own:
            self.out.assigned = True
            self.out.assignments.append(Assignment(line, begin_of(one), end_of(one), tail, nested))
        if name in self.readonly:
            self._all_uncertain(_("the assignment in line {line}").format(line=line))
        if export:
            self._export(name, nested, line)
        if nested:
            self._make_uncertain(name, _("a condition, loop or function around line {line}").format(line=line))
            return
        reasons = (self.attributes[name],) if name in self.attributes else ()
        self.words.variables[name] = VariableValue(tuple(parts[len(name) + 1 :]), reasons)
        self.pending = self.pending or own
