"""The part of A1111's modules/scripts.py that an extension asks while it is loaded."""

from __future__ import annotations

_current = ""


def basedir() -> str:
    """The folder of the extension that is being loaded."""
    return _current


def set_basedir(folder: str) -> None:
    """Says which extension is being loaded."""
    global _current  # noqa: PLW0603 - as in A1111
    _current = folder
