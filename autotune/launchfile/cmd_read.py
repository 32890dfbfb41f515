"""The cmd reader: walks a batch file's commands and follows COMMANDLINE_ARGS through them.

Top-level ``set`` lines are followed exactly. Blocks, IF, FOR, labels and GOTO, ``set /p`` make the value
uncertain from there on; nothing is guessed and nothing is run.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping

from autotune.launchfile.cmd_scan import DELIMITERS, LineReader, LineTooLong, Tok, text_of, words_of
from autotune.launchfile.values import OWN, Assignment, Atom, Insertion, Plain, Reading, Value

_COMMENTED = re.compile(r"[ \t]*@?[ \t]*(?:rem\b|::?)[ \t:]*@?(?:set[ \t]+)\"?COMMANDLINE_ARGS=", re.IGNORECASE)
_MENTION = re.compile(r"[ \t]*@?[ \t]*(?:rem\b|::?)[^\n]*\bCOMMANDLINE_ARGS=", re.IGNORECASE)
_SET = re.compile(r"set(?:[=/\"]|$)")
_SCRIPT = re.compile(r"(?:^|[\\/])(?:webui(?:\.bat)?|launch\.py|webui\.py)$", re.IGNORECASE)
_MENTIONED = re.compile(r"\bwebui\.bat\b|\blaunch\.py\b|\bwebui\.py\b", re.IGNORECASE)
_STARTERS = frozenset(("call", "start", "cmd", "py", "uv", "accelerate", "conda", ""))
_COMPARE = re.compile(r"==|^(?:equ|neq|lss|leq|gtr|geq)$", re.IGNORECASE)
_IDLE = re.compile(r"[ \t]*(?:@?[ \t]*rem[ \t]+[^\s,;=]+[ \t][^\n]*|::[^\n]*[^\^\r\n]\r?|\r?)(?:\n|\Z)", re.IGNORECASE)
"""Empty lines and comments that no caret joins to the next line: nothing to look into."""


class CmdReader:
    """One pass over a batch file. ``read()`` gives the Reading."""

    def __init__(self, text: str, environ: Mapping[str, str], folder: str = "") -> None:
        self.s = text
        self.newlines = [m.start() for m in re.finditer("\n", text)]
        self.environ = {name.upper(): value for name, value in environ.items()}
        self.folder = folder
        self.vars: dict[str, Value] = {}
        self.depth = 0
        self.jumpy = False
        self.pending = False
        self.ended = False
        self.line_start = 0
        self.out = Reading("cmd")
        self.lines = LineReader(text, self._look, self._env)

    def _look(self, name: str) -> Value | None:
        return self.vars.get(name.upper())

    def _env(self, name: str) -> str | None:
        value = self.environ.get(name.upper())
        return None if value is None else value.encode("utf-8", "surrogateescape").decode("latin-1")

    def line(self, at: int) -> int:
        """Line number of a byte offset, from 1."""
        return bisect.bisect_left(self.newlines, at) + 1

    def read(self) -> Reading:
        """The whole file. A line longer than cmd.exe takes ends up in ``trouble``."""
        pos, out = 0, self.out
        try:
            while pos < len(self.s):
                self.line_start = pos
                idle = _IDLE.match(self.s, pos)
                if idle:
                    pos = idle.end()
                else:
                    toks, pos = self.lines.logical(pos)
                    self._line(toks)
                if self.depth == 0 and self.pending and not self.ended:
                    out.block_at, self.pending = pos, False
                if self.depth == 0 and not self.ended and _COMMENTED.match(self.s, self.line_start):
                    out.default_at = pos
                if self.depth == 0 and not self.ended and out.mention_at is None and _MENTION.match(
                        self.s, self.line_start):
                    out.mention_at = self.line_start
        except LineTooLong as error:
            out.trouble = f"line {self.line(int(error.args[0]))} is longer than cmd.exe takes (8191 characters)"
        if self.depth and not out.trouble:
            out.trouble = "a ( block is not closed"
        if not self.ended:
            out.plain_at = None if self.jumpy else len(self.s)
        if out.block_at is not None and out.launch_at is not None:
            out.block_at = None if out.block_at > out.launch_at else out.plain_at
        elif out.block_at is not None and self.jumpy:
            out.block_at = None
        own = self.vars.get(OWN)
        out.value = own if own is not None else self._from_environment()
        return out

    def _from_environment(self) -> Value:
        given = self._env(OWN)
        return Value((Atom(given, 0, 0, "plain", f"variable {OWN}", False),)) if given else Value()

    # -- one logical line

    def _line(self, toks: list[Tok]) -> None:
        i, conditional, piped = 0, False, False
        while i < len(toks):
            tok = toks[i]
            if tok.special and tok.atom.text == "(":
                self.depth += 1
                i += 1
            elif tok.special and tok.atom.text == ")":
                if not self.depth:
                    return
                self.depth -= 1
                i += 1
            elif tok.special and tok.atom.text in "&|":
                double = i + 1 < len(toks) and toks[i + 1].special and toks[i + 1].atom.text == tok.atom.text
                piped = tok.atom.text == "|" and not double
                conditional = conditional or double
                i += 1 + double
            elif tok.atom.text and tok.atom.text in DELIMITERS + "@" and not tok.quoted:
                i += 1
            elif tok.atom.text == ":":
                return  # a label: it matters only to a jump, and jumps are seen where they start
            else:
                stop = self._command_end(toks, i)
                header = self._header(toks[i:stop], toks, i)
                if header:
                    conditional = True
                    self._other(toks[i:header])
                    i = header
                    continue
                to_pipe = stop < len(toks) and toks[stop].atom.text == "|" and toks[stop + 1 : stop + 2] != []
                to_pipe = to_pipe and toks[stop + 1].atom.text != "|"
                nested = conditional or piped or to_pipe or self.depth > 0
                if not self.ended:
                    self._command(toks[i:stop], nested, odd=separated(toks, i))
                i = stop

    def _command_end(self, toks: list[Tok], i: int) -> int:
        if text_of(toks[i : i + 4]).lower().rstrip(DELIMITERS + "/") == "rem":
            return len(toks)
        for k in range(i, len(toks)):
            text = toks[k].atom.text
            if toks[k].special and (text in "&|" or (text == ")" and self.depth)):
                if text == "&" and k > i and toks[k - 1].special and toks[k - 1].atom.text in "<>":
                    continue  # 2>&1
                return k
        return len(toks)

    def _header(self, command: list[Tok], toks: list[Tok], i: int) -> int:
        """Index after an ``if COND``, ``else`` or ``for ... do``; 0 for any other command."""
        words = words_of(command)
        head = text_of(words[0]).lower() if words else ""
        head = head.split("(", 1)[0]
        if head == "else":
            return i + 4
        if head == "for":
            match = re.search(r"[\s)]do(?=[\s(])", "".join(t.atom.text[:1] or "?" for t in toks[i:]), re.IGNORECASE)
            return i + match.end() if match else 0
        if head != "if":
            return 0
        return self._condition(toks, i + 2)

    @staticmethod
    def _condition(toks: list[Tok], i: int) -> int:
        """Index where the command of an IF begins."""

        def word(at: int) -> tuple[str, int]:
            while at < len(toks) and toks[at].atom.text in tuple(" \t") and not toks[at].quoted:
                at += 1
            begin = at
            while at < len(toks) and (toks[at].quoted or toks[at].atom.text not in tuple(" \t")):
                if toks[at].special and at > begin:
                    break
                at += 1
            return "".join(t.atom.text or "?" for t in toks[begin:at]), at

        text, i = word(i)
        while text.lower() in ("/i", "not"):
            text, i = word(i)
        if text.lower() in ("exist", "defined", "errorlevel", "cmdextversion"):
            return word(i)[1]
        if "==" in text and not text.endswith("=="):
            return i
        if text.endswith("=="):
            return word(i)[1]
        operator, i = word(i)
        if _COMPARE.search(operator) and (not operator.startswith("==") or operator == "=="):
            i = word(i)[1]
        return i

    # -- commands

    def _other(self, toks: list[Tok]) -> None:
        if toks:
            self.out.others.append("".join(t.atom.text or t.atom.depends for t in toks))

    def _influenced(self, reason: str) -> None:
        self.pending = True
        before = self.vars.get(OWN) or self._from_environment()
        self.vars[OWN] = Value(before.parts, (*before.reasons, reason))

    def _command(self, toks: list[Tok], nested: bool, odd: bool = False) -> None:
        toks, redirected = without_redirections(toks)
        while toks and toks[0].atom.text and toks[0].atom.text in DELIMITERS:  # ">nul set X=1" leaves a blank
            toks = toks[1:]
        words = words_of(toks)
        if not words:
            return
        head = text_of(words[0]).lower()
        first = toks[0].atom.start
        if head == "rem" or head.startswith("rem/"):
            return
        if _SET.match(head):
            odd = odd or (len(toks) > 3 and toks[3].atom.text in tuple(",;="))
            self._set(toks, nested or self.jumpy or odd, redirected)
            return
        self._other(toks)
        args = [text_of(w) for w in words[1:]]
        if head.startswith("goto") and not head.endswith(":eof") and [a.lower() for a in args[:1]] != [":eof"]:
            self.jumpy = True
        elif head == "call" and args and args[0].startswith(":"):
            self.jumpy = True
            self._influenced(f"the subroutine called in line {self.line(first)}")
        elif head == "call" and args and _SET.match(args[0].lower()):
            if OWN in text_of(toks).upper():
                self._influenced(f"the call of set in line {self.line(first)}")
        elif head == "setlocal":
            self.out.delayed |= any(a.lower() == "enabledelayedexpansion" for a in args)
        elif head == "endlocal":
            self._influenced(f"the endlocal in line {self.line(first)}")
        elif head in ("exit", "exit/b") or head.startswith("goto"):
            if not nested:
                self._end()
        else:
            self._launch(head, words, nested)

    def _end(self) -> None:
        self.ended = True
        self.out.plain_at = self.line_start
        if self.pending and self.out.launch_at is not None:
            self.out.block_at = None
        self.pending = False

    def _launch(self, head: str, words: list[list[Tok]], nested: bool) -> None:
        texts = [text_of(w).replace('"', "") for w in words]
        script = next((k for k, t in enumerate(texts) if _SCRIPT.search(t)), None)
        known = re.sub(r'"|\.exe$', "", head).rsplit("\\", 1)[-1]
        starts = known in _STARTERS or known.startswith("python") or any(t.atom.depends for t in words[0])
        if script is None and starts and _MENTIONED.search(" ".join(texts)):
            script = len(words)  # cmd /k "webui.bat --api": its words are not told apart
            self.out.line_unknown = True
        if script is None or (script and not starts):
            called = texts[1].lower() if head == "call" and len(texts) > 1 else ""
            if called.endswith((".bat", ".cmd")) and not called.endswith(("activate.bat", "environment.bat")):
                self._influenced(f"the file called in line {self.line(words[0][0].atom.start)}")
            return
        out, first = self.out, words[0][0].atom.start
        if out.launch_at is None:
            out.launch_at, out.launch_line = first, self.line(first)
        for word in words[script + 1 :]:
            literal = all(not t.atom.depends for t in word)
            if literal:
                text = text_of(word)
                plain = '"' not in text and word[-1].atom.end - word[0].atom.start == len(text)
                out.line_words.append(Plain(text.replace('"', ""), word[0].atom.start, word[-1].atom.end, plain))
            elif not all(t.atom.depends.startswith("the argument") or t.atom.text == '"' for t in word):
                out.line_unknown = True
        if not nested:
            self._end()
        else:
            self._influenced(f"the start of the web UI inside a condition in line {out.launch_line}")

    def _set(self, toks: list[Tok], nested: bool, redirected: bool) -> None:
        line = self.line(toks[0].atom.start)
        args = toks[3:]
        while args and args[0].atom.text and args[0].atom.text in DELIMITERS and not args[0].quoted:
            args = args[1:]
        text = "".join(t.atom.text or "?" for t in args)
        if text.startswith("/"):
            self._other(toks)
            if OWN in text.upper():
                self._influenced(f"the set {text[:2]} in line {line}")
            return
        if args and args[0].atom.text == '"':
            args = args[1:]
            close = max((k for k, t in enumerate(args) if t.atom.text == '"'), default=len(args))
            args = args[:close]
        equals = next((k for k, t in enumerate(args) if t.atom.text == "="), None)
        name = text_of(args[:equals]).upper() if equals is not None else ""
        if name != OWN:
            self._other(toks)
            if name:
                parts = tuple(t.atom._replace(editable=False) for t in args[(equals or 0) + 1 :])
                reasons = (f"a condition or loop before line {line}",) if nested else ()
                self.vars[name] = Value(parts, reasons)
            elif any(t.atom.depends for t in args[:equals]):
                self._influenced(f"the set in line {line}")
            return
        assert equals is not None
        sign, value = args[equals], args[equals + 1 :]
        self._assign(line, sign, value, nested, redirected)

    def _assign(self, line: int, sign: Tok, value: list[Tok], nested: bool, redirected: bool) -> None:
        out = self.out
        out.assigned = True
        last = value[-1] if value else sign
        here = [t for t in (sign, *value) if t.atom.start >= self.line_start]
        end = max(t.atom.end for t in here)
        quoted = last.quoted if last.atom.text != '"' else sum(t.atom.text == '"' for t in (*value,)) % 2 == 1
        where = "quoted" if quoted or (not value and sign.quoted) else "plain"
        out.assignments.append(Assignment(line, sign.atom.end, end, Insertion(end, where), nested))
        parts = tuple(t.atom for t in value)
        if self.out.delayed and any(a.text == "!" for a in parts):
            parts = (*parts, Atom("", end, end, where, "delayed expansion (!)", False))
        if redirected:
            parts = (*parts, Atom("", end, end, where, f"the redirection in line {line}", False))
        if nested:
            self._influenced(f"a condition, block or jump around line {line}")
        else:
            self.vars[OWN] = Value(parts)
            self.pending = True


def separated(toks: list[Tok], i: int) -> bool:
    """Whether one of , ; = stands before the command at ``i``. cmd.exe skips it, other shells for batch files do
    not: whether a ``set`` after it acts is not certain."""
    while i and toks[i - 1].atom.text in tuple(DELIMITERS + "@") and not toks[i - 1].quoted:
        i -= 1
        if toks[i].atom.text in tuple(",;="):
            return True
    return False


def without_redirections(toks: list[Tok]) -> tuple[list[Tok], bool]:
    """Take ``> file``, ``2>&1`` and the like out of a command."""
    kept: list[Tok] = []
    i, found = 0, False
    while i < len(toks):
        if not (toks[i].special and toks[i].atom.text in "<>"):
            kept.append(toks[i])
            i += 1
            continue
        found = True
        while i < len(toks) and toks[i].special and toks[i].atom.text in "<>&":
            i += 1
        while i < len(toks) and toks[i].atom.text in (" ", "\t"):
            i += 1
        while i < len(toks) and (toks[i].quoted or toks[i].atom.text not in tuple(" \t<>&|")):
            i += 1
    return kept, found
