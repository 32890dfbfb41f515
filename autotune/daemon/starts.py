"""Follows starts of the owner's web UI: one that ends before it ever listened has failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class StartWatch:
    """Remembers which of the web UI's processes are young. A process counts once it was seen twice or ended."""

    def __init__(self) -> None:
        self._young: set[int] = set()
        self._up: set[int] = set()

    def look(self, pids: Iterable[int], listens: Callable[[int], bool]) -> tuple[int, bool]:
        """After a look at the processes: (starts that failed since the last look, one came up)."""
        now = set(pids)
        failed = len(self._young - now)
        if now & self._up:
            failed = 0  # a helper process of a web UI that is up has ended
        self._up &= now
        self._young &= now
        came_up = False
        for pid in now - self._up:
            if listens(pid):
                self._up.add(pid)
                self._young.discard(pid)
                came_up = True
            else:
                self._young.add(pid)
        if came_up:
            # Others of the same start are its parents and helpers, which never listen.
            self._young.clear()
        return (1 if failed else 0, came_up)
