"""Reads and edits the flags in Comfy Desktop's files: no byte changes but those of the flags.

Comfy Desktop 1 keeps a JSON object: each key becomes ``--KEY``, its value the word behind it, and an empty value none,
so a flag has one value at most. Comfy Desktop 2 keeps one text, which it splits at white space; quotes of either kind
hold words together and mean nothing else. Every result is read again before it is handed out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from autotune.language.translate import _
from autotune.launchfile.jsonspan import blank, items, members, spelled, with_members, without
from autotune.launchfile.launch_file import IsManaged, LaunchFile, by_owner
from autotune.launchfile.put_back import Flags
from autotune.launchfile.quoting import joined
from autotune.launchfile.spelled_words import SCRIPT_BLANKS, replaced, split_quoted
from autotune.model.errors import Refused
from autotune.webui.comfyui.hosts import starts

ARGS = "Comfy.Server.LaunchArgs"
TEXT = "launchArgs"
_DEFAULTS = {"listen": "127.0.0.1", "port": "8000", "enable-manager": ""}
"""What Comfy Desktop 1 gives where its settings say nothing else."""
_DEFAULT_TEXT = {"standalone": "--enable-manager", "portable": "--windows-standalone-build --disable-auto-launch"}
"""What Comfy Desktop 2 gives an install without a text of its own, by where the install came from."""


def parse_settings(data: bytes, path: Path, root: Path | None = None) -> LaunchFile:
    """The words of Comfy Desktop 1, those that it gives anyway among them. Raises Refused."""
    document = _document(data, path, dict)[0]
    given = document.get(ARGS)
    why_not = None
    if not isinstance(given, dict | None):
        why_not, given = _("{name} is not a JSON object").format(name=ARGS), None
    words: list[str] = []
    for key, value in _in_order({**_DEFAULTS, **(given or {})}):
        text = _text_of(value)
        if text is None:
            why_not = _("{key} in {name} holds no text").format(key=key, name=ARGS)
        words += [f"--{key}", *([text] if text else [])]
    return LaunchFile(path, "comfy-desktop-1", data, tuple(words), True, why_not, root=root, base=data)


def edit_settings(file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
    """The bytes with exactly ``target`` as managed words of Comfy Desktop 1. Raises Refused."""
    _editable(file, target)
    new: dict[str, str] = {}
    key = ""
    for word in target:
        if word.startswith("--"):
            key = word[2:]
            new[key] = ""
        elif not key or new[key] or not word:
            raise Refused(_("{path} cannot hold {words}: Comfy Desktop gives a flag one value at most").format(
                path=file.path, words=joined(tuple(target))), _("Choose a set that needs no second value."))
        else:
            new[key] = word
    document, text = _document(file.data, file.path, dict)
    at = blank(text, 0)
    given = document.get(ARGS)
    args = [member for member in members(text, at)[0] if member.key == ARGS]
    if given is not None:
        keys = [member.key for member in members(text, args[-1].value)[0]]
        mine = _managed_keys(file, given, is_managed)
        gone = [number for number, key in enumerate(keys) if key in mine]
        first = gone[0] if gone else len(keys)
        text = with_members(text, args[-1].value, first, new)  # first, so that one of the old ones shows the layout
        text = without(text, args[-1].value, [number + len(new) for number in gone])
    elif args and new:
        text = text[: args[-1].value] + spelled(new) + text[args[-1].end :]
    elif new:
        text = with_members(text, at, len(members(text, at)[0]), {ARGS: new})
    result = text.encode("utf-8")
    _prove(file, parse_settings(result, file.path, file.root), target, is_managed)
    after = json.loads(text)
    if {**after, ARGS: None} != {**document, ARGS: None}:
        _unsafe(file, target)
    return result


def _managed_keys(file: LaunchFile, given: Mapping[str, Any], is_managed: IsManaged) -> set[str]:
    """The keys of the object whose flags are managed."""
    mine = is_managed(file.words)
    return {key for key in given if any(
        managed for word, managed in zip(file.words, mine, strict=True) if word == f"--{key}")}


def _in_order(merged: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The members as JavaScript goes through them: those with a whole number for a key first, by its size."""
    numbers = sorted((key for key in merged if key.isascii() and key.isdigit() and str(int(key)) == key
                      and int(key) < 2**32 - 1), key=int)
    for key in (*numbers, *(key for key in merged if key not in numbers)):
        yield key, merged[key]


