"""Reads a bash file: follows every variable through its commands, without running any or guessing.

A branch, a loop, a function makes the variables it sets uncertain; a command that is not known to change no variable
makes all of them uncertain.
"""

from __future__ import annotations

import re

from autotune.disk.own_install import how_to_add
from autotune.language.translate import _
from autotune.launchfile import blocks, sh_commands
from autotune.launchfile.sh_assign import ShAssigns
from autotune.launchfile.sh_commands import ANY, BASH_CONTROLS, Effect
from autotune.launchfile.sh_others import default_at, mention_at, other_commands
from autotune.launchfile.sh_tree import (
    Node,
    NoParser,
    NotUnderstood,
    begin_of,
    end_of,
    end_with_heredocs,
    parse_bash,
    source_of,
    type_of,
    walk,
)
from autotune.launchfile.sh_words import NAME
from autotune.launchfile.values import (
    COMMANDLINE_ARGS,
    Atom,
    FlatValue,
    LaunchWord,
    Reading,
    TooLong,
    VariableValue,
    flatten,
    the_command,
)

_SURE = re.compile(r"[<>&|]+\s*(?:/dev/null|[0-9]|&?-)")
"""Redirections that cannot fail."""
_ACTIVATE = re.compile(r"bin/activate\"?$")
"""A virtual environment's own script: it sets a few variables, and leaves nothing behind that bears on later ones."""


