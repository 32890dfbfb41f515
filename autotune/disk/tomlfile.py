"""Reads TOML files strictly: every error names the file, the line and the key."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

from autotune.language.translate import N_, _
from autotune.model.errors import UsageProblem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ADVICE = N_("Correct the file and run again.")
_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
_KEY = re.compile(r"""^\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_\-]+))\s*=""")


class TomlFile:
    """A parsed TOML file that knows the line of each key.

    ``table`` is the parsed document. Raises UsageProblem when the text is not TOML.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        try:
            self.table: dict[str, Any] = tomllib.loads(text)
        except RecursionError:
            raise UsageProblem(_("{name}: not valid TOML: nested too deep").format(name=name), _(ADVICE)) from None
        except ValueError as error:  # TOMLDecodeError, or a whole number of thousands of digits
            place = re.search(r"line (\d+)", str(error))
            where = f"{name}:{place.group(1)}" if place else name
            raise UsageProblem(_("{where}: not valid TOML: {error}").format(where=where, error=error),
                               _(ADVICE)) from None
        self._lines = _index(text)

    def where(self, *path: str | int) -> str:
        """'FILE:LINE' of a key path such as ("workload", 0, "width"), or FILE when it has no line."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return f"{self.name}:{line}"
        return self.name

    def problem(self, path: tuple[str | int, ...], message: str, hint: str = "") -> UsageProblem:
        """The error to raise about the key at ``path``."""
        key = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
        return UsageProblem(f"{self.where(*path)}: {key}: {message}", hint or _(ADVICE))

    def root(self) -> Table:
        """The whole document as a table to read strictly."""
        return Table(self, self.table, ())


class Table:
    """One table of a file, read key by key; every refusal names file, line and key."""

    def __init__(self, file: TomlFile, values: dict[str, Any], path: tuple[str | int, ...]) -> None:
        self.file = file
        self.values = values
        self.path = path

    def problem(self, key: str, message: str, hint: str = "") -> UsageProblem:
        """The error to raise about ``key`` of this table."""
        return self.file.problem((*self.path, key), message, hint)

    def only(self, *keys: str) -> None:
        """Refuses keys other than these."""
        for key in self.values:
            if key not in keys:
                raise self.problem(key, _("unknown key"), _("Known here: {keys}.").format(keys=", ".join(keys)))

    def table(self, key: str) -> Table:
        """A sub-table; an empty one when the key is absent."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.problem(key, _("must be a table"))
        return Table(self.file, value, (*self.path, key))

    def tables(self, key: str) -> list[Table]:
        """An array of tables ([[key]]); at least one entry is needed."""
        rows = self.values.get(key)
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise self.problem(key, _("at least one [[{key}]] is needed").format(key=key))
        return [Table(self.file, row, (*self.path, key, index)) for index, row in enumerate(rows)]

    def text(self, key: str, default: str) -> str:
        """A non-empty text."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.problem(key, _("must be a text"))
        return value

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.problem(key, _("must be true or false"))
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A finite number within [low, high]."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.problem(key, _("must be a number"))
        if isinstance(value, float) and not math.isfinite(value):
            raise self.problem(key, _("must be a number"))
        if not low <= value <= high:
            raise self.problem(
                key, _("{value} is outside {low:g} to {high:g}").format(value=_shown(value), low=low, high=high))
        return float(value)

    def whole(self, key: str, default: int | None, low: int, high: int) -> int:
        """A whole number within [low, high]; the key is required when there is no default."""
        if key not in self.values and default is None:
            raise self.problem(key, _("is missing"))
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.problem(key, _("must be a whole number"))
        if not low <= value <= high:
            raise self.problem(key,
                               _("{value} is outside {low} to {high}").format(value=_shown(value), low=low, high=high))
        return value


def read(path: Path) -> TomlFile:
    """Reads a TOML file. Raises UsageProblem when it cannot be read or is not TOML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageProblem(_("{path}: not UTF-8").format(path=path),
                           _("Save the file as UTF-8 and run again.")) from None
    except (OSError, ValueError) as error:  # ValueError: no path holds a NUL
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageProblem(_("{path}: cannot be read: {why}").format(path=path, why=why),
                           _("Check the path.")) from None
    return TomlFile(text, str(path))


def _shown(value: float) -> str:
    """A number for a message; of one with thousands of digits, that."""
    return str(value) if abs(value) < 1e30 else _("a number of that size") if isinstance(value, int) else f"{value:g}"


def _index(text: str) -> dict[tuple[str | int, ...], int]:
    """Line numbers of headers and keys; later duplicates do not matter, TOML refuses them."""
    lines: dict[tuple[str | int, ...], int] = {}
    prefix: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            name = header.group(2)
            if header.group(1) == "[[":
                counts[name] = counts.get(name, -1) + 1
                prefix = (*name.split("."), counts[name])
            else:
                prefix = tuple(name.split("."))
            lines.setdefault(prefix, number)
            if header.group(1) == "[[":
                lines.setdefault(prefix[:-1], number)
            continue
        key = _KEY.match(line)
        if key:
            lines.setdefault((*prefix, key[key.lastindex or 0]), number)
    return lines
