"""Reads and edits launch flags that Stability Matrix keeps in its settings.json, a list of options for each package.

``InstalledPackages[].LaunchArgs[]`` holds {Name, Type, OptionValue}: a Bool that is true gives its name, Int and
String give name and value, and the entry with an empty name is free text that is passed on as it is. The
program rewrites the file while it runs, so edit it only while Stability Matrix is closed. Bytes of other packages
and settings are not touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from autotune.language.translate import _
from autotune.launchfile.jsonspan import Item, blank, items, members
from autotune.launchfile.launch_file import IsManaged, LaunchFile, by_owner
from autotune.model.errors import Refused

_WEBUIS = re.compile(r"stable-diffusion-webui|sd-webui|forge", re.IGNORECASE)
_RAW = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


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
    words = tuple(word for entry in entries for word in _words(entry))
    return LaunchFile(path, "stability-matrix", data, words, True, why_not, root=root, base=data)


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


def _is_at(package: Mapping[str, Any], root: Path) -> bool:
    """LibraryPath is relative to the data folder ("Packages\\\\name"), Path is the older absolute form."""
    given = package.get("LibraryPath") or package.get("Path")
    if not isinstance(given, str) or not given:
        return False
    parts = [part.lower() for part in PureWindowsPath(given).parts if part not in ("/", "\\")]
    mine = [part.lower() for part in root.parts]
    return mine[-len(parts) :] == parts


def _words(entry: object) -> list[str]:
    """The argv words one option gives, as Stability Matrix builds them."""
    if not isinstance(entry, dict):
        return []
    name, value = entry.get("Name"), entry.get("OptionValue")
    if not isinstance(name, str):
        return []
    if name == "":
        return [w.replace('"', "") for w in _RAW.findall(value)] if isinstance(value, str) else []
    if isinstance(value, bool):
        return [name] if value else []
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    return [name, str(value)]


def edit(file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
    """The bytes with exactly ``target`` as the package's managed options. Raises Refused."""
    package, text = _find(file.data, file.path, file.root)
    if package.args_at is None:
        raise Refused(_("{path}: this package has no saved launch options yet").format(path=file.path),
                      _("In Stability Matrix open the package's launch options, add {flags}, and save.").format(
                          flags=" ".join(target)))
    found, end = items(text, package.args_at)
    entries = [json.loads(text[item.start : item.end]) for item in found]
    managed = [bool(w := _words(e)) and e.get("Name") != "" and is_managed(w)[0] for e in entries]
    kept = {number: _free_text(text, item, entry, is_managed)
            for number, (item, entry) in enumerate(zip(found, entries, strict=True)) if not managed[number]}
    first = managed.index(True) if True in managed else len(found)
    style = _Style.of(text, found, package.args_at)
    lines = [*(line for number, line in kept.items() if number < first), *map(style.write, _options(target)),
             *(line for number, line in kept.items() if number > first)]
    result = (text[: package.args_at] + style.join(lines) + text[end:]).encode("utf-8")
    _prove(result, file, target, is_managed)
    return result


def _prove(result: bytes, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> None:
    own, managed = by_owner(parse(result, file.path, file.root).words, is_managed)
    if own != by_owner(file.words, is_managed)[0] or sorted(managed) != sorted(target):
        raise Refused(
            _("{path} cannot be edited safely").format(path=file.path),
            _("In Stability Matrix set the package's launch options to: {flags}").format(flags=" ".join(target)))


def _options(target: Sequence[str]) -> list[dict[str, Any]]:
    """An option for each flag; a word that is no flag is the value of the flag before it."""
    out: list[dict[str, Any]] = []
    for word in target:
        if word.startswith("-") or not out:
            name, equals, value = word.partition("=")
            out.append({"Name": name, "Type": "String" if equals else "Bool", "OptionValue": value if equals else True})
        else:
            out[-1].update({"Type": "String", "OptionValue": word})
    return out


def _free_text(text: str, item: Item, entry: object, is_managed: IsManaged) -> str:
    """An option's own text; from the free-text option managed words are taken out."""
    raw = text[item.start : item.end]
    if not isinstance(entry, dict) or entry.get("Name") != "" or not isinstance(entry.get("OptionValue"), str):
        return raw
    value = entry["OptionValue"]
    spans = [m.span() for m in _RAW.finditer(value)]
    mine = is_managed([value[a:b].replace('"', "") for a, b in spans])
    for (a, b), gone in reversed(list(zip(spans, mine, strict=True))):
        if gone:
            value = value[:a].rstrip(" ") + value[b:] if a else value[b:].lstrip(" ")
    if value == entry["OptionValue"]:
        return raw
    member = next(m for m in members(raw, 0)[0] if m.key == "OptionValue")
    return raw[: member.value] + json.dumps(value, ensure_ascii=False) + raw[member.end :]


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
        pairs = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in entry.items()]
        return "{" + self.field + self.comma.join(pairs) + self.close + "}"

    def join(self, lines: Sequence[str]) -> str:
        """All options as an array."""
        if not lines:
            return "[]"
        return "[" + self.inside + f",{self.between}".join(lines) + self.last + "]"
