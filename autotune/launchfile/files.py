"""Replaces a file of the user's in one step, its owner, mode, attributes and hard links kept.

All writes of launchfile/ go through a FileLayer, so a test can stop the program before, inside or after any of them
and look at what is left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from autotune.disk import files as disk
from autotune.disk import windows_acl, windows_attributes
from autotune.language.translate import _, ngettext
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused, StateDamaged


class FileLayer:
    """The calls that change a disk; each raises OSError as the system call does."""

    def make_folder(self, path: Path) -> None:
        """Create one folder that only its owner may enter (it may hold passwords)."""
        path.mkdir(mode=disk.PRIVATE_FOLDER)

    def write(self, path: Path, data: bytes) -> None:
        """Create a new file, readable by its owner alone, with these bytes. It must not exist."""
        disk.write_new(path, data)

    def sync(self, path: Path) -> None:
        """Have a file's bytes on disk before anything that follows."""
        disk.sync(path)

    def sync_folder(self, path: Path) -> None:
        """Have a folder's names on disk before anything that follows."""
        disk.sync_folder(path)

    def copy_metadata(self, path: Path, like: os.stat_result, original: Path | None) -> None:
        """Give a file what another one has beside its bytes: owner and mode (``like``), extended attributes, on Windows
        its permissions, streams and attributes (``original``, None where there is no such file any more)."""
        from autotune.disk import mac_copy, windows_streams  # with ctypes, which `status` needs not

        if sys.platform != "win32":
            mine = path.stat()
            if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
                os.chown(path, like.st_uid, like.st_gid)
        if sys.platform == "linux" and original is not None:
            with contextlib.suppress(OSError):
                for name in os.listxattr(original):
                    os.setxattr(path, name, os.getxattr(original, name))
        if sys.platform == "darwin" and original is not None:
            with contextlib.suppress(OSError):  # as above: a disk may have none of them
                mac_copy.copy(original, path)
        path = disk.openable(path)
        if original is not None:
            windows_acl.copy(original, path)
            windows_streams.copy(original, path)
        path.chmod(stat.S_IMODE(like.st_mode))
        windows_attributes.copy(like, path)

    def link(self, path: Path, name: Path) -> None:
        """Give a file a second name."""
        os.link(path, name)

    def replace(self, path: Path, target: Path) -> None:
        """Rename over ``target``, in one step."""
        disk.replace(path, target)

    def unlink(self, path: Path) -> None:
        """Remove a file; one that is gone already is no error."""
        disk.remove(path)

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()


@dataclass(frozen=True, slots=True)
class TargetFile:
    """A file to replace: its path with links followed, its stat (None: no such file), and all its hard links."""

    path: Path
    info: os.stat_result | None
    names: tuple[Path, ...]


def examine(path: Path) -> TargetFile:
    """Check that a file can be replaced in one step, and find all its names.

    Raises NothingToWorkOn (dangling link, folder, missing folder) and Refused (read-only file or folder, a
    file of someone else, hard links outside its folder).
    """
    try:
        real = path.resolve(strict=True)
        info = real.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise NothingToWorkOn(_("{path} is a link to {target}, which does not exist").format(
                                      path=path, target=path.readlink()), _("Mend the link first.")) from None
        if not path.parent.is_dir():
            raise NothingToWorkOn(_("the folder {folder} does not exist").format(folder=path.parent),
                                  _("Check the path.")) from None
        return TargetFile(path.parent.resolve() / path.name, None, (path.parent.resolve() / path.name,))
    except (OSError, RuntimeError) as error:
        raise Refused(_("{path} cannot be looked at: {error}").format(path=path, error=error),
                      _("Check the links and permissions on the way to it.")) from None
    if not stat.S_ISREG(info.st_mode):
        raise NothingToWorkOn(_("{path} is not an ordinary file").format(path=path), _("Name the launch file itself."))
    if not info.st_mode & 0o222:
        raise Refused(_("{path} is read-only").format(path=path),
                      _("Allow writing first: {how}").format(how=disk.how_to_allow(real)))
    if not os.access(real, os.W_OK):
        mine = sys.platform != "win32" and os.geteuid() in (0, info.st_uid)
        hint = _("It is immutable or on a read-only disk: see lsattr and mount.") if mine else \
            _("Run autotune as the file's owner.")
        raise Refused(_("{path} may be read but not written by this user").format(path=path), hint)
    if not os.access(real.parent, os.W_OK):
        raise Refused(
            _("the folder {folder} is not writable, so {name} cannot be replaced safely").format(
                folder=real.parent, name=real.name), _("Allow writing in that folder."))
    return TargetFile(real, info, _names(real, info))


