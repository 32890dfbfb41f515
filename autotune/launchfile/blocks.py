"""The marked block that autotune writes where the value depends on variables, commands or conditions.

Such a value is known only when the script runs, so the choice is made there: the block takes the managed flags
out of whatever COMMANDLINE_ARGS holds by then and appends the wanted words. It stands after the owner's last
line about COMMANDLINE_ARGS, so a tool that edits the first matching line still finds the owner's. It holds flag
names and the wanted words only, never a value the script computed.

In bash, words are split as shlex splits them, quotes included. In cmd, percent substitution is done on the value
with blanks around it, which knows neither quotes nor tabs nor ``--flag=value``. Such spellings in the file itself
are taken out before a block is written (``value_after_cmd`` says what cmd will make of it). Those that only the run
brings stay (for argparse an appended word of the same flag wins); a flag with a value stays unless it
is one of the pairs, and a managed flag between blanks inside a quoted value goes. The start that proves an apply
shows it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.launchfile.quoting import for_cmd, for_sh

BEGIN = ">>> autotune >>> managed flags; 'autotune rollback' takes this block out again"
END = "<<< autotune <<<"


@dataclass(frozen=True, slots=True)
class BlockFlags:
    """Flags of a web UI that a block may have to take out, as far as the catalogue calls them managed.

    ``pairs``: flags with the few values they take, spelled out for batch files, which cannot match "any value".
    ``values``: what the catalogue is asked with to learn whether a flag takes a value; it may know which are sound.
    """

    names: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """What a block says: flags it takes out (``valued`` ones with the word after them), text it appends.

    ``text`` is shlex-quoted, Latin-1. ``quoted``: cmd only, the form ``set "X=..."``.
    """

    kind: str
    plain: tuple[str, ...]
    valued: tuple[str, ...]
    text: str
    quoted: bool = False


def render(block: Block, eol: str) -> str:
    """The block's lines, each ended by ``eol``. Raises ValueError if the text cannot be written."""
    lines = _sh(block) if block.kind == "sh" else _cmd(block)
    return "".join(line + eol for line in lines)


_WORD = r"""_at_one=$'^[[:space:]]*(([^[:space:]"\'\\\\]|\\\\.|"([^"\\\\]|\\\\.)*"|\'[^\']*\')+)'"""
"""One shlex word, as a bash regular expression."""


def _patterns(flags: tuple[str, ...], after: str = "") -> str:
    return "|".join(f"n{flag}{after}" for flag in flags) if flags else "n--"


def _sh(block: Block) -> list[str]:
    text = for_sh(" " + block.text if block.text else "", "double")
    return [
        f"# {BEGIN}",
        '_at_rest="${COMMANDLINE_ARGS:-}"; _at_kept=""; _at_skip=n',
        _WORD,
        'while [[ "$_at_rest" =~ $_at_one ]]; do',
        '  _at_rest="${_at_rest:${#BASH_REMATCH[0]}}"',
        '  case "$_at_skip${BASH_REMATCH[1]}" in',
        f"    {_patterns(block.plain)}) ;;",
        f"    {_patterns(block.valued)}) _at_skip=y ;;",
        f"    {_patterns(block.valued, '=*')}) ;;",
        '    y--*) _at_skip=n; _at_rest=" ${BASH_REMATCH[1]}$_at_rest" ;;',
        "    y*) _at_skip=n ;;",
        '    *) _at_kept="${_at_kept:+$_at_kept }${BASH_REMATCH[1]}" ;;',
        "  esac",
        "done",
        f'export COMMANDLINE_ARGS="$_at_kept$_at_rest{text}"',
        "unset _at_rest _at_kept _at_skip _at_one",
        f"# {END}",
    ]


def _cmd(block: Block) -> list[str]:
    mark = '"' if block.quoted else ""
    text = for_cmd(block.text, "quoted" if block.quoted else "plain")
    if text is None:
        raise ValueError(block.text)
    removals = [*block.plain, *block.valued]
    twice = [f"set {mark}COMMANDLINE_ARGS=%COMMANDLINE_ARGS: {flag} = %{mark}" for flag in removals] * 2
    return [
        f"rem {BEGIN}",
        f"set {mark}COMMANDLINE_ARGS= %COMMANDLINE_ARGS% {mark}",
        *twice,
        f"set {mark}COMMANDLINE_ARGS=%COMMANDLINE_ARGS%{text}{mark}",
        f"rem {END}",
    ]


