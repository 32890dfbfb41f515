"""Finds the settings file of Stability Matrix that lists an install among its packages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from autotune.language.translate import _
from autotune.webui.face import Layout


def listed_by(root: Path, environ: Mapping[str, str]) -> tuple[Path, bool] | None:
    """The settings.json whose packages include this folder, in a portable or a per-user data folder.

    With False one that does not list it, although the folder lies among that data folder's packages.
    """
    unlisted = None
    places = [root.parent.parent / "settings.json"]
    if environ.get("APPDATA"):
        places.append(Path(environ["APPDATA"]) / "StabilityMatrix" / "settings.json")
    if environ.get("HOME"):
        places.append(Path(environ["HOME"]) / ".config" / "StabilityMatrix" / "settings.json")
    for place in places:
        try:
            document = json.loads(place.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            continue
        packages = document.get("InstalledPackages") if isinstance(document, dict) else None
        if isinstance(packages, list) and any(_lists_folder(p, root) for p in packages):
            return place, True
        if isinstance(packages, list) and root.parent.parent == place.parent and root.parent.name == "Packages":
            unlisted = place
    return None if unlisted is None else (unlisted, False)


def variables_of(settings: Path) -> dict[str, str]:
    """The variables that its owner lets Stability Matrix give every package; {} from a file that is none of its.

    A newer version keeps a list of them, each switched on or off, which counts unless it is empty; the last of a name
    counts.
    """
    try:
        document = json.loads(settings.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    listed, given = document.get("UserEnvironmentVariablesList"), document.get("EnvironmentVariables")
    if isinstance(listed, list) and listed:
        given = {one["Key"]: one.get("Value") for one in listed if isinstance(one, dict)
                 and isinstance(one.get("Key"), str) and one["Key"].strip() and one.get("IsEnabled", True) is True}
    return {name: value for name, value in given.items() if isinstance(value, str)} if isinstance(given, dict) else {}


def layout_of(root: Path, environ: Mapping[str, str], kind: str) -> Layout | None:
    """The layout of an install of this kind among the packages of Stability Matrix; None: it is not among them."""
    matrix = listed_by(root, environ)
    if matrix is None:
        return None
    place, listed = matrix
    why_not = _("it lies among Stability Matrix's packages, but {place} does not list it").format(place=place)
    return Layout(
        kind, "stability-matrix", listed, (place,) if listed else (), None if listed else why_not,
        _("Stability Matrix, launch options of this package (saved in {place})").format(place=place))


def _lists_folder(package: object, root: Path) -> bool:
    given = package.get("LibraryPath") or package.get("Path") if isinstance(package, dict) else None
    if not isinstance(given, str) or not given:
        return False
    parts = [part.lower() for part in re.split(r"[\\/]+", given) if part]
    return [part.lower() for part in root.parts][-len(parts) :] == parts
