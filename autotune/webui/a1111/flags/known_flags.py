"""The flags of A1111 and its kin by flavour and version. The facts lie in ``data/*.json``.

They were read in the parsers of AUTOMATIC1111 v1.6.0 to v1.10.1, stable-diffusion-webui-amdgpu v1.7.0 to
v1.10.1, reForge (2024 and 2025), Forge 0.0.17 and Forge 2.0.1, and in their built-in extensions.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from autotune.flags.catalogue import Catalogue, Flag
from autotune.language.translate import _, language

DEFAULT_DIMENSIONS = ("attention", "channelslast", "no_half_vae")
"""What the safe default search varies by flags; the words of these dimensions are always autotune's to edit."""

_DATA = Path(__file__).parent / "data"


def version_pair(version: str | None) -> tuple[int, int] | None:
    """(major, minor) of a version as an install states it ("v1.10.1-amd", "1.8.0"); None if there is none."""
    found = re.search(r"(\d+)\.(\d+)", version or "")
    return (int(found[1]), int(found[2])) if found else None


def flavours() -> dict[str, dict[str, Any]]:
    """The table of flavours as the data file has it."""
    table: dict[str, dict[str, Any]] = _read("flavours.json")["flavours"]
    return table


def load(flavour: str, version: str | None = None) -> Catalogue:
    """The catalogue of a flavour at a version (None: the newest known).

    An unknown flavour gets the catalogue of "unknown": no flag known, nothing tuned. A version outside the
    known range gets the nearest known one, and a ``note``.
    """
    return _load(flavour, version, language())


@lru_cache(maxsize=32)
def _load(flavour: str, version: str | None, spoken: str) -> Catalogue:  # noqa: ARG001 - a key of the cache
    """``spoken``: the language that its sentences for people are in."""
    table = flavours()
    entry = table.get(flavour, table["unknown"])
    wanted = version_pair(version)
    oldest, newest = version_pair(entry.get("oldest")), version_pair(entry.get("newest"))
    note = None
    if wanted and oldest and newest and not oldest <= wanted <= newest and entry["attention"] == "a1111":
        note = _("version {version} is outside the known range {oldest} to {newest}").format(
            version=version, oldest=entry["oldest"], newest=entry["newest"])
    at = min(max(wanted or newest or (9, 9), oldest or (0, 0)), newest or (9, 9))
    variants: dict[str, list[str]] = entry.get("variants", {})
    files = next((files for mark, files in variants.items() if mark in (version or "")), entry["files"])
    flags: dict[str, Flag] = {}
    for name in files:
        for flag in _flags_of(f"{name}.json", at):
            flags[flag.name] = flag
    return Catalogue(
        always=DEFAULT_DIMENSIONS,
        flavour=flavour,
        title=_(entry["title"]),
        tuned=entry["tuned"],
        why_not=_(entry["why"]) if "why" in entry else None,
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
