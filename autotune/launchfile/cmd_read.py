"""Reads a batch file: goes through its commands and follows every variable through them. Nothing is run or guessed.

Commands that always run are followed exactly, and so are those that depend on facts (which files exist, what variables
hold). A command that depends on anything else makes the variables it sets uncertain; one that may change any
variable (a called file, a jump, a program that may be a batch file) makes all uncertain until they are set again. A
value of COMMANDLINE_ARGS that depends on a fact is known for now, and still named as depending on it: the next start
may find another fact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import dropwhile
from pathlib import Path

from autotune.language.translate import _
from autotune.launchfile.cmd_facts import compared, leaves_variables_alone, upper_name
from autotune.launchfile.cmd_scan import (
    BatchChar,
    LineReader,
    LineTooLong,
    assigned,
    text_of,
    unquoted,
    without_redirections,
    words_of,
)
from autotune.launchfile.cmd_state import MAY_RUN, NOT_RUN, RUNS, CmdState
from autotune.launchfile.cmd_tree import (
    ALWAYS,
    PIPED,
    BatchCommand,
    Condition,
    For,
    Group,
    If,
    Parser,
    Step,
    UnknownSyntax,
)
from autotune.launchfile.values import (
    ARGUMENT,
    COMMANDLINE_ARGS,
    Assignment,
    Atom,
    Insertion,
    LaunchWord,
    LineNumbers,
    Reading,
    VariableValue,
    flatten,
    the_command,
)

_COMMENTED = re.compile(r"[ \t]*@?[ \t]*(?:rem\b|::?)[ \t:]*@?(?:set[ \t]+)\"?COMMANDLINE_ARGS=", re.IGNORECASE)
_MENTION = re.compile(r"[ \t]*@?[ \t]*(?:rem\b|::?)[^\n]*\bCOMMANDLINE_ARGS=", re.IGNORECASE)
_SET = re.compile(r"set(?:[=/\"]|$)")
_SCRIPT = re.compile(r"(?:^|[\\/])(?:webui(?:\.bat)?|launch\.py|webui\.py)$", re.IGNORECASE)
_MENTIONED = re.compile(r"\bwebui\.bat\b|\blaunch\.py\b|\bwebui\.py\b", re.IGNORECASE)
_STARTERS = frozenset(("call", "start", "cmd", "py", "uv", "accelerate", "conda", ""))
_IDLE = re.compile(r"[ \t]*(?:@?[ \t]*rem[ \t]+[^\s,;=]+[ \t][^\n]*|::[^\n]*[^\^\r\n]\r?|\r?)(?:\n|\Z)", re.IGNORECASE)
"""Empty lines and comments that no caret joins to the next line: they change nothing."""


class CmdReader(CmdState):
    """One pass over a batch file; ``read()`` gives the Reading.

    ``text``: the file as ``codepage.mask_second_bytes`` gives it; ``page``: the code page of its letters.
    ``before``: the reading of the file that ran before it in the same start and left its variables.
    ``start``: offset of the only command that starts the web UI; the reading then is what holds where it is reached.
    """

    def __init__(self, text: str, environ: Mapping[str, str], path: Path, before: Reading | None = None,
                 page: int | None = None, start: int | None = None) -> None:
        self.s, self.start = text, start
        self.line = LineNumbers(text)
        super().__init__(environ, path, before, page)
        self.saved_scopes: list[tuple[dict[str, VariableValue], str, bool]] = []
        self.pushed_folders: list[str] = []
        self.jumpy = self.unsure = self.ended = self.started = False
        self.jump: int | None = None
        self.after = 0
        self.maybe_exited = 0
        self.from_elsewhere: set[str] = set()
        self.starts: set[int] = set()
        self.unit = 0
        self.lines = LineReader(text, self)

    # -- the whole file

    def read(self) -> Reading:
        """The reading of the whole file; ``trouble`` says why it cannot be understood."""
        pos, out = 0, self.out
        try:
            while pos < len(self.s):
                pos = self._unit(pos)
        except LineTooLong as error:
            text = _("line {line} is longer than cmd.exe takes (8191 characters)")
            out.trouble = text.format(line=self.line(int(error.args[0])))
        if not self.ended:
            out.plain_at = None if self.jumpy else len(self.s)
        if out.block_at is not None and out.launch_at is not None:
            out.block_at = None if out.block_at > out.launch_at else out.plain_at
        elif out.block_at is not None and self.jumpy:
            out.block_at = None
        if not self.started:
            self._leave()
        own = self.vars.get(COMMANDLINE_ARGS)
        out.value = own if own is not None else self._own_given()
        out.facts = frozenset(self.facts)
        out.from_elsewhere = not self.from_elsewhere.isdisjoint(flatten(out.value).reasons)
        out.variables = {name: self._variable(value) for name, value in self.vars.items()}
        return out

    def only_start(self) -> int | None:
        """Offset of the only command that starts the web UI, if it may not be reached; else None."""
        return next(iter(self.starts)) if len(self.starts) == 1 and not self.started and self.start is None else None

    def _unit(self, pos: int) -> int:
        out, self.unit = self.out, pos
        idle = _IDLE.match(self.s, pos)
        if idle:
            after = idle.end()
        else:
            parser = Parser(self.lines, pos)
            steps = parser.unit()
            self.after = after = parser.pos
            if parser.open and not out.trouble:
                out.trouble = _("a ( block is not closed")
            self._run(steps, RUNS, nested=False)
        if self.ended:
            return after
        if self.pending:
            out.block_at, self.pending = after, False
        if _COMMENTED.match(self.s, pos):
            out.default_at = after
        if out.mention_at is None and _MENTION.match(self.s, pos):
            out.mention_at = pos
        jump, self.jump = self.jump, None
        return after if jump is None else jump

    def _leave(self) -> None:
        """The file ended without starting the web UI: its caller goes on, with the variables from before SETLOCAL."""
        if self.saved_scopes:
            self.vars = self.saved_scopes[0][0]
        if self.saved_scopes or self.maybe_exited:
            self.out.plain_at = self.out.block_at = None  # what were written here would be taken back, or never run
        if self.maybe_exited or (self.saved_scopes and self.unsure):
            self._all_uncertain(the_command("exit", self.maybe_exited) if self.maybe_exited else _("the setlocal"))

    # -- chains, blocks, conditions

    def _run(self, steps: list[Step], mode: int, nested: bool) -> None:
        for step in steps:
            if self.ended or self.jump is not None:
                return
            chained = step.how != ALWAYS
            reached = isinstance(step.node, BatchCommand) and self.start in [t.atom.start for t in step.node.chars]
            now = min(mode, MAY_RUN) if (chained and not reached) or self.unsure else mode
            self._node(step, now, nested or chained)

    def _node(self, step: Step, mode: int, nested: bool) -> None:
        node = step.node
        if isinstance(node, BatchCommand):
            self._command(node, mode, nested, step.how == PIPED)
        elif isinstance(node, Group):
            if node.chars and mode == RUNS and without_redirections(node.chars)[1] not in ("", "nul"):
                mode = MAY_RUN
            self._run(node.body, mode, True)
        elif isinstance(node, If):
            self._other(node.head)
            holds = self._holds(node.condition) if mode == RUNS else None
            if mode == RUNS and self.start is not None and any(self.start in span for span in node.spans):
                holds = self.start in node.spans[0]
            self._run(node.body, mode if holds else min(mode, MAY_RUN if holds is None else NOT_RUN), True)
            self._run(node.other, min(mode, MAY_RUN) if holds is None else NOT_RUN if holds else mode, True)
        elif isinstance(node, For):
            self._other(node.head)
            self._run(node.body, min(mode, MAY_RUN), True)
        elif isinstance(node, UnknownSyntax):
            self._all_uncertain(_("{what} in line {line}").format(what=node.what, line=self.line(node.at)))

    def _holds(self, asked: Condition) -> bool | None:
        """Is a condition true now? None where only the start can tell."""
        if not asked.kind or not self._certain([*asked.left, *asked.right]):
            return None
        left, right = text_of(asked.left), text_of(asked.right)
        answer: bool | None
        if asked.kind == "exist":
            answer = self.folders.exists(self._path(asked.left))
        elif asked.kind == "defined":
            value = flatten(self.variable(left))
            answer = value.text != "" if all(self._is_fact(r) for r in value.reasons) else None
        else:
            answer = compared(asked.kind, left, right, asked.caseless)
        return answer if answer is None else answer != asked.negated

    # -- commands

    def _other(self, chars: list[BatchChar]) -> None:
        """Note a command as it is written in the file: an edit must not change it."""
        spans = dict.fromkeys((t.atom.start, t.atom.end) for t in chars if t.atom.start >= self.unit)
        if spans:
            self.out.others.append("".join(self.s[start:end] for start, end in spans))

    def _command(self, node: BatchCommand, mode: int, nested: bool, piped: bool) -> None:
        chars, target = without_redirections(node.chars)
        chars = list(dropwhile(lambda char: char.delimits, chars))  # ">nul set X=1" leaves a blank
        words = words_of(chars)
        head = text_of(words[0]).lower() if words else ""
        if not words or head == "rem" or head.startswith("rem/"):
            return
        if mode != NOT_RUN and not self._certain(words[0]):
            self._all_uncertain(_("the command in line {line}").format(line=self.line(chars[0].atom.start)))
        if _SET.match(head):
            odd = node.odd or (len(chars) > 3 and chars[3].text in tuple(",;="))
            self._set(chars, min(mode, MAY_RUN) if odd else mode, nested or self.jumpy or odd, target)
            return
        self._other(chars)
        done = self._jump_or_exit(head, chars, words, mode, nested or piped) or self._folder_or_scope(head, words, mode)
        if not done:
            self._launch(head, words, mode, nested)

    def _jump_or_exit(
        self, head: str, chars: list[BatchChar], words: list[list[BatchChar]], mode: int, nested: bool
    ) -> bool:
        """Follow GOTO, EXIT, and CALL of a label or of SET; False if it is none of them."""
        line = self.line(words[0][0].atom.start)
        args = [text_of(w) for w in words[1:]]
        if head.startswith("goto") and not head.endswith(":eof") and [a.lower() for a in args[:1]] != [":eof"]:
            self._goto((head[4:] or "".join(args[:1])).lstrip(":"), line, mode, nested)
        elif head in ("exit", "exit/b") or head.startswith("goto"):
            if mode == RUNS:
                self._end(nested)
            elif mode == MAY_RUN:
                self.maybe_exited = line
        elif head == "call" and args and args[0].startswith(":"):
            self.jumpy = True
            self._may_set_any(_("the subroutine called in line {line}").format(line=line), mode)
        elif head == "call" and args and _SET.match(args[0].lower()):
            at = next(k for k, t in enumerate(chars) if t is words[1][0])
            self._call_set(chars[at:], line, mode, nested)
        else:
            return False
        return True

    def _may_set_any(self, reason: str, mode: int) -> None:
        if mode == NOT_RUN:
            self._args_uncertain(reason, NOT_RUN)
        else:
            self.from_elsewhere.add(reason)
            self._all_uncertain(reason)

    def _goto(self, label: str, line: int, mode: int, nested: bool) -> None:
        ahead = re.compile(rf"^[ \t=,;]*:[ \t]*{re.escape(label)}(?![^\s:=,;+])[^\n]*\n?", re.IGNORECASE | re.MULTILINE)
        found = ahead.search(self.s, self.after) if label else None
        if mode == RUNS and not nested and found:
            self.jump = found.start()
            return
        self.jumpy = True
        if mode == RUNS and found:
            self.jump = found.start()
            self._args_uncertain(_("the jump in line {line}").format(line=line), RUNS)
        elif mode != NOT_RUN:
            self.unsure = True
            self._all_uncertain(_("the jump in line {line}").format(line=line))

    def _folder_or_scope(self, head: str, words: list[list[BatchChar]], mode: int) -> bool:
        """Follow commands about folders, scopes and single variables; False if it is none of them."""
        line = self.line(words[0][0].atom.start)
        args = words[1:]
        moved = re.match(r"(?:cd|chdir|pushd|popd)(?=$|[\\/.])", head)
        if moved:
            self._move(moved.group(), head[moved.end():], args, line, mode)
        elif re.fullmatch(r"[a-z]:", head):
            if mode != NOT_RUN:
                self._lose_folder(_("the change of drive in line {line}").format(line=line))
        elif head == "setlocal":
            self._setlocal([text_of(a).lower() for a in args], line, mode)
        elif head == "endlocal":
            self._endlocal(line, mode)
        elif head == "shift":
            self.shifted |= mode != NOT_RUN
        elif head in ("path", "prompt"):
            if mode != NOT_RUN and (args or head == "prompt"):
                self._make_uncertain(upper_name(head), the_command(head, line))
        else:
            return False
        return True

    def _move(self, how: str, glued: str, args: list[list[BatchChar]], line: int, mode: int) -> None:
        if mode == NOT_RUN or (not args and not glued and how in ("cd", "chdir", "pushd")):
            return
        reason = the_command(how, line)
        far = any(text_of(a).lower() == "/d" for a in args) or how == "pushd"
        args = [a for a in args if text_of(a).lower() != "/d"]
        if how == "pushd":
            self.pushed_folders.append(self.folders.here)
        if how == "popd":
            self.folders.here = self.pushed_folders.pop() if self.pushed_folders else self.folders.here
        elif args and not glued and all(map(self._certain, args)) and (far or ":" not in text_of(args[0])) and (
                len(args) == 1 or how in ("cd", "chdir")):  # which take blanks for part of a name
            paths = [self._path(a) for a in args]
            self.folders.enter(" ".join(paths) if all(paths) else "")
        else:
            self.folders.enter(glued if not args and glued.startswith(".") else "")
        if mode == MAY_RUN:
            self.folders.here = ""
        if not self.folders.here:
            self._lose_folder(reason)

    def _setlocal(self, args: list[str], line: int, mode: int) -> None:
        if mode == NOT_RUN:
            return
        self.saved_scopes.append((dict(self.vars), self.folders.here, self.out.delayed_expansion))
        if "enabledelayedexpansion" in args:
            self.out.delayed_expansion = True
        elif "disabledelayedexpansion" in args and mode == RUNS:
            self.out.delayed_expansion = False
        if mode == MAY_RUN or "disableextensions" in args:
            self.unsure = True
            self._all_uncertain(the_command("setlocal", line))

    def _endlocal(self, line: int, mode: int) -> None:
        if mode == NOT_RUN:
            return
        reason = the_command("endlocal", line)
        if mode == MAY_RUN:
            self._all_uncertain(reason)
        elif self.saved_scopes:
            own = self.vars.get(COMMANDLINE_ARGS)
            self.vars, self.folders.here, self.out.delayed_expansion = self.saved_scopes.pop()
            if own is not None and own is not self.vars.get(COMMANDLINE_ARGS):
                self._args_uncertain(reason, RUNS)  # the assignments before it are still in the file: not to be edited

    def _end(self, nested: bool = False) -> None:
        self.ended = True
        self.out.plain_at = None if nested else self.unit
        if nested or (self.pending and self.out.launch_at is not None):
            self.out.block_at = None
        self.pending = False

    def _launch(self, head: str, words: list[list[BatchChar]], mode: int, nested: bool) -> None:
        texts = [text_of(w).replace('"', "") for w in words]
        script = next((k for k, t in enumerate(texts) if _SCRIPT.search(t)), None)
        known = re.sub(r'"|\.exe$', "", head).rsplit("\\", 1)[-1]
        starts = known in _STARTERS or known.startswith("python") or not self._certain(words[0]) or any(
            t.atom.depends for t in words[0])
        if script is None and starts and _MENTIONED.search(" ".join(texts)):
            script = len(words)  # cmd /k "webui.bat --api": its words are not split
            self.out.line_unknown = True
        out, first = self.out, words[0][0].atom.start
        line = self.line(first)
        if script is None or (script and not starts):
            text = _("the file called in line {line}") if head == "call" else _("the command {command} in line {line}")
            if head == "call" or not leaves_variables_alone(head):
                self._may_set_any(text.format(command=text_of(words[0]), line=line), mode)
            return
        here = self.folders.here
        elsewhere = here != self.folders.folder and (here or self.folder_lost_by not in out.changes_any)
        if mode != NOT_RUN and elsewhere and "\\" not in texts[min(script, len(texts) - 1)]:
            self._all_uncertain(_("the folder that line {line} is run in").format(line=line))
        self.starts.add(first)
        if out.launch_at is None:
            out.launch_at, out.launch_line = first, line
        self._words_on_line(words[script + 1 :])
        if mode == RUNS:
            self.started = True
        if mode == RUNS and not nested:
            self._end()
        elif not nested and self.unsure:
            self.started = True
            self._end()
        else:
            reason = _("the start of the web UI inside a condition in line {line}").format(line=line)
            if mode == MAY_RUN:
                self._all_uncertain(reason)
            self._args_uncertain(reason, mode)
            if mode == RUNS:
                self._end(nested=True)

    def _words_on_line(self, words: list[list[BatchChar]]) -> None:
        for word in words:
            if all(not t.atom.depends for t in word):
                text = text_of(word)
                here = all(t.atom.start >= self.unit for t in word)
                plain = here and '"' not in text and word[-1].atom.end - word[0].atom.start == len(text)
                text = text.replace('"', "")
                self.out.line_words.append(LaunchWord(text, word[0].atom.start, word[-1].atom.end, plain))
            elif not all(t.atom.depends.startswith(ARGUMENT) or t.text == '"' for t in word):
                self.out.line_unknown = True

    # -- set

    def _call_set(self, rest: list[BatchChar], line: int, mode: int, nested: bool) -> None:
        """Follow ``call set``, which expands percent signs once more when it runs."""
        text = text_of(rest)
        reason = _("the call of set in line {line}").format(line=line)
        if mode == NOT_RUN:
            if COMMANDLINE_ARGS in text.upper():
                self._args_uncertain(reason, NOT_RUN)
            return
        if re.search(r"[\^&|<>!]", text) or not self._certain(rest):
            named = re.match(r'set[ \t]+"?([^=%!^"]+)=', text, re.IGNORECASE)
            self.from_elsewhere.add(reason)
            self._make_uncertain(upper_name(named.group(1)), reason) if named else self._all_uncertain(reason)
            return
        at = rest[0].atom.start
        again = [BatchChar(a._replace(start=at, end=at, editable=False), False, False)
                 for a in LineReader(text, self).physical(0)[0]]
        name, value = assigned(again)
        if name == COMMANDLINE_ARGS and self._certain(again) and mode == RUNS:
            self.vars[COMMANDLINE_ARGS] = VariableValue(tuple(t.atom for t in value))
            self._args_uncertain(reason, RUNS)
        elif name == COMMANDLINE_ARGS:
            self._args_uncertain(reason)
        else:
            self._set(again, mode, nested or self.jumpy, "")

    def _set(self, chars: list[BatchChar], mode: int, nested: bool, target: str) -> None:
        line = self.line(chars[0].atom.start)
        args = list(dropwhile(lambda char: char.delimits and not char.quoted, chars[3:]))
        text = text_of(args)
        if text.startswith("/"):
            self._other(chars)
            self._computed(text, args, line, mode)
            return
        args = unquoted(args)
        equals = next((k for k, t in enumerate(args) if t.text == "="), None)
        reason = the_command("set", line)
        if not equals or not text_of(args[:equals]):  # shows variables, or is no assignment ("set =1")
            self._other(chars)
            if not self._certain(args) and mode != NOT_RUN:
                self._all_uncertain(reason)
            return
        name = upper_name(text_of(args[:equals]))
        sign, value = args[equals], args[equals + 1 :]
        if name == COMMANDLINE_ARGS and self._certain(args[:equals]):
            self._assign(line, sign, value, mode, nested, target)
            return
        self._other(chars)
        if mode == NOT_RUN:
            return
        if not self._certain(args[:equals]) or (nested and "%" in name):
            self.from_elsewhere.add(reason)
            self._all_uncertain(reason)
        elif mode == MAY_RUN:
            self._make_uncertain(name, _("a condition, block or jump around line {line}").format(line=line))
        else:
            parts = tuple(t.atom._replace(editable=False) for t in value)
            self.vars[name] = VariableValue((*parts, *self._uncertain_parts(value, line, target)))

    def _uncertain_parts(self, value: list[BatchChar], line: int, target: str) -> list[Atom]:
        """Empty atoms, one for each thing beside the value that the outcome of a SET depends on."""
        at = value[-1].atom.end if value else 0
        found: list[str] = []
        if self.out.delayed_expansion and "!" in text_of(value):
            found.append(_("delayed expansion (!)"))
        if target:
            found.append(_("the redirection in line {line}").format(line=line))
            if target == "nul":
                self.facts.add(found[-1])
        return [Atom("", at, at, "plain", reason, False) for reason in found]

    def _computed(self, text: str, args: list[BatchChar], line: int, mode: int) -> None:
        """Follow ``set /a`` and ``set /p``: the variables they name get values that only the start can tell."""
        reason = the_command(f"set {text[:2]}", line)
        if mode == NOT_RUN:
            if COMMANDLINE_ARGS in text.upper():
                self._args_uncertain(reason, NOT_RUN)
            return
        if text[:2].lower() == "/p":
            self.from_elsewhere.add(reason)
            match = re.match(r'/p[ \t,;]*"?([^=]+)=', text, re.IGNORECASE)
            names = [match.group(1)] if match else []
        else:
            names = re.findall(r"[^\W\d]\w*", text[2:])
        if not names or not self._certain(args) or any(c in "".join(names) for c in "%!^"):
            self._all_uncertain(reason)
        for name in names:
            self._make_uncertain(upper_name(name), reason)

    def _assign(self, line: int, sign: BatchChar, value: list[BatchChar], mode: int, nested: bool, target: str) -> None:
        out = self.out
        out.assigned = True
        last = value[-1] if value else sign
        here = [t for t in (sign, *value) if t.atom.start >= self.unit]
        end = max(t.atom.end for t in here)
        quoted = last.quoted if last.text != '"' else sum(t.text == '"' for t in (*value,)) % 2 == 1
        where = "quoted" if quoted or (not value and sign.quoted) else "plain"
        out.assignments.append(Assignment(line, sign.atom.end, end, Insertion(end, where), nested))
        loose = [a._replace(start=end, end=end, where=where) for a in self._uncertain_parts(value, line, target)]
        parts = (*(t.atom for t in value), *loose)
        if mode == RUNS:
            self.vars[COMMANDLINE_ARGS] = VariableValue(parts)
            self.pending = True
        if nested or mode != RUNS:
            self._args_uncertain(_("a condition, block or jump around line {line}").format(line=line), mode)
