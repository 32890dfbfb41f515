"""Reads a launch file of any kind: ``read(path)`` tells which words launch.py receives from it."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autotune.disk import windows_attributes
from autotune.language.translate import _
from autotune.launchfile import blocks, formats
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.values import (
    COMMANDLINE_ARGS,
    FlatValue,
    Reading,
    TooLong,
    UnclosedQuote,
    Word,
    flatten,
    split,
)
from autotune.model.errors import NothingToWorkOn, Refused
from autotune.model.windows_paths import LONGEST

MAX_FILE = 4 * 1024 * 1024
"""Bytes. Launch files are a few kilobytes; a bigger one is something else."""


def read(path: Path, environ: Mapping[str, str] | None = None, root: Path | None = None) -> LaunchFile:
    """The launch file at ``path``. ``root``: the install's folder, which Stability Matrix's settings.json needs.

    Raises NothingToWorkOn (no such file, dangling link, a folder) and Refused (unreadable, too big, NUL bytes,
    a value that is not UTF-8 or whose quotes do not balance).
    """
    file = parse(load_bytes(path), path, os.environ if environ is None else environ, root)
    return replace(file, rewritten=in_pinokio(path.parent))


def in_pinokio(root: Path) -> bool:
    """Does Pinokio start this install? It keeps its own scripts in the folder above."""
    return any((root.parent / name).is_file() for name in ("pinokio.js", "pinokio.json"))


def load_bytes(path: Path) -> bytes:
    """The bytes of a launch file, links followed. Raises NothingToWorkOn and Refused as ``read`` does."""
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            raise NothingToWorkOn(_("{path} is a folder, not a launch file").format(path=path),
                                  _("Name the launch file itself."))
        if not stat.S_ISREG(info.st_mode):
            raise NothingToWorkOn(_("{path} is not an ordinary file").format(path=path),
                                  _("Name the launch file itself."))
        if info.st_size > MAX_FILE:
            raise Refused(_("{path} has {size:,} bytes; no launch file is that big").format(
                              path=path, size=info.st_size), _("Check that --launch-file names the right file."))
        return path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise NothingToWorkOn(
                _("{path} is a link to {target}, which does not exist").format(path=path, target=path.readlink()),
                _("Mend the link, or name the file with --launch-file.")) from None
        if len(str(path)) > LONGEST and not windows_attributes.long_paths():
            raise NothingToWorkOn(
                _("{path} has {count} letters, this Windows opens paths of {most}").format(
                    path=path, count=len(str(path)), most=LONGEST),
                _("Move the web UI to a folder with a shorter path.")) from None
        raise NothingToWorkOn(_("{path} does not exist").format(path=path),
                              _("Name the launch file with --launch-file.")) from None
    except PermissionError:
        how = _("in its Properties, under Security") if sys.platform == "win32" else \
            f"chmod u+r {shlex.quote(str(path))}"
        raise Refused(_("{path} cannot be read: permission denied").format(path=path),
                      _("Allow it: {how}").format(how=how)) from None
    except OSError as error:
        in_cloud = windows_attributes.is_cloud_error(error)
        hint = _("{advice}.").format(advice=windows_attributes.how_to_download()) if in_cloud else _("Check the path.")
        raise NothingToWorkOn(_("{path} cannot be read: {reason}").format(path=path, reason=error.strerror),
                              hint) from None


def parse(data: bytes, path: Path, environ: Mapping[str, str], root: Path | None = None,
          before: LaunchFile | None = None) -> LaunchFile:
    """Read a launch file's bytes; ``path`` only names it and tells its kind. Raises Refused.

    ``before``: the batch file that ran before this one in the same start.
    """
    made = formats.of_file(path)
    if made is not None:
        return made.parse(data, path, root)
    kind = kind_of(path)
    if b"\0" in data:
        hint = _("Save it as UTF-8 text.") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else _("Restore it from a backup.")
        raise Refused(_("{path} holds NUL bytes, so it is no script").format(path=path), hint)
    found = blocks.find(data, kind)
    base = found.base if found else data
    reading = read_script(base, kind, environ, path, before)
    if reading.trouble:
        hint = _("Mend that line first; the web UI cannot start with it.")
        if kind == "sh":
            hint = _("Mend that line if bash complains about it too (bash -n FILE), or set the flags by hand.")
        raise Refused(f"{path}: {reading.trouble}", hint)
    plain = replace(interpret(base, path, kind, reading, environ), data=data, base=base, before=before)
    if found is None:
        return plain
    if found.block is None:
        why = _("autotune's block in line {line} was changed by hand; take the block out or roll back first").format(
            line=found.line)
        return replace(plain, static=False, why_not=why)
    appended = blocks.added(found.block)
    if kind == "sh":
        kept = blocks.kept(plain.words, found.block)
        from autotune.launchfile.sh_read import ShReader

        # The variables are those of the file as it stands; all else is what the owner wrote.
        reading.variables = ShReader(data.decode("latin-1"), environ, found.block).read().variables
    else:
        left = blocks.value_after_cmd(split_value(reading).flat.text, found.block)
        try:
            more = shlex.split(decode_word(left, reading))
        except ValueError:
            raise Refused(_("{path}: autotune's block breaks a quote").format(path=path),
                          _("Run: autotune rollback")) from None
        kept = (*plain.words[: len(reading.line_words)], *more)
    return replace(plain, words=(*kept, *appended), block=found.block)


def kind_of(path: Path) -> str:
    """sh, cmd or the name of a ``LaunchFormat``, by the file's name."""
    made = formats.of_file(path)
    return made.name if made is not None else "cmd" if path.suffix.lower() in (".bat", ".cmd") else "sh"


