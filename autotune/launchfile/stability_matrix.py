"""Reads and edits launch flags that Stability Matrix keeps in its settings.json, a list of options for each package.

``InstalledPackages[].LaunchArgs[]`` holds {Name, Type, OptionValue}: a Bool that is true gives its name, which may be
several words, Int and String give name and value, and the entry with an empty name is free text. Stability Matrix joins
all of it with blanks, and .NET splits that into words. An option that its dialog does not know is passed on, but lost
when the dialog is saved; the free text is not. The program rewrites the file while it runs, so edit it only while
Stability Matrix is closed. Bytes of other packages and settings are not touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from autotune.language.translate import _
from autotune.launchfile.jsonspan import Item, blank, items, members, spelled
from autotune.launchfile.launch_file import IsManaged, LaunchFile, by_owner
from autotune.launchfile.put_back import Flags
from autotune.launchfile.spelled_words import WINDOWS_BLANKS, is_closed, replaced, split
from autotune.model.errors import Refused

NAME = "stability-matrix"
_WEBUIS = re.compile(r"stable-diffusion-webui|sd-webui|forge", re.IGNORECASE)
_BARE = re.compile(r'[^\s"\\]+')
_UNTITLED = {"Name": "", "Type": "String"}
"""The free text, which the dialog calls extra launch arguments."""


@dataclass(frozen=True, slots=True)
class _Package:
    """One installed package: its data, and where its LaunchArgs array opens in the text."""

    data: Mapping[str, Any]
    args_at: int | None


def parse(data: bytes, path: Path, root: Path | None = None) -> LaunchFile:
    """Read the flags of the package installed in ``root`` (else the only web UI, else the active package).

    Raises Refused.
    """
    package = _find(data, path, root)[0]
    why_not = None
    entries = package.data.get("LaunchArgs")
    if package.args_at is None or not isinstance(entries, list):
        why_not = _("this package has no saved launch options yet")
        entries = []
    texts = list(filter(None, map(_text_of, entries)))
    words = tuple(word.text for word in split(" ".join(texts)))
    if not all(map(is_closed, texts)):
        why_not = _("a quote in this package's launch options is never closed")
    return LaunchFile(path, NAME, data, words, True, why_not, root=root, base=data)


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(_("{path} is not UTF-8").format(path=path), _("Let Stability Matrix write it anew.")) from None


def _find(data: bytes, path: Path, root: Path | None) -> tuple[_Package, str]:
    text = _text(data, path)
    try:
        document = json.loads(text.removeprefix("\ufeff"))
        packages = _packages(text, document)
    except (ValueError, RecursionError) as error:
        raise Refused(_("{path} is not JSON: {error}").format(path=path, error=error),
                      _("Let Stability Matrix write it anew.")) from None
    chosen = [p for p in packages if root is not None and _is_at(p.data, root)]
    if root is None:
        chosen = [p for p in packages if _WEBUIS.search(str(p.data.get("PackageName")))]
        if len(chosen) > 1:
            active = document.get("ActiveInstalledPackage") or document.get("PreferredWorkflowPackage")
            chosen = [p for p in chosen if p.data.get("Id") == active]
    if len(chosen) != 1:
        names = ", ".join(str(p.data.get("DisplayName")) for p in packages) or _("none")
        raise Refused(_("{path} does not say which package is meant (it holds: {names})").format(
                          path=path, names=names), _("Name the package's folder with --webui."))
    return chosen[0], text


def _packages(text: str, document: object) -> list[_Package]:
    if not isinstance(document, dict) or not isinstance(document.get("InstalledPackages"), list):
        raise ValueError("no InstalledPackages")
    top, _ = members(text, blank(text, 1 if text.startswith("\ufeff") else 0))
    at = next(m.value for m in reversed(top) if m.key == "InstalledPackages")
    found = []
    for data, item in zip(document["InstalledPackages"], items(text, at)[0], strict=True):
        if isinstance(data, dict):
            inner, _ = members(text, item.start)
            args = [m.value for m in inner if m.key == "LaunchArgs" and text[m.value] == "["]
            found.append(_Package(data, args[-1] if args else None))
    return found


def flags_in(data: bytes) -> Flags:
    """Where each package's options stand. Raises ValueError."""
    text = data.decode("utf-8")
    packages = _packages(text, json.loads(text.removeprefix("\ufeff")))
    return Flags(text, {str(one.data.get("Id") or one.data.get("LibraryPath")): (at, items(text, at)[1])
                        for one in packages if (at := one.args_at) is not None})


