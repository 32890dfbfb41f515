"""Tells the user what to write by hand where autotune does not edit a launch file.

A line is told only if a copy of the file with it, read back, gives all of the user's own words and all wanted ones.
Otherwise the hint says which words have to be where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from autotune.language.translate import _
from autotune.launchfile.launch_file import IsManaged, LaunchFile, by_owner
from autotune.launchfile.quoting import for_cmd, for_sh, joined
from autotune.launchfile.reader import parse
from autotune.launchfile.values import COMMANDLINE_ARGS
from autotune.model.errors import Refused
from autotune.secrets.mask import is_secret, masked_words


class Advice(NamedTuple):
    """What the user is told to do, and the file's bytes once it is done."""

    text: str
    data: bytes


def by_hand(file: LaunchFile, target: tuple[str, ...], is_managed: IsManaged, in_place: bytes | None) -> str:
    """A hint that says what to write by hand, and where.

    ``in_place``: the file's bytes with its words changed in their places, None where that is not possible.
    """
    for advice in ways_that_work(file, target, is_managed, in_place):
        return advice.text
    words = joined(target) or _("no tuning flag")
    if file.reading is None:
        return _("Set these launch options by hand where {path} keeps them: {words}").format(
            path=file.path, words=words)
    gone = [word for word in by_owner(file.words, is_managed)[1] if word not in target]
    lines = ", ".join(dict.fromkeys(str(n) for n in file.assignments))
    where = (_("in line {lines}").format(lines=lines) if lines else
             _("where the web UI is started in line {line}").format(line=file.reading.launch_line or "?"))
    text = _("No single line is sure to do it here. By hand: {name} as set {where} of {file} should hold {words} "
             "beside your own flags; start the web UI and run: autotune verify")
    if gone:
        text = _("No single line is sure to do it here. By hand: {name} as set {where} of {file} should hold {words} "
                 "beside your own flags, take out {gone}; start the web UI and run: autotune verify")
    return text.format(name=COMMANDLINE_ARGS, where=where, file=file.path.name, words=words, gone=" ".join(gone))


def ways_that_work(
    file: LaunchFile, target: tuple[str, ...], is_managed: IsManaged, in_place: bytes | None
) -> Iterator[Advice]:
    """Ways to write it that give the right words when they are followed to the letter, the simplest first."""
    if file.reading is None:
        return
    own, managed = by_owner(file.words, is_managed)
    gone = [word for word in managed if word not in target]
    ways = [_pasted(file, target, managed), _changed(file, in_place), _pasted_whole(file, (*own, *target))]
    if gone and not any(a.conditional for a in file.reading.assignments):
        ways = [ways[1], ways[0], ways[2]]  # one line to change is less to do than one to paste and words to take out
    for way in ways:
        if way is not None and proves(file, way.data, target, is_managed):
            yield way


def proves(file: LaunchFile, data: bytes, target: tuple[str, ...], is_managed: IsManaged) -> bool:
    """Does a copy of the file with these bytes give the user's own words in their order, and the wanted managed ones?

    Where only bash knows, bash in the sandbox is asked about both.
    """
    try:
        after = parse(data, file.path, file.environ, before=file.before)
    except Refused:
        return False
    if after.reading is None or file.reading is None:
        return False
    if file.reading.array_line is not None:
        # What its words are only bash knows. The line joins them all, however the array came about.
        words = _asked(after)
        return words is None or words[len(words) - len(target) :] == target
    was, now = file.words, after.words
    if file.kind == "sh" and (file.uncertain or after.uncertain):
        was, now = _asked(file) or was, _asked(after) or now
    elif not after.reading.exported:
        return False
    kept, managed = by_owner(now, is_managed)
    return kept == by_owner(was, is_managed)[0] and sorted(managed) == sorted(target)


def _asked(file: LaunchFile) -> tuple[str, ...] | None:
    from autotune.launchfile.ask_bash import ask

    found = ask(file, file.path.absolute().parent, file.environ)
    return None if isinstance(found, str) else found.words


def _changed(file: LaunchFile, in_place: bytes | None) -> Advice | None:
    """Advice to change one line of the file; None where ``in_place`` differs in more."""
    if in_place is None:
        return None
    old, new = file.base.split(b"\n"), in_place.split(b"\n")
    differ = [i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b]
    if len(old) != len(new) or len(differ) != 1:
        return None
    line = _shown(file, new[differ[0]].decode("utf-8", "backslashreplace").strip())
    if line is None:
        return None
    text = _("Change line {line} of {file} to: {text}").format(line=differ[0] + 1, file=file.path.name, text=line)
    return Advice(text, in_place)