@dataclass(frozen=True, slots=True)
class FoundBlock:
    """A block in a file: its meaning (None if someone changed it by hand) and the file without it."""

    block: Block | None
    base: bytes
    line: int


def find(data: bytes, kind: str) -> FoundBlock | None:
    """The block in ``data``, None without one."""
    text = data.decode("latin-1")
    comment = "# " if kind == "sh" else "rem "
    start = text.find(comment + BEGIN)
    if start < 0:
        return None
    line = text.count("\n", 0, start) + 1
    stop = text.find(comment + END, start)
    if stop < 0:
        return FoundBlock(None, data, line)
    stop += len(comment + END)
    body = text[start:stop]
    eol = "\r\n" if kind == "cmd" and text.startswith("\r\n", start + len(comment + BEGIN)) else "\n"
    block = _parse(body, kind)
    if block is None or render(block, eol) != body + eol:
        return FoundBlock(None, data, line)
    if text.startswith(eol, stop):
        stop += len(eol)
    elif text.endswith(eol, 0, start):
        start -= len(eol)
    return FoundBlock(block, data[:start] + data[stop:], line)


def kept(words: Sequence[str], block: Block) -> tuple[str, ...]:
    """The words that a bash block leaves in place when the script runs."""
    left: list[str] = []
    skip = False
    for word in words:
        if skip and not word.startswith("--"):
            skip = False
            continue
        skip = word in block.valued
        if not (skip or word in block.plain or word.startswith(tuple(f + "=" for f in block.valued))):
            left.append(word)
    return tuple(left)


def added(block: Block) -> tuple[str, ...]:
    """The words that a block adds."""
    return tuple(shlex.split(block.text.encode("latin-1").decode("utf-8")))


def words_after(words: Sequence[str], block: Block) -> tuple[str, ...]:
    """What a bash block makes of the words that the file gives without it."""
    return (*kept(words, block), *added(block))


_SHLEX_WORD = re.compile(r"""[ \t\n\v\f\r]*((?:[^ \t\n\v\f\r"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)""", re.DOTALL)
"""What ``_WORD`` says, in Python."""


def value_after_sh(value: str, block: Block) -> str:
    """The value (Latin-1) that a bash block makes of another one, character by character."""
    words, at = [], 0
    while found := _SHLEX_WORD.match(value, at):
        words.append(found.group(1))
        at = found.end()
    return " ".join(kept(words, block)) + value[at:] + (" " + block.text if block.text else "")


def value_after_cmd(value: str, block: Block) -> str:
    """What a batch block leaves of a value: ``%X:a=b%`` replaces all of it, left to right, whatever the case."""
    value = f" {value} "
    for flag in [*block.plain, *block.valued] * 2:
        value = re.sub(re.escape(f" {flag} "), " ", value, flags=re.IGNORECASE)
    return value


def _parse(body: str, kind: str) -> Block | None:
    lines = (body if kind == "sh" else body.replace("\r\n", "\n")).split("\n")
    if kind == "sh":
        if len(lines) < 17:
            return None
        plain, valued = (_flags(lines[k].strip().split(")")[0]) for k in (6, 7))
        match = re.fullmatch(r'export COMMANDLINE_ARGS="\$_at_kept\$_at_rest ?(.*)"', "\n".join(lines[14:-2]), re.S)
        return Block("sh", plain, valued, re.sub(r"\\(.)", r"\1", match.group(1))) if match else None
    removal = re.compile(r'set ("?)COMMANDLINE_ARGS=%COMMANDLINE_ARGS: (\S+(?: \S+)?) = %"?')
    flags = [m.group(2) for m in map(removal.fullmatch, lines) if m]
    match = re.fullmatch(r'set ("?)COMMANDLINE_ARGS=%COMMANDLINE_ARGS%(.*?)("?)', lines[-2])
    if not match:
        return None
    quoted = bool(match.group(1))
    return Block("cmd", tuple(flags[: len(flags) // 2]), (), _unescape(match.group(2), quoted), quoted)


def _flags(pattern: str) -> tuple[str, ...]:
    return () if pattern == "n--" else tuple(flag[1:] for flag in pattern.split("|"))


def _unescape(text: str, quoted: bool) -> str:
    text = text.replace("%%", "%")
    return text if quoted else re.sub(r"\^(.)", r"\1", text)