def _is_at(package: Mapping[str, Any], root: Path) -> bool:
    """LibraryPath is relative to the data folder ("Packages\\\\name"), Path is the older absolute form."""
    given = package.get("LibraryPath") or package.get("Path")
    if not isinstance(given, str) or not given:
        return False
    parts = [part.lower() for part in PureWindowsPath(given).parts if part not in ("/", "\\")]
    mine = [part.lower() for part in root.parts]
    return mine[-len(parts) :] == parts


def _text_of(entry: object) -> str:
    """What one option adds to the command line, as Stability Matrix writes it; '' for nothing."""
    if not isinstance(entry, dict):
        return ""
    name, value = entry.get("Name"), entry.get("OptionValue")
    if not isinstance(name, str):
        return ""
    if name == "":
        return value if isinstance(value, str) else ""
    if isinstance(value, bool):
        return name if value else ""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    return f"{name} {_quoted(str(value))}"


def _quoted(value: str) -> str:
    """A value as Stability Matrix quotes it: where it holds a blank or a quote, and only for the quotes in it."""
    inner = value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value
    return '"' + inner.replace('"', '\\"') + '"' if " " in inner or '"' in inner else value


Shown = Mapping[str, str]
"""Options that the dialog of a package shows: what it writes on the command line -> Bool, or String for a value."""


def edit(file: LaunchFile, target: Sequence[str], is_managed: IsManaged, shown: Shown | None = None) -> bytes:
    """The bytes with exactly ``target`` as the package's managed options. Raises Refused.

    ``shown``: what the package's dialog shows, so that all else goes into the free text; None: it is not known, and
    only what no option can hold (a flag with several values) goes there.
    """
    package, text = _find(file.data, file.path, file.root)
    if package.args_at is None or file.why_not is not None:
        raise Refused(_("{path} cannot be edited safely: {reason}").format(path=file.path, reason=file.why_not),
                      _("In Stability Matrix open the package's launch options, add {flags}, and save.").format(
                          flags=" ".join(target)))
    found, end = items(text, package.args_at)
    lines = _Lines.of(text, found, package.args_at, is_managed)
    lines.write(_units(target), shown)
    result = (text[: package.args_at] + lines.style.join(lines.texts()) + text[end:]).encode("utf-8")
    _prove(result, file, target, is_managed)
    return result


