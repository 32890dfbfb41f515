"""Edits options in config.json: the given keys change, every other byte of the file stays.

A1111 writes the file with four blanks of indent and non-ASCII characters as they are; a new key is added in
the file's own style.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from autotune.language.translate import _
from autotune.launchfile.jsonspan import Member, blank, members, spelled, with_members, without
from autotune.model.errors import Refused

ABSENT = "\0absent"
"""Stands for "no such key": removing a key, or a key that was not there before."""

Keys = Mapping[str, tuple[Any, Any]]
"""Option -> (old value, new value); ABSENT where there was or shall be none."""


def values(data: bytes, name: str = "config.json") -> dict[str, Any]:
    """The options of a config.json. Raises Refused if it is not a JSON object."""
    text = _text(data, name)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refused(_("{name} is not JSON: {error}").format(name=name, error=error),
                      _("Mend it, or let the web UI write it anew.")) from None
    except RecursionError:
        raise Refused(_("{name} is nested too deeply").format(name=name), _("Let the web UI write it anew.")) from None
    if not isinstance(found, dict):
        raise Refused(_("{name} is not a JSON object").format(name=name), _("Let the web UI write it anew."))
    return found


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(_("{name} is not UTF-8").format(name=name),
                      _("Mend it, or let the web UI write it anew.")) from None


def edit(data: bytes, wanted: Mapping[str, Any], name: str = "config.json") -> bytes:
    """The file's bytes with these options set (ABSENT removes one); equal values stay as written. Raises Refused."""
    now = values(data, name)
    text = _text(data, name)
    for key, value in wanted.items():
        same = key in now and type(now[key]) is type(value) and now[key] == value
        if same or (value == ABSENT and key not in now):
            continue
        text = _remove(text, key) if value == ABSENT else _set(text, key, value)
        now = values(text.encode("utf-8"), name)
    return text.encode("utf-8")


def undone(now: Mapping[str, Any], keys: Keys) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The options to set so that a change is undone, and the names of those that stay, for someone changed them since.

    ``now``: all options in force; only those that still have the change's new value get the old one.
    """
    wanted = {key: old for key, (old, new) in keys.items() if now.get(key, ABSENT) == new}
    return wanted, tuple(key for key, pair in keys.items() if now.get(key, ABSENT) not in pair)


def undo(data: bytes, keys: Keys, name: str = "config.json") -> tuple[bytes, tuple[str, ...]]:
    """Undo a change of options in a file that was rewritten since, and name the options that stay. Raises Refused."""
    wanted, kept = undone(values(data, name), keys)
    return edit(data, wanted, name), kept


def _object(text: str) -> tuple[list[Member], int, int]:
    start = blank(text, 1 if text.startswith("\ufeff") else 0)
    found, end = members(text, start)
    return found, start, end


def _set(text: str, key: str, value: Any) -> str:  # noqa: ANN401  # any JSON value
    found, start, _end = _object(text)
    mine = [m for m in found if m.key == key]
    if mine:
        return text[: mine[-1].value] + spelled(value) + text[mine[-1].end :]
    return with_members(text, start, len(found), {key: value})


def _remove(text: str, key: str) -> str:
    found, start, _end = _object(text)
    return without(text, start, [number for number, member in enumerate(found) if member.key == key])
