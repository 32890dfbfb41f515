"""Reads which words a batch file puts behind main.py when it starts ComfyUI. Nothing of it is run.

cmd expands percent signs, takes carets away and hands the rest of the line to Python's C runtime, which splits it at
blanks by its own rules for quotes and backslashes. The batch reader (``launchfile/cmd_read``) follows the variables up
to there. A batch file may hold several such lines: the first that surely runs counts, else the only one that may.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import NamedTuple

from autotune.language.translate import _
from autotune.launchfile import codepage
from autotune.launchfile.cmd_facts import HARMLESS
from autotune.launchfile.cmd_read import CmdReader
from autotune.launchfile.cmd_scan import BatchChar, LineReader, text_of, without_redirections, words_of
from autotune.launchfile.cmd_state import NOT_RUN, RUNS
from autotune.launchfile.cmd_tree import BatchCommand, For, Step
from autotune.launchfile.spelled_words import split
from autotune.launchfile.values import ARGUMENT, FROM_ENVIRONMENT, Variable, flatten, the_command

_MAIN = re.compile(r"(?:^|[\\/])main\.py$", re.IGNORECASE)
_PYTHON = re.compile(r"(?:^|[\\/])(?:python[\w.]*|py|uv|conda|mamba|micromamba|accelerate)(?:\.exe)?$", re.IGNORECASE)
_RUN_OTHERS = frozenset(("start", "cmd", "python", "python3", "pythonw", "py", "uv", "accelerate"))
_PRINTS = (HARMLESS - _RUN_OTHERS) | {"set", "if", "for", "goto"}
"""Commands that may name main.py and do not start it."""
_PLAIN = re.compile(r"[\w .,:/\\+@=-]*", re.ASCII)
"""Characters that mean the same in whatever shell, however often it reads them."""
_REFERENCE = re.compile(r"%([^%:\r\n]+)%")
_ACTIVATE = re.compile(r"(?:^|[\\/])activate(?:\.bat)?$", re.IGNORECASE)
_SHELL = re.compile(r"(?:^|[\\/])cmd(?:\.exe)?$")
_ENDS_AT_ONCE = frozenset(("-h", "--help", "--quick-test-for-ci", "--list-feature-flags"))
"""Flags with which ComfyUI does not go on to serve: launchers ask it so for what it knows."""
_CALLED = frozenset(("python", "python.exe", "pip", "git", "echo", "conda", "uv"))
"""Programs, and conda's own script, that change no variable of a batch file but the path when they are called."""
_VENV = ("PATH", "PROMPT", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PYTHONHOME")
"""Variables that the activate.bat of a virtual environment sets."""


class ArgvWord(NamedTuple):
    """One word that Python receives, and the characters of the batch file that spell it, quotes included."""

    text: str
    chars: tuple[BatchChar, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """A command that starts ComfyUI: its place and line, the characters behind main.py, whether it runs.

    ``on_line``: those characters with their places on this line; in ``tail`` the ones that a variable brought have the
    places where the file sets that variable. ``after``: the offset behind main.py. ``reasons``: why its words are not
    certain.
    """

    at: int
    line: int
    tail: tuple[BatchChar, ...]
    on_line: tuple[BatchChar, ...]
    after: int
    mode: int
    reasons: tuple[str, ...] = ()

    @property
    def words(self) -> list[ArgvWord]:
        """The words behind main.py."""
        return split_argv(self.tail)


@dataclass(frozen=True, slots=True)
class RunReading:
    """What was read: the start that counts (None: there is none), and all that may.

    ``others``: every other command as written, with its bytes [start, end). ``trouble``: why the file cannot be
    understood, '' if it can. ``variables``: those that the start gets from the file, by name in upper case.
    """

    start: Start | None
    starts: tuple[Start, ...]
    others: tuple[tuple[int, int, str], ...]
    trouble: str
    page: int | None
    variables: Mapping[str, Variable] = field(default_factory=dict)

    def text(self, word: ArgvWord) -> str:
        """The word as text, in the code page of the file."""
        return codepage.decode_text(word.text, self.page)

    @property
    def meaning(self) -> object:
        """All that bears on words and edits, to compare readings in several code pages."""
        words = () if self.start is None else tuple(
            (codepage.unmask(word.text), tuple(char.atom[1:3] for char in word.chars)) for word in self.start.words)
        return words, len(self.starts), tuple(codepage.unmask(one[2]) for one in self.others), self.trouble


def split_argv(chars: Sequence[BatchChar]) -> list[ArgvWord]:
    """Splits a command line's rest as the C runtime of Windows does for Python."""
    known = [char for char in chars if char.text]
    places = [number for number, char in enumerate(known) for __ in char.text]
    return [ArgvWord(word.text, tuple(known[places[word.start] : places[word.end - 1] + 1]))
            for word in split("".join(char.text for char in known))]


class RunFileReader(CmdReader):
    """One pass over a batch file that starts ComfyUI. ``root``: whose main.py is meant, None: any.

    ``start``: offset of the only command that may start it; variables then are as they are where it is reached.
    """

    def __init__(self, text: str, environ: Mapping[str, str], path: Path, page: int | None, root: Path | None,
                 start: int | None = None) -> None:
        super().__init__(text, environ, path, None, page, start)
        self.root, self.page = root, page
        self.found: list[Start] = []
        self.noted: list[tuple[int, int, str]] = []
        self.loops = 0
        self.subroutines = False
        self.lines = LineReader(text, self, followed="")

    def result(self) -> RunReading:
        """The reading of this pass, or of a second one where only one command may start it."""
        out = self.read()
        may = tuple(one for one in self.found if one.mode != NOT_RUN) or tuple(self.found)
        start = next((one for one in may if one.mode == RUNS), may[0] if may else None)
        first = RunReading(start, may, tuple(self.noted), out.trouble, self.page, out.variables)
        if len(may) != 1 or may[0].mode == RUNS or self.start is not None:
            return first
        file = Path(self.folders.file)
        second = RunFileReader(self.s, self.environ, file, self.page, self.root, may[0].at).result()
        if second.start is None:
            return first
        return replace(first, start=second.start, starts=second.starts, variables=second.variables)

    # -- what differs from a launch file of A1111

    def _node(self, step: Step, mode: int, nested: bool) -> None:
        self.loops += isinstance(step.node, For)
        super()._node(step, mode, nested)
        self.loops -= isinstance(step.node, For)

    def _command(self, node: BatchCommand, mode: int, nested: bool, piped: bool) -> None:
        chars = list(dropwhile(lambda char: char.delimits, without_redirections(node.chars)[0]))
        inner, here = _of_inner_shell(chars), self.folders.here
        self._enter_for_start(words_of(chars))
        for part in inner or [chars]:
            words = words_of(part)
            at = self._main(words)
            if at is not None:
                self.folders.here = here
                begin = next(i for i, char in enumerate(part) if char is words[at][-1]) + 1
                self._begin(chars, part[begin:], mode, words[at][-1].atom.end, bool(inner))
                return
            if inner and words and text_of(words[0]).lower() in ("cd", "chdir", "pushd"):
                self._enter([word for word in words[1:] if text_of(word).lower() != "/d"])
        self.folders.here = here
        super()._command(node, mode, nested, piped)

    def _enter_for_start(self, words: list[list[BatchChar]]) -> None:
        """Follow START to the folder that its /D names."""
        if not words or text_of(words[0]).lower() != "start":
            return
        for i, word in enumerate(words[1:], 1):
            text = text_of(word).lower()
            if text.startswith("/d"):
                self._enter([word[2:]] if len(text) > 2 else words[i + 1 : i + 2])
                return

    def _enter(self, words: list[list[BatchChar]]) -> None:
        known = words and self.folders.here and all(map(self._certain, words))
        self.folders.enter(" ".join(self._path(word) for word in words).strip('"') if known else "")

    def _begin(self, command: list[BatchChar], tail: list[BatchChar], mode: int, after: int, shell: bool) -> None:
        """Note a command that starts ComfyUI with the words in ``tail``; ``shell``: another cmd reads them again."""
        first, words = command[0].atom.start, [text_of(word).lower() for word in words_of(command)]
        line, head = self.line(first), words[0]
        self.noted.append((first, -1, ""))
        if shell:
            tail = list(takewhile(lambda char: char.text not in tuple('&|<>"\n'), tail))
        reasons = self._doubts(tail)
        if (shell or head == "call") and not _PLAIN.fullmatch(text_of(tail)):
            reasons.append(the_command(head, line))
        if self.loops and "%" in text_of(tail):
            reasons.append(_("the loop around line {line}").format(line=line))
        if self.out.delayed_expansion and "!" in text_of(tail):
            reasons.append(_("delayed expansion (!)"))
        if self.start in (None, first):
            self.found.append(Start(first, line, tuple(self._placed(tail)), tuple(tail), after, mode,
                                    tuple(dict.fromkeys(reasons))))
        if self.start == first or (mode == RUNS and (head != "start" or "/wait" in words)):
            self.started = self.ended = True

    def _doubts(self, tail: list[BatchChar]) -> list[str]:
        """Reasons why the words are not certain; an argument that stands alone is none: a double click gives none."""
        found: list[str] = []
        for i, char in enumerate(tail):
            reason = char.atom.depends
            around = [one.text for one in (*tail[max(0, i - 1) : i], *tail[i + 1 : i + 2])]
            if reason.startswith(ARGUMENT) and all(text in ("", " ", "\t") for text in around):
                continue
            if reason and reason not in self.facts:
                found.append(reason)
        return found

    def _main(self, words: list[list[BatchChar]]) -> int | None:
        """Index of the word main.py in a command that starts it; None in any other, and in one that ends at once."""
        if not words:
            return None
        texts = [text_of(word).replace('"', "") for word in words]
        head = re.sub(r"\.(?:exe|com)$", "", re.split(r"[\\/]", texts[0].lower())[-1])
        if texts[0].startswith("\xef\xbb\xbf") or head.lstrip("@") in _PRINTS or re.match(r"echo[.:,;/\\(+\[\]]", head):
            return None
        at = next((i for i, text in enumerate(texts) if _MAIN.search(text)), None)
        if at is None:
            return None
        by_python = at == 0 or any(_PYTHON.search(one) for one in texts[:at]) or any(
            char.atom.depends for word in words[:at] for char in word)
        starts = by_python and not _ENDS_AT_ONCE.intersection(texts[at:])
        return at if starts and self._is_ours(words[at]) else None

    def _is_ours(self, word: list[BatchChar]) -> bool:
        """Does main.py lie in the install's folder, as far as that can be told?"""
        if self.root is None:
            return True
        text = self._path(word).replace('"', "")
        path = self.folders.resolve(text) if self._certain(word) and self.folders.here else None
        if path is None:  # its folder by name, in the command or else anywhere in the file
            name, parts = self.root.name.lower(), re.split(r"[\\/]+", text.lower())[:-1]
            if parts and parts[-1] not in (".", "..", ""):
                return parts[-1] == name
            return name in self.s.lower() or Path(self.folders.folder) == self.root
        # Names in batch files are blind to case, wherever the file is read.
        return os.path.realpath(path).lower() == os.path.realpath(self.root / "main.py").lower()

    def _other(self, chars: list[BatchChar]) -> None:
        before = len(self.out.others)
        super()._other(chars)
        here = [char.atom for char in chars if char.atom.start >= self.unit]
        if len(self.out.others) > before and here:
            self.noted.append((min(one.start for one in here), max(one.end for one in here), self.out.others[-1]))

    def _set(self, chars: list[BatchChar], mode: int, nested: bool, target: str) -> None:
        super()._set(self._placed(chars), mode, nested, target)

    def _end(self, nested: bool = False) -> None:
        if self.subroutines and self.start is None:  # one of them, below, may start it
            self.unsure = True
            return
        super()._end(nested)

    def _goto(self, label: str, line: int, mode: int, nested: bool) -> None:
        if self.subroutines and self.start is None and mode != NOT_RUN:  # what the jump passes over may be one of them
            self.unsure = True
            return
        super()._goto(label, line, mode, nested)

    def _jump_or_exit(
        self, head: str, chars: list[BatchChar], words: list[list[BatchChar]], mode: int, nested: bool
    ) -> bool:
        if head == "call" and mode != NOT_RUN and len(words) > 1 and text_of(words[1]).startswith(":"):
            self.subroutines = True
        return super()._jump_or_exit(head, chars, words, mode, nested)

    def _launch(self, head: str, words: list[list[BatchChar]], mode: int, nested: bool) -> None:
        called = text_of(words[min(1, len(words) - 1)] if head == "call" else words[0]).strip('"').lower()
        if _ACTIVATE.search(called):
            for name in _VENV if mode != NOT_RUN else ():
                self._make_uncertain(name, the_command(head, self.line(words[0][0].atom.start)))
            return
        if head == "call" and called in _CALLED:
            return
        super()._launch(head, words, mode, nested)

    # -- where the characters of a variable's value stand in the file

    def _placed(self, chars: list[BatchChar]) -> list[BatchChar]:
        """The characters, those that a variable brought with the places where the file sets it, if they are there."""
        out: list[BatchChar] = []
        i = 0
        while i < len(chars):
            start, end = chars[i].atom.start, chars[i].atom.end
            j = i
            while j < len(chars) and chars[j].atom[1:3] == (start, end):
                j += 1
            reference = _REFERENCE.fullmatch(self.s[start:end]) if chars[i].atom.where != "set" else None
            value = [a for a in flatten(self.variable(reference.group(1))).atoms if a.text] if reference else []
            same = [char for char in chars[i:j] if char.text]
            if value and "".join(a.text for a in value) == text_of(same):
                places = iter(value)
                out += [char._replace(atom=char.atom._replace(start=place.start, end=place.end))
                        for char in same for place in (next(places),)]
                out += [char for char in chars[i:j] if not char.text]
            else:
                out += chars[i:j]
            i = j
        return out


def _of_inner_shell(chars: list[BatchChar]) -> list[list[BatchChar]]:
    """The commands in the text of ``cmd /k "..."``, quotes around it taken off; none where no cmd is started."""
    words = words_of(chars)
    texts = [text_of(word).lower().replace('"', "") for word in words]
    at = next((i for i, text in enumerate(texts) if _SHELL.search(text)), None)
    if at is None or (at and texts[0] not in ("start", "call")):
        return []
    option = next((i for i in range(at + 1, len(words)) if texts[i][:2] in ("/k", "/c")), None)
    if option is None or option + 1 >= len(words):
        return []
    begin = next(i for i, char in enumerate(chars) if char is words[option + 1][0])
    inner = chars[begin:]
    if inner[0].text == '"':
        last = max(i for i, char in enumerate(inner) if char.text == '"')
        inner = inner[1:last] if last else inner[1:]
    parts: list[list[BatchChar]] = [[]]
    quoted = False
    for char in inner:
        quoted ^= char.text == '"'
        if char.text in ("&", "|") and not quoted:
            parts.append([])
        else:
            parts[-1].append(char._replace(quoted=quoted or char.text == '"', special=False))
    return [list(dropwhile(lambda char: char.delimits, part)) for part in parts]


def read_run_file(data: bytes, path: Path, environ: Mapping[str, str], root: Path | None) -> tuple[RunReading, bool]:
    """The reading of a batch file's bytes, and whether it is certain in which code page.

    The page is found as for every batch file (``launchfile/cmd_pages``).
    """
    page = codepage.page_of_file(data, codepage.system_page(environ))
    if page is not None or data.isascii() or codepage.is_text(data, codepage.UTF8):
        return RunFileReader(codepage.mask_second_bytes(data, page), environ, path, page, root).result(), True
    texts = {codepage.mask_second_bytes(data, guess) for guess in codepage.GUESSES if codepage.is_text(data, guess)}
    readings = [RunFileReader(text, environ, path, None, root).result() for text in sorted(texts)]
    return readings[0], len({one.meaning for one in readings}) == 1


def from_environment(reasons: Sequence[str]) -> bool:
    """Whether all of these reasons are variables of the environment, whose values are known here as well."""
    return all(reason.startswith(FROM_ENVIRONMENT) for reason in reasons)