def _shown(file: LaunchFile, line: str) -> str | None:
    """A line with its secret words as ``***`` and all the rest as it is; None where it may show another secret."""
    for word, mask in zip(file.words, masked_words(file.words), strict=True):
        if word == mask:
            continue
        if word not in line:
            return None
        line = line.replace(word, mask)
    named = re.findall(r"\b(\w+)\s*=", line)
    return None if any(is_secret(name) for name in named) else line


def _pasted(file: LaunchFile, target: tuple[str, ...], managed: Sequence[str]) -> Advice | None:
    """A line of its own before the start, which expands what COMMANDLINE_ARGS holds by then."""
    reading = file.reading
    assert reading is not None
    if reading.from_elsewhere or (reading.delayed_expansion and b"!" in file.base):
        return None  # expanding what is not known may run it, or lose some of it
    gone = [word for word in managed if word not in target]
    line = _line(file, target, whole=False)
    return None if line is None else _with_line(file, _taken_out(file, managed), line, gone, line)


def _pasted_whole(file: LaunchFile, words: tuple[str, ...]) -> Advice | None:
    """A line of its own before the start, which holds all words, the user's own included."""
    if file.uncertain or file.reading is None or file.reading.line_words:
        return None
    line = _line(file, words, whole=True)
    shown = None if line is None else _shown(file, line)
    return None if line is None or shown is None else _with_line(file, file.base, line, (), shown)


def _with_line(file: LaunchFile, data: bytes, line: str, gone: Sequence[str], shown: str) -> Advice | None:
    """Advice to paste a line into ``data``; None where it is not sure to run behind all that sets the value.

    ``gone``: words to take out of the file beside; ``shown``: the line as it may be printed.
    """
    reading = file.reading
    assert reading is not None
    at, paste = len(data), _("Paste as the last line of {file}").format(file=file.path.name)
    if reading.launch_line:
        paste = _("Paste right before the command in line {line} of {file} that starts the web UI").format(
            line=reading.launch_line, file=file.path.name)
        at = [0, *(m.end() for m in re.finditer(b"\n", data))][reading.launch_line - 1]
    if file.uncertain and reading.array_line is None and not _runs_last(file):
        return None
    eol = b"\r\n" if b"\r\n" in data else b"\n"
    lead = eol if at == len(data) and data and not data.endswith(b"\n") else b""
    pasted = data[:at] + lead + line.encode("utf-8", "surrogateescape") + eol + data[at:]
    text = _("{paste} (and take out {words}): {text}") if gone else _("{paste}: {text}")
    if reading.array_line is not None:
        text = _("{paste} (and take tuning flags out of the array in line {line}): {text}")
    return Advice(text.format(paste=paste, words=" ".join(gone), line=reading.array_line, text=shown), pasted)


def _runs_last(file: LaunchFile) -> bool:
    """Is a line before the start sure to run, behind all that sets COMMANDLINE_ARGS?"""
    reading = file.reading
    if reading is None or reading.plain_at is None:
        return False
    if not reading.launch_line:
        return reading.plain_at == len(file.base)
    begin = file.base.rfind(b"\n", 0, reading.launch_at or 0) + 1
    return reading.plain_at == begin and all(line < reading.launch_line for line in file.assignments)


def _line(file: LaunchFile, words: tuple[str, ...], whole: bool) -> str | None:
    assert file.reading is not None
    if file.kind == "cmd":
        text = for_cmd(joined(words), "plain")
        if text is None or (file.reading.delayed_expansion and "!" in text):
            return None
        return f"set {COMMANDLINE_ARGS}={'' if whole else f'%{COMMANDLINE_ARGS}% '}{text}"
    text = for_sh(joined(words), "double")
    if file.reading.array_line is not None:
        name = COMMANDLINE_ARGS
        return None if whole else f'args="${{{name}[*]}}"; unset {name}; export {name}="$args {text}"'
    return f'export {COMMANDLINE_ARGS}="{"" if whole else f"${COMMANDLINE_ARGS} "}{text}"'


def _taken_out(file: LaunchFile, words: Sequence[str]) -> bytes:
    """The file without some words in the lines that set COMMANDLINE_ARGS and in the one that starts the web UI."""
    assert file.reading is not None
    lines = file.base.split(b"\n")
    launch = [file.reading.launch_line] if file.reading.launch_line else []
    for number in {*file.assignments, *launch, *([file.reading.array_line] if file.reading.array_line else [])}:
        for word in words:
            spelled = re.escape(word.encode("utf-8", "surrogateescape"))
            behind = rb"[ \t]" + spelled + rb"(?=[\s\"')]|$)"
            first = rb"(?<=[=\"'(])" + spelled + rb"(?:[ \t]|(?=[\r\"')]|$))"
            lines[number - 1] = re.sub(behind + b"|" + first, b"", lines[number - 1])
    return b"\n".join(lines)
