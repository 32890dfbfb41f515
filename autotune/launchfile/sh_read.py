"""The bash reader: walks a file's commands and follows COMMANDLINE_ARGS through them.

It knows simple commands, assignments and what surrounds them. What it does not follow (a branch, a loop, a
function, ``eval``, a sourced file) makes the value uncertain from there on; it is never guessed at.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping

from autotune.launchfile.sh_scan import NAME, Evaluator, Unterminated, array_words, bracket_end, word_end
from autotune.launchfile.values import OWN, Assignment, Atom, Plain, Reading, Ref, Value

_ASSIGN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^\]\n]*\])?(\+?=)")
_COMMENTED = re.compile(r"#[#\s]*(?:export\s+)?COMMANDLINE_ARGS=")
_OPEN = {"if": "fi", "for": "done", "while": "done", "until": "done", "select": "done", "case": "esac", "{": "}"}
_CLOSE = frozenset(("fi", "done", "esac", "}"))
_PASS = frozenset(("then", "else", "elif", "do", "!", "time"))
_EXPORTERS = frozenset(("export", "declare", "typeset", "readonly", "local"))
_SETTERS = frozenset(("read", "printf", "mapfile", "readarray", "let", "for", "select", "getopts", "unset"))
_STARTERS = frozenset(("exec", "bash", "sh", "zsh", "nohup", "env", "accelerate", "source", ".", "nice", "caffeinate",
                       "command", "sudo"))
_HARMLESS = frozenset(("echo", "printf", "chmod", "chown", "cp", "mv", "ln", "ls", "cat", "rm", "touch", "sed", "grep",
                       "git", "test", "[", "which", "alias", "cd", "pip", "wget", "curl", "head", "tail", "diff"))
_MENTIONED = re.compile(r"(?:^|[\s/;&])(?:webui\.sh|launch\.py|webui\.py)(?=$|[\s;&])")
_SETS_DEFAULT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*):?=")
_SCRIPTS = ("webui.sh", "launch.py", "webui.py")


class ShReader:
    """One pass over a file. ``read()`` gives the Reading; nothing is run."""

    def __init__(self, text: str, environ: Mapping[str, str]) -> None:
        self.s = text
        self.newlines = [m.start() for m in re.finditer("\n", text)]
        self.environ = environ
        self.vars: dict[str, Value] = {}
        self.exported: set[str] = set()
        self.allexport = False
        self.stack: list[str] = []
        self.words: list[tuple[int, int]] = []
        self.prev_op = "\n"
        self.heredocs: list[tuple[str, bool]] = []
        self.redirect = False
        self.boundary = 0
        self.pending = False
        self.ended = False
        self.tainted: set[str] = set()
        self.function = ""
        self.out = Reading("sh")
        self.eval = Evaluator(text, self._look, self._env, self.line)

    # -- variables

    def _look(self, name: str) -> Value | None:
        return self.vars.get(name)

    def _env(self, name: str) -> str | None:
        value = self.environ.get(name)
        return None if value is None else value.encode("utf-8", "surrogateescape").decode("latin-1")

    def line(self, at: int) -> int:
        """Line number of a byte offset, from 1."""
        return bisect.bisect_left(self.newlines, at) + 1

    # -- the walk

    def read(self) -> Reading:
        """The whole file. An unclosed quote ends up in ``trouble``."""
        try:
            self._walk()
        except Unterminated as error:
            at = int(error.args[0])
            self.out.trouble = f"the quote or bracket opened in line {self.line(at)} is never closed"
        if self.stack and not self.out.trouble:
            self.out.trouble = f"a block is not closed ({', '.join(self.stack)})"
        out = self.out
        if self.pending and not self.ended:
            out.block_at = len(self.s)
        own = self.vars.get(OWN) if out.array is None else Value()
        out.value = own if own is not None else self._from_environment()
        out.exported = not out.assigned or OWN in self.exported or OWN in self.environ
        if not self.ended:
            out.plain_at = len(self.s)
        return out

    def _from_environment(self) -> Value:
        given = self._env(OWN)
        if not given:
            return Value()
        return Value((Atom(given, 0, 0, "bare", f"variable {OWN}", False),))

    def _walk(self) -> None:
        s, n, i = self.s, len(self.s), 0
        while i < n:
            c = s[i]
            if c in " \t":
                i += 1
            elif c == "\\" and s[i + 1 : i + 2] == "\n":
                i += 2
            elif c == "#":
                i = self._comment(i)
            elif c == "\n":
                i = self._newline(i)
            elif c in ";&|()<>":
                i = self._operator(i)
            else:
                i = self._word(i)
        self._end_command("\n", n)

    def _comment(self, i: int) -> int:
        stop = self.s.find("\n", i)
        stop = len(self.s) if stop < 0 else stop
        if self.stack or self.words or self.ended:
            return stop
        if _COMMENTED.match(self.s, i, stop):
            self.out.default_at = min(stop + 1, len(self.s))
        start = self.s.rfind("\n", 0, i) + 1
        whole = self.prev_op == "\n" and not self.s[start:i].strip()
        if whole and self.out.mention_at is None and f"{OWN}=" in self.s[i:stop]:
            self.out.mention_at = start
        return stop

    def _newline(self, i: int) -> int:
        had = bool(self.words)
        self._end_command("\n", i)
        i += 1
        for delimiter, strip in self.heredocs:
            while i < len(self.s):
                stop = self.s.find("\n", i)
                stop = len(self.s) if stop < 0 else stop
                line = self.s[i:stop]
                i = min(stop + 1, len(self.s))
                if (line.lstrip("\t") if strip else line) == delimiter:
                    break
        self.heredocs = []
        if not self.stack and (had or self.prev_op == "\n"):
            self._boundary(i)
        return i

    def _boundary(self, at: int) -> None:
        self.boundary = at
        if self.pending and not self.ended:
            self.out.block_at = at
            self.pending = False

    def _operator(self, i: int) -> int:
        s = self.s
        if s[i] in "<>" or s.startswith("&>", i):
            return self._redirection(i)
        if s[i] == "(":
            return self._paren(i)
        if s[i] == ")":
            self._end_command(")", i)
            if self.stack and self.stack[-1] == ")":
                self.stack.pop()
            return i + 1
        for op in (";;&", ";;", ";&", "&&", "||", "|&", ";", "&", "|"):
            if s.startswith(op, i):
                self._end_command(op, i)
                i += len(op)
                return self._pattern(i) if op in (";;", ";&", ";;&") else i
        raise AssertionError(s[i])

    def _redirection(self, i: int) -> int:
        s = self.s
        for op in ("<<<", "<<-", "<<", "<&", "<>", "&>>", "&>", ">>", ">&", ">|", "<", ">"):
            if s.startswith(op, i):
                break
        i += len(op)
        if op in ("<<", "<<-"):
            while s[i : i + 1] in (" ", "\t"):
                i += 1
            stop = word_end(s, i)
            self.heredocs.append((re.sub(r"['\"\\]", "", s[i:stop]), op == "<<-"))
            return stop
        self.redirect = True
        return i

    def _paren(self, i: int) -> int:
        s = self.s
        if self.words:
            close = re.compile(r"\(\s*\)").match(s, i)
            if close:  # name () { ... }
                self.function = s[slice(*self.words[0])]
                self.words = []
                return close.end()
            return bracket_end(s, i, "(", ")")
        if s.startswith("((", i):
            return bracket_end(s, i, "(", ")")
        self.stack.append(")")
        return i + 1

    def _word(self, i: int) -> int:
        s = self.s
        stop = word_end(s, i)
        if stop < len(s) and s[stop] == "(" and s[stop - 1] == "=" and _ASSIGN.fullmatch(s, i, stop):
            stop = array_words(s, stop)[1]
        if self.redirect:
            self.redirect = False
            return stop
        raw = s[i:stop]
        if not self.words:
            taken = self._reserved(raw, i, stop)
            if taken is not None:
                return taken
        self.words.append((i, stop))
        return stop

    def _reserved(self, raw: str, i: int, stop: int) -> int | None:
        if raw == "[[":
            close = re.compile(r"\s\]\]").search(self.s, stop)
            if close is None:
                raise Unterminated(i)
            self.words.append((i, close.end()))
            return close.end()
        if raw == "function":
            match = re.compile(r"\s*([^\s(){};]+)\s*(\(\s*\))?").match(self.s, stop)
            if match:
                self.function = match.group(1)
                return match.end()
        if raw in _OPEN:
            self.stack.append(_OPEN[raw])
            if raw == "case":
                found = re.compile(r"\sin(?=\s)").search(self.s, stop)
                if found is None:
                    raise Unterminated(i)
                return self._pattern(found.end())
            if raw in ("for", "select"):
                self.words.append((i, stop))
            return stop
        if raw in _CLOSE and self.stack and self.stack[-1] == raw:
            self.stack.pop()
            if not self.stack:
                self.function = ""
            return stop
        return stop if raw in _PASS else None

    def _pattern(self, i: int) -> int:
        """Skip one ``pattern)`` of a case; stops at esac."""
        s = self.s
        while i < len(s):
            if s[i].isspace():
                i += 1
            elif s[i] == "#":
                i = s.find("\n", i) if "\n" in s[i:] else len(s)
            else:
                break
        if re.compile(r"esac\b").match(s, i):
            return i
        i += s.startswith("(", i)
        while i < len(s) and s[i] != ")":
            i = max(word_end(s, i), i + 1) if s[i] not in " \t|\n" else i + 1
        return i + 1

    # -- commands

    def _end_command(self, op: str, at: int) -> None:
        words, self.words = self.words, []
        self.redirect = False
        joined = self.prev_op in ("&&", "||", "|", "|&")
        if words:
            if not self.ended:
                piped = op in ("|", "|&", "&") or self.prev_op in ("|", "|&")
                self._command(words, bool(self.stack) or joined or piped, at)
            self.prev_op = op
        elif not (op == "\n" and joined):
            self.prev_op = op

    def _command(self, words: list[tuple[int, int]], nested: bool, end: int) -> None:
        s, k = self.s, 0
        self._defaults(words)
        while k < len(words) and _ASSIGN.match(s, words[k][0], words[k][1]):
            k += 1
        first = words[0][0]
        if k == len(words):
            self._others([w for w in words if not self._assign(*w, nested, self.allexport)])
            return
        head = self._literal(*words[k])
        args = words[k + 1 :]
        if head in _EXPORTERS:
            self._export(head, words[k:], nested)
            return
        self.out.others.append(s[words[k][0] if k else first : end])
        prefix = [w for w in words[:k] if s.startswith(OWN, w[0])]
        if self._launch(head, words[k:], nested, first):
            for a, b in prefix:
                self._assign(a, b, nested, True)
            return
        self._influence(head, args, nested, first)

    def _defaults(self, words: list[tuple[int, int]]) -> None:
        """``: "${X:=word}"`` sets X while it is expanded."""
        for a, b in words:
            for match in _SETS_DEFAULT.finditer(self.s, a, b):
                name, reason = match.group(1), f"the default set in line {self.line(a)}"
                if name == OWN:
                    self._influenced(reason)
                else:
                    old = self.vars.get(name)
                    self.vars[name] = Value(() if old is None else (Ref(old, False),), (reason,))

    def _others(self, words: list[tuple[int, int]]) -> None:
        if words:
            self.out.others.append(" ".join(self.s[a:b] for a, b in words))

    def _literal(self, start: int, end: int) -> str:
        """The text of a word, '' where an expansion stands."""
        parts, _ = self.eval.value(start, end, False)
        return "".join(p.text for p in parts if isinstance(p, Atom) and not p.depends)

    def _influenced(self, reason: str) -> None:
        self.pending = True
        before = self.vars.get(OWN) or self._from_environment()
        if reason:
            self.vars[OWN] = Value((Ref(before, True),), (reason,))
            if self.function:
                self.tainted.add(self.function)

    def _assign(self, start: int, end: int, nested: bool, export: bool) -> bool:
        """Record one NAME=value word. True if it is an assignment of COMMANDLINE_ARGS alone."""
        match = _ASSIGN.match(self.s, start, end)
        assert match
        name, value_at, append = match.group(1), match.end(), match.group(3) == "+="
        own = name == OWN
        at = self.line(start) if own or nested else 0
        if match.group(2) or self.s.startswith("(", value_at):
            value = self._array(name, start, value_at, append, nested)
        else:
            parts, tail = self.eval.value(value_at, end, own)
            if append and name in self.vars:
                parts.insert(0, Ref(self.vars[name], own))
            elif append:
                given = self._env(name) or ""
                parts.insert(0, Atom(given, value_at, value_at, "bare", f"variable {name}", False))
            value = Value(tuple(parts))
            if name in self.eval.arrays:  # a plain assignment to an array sets its first element
                self.eval.arrays[name] = [value, *self.eval.arrays[name][1:]]
            if nested:
                self.eval.arrays.pop(name, None)
            if own:
                self.out.assigned = True
                self.out.assignments.append(Assignment(at, value_at, end, tail, nested, append))
        if own and (export or nested):
            self.exported.add(OWN)
        if not own:
            if nested:
                old = self.vars.get(name, Value((Atom("", start, start, "bare", f"variable {name}", False),)))
                value = Value((Ref(old, False),), (f"a condition or loop in line {at}",))
            self.vars[name] = value
            return False
        if nested:
            self._influenced(f"a condition, loop or function around line {at}")
        else:
            self.vars[OWN] = value
            self.pending = True
        return True

    def _array(self, name: str, start: int, value_at: int, append: bool, nested: bool) -> Value:
        """``NAME=(...)``, ``NAME+=(...)``, ``NAME[0]=...``: what ``$NAME`` is then, its first element."""
        line = self.line(start)
        if name == OWN:
            self._becomes_array(line, nested)
        found = None
        if self.s.startswith("(", value_at) and not nested:
            found = self.eval.elements(array_words(self.s, value_at)[0])
        old = self.eval.arrays.pop(name, None)
        if append and old is None and name in self.vars:
            old = [self.vars[name]]
        if found is None or (append and old is None):
            return Value((), (f"an array in line {line}",))
        self.eval.arrays[name] = [*(old or []), *found] if append else found
        return next(iter(self.eval.arrays[name]), Value())

    def _becomes_array(self, line: int, nested: bool) -> None:
        """bash exports no arrays, and an array stays one until it is unset: nothing reaches the web UI."""
        self.out.refuse = f"line {line} makes {OWN} an array, which never reaches the web UI"
        self.out.array = line if not nested else self.out.array
        self.pending = True

    def _quoted_assign(self, start: int, end: int, nested: bool, export: bool) -> None:
        """``export "COMMANDLINE_ARGS=..."``: quotes around the name as well."""
        parts, tail = self.eval.value(start, end, True)
        at = self.line(start)
        self.out.assigned = True
        self.out.assignments.append(Assignment(at, start, end, tail, nested))
        if export or nested:
            self.exported.add(OWN)
        if nested:
            self._influenced(f"a condition, loop or function around line {at}")
        else:
            self.vars[OWN] = Value(tuple(parts[len(OWN) + 1 :]))
            self.pending = True

    def _export(self, head: str, words: list[tuple[int, int]], nested: bool) -> None:
        s = self.s
        options = "".join(s[a:b] for a, b in words[1:] if s.startswith("-", a))
        exports = (head == "export" and "n" not in options) or "x" in options
        others = [words[0]]
        for a, b in words[1:]:
            if not _ASSIGN.match(s, a, b) and self._literal(a, b).startswith(OWN + "="):
                self._quoted_assign(a, b, nested, exports)
            elif s.startswith("-", a) or not _ASSIGN.match(s, a, b):
                others.append((a, b))
                if s[a:b] == OWN and head != "export" and set(options) & set("aA"):
                    self._becomes_array(self.line(a), nested)
                if s[a:b] == OWN and exports:
                    self.exported.add(OWN)
                elif s[a:b] == OWN and head == "export":
                    self.exported.discard(OWN)
            elif not self._assign(a, b, nested, exports):
                others.append((a, b))
            elif head != "export" and set(options) & set("aA"):
                self._becomes_array(self.line(a), nested)
        self._others(others)

    def _launch(self, head: str, words: list[tuple[int, int]], nested: bool, first: int) -> bool:
        """True if the command starts the web UI or ends the file. Its literal words count as flags."""
        name = head.rsplit("/", 1)[-1]
        texts = [self._literal(a, b) for a, b in words]
        script = next((k for k, t in enumerate(texts) if t.endswith(_SCRIPTS)), None)
        starter = name in _STARTERS or name.startswith("python") or self.s[words[0][0]] in "\"$"
        starts = script is not None and (script == 0 or starter)
        if script is None and name not in _HARMLESS and any(_MENTIONED.search(t) for t in texts):
            starts, script = True, len(words)  # bash -c "./webui.sh --api": its words are not told apart
            self.out.line_unknown = True
        if starts and any(t.startswith(OWN + "=") for t in texts):
            self.out.refuse = f"line {self.line(first)} sets {OWN} for one command only"
        if head in ("exit", "return") or (head == "exec" and len(words) > 1) or starts:
            if self.out.launch_at is None:
                self.out.launch_at = first
                self.out.launch_line = self.line(first)
            if script is not None:
                self._line_words(words[script + 1 :])
            if not nested:
                self.ended = True
                self.out.plain_at = self.boundary
                if self.pending:
                    self.out.block_at = None
                self.pending = False
            elif self.out.plain_at is not None and script is not None:
                self._influenced(f"the start of the web UI inside a block in line {self.line(first)}")
            return True
        return False

    def _line_words(self, words: list[tuple[int, int]]) -> None:
        for a, b in words:
            parts, _ = self.eval.value(a, b, False)
            raw = self.s[a:b]
            literal = all(isinstance(p, Atom) and not p.depends for p in parts)
            if literal:
                text = "".join(p.text for p in parts if isinstance(p, Atom))
                self.out.line_words.append(Plain(text, a, b, raw == text))
            elif OWN not in raw and raw.strip("\"") not in ("$@", "$*"):
                self.out.line_unknown = True

    def _influence(self, head: str, args: list[tuple[int, int]], nested: bool, first: int) -> None:
        line = self.line(first)
        texts = [self._literal(a, b) for a, b in args]
        if head == "set" and any(re.fullmatch(r"-[a-z]*a[a-z]*|allexport", t) for t in texts):
            self.allexport = True
        elif head in ("source", ".") and not any(t.endswith("bin/activate") for t in texts):
            self._influenced(f"the file that line {line} reads in")
        elif head == "eval":
            self._influenced(f"the eval in line {line}")
        elif head in _SETTERS and OWN in texts:
            if head == "unset" and not nested:
                self.vars[OWN] = Value()
                if self.out.array is not None:
                    self.out.array, self.out.refuse = None, ""
                self.pending = True
                self.exported.discard(OWN)
            elif head in ("mapfile", "readarray") or (head == "read" and "-a" in texts):
                self._becomes_array(line, nested)
            else:
                self._influenced(f"line {line}")
        elif head in self.tainted:
            self._influenced(f"the function called in line {line}")
        elif head in ("for", "select") and args and NAME.fullmatch(texts[0]):
            self.vars[texts[0]] = Value((), (f"the loop in line {line}",))
