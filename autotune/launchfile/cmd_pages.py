"""Reads a batch file in its code page; where that is not known, in each that makes a difference, and compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from autotune.language.translate import N_, _
from autotune.launchfile import codepage
from autotune.launchfile.cmd_read import CmdReader
from autotune.launchfile.values import (
    COMMANDLINE_ARGS,
    Atom,
    Reading,
    TooLong,
    UnclosedQuote,
    Variable,
    VariableValue,
    flatten,
    split,
)

REASON = N_("the code page it is read in")


def read_in_its_page(data: bytes, environ: Mapping[str, str], path: Path, before: Reading | None) -> Reading:
    """Read a batch file's bytes; ``before``: the reading of the file that ran before it in the same start.

    The page is that of ``chcp`` in the file, else the system's (``codepage.of_system``). Where neither is known, a
    file that is valid UTF-8 is taken for that. Any other is read as each page would have it; a reading that leaves
    a quote open is none, as the web UI could not start with it. If those that are left differ, nothing is certain.
    """
    page = codepage.page_of_file(data, codepage.system_page(environ))

    def read(text: str, one: int | None) -> Reading:
        reader = CmdReader(text, environ, path, before, one)
        reading = reader.read()
        start = reader.only_start()
        return reading if start is None else CmdReader(text, environ, path, before, one, start).read()

    if page is not None or data.isascii() or codepage.is_text(data, codepage.UTF8):
        return read(codepage.mask_second_bytes(data, page), page)
    texts = {codepage.mask_second_bytes(data, guess): guess for guess in codepage.GUESSES
             if codepage.is_text(data, guess)}
    readings = [read(text, None) for text in texts]
    sound = [one for one in readings if _meaning(one) is not None] or readings
    meanings = {_meaning(one) for one in sound}
    return sound[0] if len(meanings) == 1 else _uncertain(sound[0])


def _meaning(reading: Reading) -> object:
    """All of a reading that bears on an edit or a start; None where the web UI could not be started with the file."""
    if reading.trouble:
        return None
    try:
        words = tuple(codepage.unmask(word.text) for word in split(flatten(reading.value).atoms))
    except (UnclosedQuote, TooLong):
        return None
    line = tuple((codepage.unmask(word.text), word.start, word.end) for word in reading.line_words)
    others = tuple(codepage.unmask(one) for one in reading.others)
    variables = tuple(sorted((name, one.text, one.depends) for name, one in reading.variables.items()))
    offsets = (reading.launch_at, reading.plain_at, reading.block_at, reading.line_unknown, tuple(reading.assignments))
    return (words, line, others, str(variables), offsets, reading.changes_any)


def _uncertain(reading: Reading) -> Reading:
    value = reading.value or VariableValue()
    reason = _(REASON)
    doubt = Atom("", 0, 0, "plain", reason, False)
    variables = {codepage.unmask(name): Variable(one.text, True, (*one.depends, reason))
                 for name, one in reading.variables.items() if name != COMMANDLINE_ARGS}
    variables[COMMANDLINE_ARGS] = Variable(codepage.decode_text(flatten(value).text, None) or None, True, (reason,))
    return replace(reading, value=VariableValue((*value.parts, doubt), value.reasons), variables=variables,
                   changes_any=(*reading.changes_any, reason),
                   why_not=_("its letters beyond ASCII mean different things in different code pages, and which "
                             "one Windows reads it in is not known here"))
