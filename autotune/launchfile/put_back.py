"""Takes a change of flags back in a file that the program which keeps it has rewritten since: only the flags.

Stability Matrix, comfy-cli and Comfy Desktop save more than flags in these files, and write them anew at every start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Flags(NamedTuple):
    """A file's text, and where in it the flags of each install stand: [start, end)."""

    text: str
    places: Mapping[str, tuple[int, int]]

    def of(self, install: str) -> str | None:
        """The text of an install's flags; None where it has none."""
        return self.text[slice(*self.places[install])] if install in self.places else None


def put_back(
    now: bytes, before: bytes, after: bytes, read: Callable[[bytes], Flags], meant: Callable[[str], object], absent: str
) -> bytes | None:
    """``now`` with the flags of ``before`` where it has those of ``after``; None where flags were changed since.

    ``read`` finds the flags and raises ValueError; ``meant`` gives what a text of flags means; ``absent`` is the text
    that means the same as no flags at all.
    """
    try:
        old, new = read(before), read(after)
        changed = [one for one in new.places
                   if old.of(one) is None or meant(str(old.of(one))) != meant(str(new.of(one)))]
        for install in changed:
            found = read(now)
            mine, wanted = found.of(install), old.of(install)
            if mine is None or meant(mine) != meant(str(new.of(install))):
                return None
            start, end = found.places[install]
            now = (found.text[:start] + (absent if wanted is None else wanted) + found.text[end:]).encode()
            read(now)
    except (ValueError, RecursionError):
        return None
    return now if changed else None
