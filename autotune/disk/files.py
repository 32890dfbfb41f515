"""Writes autotune's own files: private, whole or not at all, and still there after a power cut.

A file is written under a temporary name in its own folder, synced, moved over the old one in one step, and then its
folder is synced: without that the new entry is lost when the power goes. These files are readable by their owner alone
(they may tell paths and flags); what the user asked for by name has the usual permissions. On Windows a file that
another program has open cannot be replaced for a moment; that is tried again for a while. Errors are
OSError as the system raises it.
"""

from __future__ import annotations

import errno
import glob
import os
import shlex
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

from autotune.language.translate import _
from autotune.model.windows_paths import with_prefix

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
PATIENCE = 2.0
"""Seconds in which a file that another program holds on Windows is tried again."""
HELD_ERRORS = (5, 32, 33)
"""Windows' numbers for it: access denied, sharing violation, lock violation."""
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)
"""What a file system answers that cannot sync a folder (network and FUSE ones)."""


def how_to_allow(path: Path | str, platform: str = sys.platform) -> str:
    """What to do so that a read-only file can be written, in the words of the platform."""
    if platform == "win32":
        return _('attrib -r "{path}" (or take away "Read-only" in its Properties)').format(path=path)
    return f"chmod u+w {shlex.quote(str(path))}"


def openable(path: Path) -> Path:
    """A path that Windows opens although it is long (a temporary name is longer than the file's own)."""
    return Path(with_prefix(str(path.absolute()))) if sys.platform == "win32" else path


def make_folder(path: Path, *, private: bool = True) -> None:
    """Makes a folder and those above it that are missing, on disk when it returns; ``private``: each for its owner
    alone. Raises OSError."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for one in reversed(missing):
        try:
            one.mkdir(mode=PRIVATE_FOLDER if private else 0o777)
        except FileExistsError:
            if not one.is_dir():
                raise
        sync_folder(one.parent)


def write_new(path: Path, data: bytes, mode: int = PRIVATE_FILE) -> None:
    """Creates a file, which must not exist, with these bytes; not yet synced. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(openable(path), flags, mode), "wb") as out:
        out.write(data)


def open_to_append(path: Path) -> int:
    """A descriptor that appends to a file; a new file is readable by its owner alone and its name is on disk."""
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), PRIVATE_FILE)
    if is_new:
        sync_folder(path.parent)
    return handle


def sync(path: Path) -> None:
    """Has a file's bytes on disk before anything that follows."""
    with openable(path).open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Has a folder's names on disk before anything that follows (Windows does so by itself)."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def replace(path: Path, target: Path) -> None:
    """Renames over ``target``, in one step."""
    retry_while_held(lambda: openable(path).replace(openable(target)))


def remove(path: Path) -> None:
    """Removes a file; one that is gone already is no error."""
    retry_while_held(lambda: openable(path).unlink(missing_ok=True))


def retry_while_held(do: Callable[[], object]) -> None:
    """Calls ``do``, again for PATIENCE seconds while another program has the file open (Windows). Raises OSError."""
    until, pause = time.monotonic() + PATIENCE, 0.01
    while True:
        try:
            do()
        except PermissionError as error:
            if not is_held(error) or time.monotonic() + pause > until:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 0.25)
        else:
            return


def is_held(error: OSError) -> bool:
    """Is this Windows' error for a file that another program has open?"""
    return getattr(error, "winerror", None) in HELD_ERRORS


def write_whole(path: Path, data: bytes, *, private: bool = True) -> None:
    """Replaces a file, or makes it and its folder. ``private``: for its owner alone; else as it was, or as usual.

    Whatever stops it, the file holds the old bytes or the new ones. Raises OSError.
    """
    make_folder(path.parent, private=private)
    _sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        remove(temporary)
        write_new(temporary, data, PRIVATE_FILE if private else 0o666)
        if not private and path.is_file():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        sync(temporary)
        replace(temporary, path)
    finally:
        remove(temporary)
    sync_folder(path.parent)


def _sweep(path: Path) -> None:
    """Removes temporary files of ``path`` whose process died in the middle."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.new"):
        name = left.name
        pid = name[len(path.name) + 2 : -len(".new")]
        if pid.isdigit() and int(pid) != os.getpid() and not _lives(int(pid)):
            remove(left)


def _lives(pid: int) -> bool:
    import psutil

    try:
        return psutil.pid_exists(pid)
    except OverflowError:
        return False
