"""A batch file read in its code page; where that is not known, in each that makes a difference, and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from autotune.launchfile import codepage
from autotune.launchfile.cmd_read import CmdReader
from autotune.launchfile.values import OWN, Atom, Reading, TooLong, Unbalanced, Value, Variable, flatten, split

REASON = "the code page it is read in"


def read_in_its_page(data: bytes, environ: Mapping[str, str], path: Path, before: Reading | None) -> Reading:
    """The reading of a batch file.

    The page is that of ``chcp`` in the file, else the system's (``codepage.of_system``). Where neither is known, a
    file that is valid UTF-8 is taken for that. Any other is read as each page would have it; a reading that leaves
    a quote open is none, as the web UI could not start with it. If those that are left differ, nothing is certain.
    """
    page = codepage.of_file(data, codepage.of_system(environ))

    def read(text: str, one: int | None) -> Reading:
        reader = CmdReader(text, environ, path, before, one)
        reading = reader.read()
        start = reader.only_start()
        return reading if start is None else CmdReader(text, environ, path, before, one, start).read()

    if page is not None or data.isascii() or codepage.is_utf8(data):
        return read(codepage.masked(data, page), page)
    texts = {codepage.masked(data, guess): guess for guess in codepage.GUESSES if _is_text(data, guess)}
    readings = [read(text, None) for text in texts]
    sound = [one for one in readings if _said(one) is not None] or readings
    said = {_said(one) for one in sound}
    return sound[0] if len(said) == 1 else _doubted(sound[0])


def _is_text(data: bytes, page: int) -> bool:
    try:
        data.decode(f"cp{page}" if page else "latin-1")
    except UnicodeDecodeError:
        return False
    return True


def _said(reading: Reading) -> object:
    """All that an edit or a start makes of a reading, without masks; None where it cannot be started with."""
    if reading.trouble:
        return None
    try:
        words = tuple(codepage.unmasked(word.text) for word in split(flatten(reading.value).atoms))
    except (Unbalanced, TooLong):
        return None
    line = tuple((codepage.unmasked(word.text), word.start, word.end) for word in reading.line_words)
    others = tuple(codepage.unmasked(one) for one in reading.others)
    variables = tuple(sorted((name, one.text, one.depends) for name, one in reading.variables.items()))
    places = (reading.launch_at, reading.plain_at, reading.block_at, reading.line_unknown, tuple(reading.assignments))
    return (words, line, others, str(variables), places, reading.opaque)


def _doubted(reading: Reading) -> Reading:
    value = reading.value or Value()
    doubt = Atom("", 0, 0, "plain", REASON, False)
    variables = {codepage.unmasked(name): Variable(one.text, True, (*one.depends, REASON))
                 for name, one in reading.variables.items() if name != OWN}
    variables[OWN] = Variable(codepage.decoded(flatten(value).text, None) or None, True, (REASON,))
    return replace(reading, value=Value((*value.parts, doubt), value.reasons), variables=variables,
                   opaque=(*reading.opaque, REASON),
                   refuse="its letters beyond ASCII mean different things in different code pages, and which one "
                          "Windows reads it in is not known here")
