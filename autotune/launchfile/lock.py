"""Locks that let one process at a time change a web UI; the system releases them when their holder dies.

Linux and macOS: flock; Windows: msvcrt locking of one byte beyond the text, so that others can read who holds
it. The file itself is never deleted (deleting a lock file lets two holders in).

Two state folders may be used for one web UI, even by two users. So its folder is locked as well, where the system
locks folders: it is the same folder whatever path leads to it, and nothing is written into it. A note in the user's
cache folder says who holds it; the note is locked, too, and on Windows, which locks no folders, it is the only lock.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from autotune.disk import files as disk
from autotune.language.translate import _
from autotune.launchfile.files import cannot_write
from autotune.model.errors import Busy, StateDamaged

_LOCKED_BYTE = 1 << 20
"""Offset of the locked byte on Windows, where locked bytes cannot be read by others."""


@contextlib.contextmanager
def exclusively(lock: Path, webui: Path, what: str = "autotune") -> Iterator[None]:
    """Holds both a state folder's ``lock`` and the web UI's folder. Raises Busy and StateDamaged as Lock does.

    ``what``: the command that holds them, for messages to others.
    """
    with Lock(lock, what), FolderLock(webui, what):
        yield


class Lock:
    """A lock file: ``with Lock(path):`` holds it; Busy is raised at once, with the holder's pid, if another has it."""

    def __init__(self, path: Path, what: str = "autotune") -> None:
        self.path = path
        self.what = what
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises Busy (someone has it) and StateDamaged (the file cannot be made)."""
        if self._handle is not None:
            raise Busy(
                _("this process (pid {pid}) holds {name} already").format(pid=os.getpid(), name=self.path.name))
        try:
            disk.make_folder(self.path.parent)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise cannot_write(
                error, _("the lock {path} cannot be made: {reason}").format(path=self.path, reason=error.strerror),
                _("Check that the state folder is writable and has room.")) from None
        try:
            _lock(handle)
        except BlockingIOError:
            os.close(handle)
            raise self._busy() from None
        except OSError as error:
            os.close(handle)
            raise StateDamaged(_("{path} cannot be locked: {reason}").format(path=self.path, reason=error.strerror),
                               _("Choose a state folder on a local disk with --state-dir.")) from None
        self._handle = handle
        self._write_holder(handle)

    def _write_holder(self, handle: int) -> None:
        started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "started": started, "what": self.what}
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same, only nobody can say who has it
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(holder).encode())

    def holder(self) -> dict[str, object]:
        """What the last holder wrote: pid, host, started, what. Empty if it cannot be read."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _busy(self) -> Busy:
        who = self.holder()
        text = _("pid {pid}").format(pid=who.get("pid", _("unknown")))
        if who.get("host") not in (None, socket.gethostname()):
            text = _("{process} on {host}").format(process=text, host=who["host"])
        if "what" in who:
            text = _("{process} ({command})").format(process=text, command=who["what"])
        if "started" in who:
            text = _("{process}, since {time}").format(process=text, time=who["started"])
        return Busy(_("another autotune is at work: {process}").format(process=text),
                    _("Wait for it to end, or end it with Ctrl-C where it runs; what it measured is kept."))

    def release(self) -> None:
        """Let go. Safe to call twice."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            with contextlib.suppress(OSError):
                os.ftruncate(handle, 0)
            _unlock(handle)
            os.close(handle)

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class FolderLock(Lock):
    """A lock on a folder. Where neither the folder nor its note can be locked, it holds nothing and refuses nobody."""

    def __init__(self, folder: Path, what: str = "autotune") -> None:
        super().__init__(_note_of(folder), what)
        self.folder = folder
        self._folder: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises Busy."""
        self._folder = self._lock_folder()
        if not self.path.is_absolute():
            return  # no home folder is known
        try:
            super().acquire()
        except StateDamaged:
            return  # no note can be written: the folder is held all the same
        except Busy:
            self._release_folder()
            raise

    def _lock_folder(self) -> int | None:
        if sys.platform == "win32":
            return None
        try:
            handle = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # gone, or closed to us
            return None
        try:
            _lock(handle)
        except BlockingIOError:
            os.close(handle)
            raise self._busy() from None
        except OSError:  # a file system that locks no folders
            os.close(handle)
            return None
        return handle

    def holder(self) -> dict[str, object]:
        """Who holds it, as its note says; if the system names another process, that (the note may be old)."""
        said, pid = super().holder(), _flock_holder(self.folder)
        return said if pid in (None, said.get("pid")) else {"pid": pid}

    def _release_folder(self) -> None:
        if self._folder is not None:
            handle, self._folder = self._folder, None
            _unlock(handle)
            os.close(handle)

    def release(self) -> None:
        """Let go. Safe to call twice."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)  # nobody gets past the folder to it
        super().release()
        self._release_folder()


def _note_of(folder: Path) -> Path:
    """The path of the note on a folder: the same whichever path leads to the folder, another for each user."""
    import platformdirs

    try:
        seen = folder.stat()
        name = f"{seen.st_dev:x}-{seen.st_ino:x}" if seen.st_ino else ""
    except OSError:
        name = ""
    if not name:
        real = os.path.normcase(os.path.realpath(folder))
        name = hashlib.sha256(os.fsencode(real)).hexdigest()[:20]
    return Path(platformdirs.user_cache_dir("autotune", appauthor=False)) / "locks" / name


def _flock_holder(folder: Path) -> int | None:
    """The pid of the process that holds a folder, from /proc/locks; None where nobody does or there is no such file."""
    try:
        seen = folder.stat()
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    for words in map(str.split, lines):
        if len(words) > 5 and words[1] == "FLOCK" and words[5].rpartition(":")[2] == str(seen.st_ino):
            return int(words[4]) if words[4].isdigit() and words[4] != "0" else None
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno not in (errno.EACCES, 0):  # wine gives no number; what cannot be told apart is busy
                raise
            raise BlockingIOError(error.errno, "locked") from error
        finally:
            os.lseek(handle, 0, os.SEEK_SET)

    def _unlock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        with contextlib.suppress(OSError):
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
