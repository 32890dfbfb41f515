"""File events of the folders that a fingerprint reads, and nothing below them: many files cost nothing.

watchdog tells that something moved; what it was, and whether it matters, the fingerprint says. Where events do
not reach (network drives, Windows drives inside WSL), the regular look has to do, at a shorter interval.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
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
    """Sets ``woken`` when something moved in a watched folder. ``problem`` says why it cannot watch."""

    def __init__(self, woken: threading.Event) -> None:
        self.woken = woken
        self.moved = threading.Event()
        self.problem: str | None = None
        self._observer: Any = None
        self._folders: tuple[Path, ...] = ()

    def watch(self, folders: Iterable[Path]) -> None:
        """Watches exactly these folders (those that exist), each without what lies below it."""
        wanted = tuple(sorted({folder for folder in folders if folder.is_dir()}))
        if wanted == self._folders:
            return
        self.stop()
        self._folders = wanted
        remote = [folder for folder in wanted if is_remote(folder)]
        self.problem = (
            f"no file events on {remote[0]} (a network drive): looking regularly" if remote else None
        )
        local = [folder for folder in wanted if folder not in remote]
        if local:
            self._begin(local)

    def _begin(self, folders: list[Path]) -> None:
        from watchdog import events
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer

        woken, moved = self.woken, self.moved
        wanted = [getattr(events, name) for name in MOVING]

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                if type(event) in wanted:
                    moved.set()
                    woken.set()

        observer = Observer()
        try:
            for folder in folders:
                observer.schedule(Handler(), str(folder), recursive=False, event_filter=wanted)
            observer.start()
        except OSError as error:
            self.problem = f"no file events ({error.strerror or error}): looking regularly"
            observer.unschedule_all()
            return
        self._observer = observer

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
        self._folders = ()


def is_remote(folder: Path) -> bool:
    """Whether a folder lies on a file system that raises no events for changes made elsewhere."""
    import psutil

    real = folder.resolve()
    best, kind = -1, ""
    for part in psutil.disk_partitions(all=True):
        mount = Path(part.mountpoint)
        if (real == mount or mount in real.parents) and len(mount.parts) > best:
            best, kind = len(mount.parts), part.fstype
    return kind.lower() in REMOTE


def folders_of(root: Path, python: Path | None, config: Path | None) -> list[Path]:
    """Folders in which something that a result depends on can change."""
    found = [root, root / ".git", root / "models" / "Stable-diffusion", root / "models" / "VAE"]
    found.append(root / "extensions")
    try:
        extensions = [path for path in (root / "extensions").iterdir() if "animatediff" in path.name.lower()]
    except OSError:
        extensions = []
    for extension in extensions:
        found += [extension, extension / ".git", extension / "model"]
    if python is not None:
        from autotune.probe.interpreter import site_packages

        found += site_packages(python)
    if config is not None:
        found.append(config.parent)
    return found
