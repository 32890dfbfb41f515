"""Follows starts of the owner's web UI: one that ends before it ever listened has failed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from autotune.webui.recognise import face_of


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


class Openings:
    """Sees starts that are over before anybody looks at processes: a refused flag ends one within moments.

    Linux tells when its script is opened; ``look`` is asked at that very instant which processes are there. Where
    the system does not tell, only starts that live for a few seconds are seen.
    """

    def __init__(self, root: Path, look: Callable[[], Iterable[int]]) -> None:
        self._root, self._look = root, look
        self._lock = threading.Lock()
        self._seen: set[int] = set()
        self._observer: Any = None

    def watch(self, wanted: bool) -> None:
        """Begins or ends watching."""
        if wanted == (self._observer is not None) or not sys.platform.startswith("linux"):
            return
        if not wanted:
            self._observer.stop()
            self._observer.join()
            self._observer = None
            return
        from autotune.agent.file_events import observe

        # No watches left, or the folder is gone: the looks at processes have to do.
        with suppress(OSError, RuntimeError):
            self._observer = observe([self._root], ("FileOpenedEvent",), self._opened)

    def _opened(self, path: str) -> None:
        if Path(path).name in face_of(self._root).programs:
            found = set(self._look())
            with self._lock:
                self._seen |= found

    def take(self) -> set[int]:
        """Processes seen since the last call; some may have ended."""
        with self._lock:
            found, self._seen = self._seen, set()
        return found
