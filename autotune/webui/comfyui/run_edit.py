"""Batch files that start ComfyUI on Windows: reads the words behind main.py, and edits those that autotune manages.

Only bytes of such words change; they go where the first of the old ones stood, else behind the last word of the
command, before a redirection, ``&`` or ``%*``. A result is read again before it is handed out: it must give exactly the
wanted words, and every other command of the file must be as it was. What cannot be done so is refused, with what to
write by hand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from autotune.language.translate import _
from autotune.launchfile.cmd_pages import REASON
from autotune.launchfile.cmd_scan import BatchChar
from autotune.launchfile.launch_file import IsManaged, LaunchFile, by_owner
from autotune.launchfile.splices import Splice, apply_splices, drop_empty_lines
from autotune.launchfile.values import COMMANDLINE_ARGS, Assignment, Insertion, Reading, shown
from autotune.model.errors import Refused
from autotune.webui.comfyui.run_reader import ArgvWord, RunReading, Start, from_environment, read_run_file

NAME = "comfyui-bat"
"""The kind of such a launch file."""
_WRITABLE = re.compile(r"[\w.,:/\\+@=-]+", re.ASCII)
"""Words that need no quotes and no carets."""


def parse(data: bytes, path: Path, root: Path | None) -> LaunchFile:
    """The words behind main.py. Raises Refused: it holds no such start, or cannot be understood."""
    if b"\0" in data:
        raise Refused(_("{path} holds NUL bytes, so it is no script").format(path=path),
                      _("Restore it from a backup."))
    try:
        reading, one_page = read_run_file(data, path, os.environ, root)
    except RecursionError:
        raise Refused(_("{path}: something in it is nested too deeply to follow").format(path=path),
                      _("Set the flags by hand.")) from None
    if reading.trouble:
        raise Refused(f"{path}: {reading.trouble}",
                      _("Mend that line first; the web UI cannot start with it."))
    start = reading.start
    if start is None:
        raise Refused(_("{path} starts no main.py of this ComfyUI").format(path=path),
                      _("Name the file that starts it with --launch-file."))
    lines = tuple(dict.fromkeys(one.line for one in reading.starts))
    reasons, why_not = list(start.reasons), None
    if len(reading.starts) > 1:
        why_not = _("several lines start it ({lines}), and which one runs is not certain").format(
            lines=", ".join(map(str, lines)))
        if len({tuple(word.text for word in one.words) for one in reading.starts}) > 1:
            reasons.append(_("which of the lines {lines} starts it").format(lines=", ".join(map(str, lines))))
    if not one_page:
        reasons.append(_(REASON))
    words = tuple(reading.text(word) for word in start.words)
    if any("\udc80" <= c <= "\udfff" for word in words for c in word):
        reasons.append(_(REASON))
    depends = tuple(dict.fromkeys(reasons))
    # ComfyUI does not read that variable: only what a line expands of it counts, and is among the words.
    variables = {name: one for name, one in reading.variables.items() if name != COMMANDLINE_ARGS}
    return LaunchFile(path, NAME, data, words, not depends, why_not, depends, lines, Reading(NAME, variables), data,
                      root=root, environ=os.environ)


def edit(file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
    """The bytes with exactly ``target`` as managed words. Raises Refused, with what to write by hand."""
    why = file.why_not
    if why is None and not from_environment(file.depends):
        why = _("its flags depend on {reasons}").format(reasons="; ".join(map(shown, file.depends)))
    reading = read_run_file(file.data, file.path, os.environ, file.root)[0]
    if why is None and not all(_WRITABLE.fullmatch(word) for word in target):
        why = _("a flag holds characters that a batch file cannot hold as they are")
    if why is None and reading.start is not None:
        data = edited(file.data, reading, reading.start, tuple(target), is_managed)
        if data is not None and _proves(file, reading, data, tuple(target), is_managed):
            return data
    text = _("{path} cannot be edited safely")
    if why is not None:
        text = _("{path} cannot be edited safely: {reason}")
    raise Refused(text.format(path=file.path, reason=why), by_hand(file, target, is_managed))


def _proves(file: LaunchFile, before: RunReading, data: bytes, target: tuple[str, ...],
            is_managed: IsManaged) -> bool:
    """Does the result, read again, give the user's words in their order and the wanted ones, and nothing else?"""
    after, one_page = read_run_file(data, file.path, os.environ, file.root)
    if after.trouble or after.start is None or not one_page or len(after.starts) != 1:
        return False
    was, now = ([reading.text(word) for word in start.words]
                for reading, start in ((before, before.start), (after, after.start)) if start is not None)
    kept, managed = by_owner(now, is_managed)
    same = [one[2] for one in before.others], [one[2] for one in after.others]
    changed = sum(a != b for a, b in zip(*same, strict=False))
    sets = all(b.lower().lstrip("@( ").startswith("set") for a, b in zip(*same, strict=False) if a != b)
    return (kept == by_owner(was, is_managed)[0] and tuple(managed) == target and len(same[0]) == len(same[1])
            and changed <= 1 and sets and after.start.reasons == getattr(before.start, "reasons", ()))


