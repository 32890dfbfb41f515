"""File events of the folders that a fingerprint reads, and nothing below them: many files cost nothing.

watchdog tells that something moved; what it was, and whether it matters, the fingerprint says. Where events do
not reach (network drives, Windows drives inside WSL), the regular look has to do, at a shorter interval.
"""

from __future__ import annotations

import stat
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "drvfs", "fuse.sshfs", "afs"}
)
"""File systems whose changes by others raise no event here."""
MOVING = (
    "FileCreatedEvent",
    "FileMovedEvent",
    "FileDeletedEvent",
    "DirCreatedEvent",
    "DirMovedEvent",
    "DirDeletedEvent",
    # Linux tells when a written file is closed; elsewhere each write tells for itself.
    *(
        ("FileClosedEvent",)
        if sys.platform.startswith("linux")
        else ("FileModifiedEvent", "DirModifiedEvent")
    ),
)
"""Events that can mean a change. Opening and reading, which every import does, is none and must wake nobody;
nor must every block of a file that is copied for minutes."""


class Watcher:
    """Sets ``woken`` when something moved in a watched folder. ``problem`` says why it cannot watch.

    What could not be watched is tried again at the next call of ``watch``.
    """

    def __init__(self, woken: threading.Event) -> None:
        self.woken = woken
        self.moved = threading.Event()
        self.problem: str | None = None
        self._observer: Any = None
        self._folders: dict[Path, tuple[int, int]] = {}

    def watch(self, folders: Iterable[Path]) -> None:
        """Watches exactly these folders (those that exist), each without what lies below it."""
        wanted = _identities(folders)
        if wanted == self._folders:
            return
        self.stop()
        remote = [folder for folder in wanted if is_remote(folder)]
        self.problem = (
            f"no file events on {remote[0]} (a network drive): looking regularly" if remote else None
        )
        local = [folder for folder in wanted if folder not in remote]
        try:
            self._observer = observe(local, MOVING, self._moved) if local else None
        except (OSError, RuntimeError) as error:
            self.problem = f"no file events ({getattr(error, 'strerror', None) or error}): looking regularly"
            return
        self._folders = wanted

    def _moved(self, _: str) -> None:
        self.moved.set()
        self.woken.set()

    def take(self) -> bool:
        """Whether something moved since the last call."""
        moved = self.moved.is_set()
        self.moved.clear()
        return moved

    def stop(self) -> None:
        """Ends all watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        self._folders = {}


def observe(folders: Iterable[Path], kinds: Iterable[str], tell: Callable[[str], None]) -> Any:  # noqa: ANN401
    """A running watchdog observer of these folders, not of what lies below them; ``tell`` gets each event's path.

    ``kinds``: names of watchdog's event classes. Raises OSError or RuntimeError where the system cannot watch (no
    inotify instances or watches left, a file system without events, a folder that is gone); nothing is left running.
    """
    from watchdog import events
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer

    wanted = [getattr(events, name) for name in kinds]

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if type(event) in wanted:
                tell(str(event.src_path))

    observer = Observer()  # takes an inotify instance, of which there may be none left
    try:
        for folder in folders:
            observer.schedule(Handler(), str(folder), recursive=False, event_filter=wanted)
        observer.start()
    except (OSError, RuntimeError):
        observer.stop()  # its emitters and its inotify thread run although it never began
        raise
    return observer


def _identities(folders: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """The folders that exist, with what tells one from another that took its name: a watch stays with the folder."""
    found = {}
    for folder in sorted(set(folders)):
        try:
            seen = folder.stat()
        except OSError:
            continue
        if stat.S_ISDIR(seen.st_mode):
            found[folder] = (seen.st_dev, seen.st_ino)
    return found


def is_remote(folder: Path) -> bool:
    """Whether a folder lies on a file system that raises no events for changes made elsewhere."""
    import psutil

    real = folder.resolve()
    best, kind = -1, ""
    try:
        partitions = psutil.disk_partitions(all=True)
    except (OSError, RuntimeError):
        return False
    for part in partitions:
        mount = Path(part.mountpoint)
        if (real == mount or mount in real.parents) and len(mount.parts) > best:
            best, kind = len(mount.parts), part.fstype
    return kind.lower() in REMOTE