def _text_of(value: object) -> str | None:
    """A value as JavaScript makes text of it; None where that is not plain."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) < 2**53:
        return str(value)
    if isinstance(value, float) and math.isfinite(value) and (value == 0 or 1e-4 <= abs(value) < 2**53):
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def parse_installations(data: bytes, path: Path, root: Path | None = None) -> LaunchFile:
    """The words of the install at ``root`` in Comfy Desktop 2, or of the only one that it lists. Raises Refused."""
    document = _document(data, path, list)[0]
    record = document[_number(document, path, root)]
    given = record.get(TEXT)
    why_not = None
    if not isinstance(given, str | None):
        why_not, given = _("{key} in {name} holds no text").format(key=TEXT, name=path.name), ""
    words, closed = split_quoted(_whole_text(record) if why_not is None else "")
    if not closed:
        why_not = _("a quote in {name} is never closed").format(name=TEXT)
    return LaunchFile(path, "comfy-desktop-2", data, tuple(word.text for word in words), True, why_not, root=root,
                      base=data)


def edit_installations(file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
    """The bytes with exactly ``target`` as managed words of Comfy Desktop 2. Raises Refused."""
    _editable(file, target)
    document, text = _document(file.data, file.path, list)
    number = _number(document, file.path, file.root)
    record, at = document[number], items(text, blank(text, 0))[0][number].start
    value = _whole_text(record)
    value = replaced(value, split_quoted(value)[0], is_managed(file.words), " ".join(map(_quoted, target)),
                     SCRIPT_BLANKS)
    mine = [member for member in members(text, at)[0] if member.key == TEXT]
    if mine:
        text = text[: mine[-1].value] + spelled(value) + text[mine[-1].end :]
    else:
        text = with_members(text, at, len(record), {TEXT: value})
    result = text.encode("utf-8")
    _prove(file, parse_installations(result, file.path, file.root), target, is_managed)
    record[TEXT] = value
    if json.loads(text) != document:
        _unsafe(file, target)
    return result


def flags_in_settings(data: bytes) -> Flags:
    """Where the flags stand in comfy.settings.json. Raises ValueError."""
    text = data.decode("utf-8")
    return Flags(text, {one.key: (one.value, one.end) for one in members(text, blank(text, 0))[0] if one.key == ARGS})


def flags_in_installations(data: bytes) -> Flags:
    """Where the flags of each install stand in installations.json. Raises ValueError."""
    text = data.decode("utf-8")
    document, places = json.loads(text), {}
    for record, item in zip(document, items(text, blank(text, 0))[0], strict=True):
        for one in members(text, item.start)[0] if isinstance(record, dict) else ():
            if one.key == TEXT:
                places[str(record.get("installPath"))] = (one.value, one.end)
    return Flags(text, places)


def _whole_text(record: Mapping[str, Any]) -> str:
    given = record.get(TEXT)
    return given if isinstance(given, str) else _DEFAULT_TEXT.get(str(record.get("sourceId")), "")


def _number(document: list[Any], path: Path, root: Path | None) -> int:
    """Which record is meant. Raises Refused."""
    own = [number for number, record in enumerate(document) if isinstance(record, dict)
           and isinstance(record.get("installPath"), str) and record["installPath"]]
    chosen = own if root is None else [number for number in own if starts(document[number], root)]
    if len(chosen) != 1 and (root is None or not chosen):
        names = ", ".join(str(document[number].get("name")) for number in own) or _("none")
        raise Refused(_("{path} does not say which install is meant (it holds: {names})").format(
                          path=path, names=names), _("Name the install's folder with --webui."))
    return chosen[0]


def _quoted(word: str) -> str:
    """A word in quotes, where it needs them; what no quotes can hold is left, and the result refused."""
    if word and not any(char in SCRIPT_BLANKS or char in "\"'" for char in word):
        return word
    quote = "'" if '"' in word else '"'
    return quote + word + quote


def _document(data: bytes, path: Path, kind: type) -> tuple[Any, str]:
    """(the file as JSON, its text). Raises Refused."""
    try:
        text = data.decode("utf-8")
        found = json.loads(text, parse_constant=_no_number)
        if not isinstance(found, kind):
            raise ValueError(_("it begins with another kind of value"))
    except (ValueError, RecursionError) as error:
        raise Refused(_("{path} is not JSON that Comfy Desktop reads: {error}").format(path=path, error=error),
                      _("Let Comfy Desktop write it anew.")) from None
    return found, text


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _editable(file: LaunchFile, target: Sequence[str]) -> None:
    if file.why_not is not None:
        raise Refused(_("{path} cannot be edited safely: {reason}").format(path=file.path, reason=file.why_not),
                      _by_hand(target))


def _prove(file: LaunchFile, after: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> None:
    own, managed = by_owner(after.words, is_managed)
    if after.why_not or own != by_owner(file.words, is_managed)[0] or sorted(managed) != sorted(target):
        _unsafe(file, target)


def _unsafe(file: LaunchFile, target: Sequence[str]) -> NoReturn:
    raise Refused(_("{path} cannot be edited safely").format(path=file.path), _by_hand(target))


def _by_hand(target: Sequence[str]) -> str:
    return _("Set these flags by hand where Comfy Desktop keeps them: {flags}").format(flags=" ".join(target))