def _prove(result: bytes, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> None:
    after = parse(result, file.path, file.root)
    own, managed = by_owner(after.words, is_managed)
    same = _others(result, file) == _others(file.data, file)
    if after.why_not or not same or own != by_owner(file.words, is_managed)[0] or sorted(managed) != sorted(target):
        raise Refused(
            _("{path} cannot be edited safely").format(path=file.path),
            _("In Stability Matrix set the package's launch options to: {flags}").format(flags=" ".join(target)))


def _others(data: bytes, file: LaunchFile) -> object:
    """The whole document without the options of this package."""
    document = json.loads(data.decode("utf-8").removeprefix("\ufeff"))
    mine = _find(data, file.path, file.root)[0].data
    for package in document["InstalledPackages"]:
        if package == mine:
            del package["LaunchArgs"]
    return document


def _units(target: Sequence[str]) -> list[list[str]]:
    """Each flag with its values; a word that is no flag is a value of the flag before it."""
    out: list[list[str]] = []
    for word in target:
        if word.startswith("-") or not out:
            out.append([word])
        else:
            out[-1].append(word)
    return out


def _option(unit: Sequence[str]) -> dict[str, Any] | None:
    """An option of its own for a flag with at most one value; None where no option can hold it."""
    name, equals, value = unit[0].partition("=")
    if len(unit) > 2 or (equals and len(unit) > 1):
        return None
    if not equals and len(unit) == 1:
        return {"Name": name, "Type": "Bool", "OptionValue": True}
    return {"Name": name, "Type": "String", "OptionValue": value if equals else unit[1]}


def _shown_as(unit: Sequence[str], shown: Shown) -> tuple[str, bool | str] | None:
    """(name, value) of the option that the dialog shows for this flag; None: it shows none."""
    if shown.get(" ".join(unit)) == "Bool":
        return " ".join(unit), True
    option = _option(unit)
    if option is not None and option["Type"] == "String" and shown.get(option["Name"]) == "String":
        return option["Name"], option["OptionValue"]
    return None


@dataclass(slots=True)
class _Lines:
    """The package's options as they will be written: each entry's own text, and its value as read."""

    style: _Style
    raw: list[str]
    entries: list[Any]
    managed: list[list[bool]]
    """Of each entry whether its words are managed."""

    @staticmethod
    def of(text: str, found: Sequence[Item], at: int, is_managed: IsManaged) -> _Lines:
        raw = [text[item.start : item.end] for item in found]
        entries = [json.loads(one) for one in raw]
        words = [[word.text for word in split(_text_of(entry))] for entry in entries]
        mine = iter(is_managed([word for own in words for word in own]))
        return _Lines(_Style.of(text, found, at), raw, entries, [[next(mine) for _ in own] for own in words])

    def texts(self) -> list[str]:
        return [one for one in self.raw if one]

    def write(self, units: Sequence[list[str]], shown: Shown | None) -> None:
        """Takes the managed words out and puts these in."""
        first = next((number for number, entry in enumerate(self.entries)
                      if any(self.managed[number]) and entry["Name"] != ""), len(self.entries))
        new: list[str] = []
        free: list[str] = []
        for number, entry in enumerate(self.entries):
            if any(self.managed[number]) and entry["Name"] != "":
                self._take_out(number, entry, shown)
        for unit in units:
            wanted = _shown_as(unit, shown) if shown is not None else None
            option = _option(unit) if shown is None else None
            if wanted is not None:
                self._switch(wanted, new)
            elif option is not None:
                new.append(self.style.write(option))
            else:
                free += [word if _BARE.fullmatch(word) else _quoted(word) for word in unit]
        self._free_text(free, new)
        self.raw[first:first] = new

    def _take_out(self, number: int, entry: Mapping[str, Any], shown: Shown | None) -> None:
        kind = shown.get(entry["Name"]) if shown is not None else None
        if kind is None:
            self.raw[number] = ""
        else:  # one that is not there is what the dialog begins with, which may be on
            self.raw[number] = _with_value(self.raw[number], False if kind == "Bool" else "")

    def _switch(self, wanted: tuple[str, bool | str], new: list[str]) -> None:
        """Gives the entry of that name the value, or adds one."""
        for number, entry in enumerate(self.entries):
            if isinstance(entry, dict) and entry.get("Name") == wanted[0] and self.raw[number]:
                self.raw[number] = _with_value(self.raw[number], wanted[1])
                return
        kind = "Bool" if wanted[1] is True else "String"
        new.append(self.style.write({"Name": wanted[0], "Type": kind, "OptionValue": wanted[1]}))

    def _free_text(self, words: list[str], new: list[str]) -> None:
        """Takes managed words out of the free text and puts these where the first stood, else at its end."""
        for number, entry in enumerate(self.entries):
            if not isinstance(entry, dict) or entry.get("Name") != "" or not isinstance(entry.get("OptionValue"), str):
                continue
            value = replaced(entry["OptionValue"], split(entry["OptionValue"]), self.managed[number], " ".join(words),
                             WINDOWS_BLANKS)
            words = []
            if value != entry["OptionValue"]:
                self.raw[number] = _with_value(self.raw[number], value)
        if words:
            new.append(self.style.write({**_UNTITLED, "OptionValue": " ".join(words)}))


def _with_value(raw: str, value: bool | str) -> str:
    """An option's own text with another value; all else of it stays."""
    found, _end = members(raw, 0)
    mine = [one for one in found if one.key == "OptionValue"]
    written = spelled(value)
    if mine:
        return raw[: mine[-1].value] + written + raw[mine[-1].end :]
    return raw[: found[-1].end] + f', "OptionValue": {written}' + raw[found[-1].end :]


@dataclass(frozen=True, slots=True)
class _Style:
    """How the file lays out this array, taken from its first entry."""

    inside: str
    between: str
    last: str
    field: str
    comma: str
    close: str

    @staticmethod
    def of(text: str, found: Sequence[Item], at: int) -> _Style:
        if not found:
            return _Style("", " ", "", "", ", ", "")
        inside = text[at + 1 : found[0].start]
        between = inside
        if len(found) > 1:
            gap = text[found[0].end : found[1].start]
            between = gap[gap.index(",") + 1 :]
        entry = text[found[0].start : found[0].end]
        field = re.match(r"\{(\s*)", entry)
        close = re.search(r"(\s*)\}$", entry)
        inner = members(entry, 0)[0] if field else []
        comma = entry[inner[0].end : inner[1].start] if len(inner) > 1 else ", "
        last_end = blank(text, found[-1].end)
        return _Style(inside, between, text[found[-1].end : last_end], field.group(1) if field else "",
                      comma, close.group(1) if close else "")

    def write(self, entry: Mapping[str, Any]) -> str:
        """One option in the file's own layout."""
        pairs = [f"{spelled(k)}: {spelled(v)}" for k, v in entry.items()]
        return "{" + self.field + self.comma.join(pairs) + self.close + "}"

    def join(self, lines: Sequence[str]) -> str:
        """All options as an array."""
        if not lines:
            return "[]"
        return "[" + self.inside + f",{self.between}".join(lines) + self.last + "]"