class ShReader(ShAssigns):
    """One pass over a bash file; ``read()`` gives the Reading."""

    # -- the file

    def read(self) -> Reading:
        """The reading of the whole file; ``trouble`` says why the parser refuses one."""
        out = self.out
        try:
            root = parse_bash(self.s)
        except NotUnderstood as error:
            line, said = error.args
            out.trouble = (_("line {line} is not understood: {reason}").format(line=line, reason=said) if line
                           else _("the file is not understood: {reason}").format(reason=said))
            return out
        except NoParser:
            out.changes_any = (_("the bash parser, which is missing here"),)
            out.why_not = _("the bash parser is missing here; it comes by: {command}").format(
                command=how_to_add(["shfmt-py"]))
            out.value, out.block_at, out.plain_at = VariableValue((), out.changes_any), None, None
            return out
        for name in sorted(self.environ):
            if name.startswith("BASH_FUNC_") or name in ("BASH_ENV", "ENV", "POSIXLY_CORRECT", "SHELLOPTS", "BASHOPTS"):
                self._all_uncertain(
                    _("what {name} in the environment makes of bash").format(name=name.partition("%")[0]))
        for node in walk(root):
            if type_of(node) == "FuncDecl":
                self.functions.setdefault(self._name(node), []).append(node["Body"])
        out.others = other_commands(root, self.s)
        self._top(root.get("Stmts") or [])
        if self.block is not None:
            self._all_uncertain(_("the place of autotune's block"))
        end = out.launch_at if self.ended and out.launch_at is not None else len(self.s)
        out.default_at, out.mention_at = default_at(root, self.s, end), mention_at(root, self.s, end)
        self._finish()
        return out

    def _top(self, statements: list[Node]) -> None:
        done = 0
        block = range(self.s.find(f"# {blocks.BEGIN}"), self.s.find(f"# {blocks.END}")) if self.block else range(0)
        for number, one in enumerate(statements):
            if begin_of(one) in block:
                self._own_block()
                continue
            first = self.s.rfind("\n", 0, begin_of(one)) + 1
            self.boundary = first if first >= done else self.boundary
            self._statement(one, False)
            done = end_with_heredocs(one)
            if self.ended:
                self.out.plain_at = self.boundary
                self.pending = False
                return
            following = begin_of(statements[number + 1]) if number + 1 < len(statements) else len(self.s)
            at = self._next_line(done, following)
            if self.pending and at is not None:
                self.out.block_at, self.pending = at, False
        self.out.plain_at = len(self.s)
        if self.pending:
            self.out.block_at = len(self.s)

    def _own_block(self) -> None:
        """Follow autotune's own block: the value becomes what bash will make of it."""
        if self.block is None:
            return
        try:
            flat = flatten(self.words.value_of(COMMANDLINE_ARGS, (0, 0)))
        except TooLong:
            flat = FlatValue(reasons=[_("a value too long to follow")])
        text = blocks.value_after_sh(flat.text, self.block)
        written = Atom(text, 0, 0, "double", "", False)
        self.words.variables[COMMANDLINE_ARGS] = VariableValue((written,), tuple(flat.reasons))
        self._export(COMMANDLINE_ARGS, False, 0)
        self.block = None

    def _next_line(self, at: int, following: int) -> int | None:
        """Where the line after a statement begins, None if the next statement comes sooner."""
        found = self.s.find("\n", at)
        while found > 0 and self.s[found - 1] == "\\":
            found = self.s.find("\n", found + 1)
        return found + 1 if 0 <= found < following else None

    # -- statements

    def _statement(self, one: Node, nested: bool) -> None:
        command = one.get("Cmd")
        for redirect in one.get("Redirs") or []:
            nested = self._redirect(redirect, command) or nested
        if one.get("Background"):
            self._in_subshell([{**one, "Background": False}])
        elif command is not None:
            self._command(command, nested)

    def _redirect(self, redirect: Node, command: Node | None) -> bool:
        """Follow a redirection; True if it may fail, so that its command does not run."""
        self._expand(redirect.get("Word"))
        self._expand(redirect.get("Hdoc"))
        named = str((redirect.get("N") or {}).get("Value", ""))
        if named.startswith("{"):
            name = named.strip("{}")
            effect = Effect((name,)) if NAME.fullmatch(name) else ANY
            self._note_effect(effect, _("the redirection in line {line}").format(line=self._at(redirect)))
        if str(redirect["Op"]) in ("<<", "<<-", "<<<"):
            return False
        words = (command or {}).get("Args") or []
        bare_exec = type_of(command) == "CallExpr" and [self.words.literal(w) for w in words]
        raw = source_of(redirect, self.s).lstrip("0123456789&")
        return bare_exec != ["exec"] and not _SURE.fullmatch(raw)

    def _command(self, command: Node, nested: bool) -> None:
        what = type_of(command)
        simple = {"CallExpr": self._call, "DeclClause": self._declare}
        if what in simple:
            simple[what](command, nested)
        elif what == "BinaryCmd" and command["Op"] in ("&&", "||"):
            self._statement(command["X"], nested)
            self._statement(command["Y"], True)
        elif what in ("BinaryCmd", "Subshell"):
            self._in_subshell([command["X"], command["Y"]] if what == "BinaryCmd" else command.get("Stmts") or [])
        elif what == "TimeClause":
            if command.get("Stmt"):
                self._statement(command["Stmt"], nested)
        elif what in ("Block", "IfClause", "WhileClause", "ForClause", "CaseClause"):
            self._compound(command)
        elif what == "TestClause":
            self._expand(command)
        elif what in ("ArithmCmd", "LetClause"):
            for expression in command.get("Exprs") or [command["X"]]:
                effect = sh_commands.of_arithmetic(expression, self.s, self._integer)
                self._note_effect(effect, _("the arithmetic in line {line}").format(line=self._at(command)))
        elif what != "FuncDecl":
            self._all_uncertain(_("{command} in line {line}").format(command=what, line=self._at(command)))

    def _compound(self, command: Node) -> None:
        """Follow a branch or loop: what it sets may be set never, once or often."""
        line = self._at(command)
        reason = _("the loop in line {line}").format(line=line)
        loop = command.get("Loop") or {}
        if type_of(loop) == "WordIter":
            name = self._name(loop)
            self._note_effect(Effect((name,)) if NAME.fullmatch(name) else ANY, reason)
            if command.get("Select"):
                self._note_effect(Effect(("REPLY",)), _("the menu in line {line}").format(line=line))
        for part in (loop.get("Init"), loop.get("Cond"), loop.get("Post")):
            self._note_effect(sh_commands.of_arithmetic(part, self.s, self._integer), reason)
        for word in [*(loop.get("Items") or []), command.get("Word")]:
            self._expand(word)
        # Twice: what a loop sets at its end is seen at its start.
        for __ in range(2 if type_of(command) in ("WhileClause", "ForClause") else 1):
            self._branches(command)

    def _branches(self, command: Node) -> None:
        for key in ("Stmts", "Cond", "Then", "Do"):
            for one in command.get(key) or []:
                self._statement(one, True)
        for item in command.get("Items") or []:
            for pattern in item.get("Patterns") or []:
                self._expand(pattern)
            for one in item.get("Stmts") or []:
                self._statement(one, True)
        if command.get("Else"):
            self._branches(command["Else"])

    def _in_subshell(self, statements: list[Node]) -> None:
        """Follow a subshell, a pipe or a background job: its variables end with it, but it may start the web UI."""
        kept = (dict(self.words.variables), dict(self.words.arrays), set(self.exported), dict(self.export_doubt),
                dict(self.attributes), set(self.readonly), self.allexport, list(self.words.changes_earlier),
                self.out.changes_any, self.out.why_not, self.out.array_line, self.out.starts_inside)
        launched = self.out.launch_line
        for one in statements:
            self._statement(one, True)
        (self.words.variables, self.words.arrays, self.exported, self.export_doubt, self.attributes, self.readonly,
         self.allexport, self.words.changes_earlier, self.out.changes_any, self.out.why_not, self.out.array_line,
         self.out.starts_inside) = kept
        if self.out.launch_line != launched and self._starts:
            self._start_inside(self.out.launch_line or 0)

    def _start_inside(self, line: int) -> None:
        reason = _("the start of the web UI inside a block in line {line}").format(line=line)
        self._args_uncertain(reason)
        self._all_uncertain(reason)
        self.out.starts_inside = True

    _starts = False
    """Whether the last launch that was noted starts the web UI (it may only end the file)."""

    # -- simple commands

    def _call(self, command: Node, nested: bool) -> None:
        words, assigns = command.get("Args") or [], command.get("Assigns") or []
        for word in words:
            self._expand(word)
        if not words:
            for one in assigns:
                self._assign(one, nested, self.allexport)
            return
        head = self.words.literal(words[0])
        texts = [self.words.literal(w) for w in words]
        if self._launch(head, words, nested):
            for one in assigns:
                self._assign(one, nested, True)
            return
        line = self._at(command)
        for one in assigns:
            self._expand(one)
        lasting = head is None or head in sh_commands.OTHER_BUILTINS - {"read", "printf"} or head in self.functions
        if assigns and (lasting or any(self._name(a) in BASH_CONTROLS for a in assigns)):
            self._all_uncertain(_("an assignment for one command in line {line}").format(line=line))
        if head is None:
            # With a slash in it, it is a program; else it may be any builtin.
            raw = source_of(words[0], self.s)
            if not re.search(r"/[\w.-]+\"?$", raw):
                self._all_uncertain(_("the command in line {line}, which is known only when it runs").format(line=line))
        elif head in self.functions:
            self._function(head, line)
        self._builtin(head, texts, words, nested, line)

    def _function(self, name: str, line: int) -> None:
        if name in self.calls or len(self.calls) > 20:
            self._all_uncertain(_("the function called in line {line}").format(line=line))
            return
        before = self.pending
        self.calls.append(name)
        for body in self.functions[name]:
            self._statement(body, True)
        self.calls.pop()
        self.pending = self.pending or before

    def _builtin(self, head: str | None, texts: list[str | None], words: list[Node], nested: bool, line: int) -> None:
        args = texts[1:]
        if head == "unset":
            self._unset(args, nested, line)
        elif head == "set":
            self._set(args, nested, line)
        elif head in ("source", ".") and args and _ACTIVATE.search(source_of(words[1], self.s)):
            self._earlier_uncertain(_("the file that line {line} reads in").format(line=line))
        elif head in ("source", "."):
            self._all_uncertain(_("the file that line {line} reads in").format(line=line))
        elif head == "exec" and not args:
            pass
        elif head in ("exit", "return"):
            if head == "return" and not self.calls:
                self._all_uncertain(the_command("return", line))
        elif head is not None:
            effect = sh_commands.of_builtin(head, args)
            said = _("{command} in line {line}") if effect and effect.changes_any else _("line {line}")
            self._note_effect(effect or Effect(), said.format(command=head, line=line), nested, line)

    def _set(self, args: list[str | None], nested: bool, line: int) -> None:
        """Follow ``set``; after ``set -a`` every assignment exports its variable."""
        left = list(args)
        for number, arg in enumerate(args):
            named = number > 0 and args[number - 1] in ("-o", "+o")
            if arg is None or arg in ("--", "-") or (not named and not arg.startswith(("-", "+"))):
                break
            sign = str(args[number - 1])[0] if named else arg[0]
            if arg == "allexport" if named else "a" in arg:
                self.allexport = sign == "-"
                if nested:
                    self._all_uncertain(_("{command} in line {line}").format(command="set -a", line=line))
                left[number] = "errexit" if named else (arg.replace("a", "") if len(arg) > 2 else "-e")
        self._note_effect(sh_commands.of_builtin("set", left) or ANY,
                          _("{command} in line {line}").format(command="set", line=line))

    # -- the start of the web UI

    def _launch(self, head: str | None, words: list[Node], nested: bool) -> bool:
        """Follow a command that starts the web UI or ends the script; False if it does neither."""
        out, first = self.out, begin_of(words[0])
        name = (head or "").rsplit("/", 1)[-1]
        plain = [self._literal_part(w) for w in words]
        script = next((k for k, t in enumerate(plain) if t.endswith(sh_commands.SCRIPTS)), None)
        starter = name in sh_commands.STARTERS or name.startswith("python") or self.s[first] in "\"$"
        starts = script is not None and (script == 0 or starter)
        talks = name in sh_commands.MENTION_ONLY
        if script is None and not talks and any(sh_commands.MENTIONED.search(t) for t in plain):
            starts, script = True, len(words)  # bash -c "./webui.sh --api": its words are not split
            out.line_unknown = True
        if starts and any(t.startswith(COMMANDLINE_ARGS + "=") for t in plain):
            out.why_not = _("line {line} sets {name} for one command only").format(
                line=self.line(first), name=COMMANDLINE_ARGS)
        ends = head in ("exit", "return") and not self.calls and not (head == "return" and nested)
        if not (ends or (head == "exec" and len(words) > 1) or starts):
            return False
        # An exit that may not be reached is no end: where the web UI is started, it was not.
        if out.launch_at is None and (starts or head == "exec" or not nested):
            out.launch_at, out.launch_line = first, self.line(first)
            self._starts = starts
        if script is not None:
            self._line_words(words[script + 1 :])
        if not nested:
            self.ended = True
        elif script is not None or head == "exec":
            self._start_inside(self.line(first))
        return True

    def _literal_part(self, word: Node) -> str:
        """The text of a word, without its expansions."""
        parts = self.words.value(word, False)[0]
        return "".join(p.text for p in parts if isinstance(p, Atom) and not p.depends)

    def _line_words(self, words: list[Node]) -> None:
        for word in words:
            raw = source_of(word, self.s)
            text = self.words.literal(word)
            if text is not None:
                self.out.line_words.append(LaunchWord(text, begin_of(word), end_of(word), raw == text))
            elif COMMANDLINE_ARGS not in raw and raw.strip('"') not in ("$@", "$*"):
                self.out.line_unknown = True
