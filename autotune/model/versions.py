"""Comparison of versions: by their numbers, not by their letters."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_EARLY = re.compile(r"(?:^|[\d.\-_])(?:rc|alpha|beta|dev|pre|nightly)", re.IGNORECASE)


def version_numbers(text: str | None) -> tuple[int, ...]:
    """The numbers of a version, ``(1, 10, 1)`` for ``v1.10.1-RC``; empty where it has none."""
    found = _NUMBERS.search((text or "").partition("+")[0])
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def version_order(text: str) -> tuple[bool, tuple[int, ...], bool, str]:
    """A key to sort versions by: v1.9.0 before v1.10.0-RC before v1.10.0; words that name no version come first."""
    return "." in text and bool(version_numbers(text)), version_numbers(text), not _EARLY.search(text), text
