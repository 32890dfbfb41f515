"""File events of the folders that a fingerprint reads, and nothing below them, so that many files cost nothing.

The library watchdog tells that something changed; what it was, and whether it matters, the fingerprint says. Where
events do not reach (network drives, Windows drives inside WSL), the fingerprint is read at regular intervals only.
"""

from __future__ import annotations

import stat
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.language.translate import _

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "drvfs", "fuse.sshfs", "afs"})
"""File systems whose changes by other machines raise no event here."""
CHANGE_EVENTS = (
    "FileCreatedEvent", "FileMovedEvent", "FileDeletedEvent", "DirCreatedEvent", "DirMovedEvent", "DirDeletedEvent",
    # Linux tells when a written file is closed; elsewhere each write tells for itself.
    *(("FileClosedEvent",) if sys.platform.startswith("linux") else ("FileModifiedEvent", "DirModifiedEvent")),
)
"""watchdog's events that can mean a change. Opening and reading, which every import does, is none and must wake
nobody; nor must every block of a file that is copied for minutes."""


class FolderWatcher:
    """Sets the event ``woken`` when something changed in a watched folder. ``problem`` says why it cannot watch.

    What could not be watched is tried again at the next call of ``watch``.
    """

    def __init__(self, woken: threading.Event) -> None:
        self.woken = woken
        self.problem: str | None = None
        self._changed = threading.Event()
        self._observer: Any = None
        self._folders: dict[Path, tuple[int, int]] = {}

    def watch(self, folders: Iterable[Path]) -> None:
        """Watches exactly these folders (those that exist), each without what lies below it."""
        wanted = _existing(folders)
        if wanted == self._folders:
            return
        self.stop()
        remote = [folder for folder in wanted if is_on_network(folder)]
        self.problem = None
        if remote:
            self.problem = _("no file events on {folder} (a network drive): looking regularly").format(folder=remote[0])
        local = [folder for folder in wanted if folder not in remote]
        try:
            self._observer = start_observer(local, CHANGE_EVENTS, self._on_event) if local else None
        except (OSError, RuntimeError) as error:
            self.problem = _("no file events ({reason}): looking regularly").format(
                reason=getattr(error, "strerror", None) or error)
            return
        self._folders = wanted

    def _on_event(self, _: str) -> None:
        self._changed.set()
        self.woken.set()

    def take(self) -> bool:
        """Whether something changed since the last call."""
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def stop(self) -> None:
        """Ends all watching."""
        stop_observer(self._observer)
        self._observer, self._folders = None, {}


def start_observer(
    folders: Iterable[Path], kinds: Iterable[str], tell: Callable[[str], None]
) -> Any:  # noqa: ANN401 - watchdog's type, imported where used
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


def stop_observer(observer: Any) -> None:  # noqa: ANN401
    """Ends an observer and waits for its threads; None is no observer."""
    if observer is not None:
        observer.stop()
        observer.join()


def _existing(folders: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """The folders that exist, each with device and inode: a watch stays with a folder that was moved away."""
    found = {}
    for folder in sorted(set(folders)):
        try:
            seen = folder.stat()
        except OSError:
            continue
        if stat.S_ISDIR(seen.st_mode):
            found[folder] = (seen.st_dev, seen.st_ino)
    return found


def is_on_network(folder: Path) -> bool:
    """Whether a folder lies on a file system that raises no events for changes made elsewhere."""
    import psutil

    real = folder.resolve()
    try:
        partitions = psutil.disk_partitions(all=True)
    except (OSError, RuntimeError):
        return False
    mounts = ((len(mount.parts), part.fstype) for part in partitions
              if (mount := Path(part.mountpoint)) == real or mount in real.parents)
    _, kind = max(mounts, key=lambda mount: mount[0], default=(0, ""))
    return kind.lower() in NETWORK_FILE_SYSTEMS
