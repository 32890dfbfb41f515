"""Did a start of the user's own web UI fail? One that ends before it ever opened a port has failed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from autotune.webui.recognise import face_of


class StartTracker:
    """Remembers which of the web UI's processes have no port yet, and which have one."""

    def __init__(self) -> None:
        self._starting: set[int] = set()
        self._up: set[int] = set()

    def update(self, pids: Iterable[int], has_port: Callable[[int], bool]) -> tuple[int, bool]:
        """With the processes that run now: (starts that failed since the last update: 0 or 1, one came up)."""
        now = set(pids)
        failed = bool(self._starting - now)
        if now & self._up:
            failed = False  # a helper process of a web UI that is up has ended
        self._up &= now
        came_up = {pid for pid in now - self._up if has_port(pid)}
        self._up |= came_up
        # Others of a start that came up are its parents and helpers, which never open a port.
        self._starting = set() if came_up else now - self._up
        return int(failed), bool(came_up)


class BriefStarts:
    """Sees starts that are over before anybody looks at processes: a refused flag ends one within moments.

    Linux tells when its script is opened; ``processes`` is asked at that very instant which processes there are. Where
    the system does not tell, only starts that live for a few seconds are seen.
    """

    def __init__(self, root: Path, processes: Callable[[], Iterable[int]]) -> None:
        self._root, self._processes = root, processes
        self._lock = threading.Lock()
        self._seen: set[int] = set()
        self._observer: Any = None

    def watch(self, wanted: bool) -> None:
        """Begins or ends watching."""
        if wanted == (self._observer is not None) or not sys.platform.startswith("linux"):
            return
        from autotune.agent import file_events

        if wanted:
            # No watches left, or the folder is gone: looking at processes now and then has to do.
            with suppress(OSError, RuntimeError):
                self._observer = file_events.start_observer([self._root], ("FileOpenedEvent",), self._opened)
        else:
            file_events.stop_observer(self._observer)
            self._observer = None

    def _opened(self, path: str) -> None:
        if Path(path).name in face_of(self._root).programs:
            found = set(self._processes())
            with self._lock:
                self._seen |= found

    def take(self) -> set[int]:
        """Processes seen since the last call; some may have ended."""
        with self._lock:
            found, self._seen = self._seen, set()
        return found
