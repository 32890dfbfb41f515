"""Reads and edits default_launch_extras in comfy-cli's config.ini: no byte changes but those of that value.

Python's own configparser says what the file means, as it does for comfy-cli; the line of the option is looked for only
to change its text in place. Every result is read again: it must mean what was wanted, and all else what it meant.
"""

from __future__ import annotations

import configparser
import locale
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from autotune.language.translate import _
from autotune.launchfile.launch_file import IsManaged, LaunchFile, by_owner
from autotune.launchfile.put_back import Flags
from autotune.launchfile.quoting import joined
from autotune.model.errors import Refused

NAME = "comfy-cli"
OPTION = "default_launch_extras"
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_DEFAULT = re.compile(r"\s*\[DEFAULT\]")
_MINE = re.compile(rf"\s*{OPTION}\s*[=:][^\S\r\n]*", re.IGNORECASE)
_UNFIT = re.compile(r"[^\x21-\x7e]")


class _Place(NamedTuple):
    """[start, end) of the option's value; where the option is not there, where its line goes, and its indent."""

    start: int
    end: int
    indent: str | None = None


def parse(data: bytes, path: Path, root: Path | None = None) -> LaunchFile:
    """The words that ``comfy launch`` gives to the default workspace. Raises Refused."""
    parser = _parser(_decoded(data)[0], path)
    raw = parser.defaults().get(OPTION, "")
    try:
        value = parser["DEFAULT"].get(OPTION, "")
    except configparser.InterpolationError:
        raise Refused(
            _("{path}: comfy-cli stops at the percent sign in {option}").format(path=path, option=OPTION),
            _("Write %% there for each percent sign.")) from None
    why_not = None
    if "%" in raw.replace("%%", ""):
        why_not = _("{option} refers to other options of the file").format(option=OPTION)
    elif "\n" in raw:
        why_not = _("{option} has several lines").format(option=OPTION)
    return LaunchFile(path, NAME, data, tuple(value.split(" ")) if value else (), True, why_not, root=root, base=data)


def edit(file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
    """The bytes with exactly ``target`` as managed words of the value. Raises Refused, with the command to start it."""
    mine = is_managed(file.words)
    by_hand = _("Or start it so: comfy launch -- {words}").format(
        words=joined((*by_owner(file.words, is_managed)[0], *target)))
    if file.why_not is not None:
        raise Refused(
            _("{path} cannot be edited safely: {reason}").format(path=file.path, reason=file.why_not), by_hand)
    unfit = next((word for word in target if not word or _UNFIT.search(word)), None)
    if unfit is not None:
        raise Refused(_("{path} cannot hold {word!r}: comfy-cli splits {option} at blanks and knows no quotes").format(
            path=file.path, word=unfit, option=OPTION), by_hand)
    text, encoding = _decoded(file.data)
    words = [word for word, gone in zip(file.words, mine, strict=True) if not gone]
    first = mine.index(True) if True in mine else len(words)
    words[first:first] = target
    place = _find(text)
    value = " ".join(words).replace("%", "%%")
    if place is not None and place.indent is not None:
        newline = "\r\n" if "\r\n" in text else "\n"
        before = "" if text[: place.start].endswith(("\n", "\r")) else newline
        value = f"{before}{place.indent}{OPTION} = {value}{newline}"
    result = text if place is None else text[: place.start] + value + text[place.end :]
    if not _proves(text, result, words, file.path):
        raise Refused(_("{path} cannot be edited safely").format(path=file.path), by_hand)
    return result.encode(encoding, "surrogateescape")


def flags_in(data: bytes) -> Flags:
    """Where the option's value stands. Raises ValueError."""
    text, encoding = _decoded(data)
    place = _find(text) if encoding == "utf-8" else None
    if place is None:
        raise ValueError(OPTION)
    return Flags(text, {} if place.indent is not None else {OPTION: (place.start, place.end)})


def _decoded(data: bytes) -> tuple[str, str]:
    """The text, and its encoding: UTF-8, else what programs of this system write."""
    for encoding in ("utf-8", locale.getpreferredencoding(False)):
        try:
            return data.decode(encoding), encoding
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1"), "latin-1"


def _parser(text: str, path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text.replace("\r\n", "\n").replace("\r", "\n"))
    except configparser.Error as error:
        raise Refused(_("{path} cannot be read by comfy-cli: {error}").format(
            path=path, error=" ".join(str(error).split())), _("Mend that line first.")) from None
    return parser


def _meaning(text: str, path: Path) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """All options as they stand there: those for every section, and those of each section."""
    whole = _parser(text, path)
    return dict(whole.defaults()), {name: dict(whole.items(name, raw=True)) for name in whole.sections()}


def _proves(before: str, after: str, words: Sequence[str], path: Path) -> bool:
    """Does the result give these words, and every other option the value that it had?"""
    try:
        was, now = _meaning(before, path), _meaning(after, path)
    except Refused:
        return False
    wanted = " ".join(words).replace("%", "%%")
    expected = [{**part, OPTION: wanted} for part in (was[0], *was[1].values())]
    return [now[0], *now[1].values()] == expected and list(now[1]) == list(was[1])


def _find(text: str) -> _Place | None:
    """The place of the option's value, else the place behind the line [DEFAULT]; None: there is no such line."""
    inside, header, indent = False, None, 0
    lines = list(_lines(text))
    for number, (start, end) in enumerate(lines):
        line = text[start:end]
        margin = len(line) - len(line.lstrip())
        if not line.strip() or line.lstrip().startswith(("#", ";")) or (inside and margin > indent):
            continue
        if line.lstrip().startswith("["):
            inside = _DEFAULT.match(line) is not None
            header = number if inside and header is None else header
            indent = margin if inside else 0
            continue
        indent = margin
        mine = _MINE.match(line)
        if inside and mine:
            return _Place(start + mine.end(), start + max(mine.end(), len(line.rstrip())))
    if header is None:
        return None
    following = next((text[a:b] for a, b in lines[header + 1 :] if text[a:b].strip()), "")
    at = _LINES.match(text, lines[header][0])
    assert at
    margin = len(following) - len(following.lstrip())
    return _Place(at.end(), at.end(), "" if following.lstrip().startswith("[") else following[:margin])


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """[start, end) of every line, line breaks left out."""
    for match in _LINES.finditer(text):
        yield match.start(), match.start() + len(match.group().rstrip("\r\n"))