def read_script(
    data: bytes, kind: str, environ: Mapping[str, str], path: Path, before: LaunchFile | None = None
) -> Reading:
    """The reading of a script of that kind (sh, cmd). Raises Refused when it is nested too deeply to follow."""
    try:
        return _read_script(data, kind, environ, path, before)
    except RecursionError:
        raise Refused(_("{path}: something in it is nested too deeply to follow").format(path=path),
                      _("Take expansions like {example} apart, or set the flags by hand.").format(
                          example="${A:-${B:-...}}")) from None


def _read_script(data: bytes, kind: str, environ: Mapping[str, str], path: Path, before: LaunchFile | None) -> Reading:
    if kind == "cmd":
        from autotune.launchfile.cmd_pages import read_in_its_page

        return read_in_its_page(data, environ, path, _with_variables_before(before) if before else None)
    text = data.decode("latin-1")
    from autotune.launchfile.sh_read import ShReader

    return ShReader(text, environ).read()


def _with_variables_before(file: LaunchFile) -> Reading | None:
    """The reading of a batch file, with the variables that files before it in the same start have set."""
    if file.reading is None or file.before is None:
        return file.reading
    left = _with_variables_before(file.before)
    if left is None:
        return file.reading
    changes_any = file.reading.changes_any
    kept = {name: replace(known, depends=tuple(dict.fromkeys((*known.depends, *changes_any))))
            for name, known in left.variables.items()}
    return replace(file.reading, variables={**kept, **file.reading.variables},
                   changes_any=(*left.changes_any, *changes_any))


@dataclass(slots=True)
class SplitValue:
    """The value of COMMANDLINE_ARGS: its characters, and its words."""

    flat: FlatValue
    words: list[Word]


def split_value(reading: Reading) -> SplitValue:
    """Write out and split the value of COMMANDLINE_ARGS. Raises UnclosedQuote, TooLong."""
    flat = flatten(reading.value)
    return SplitValue(flat, split(flat.atoms))


def decode_word(taken: str, reading: Reading) -> str:
    """Text that a reader took out of a file. Raises UnicodeDecodeError for a shell file that is not UTF-8."""
    if reading.kind == "cmd":
        from autotune.launchfile.codepage import decode_text

        return decode_text(taken, reading.page)
    return taken.encode("latin-1").decode("utf-8")


def interpret(
    data: bytes, path: Path, kind: str, reading: Reading, environ: Mapping[str, str]
) -> LaunchFile:
    """The LaunchFile of a script's reading. Raises Refused where its value is not valid."""
    try:
        spelled = split_value(reading)
    except TooLong:
        raise Refused(_("{path}: the value of {name} is too long to follow").format(
                          path=path, name=COMMANDLINE_ARGS), _("Shorten it.")) from None
    except UnclosedQuote:
        lines = ", ".join(str(a.line) for a in reading.assignments) or "?"
        raise Refused(
            _("{path}: a quote in the value of {name} is never closed (line {lines})").format(
                path=path, name=COMMANDLINE_ARGS, lines=lines),
            _("Close the quote: the web UI cannot start with it either.")) from None
    depends = list(spelled.flat.reasons)
    texts = [w.text for w in reading.line_words] + [w.text for w in spelled.words]
    if not reading.exported:
        texts = [w.text for w in reading.line_words]
    why_not = reading.why_not or None
    if why_not is None and not reading.exported:
        why_not = _("{name} is set but never exported, so the web UI does not get it").format(name=COMMANDLINE_ARGS)
        if reading.assignments:
            why_not = _("{name} is set in line {line} but never exported, so the web UI does not get it").format(
                name=COMMANDLINE_ARGS, line=reading.assignments[-1].line)
    if reading.line_unknown:
        depends.append(_("variables on the starting line {line}").format(line=reading.launch_line))
    try:
        words = tuple(decode_word(t, reading) for t in texts)
    except UnicodeDecodeError:
        raise Refused(_("{path}: the value of {name} is not UTF-8 text").format(
                          path=path, name=COMMANDLINE_ARGS), _("Save the file as UTF-8.")) from None
    numbers = tuple(a.line for a in reading.assignments)
    return LaunchFile(path, kind, data, words, not depends, why_not, tuple(depends), numbers, reading,
                      environ=environ)
