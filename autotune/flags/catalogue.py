"""What is known of each launch flag, per web UI flavour and version. The facts lie in ``data/*.json``.

They were read in the parsers of AUTOMATIC1111 v1.6.0 to v1.10.1, stable-diffusion-webui-amdgpu v1.7.0 to
v1.10.1, reForge (2024 and 2025), Forge 0.0.17 and Forge 2.0.1, and in their built-in extensions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from autotune.flags import argv

Kind = Literal[
    "searched", "conditional", "image-checked", "opt-in", "fixed", "protected", "no-op", "alias", "conflict",
]
KINDS: tuple[Kind, ...] = (
    "searched", "conditional", "image-checked", "opt-in", "fixed", "protected", "no-op", "alias", "conflict",
)

# What the safe default search varies by flags; the words of these dimensions are always ours to edit.
DEFAULT_DIMENSIONS = ("attention", "channelslast", "no_half_vae")
EVERY_DIMENSION = (*DEFAULT_DIMENSIONS, "memory", "precision")

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. ``takes``: "0" no value, "1" one, "?" at most one, "+" one or more, "*" any number.

    ``dimension``: the search dimension it belongs to, None if it is in none; ``needs``: conditions in words;
    ``to``: the full name, for an alias.
    """

    name: str
    kind: Kind
    why: str
    takes: str = "0"
    dimension: str | None = None
    needs: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    to: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """All known flags of one flavour and version.

    ``tuned`` is False where autotune leaves the web UI alone, ``why_not`` says why; ``attention`` names the
    rules that choose the attention class ("a1111" or "ldm"); ``note`` is a remark on the version, if any.
    """

    flavour: str
    title: str
    tuned: bool
    why_not: str | None
    attention: str
    flags: Mapping[str, Flag]
    note: str | None = None

    def classify(self, flag: str) -> Kind | Literal["unknown"]:
        """The class of a flag, given in full, abbreviated, or as ``--flag=value``."""
        name = argv.full_name(flag, self.flags) or argv.full_name(flag.partition("=")[0], self.flags)
        return self.flags[name].kind if name else "unknown"

    def find(self, word: str) -> Flag | None:
        """The flag that ``word`` names, None if it is unknown or ambiguous."""
        name = argv.full_name(word.partition("=")[0], self.flags)
        return self.flags[name] if name else None

    @property
    def dimensions(self) -> tuple[str, ...]:
        """All search dimensions that its flags belong to."""
        return tuple(dict.fromkeys(flag.dimension for flag in self.flags.values() if flag.dimension))

    def managed(self, dimensions: Sequence[str] = ()) -> frozenset[str]:
        """Names of the flags that autotune may add or drop: the default dimensions' and ``dimensions``'."""
        if not self.tuned:
            return frozenset()
        open_ = {*DEFAULT_DIMENSIONS, *dimensions}
        return frozenset(f.name for f in self.flags.values() if f.dimension in open_ and f.kind != "no-op")

    def owns(self, words: Sequence[str], dimensions: Sequence[str] = ()) -> tuple[bool, ...]:
        """For each word: is it in the managed set? A managed flag's value is managed with it.

        ``dimensions`` opens more than the default ones ("precision", "memory"). Words that argparse would
        refuse, and everything after ``--``, are never ours.
        """
        managed = self.managed(dimensions)
        mine = [False] * len(words)
        for piece in argv.pieces(words, self.flags):
            if piece.flag in managed and piece.sound:
                mine[piece.start : piece.end] = [True] * (piece.end - piece.start)
        return tuple(mine)


def version_pair(version: str | None) -> tuple[int, int] | None:
    """(major, minor) of a version as an install states it ("v1.10.1-amd", "1.8.0"); None if there is none."""
    found = re.search(r"(\d+)\.(\d+)", version or "")
    return (int(found[1]), int(found[2])) if found else None


def flavours() -> dict[str, dict[str, Any]]:
    """The table of flavours as the data file has it."""
    table: dict[str, dict[str, Any]] = _read("flavours.json")["flavours"]
    return table


@lru_cache(maxsize=32)
def load(flavour: str, version: str | None = None) -> Catalogue:
    """The catalogue of a flavour at a version (None: the newest known).

    An unknown flavour gets the catalogue of "unknown": no flag known, nothing tuned. A version outside the
    known range gets the nearest known one, and a ``note``.
    """
    table = flavours()
    entry = table.get(flavour, table["unknown"])
    wanted = version_pair(version)
    oldest, newest = version_pair(entry.get("oldest")), version_pair(entry.get("newest"))
    note = None
    if wanted and oldest and newest and not oldest <= wanted <= newest and entry["attention"] == "a1111":
        note = f"version {version} is outside the known range {entry['oldest']} to {entry['newest']}"
    at = min(max(wanted or newest or (9, 9), oldest or (0, 0)), newest or (9, 9))
    variants: dict[str, list[str]] = entry.get("variants", {})
    files = next((files for mark, files in variants.items() if mark in (version or "")), entry["files"])
    flags: dict[str, Flag] = {}
    for name in files:
        for flag in _flags_of(f"{name}.json", at):
            flags[flag.name] = flag
    return Catalogue(
        flavour=flavour,
        title=entry["title"],
        tuned=entry["tuned"],
        why_not=entry.get("why"),
        attention=entry.get("attention", "a1111"),
        flags=flags,
        note=note,
    )


def _flags_of(file: str, at: tuple[int, int]) -> list[Flag]:
    """The flags of one data file that exist at version ``at``."""
    flags = []
    for group in _read(file)["groups"]:
        for raw in group["flags"]:
            since, until = version_pair(raw.get("since")), version_pair(raw.get("until"))
            if (since and at < since) or (until and at > until):
                continue
            flags.append(
                Flag(
                    name=raw["name"],
                    kind=group["class"],
                    why=group["why"],
                    takes=str(raw.get("takes", 0)),
                    dimension=group.get("dimension"),
                    needs=tuple(raw.get("needs", ())),
                    values=tuple(raw.get("values", ())),
                    to=raw.get("to"),
                )
            )
    return flags


def _read(file: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((_DATA / file).read_text(encoding="utf-8"))
    return data