def by_hand(file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> str:
    """What to write by hand, and where."""
    gone = [word for word in by_owner(file.words, is_managed)[1] if word not in target]
    text = _("By hand: in the line of {file} that starts main.py, write behind your own flags: {words}")
    if gone and target:
        text = _("By hand: in the line of {file} that starts main.py, take out {gone} and write behind your own flags: "
                 "{words}")
    elif gone:
        text = _("By hand: in the line of {file} that starts main.py, take out: {gone}")
    return text.format(file=file.path.name, words=" ".join(target) or _("no tuning flag"), gone=" ".join(gone))


def edited(data: bytes, reading: RunReading, start: Start, target: tuple[str, ...],
           is_managed: IsManaged) -> bytes | None:
    """The bytes with ``target`` in place of the managed words; None where one of these is no literal text."""
    text, words = data.decode("latin-1"), start.words
    mine = is_managed([reading.text(word) for word in words])
    changes: list[Splice] = []
    for word in (word for word, managed in zip(words, mine, strict=True) if managed):
        span = _span(text, word)
        if span is None:
            return None
        if target and not changes:
            changes.append(Splice(*span, " ".join(target)))
        else:
            changes.append(_without(text, *span))
    if target and not changes:
        at = _end_of_command(text, start)
        handle = text[at : at + 1] in ("<", ">") and target[-1][-1].isdigit()  # "2>" would be one of its own
        changes.append(Splice(at, at, " " + " ".join(target) + " " * handle))
    begin = text.rfind("\n", 0, min(one.start for one in changes)) + 1 if changes else 0
    ends = max((char.atom.end for char in start.on_line), default=start.after)
    lines = Reading("cmd", assignments=[Assignment(start.line, start.at, max(ends, start.after), Insertion(0, ""),
                                                   False)])
    inside = begin >= text.rfind("\n", 0, start.at)
    return apply_splices(text, drop_empty_lines(text, changes, lines) if inside else changes).encode("latin-1")


def _span(text: str, word: ArgvWord) -> tuple[int, int] | None:
    """The bytes of a word that stands in the file as it is, in one piece; None of any other."""
    at = word.chars[0].atom.start
    for char in word.chars:
        if char.atom.depends or char.atom.start != at or not _is_literal(text, char):
            return None
        at = char.atom.end
    return word.chars[0].atom.start, at


def _is_literal(text: str, char: BatchChar) -> bool:
    return text[char.atom.start : char.atom.end].removeprefix("^") == char.text


def _without(text: str, start: int, end: int) -> Splice:
    """Takes a word out, with the blanks before it, else with those behind it."""
    begin = start
    while begin > 0 and text[begin - 1] in " \t":
        begin -= 1
    if begin == start:
        while end < len(text) and text[end] in " \t":
            end += 1
    return Splice(begin, end, "")


def _end_of_command(text: str, start: Start) -> int:
    """The offset behind the command's last word, where more can be written."""
    at = max([start.after, *(char.atom.end for char in start.on_line if char.text.strip(" \t"))])
    while at < len(text) and text[at] not in ' \t\r\n&|<>)^"':
        at += 1
    return at