def cannot_write(error: OSError, message: str, hint: str) -> AutotuneError:
    """The error to raise where a record could not be written.

    Refused for a full disk and for a file that another program has open, which is no damage; else StateDamaged.
    """
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if disk.is_held(error):
        return Refused(_("{message} (another program has it open)").format(message=message),
                       _("Close that program (an editor, a virus scanner), then run the command again."))
    return Refused(message, hint) if full else StateDamaged(message, hint)


def _names(path: Path, info: os.stat_result) -> tuple[Path, ...]:
    """All names of a file. Raises Refused for hard links elsewhere, which would be left with the old bytes."""
    if info.st_nlink <= 1:
        return (path,)
    same = [entry for entry in sorted(path.parent.iterdir()) if not entry.is_symlink() and path.samefile(entry)]
    if len(same) != info.st_nlink:
        others = info.st_nlink - len(same)
        raise Refused(
            ngettext("{path} has {count} hard link outside its folder, which would keep the old flags",
                     "{path} has {count} hard links outside its folder, which would keep the old flags",
                     others).format(path=path, count=others),
            _("Make it a file of its own: {command}").format(
                command=f"cp -p '{path}' '{path}.new' && mv '{path}.new' '{path}'"))
    return tuple(same)


def bytes_in(path: Path) -> bytes | None:
    """What a file holds, None without one. Raises Refused where it cannot be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Refused(_("{path} cannot be read: {reason}").format(path=path, reason=error.strerror),
                      _("Check its permissions.")) from None


def make_folders(layer: FileLayer, path: Path) -> None:
    """Makes a folder and those above it that are missing, each safely on the disk. Raises OSError."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        layer.make_folder(folder)
        layer.sync_folder(folder.parent)


def replace_file(layer: FileLayer, target: TargetFile, data: bytes, tag: str) -> None:
    """Replace a file's bytes in one step; mode, owner and hard links stay. ``tag``: part of the temporary files' names.

    Whatever stops it, each name of the file holds the old bytes or the new ones. Raises OSError.
    """
    write_beside(layer, target, data, tag)
    move_over(layer, target, tag)


def write_beside(layer: FileLayer, target: TargetFile, data: bytes, tag: str) -> None:
    """The part of ``replace_file`` that needs room on the disk: the new bytes in a temporary file beside the old."""
    temp = temporary_path(target.path, tag)
    layer.unlink(temp)
    layer.write(temp, data)
    if target.info is not None:
        layer.copy_metadata(temp, target.info, target.path if target.path.exists() else None)
    layer.sync(temp)


def move_over(layer: FileLayer, target: TargetFile, tag: str) -> None:
    """The part of ``replace_file`` that takes effect: a staged file takes the place of the old one, name by name."""
    temp = temporary_path(target.path, tag)
    for number, name in enumerate(target.names[1:]):
        extra = temporary_path(target.path, f"{tag}-{number}")
        layer.unlink(extra)
        layer.link(temp, extra)
        layer.replace(extra, name)
    layer.replace(temp, target.names[0])
    layer.sync_folder(target.path.parent)


def temporary_path(path: Path, tag: str) -> Path:
    """The path of the temporary file beside the file it will replace."""
    return path.with_name(f".{path.name}.{tag}.autotune-tmp")


def remove_leftovers(layer: FileLayer, path: Path, tag: str) -> None:
    """Remove temporary files that an interrupted ``replace_file`` left beside ``path``."""
    prefix = f".{path.name}.{tag}"
    if path.parent.is_dir():
        for entry in sorted(path.parent.iterdir()):
            if entry.name.startswith(prefix) and entry.name.endswith(".autotune-tmp"):
                layer.unlink(entry)
