"""Finds the service templates: beside the package in a wheel, in the source tree's systemd/ folder otherwise."""

from __future__ import annotations

from pathlib import Path

from autotune.model.errors import NothingToWorkOn


def template(name: str) -> str:
    """The text of a template. Raises NothingToWorkOn when the installation lacks it."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "systemd", package.parent / "systemd"):
        try:
            return (folder / name).read_text(encoding="utf-8")
        except OSError:
            continue
    raise NothingToWorkOn(f"this installation lacks {name}", "Install autotune again.")
