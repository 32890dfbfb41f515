"""Installs and removes autotune's own extension of a web UI: its own folder, whole or not at all, without a trace.

A file in the folder says who made it, how autotune is called, and what each of our files holds. What stands in the
folder beside them is somebody else's, and is never removed; bytecode that Python made of our files is ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune import __version__
from autotune.disk import files as disk
from autotune.disk.programs import console_python
from autotune.install.launch_flags import flags_of
from autotune.language.translate import N_, _, language
from autotune.launchfile import config_json
from autotune.launchfile.lock import FolderLock
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused
from autotune.store.places import Places
from autotune.webui.face import OwnExtension
from autotune.webui.recognise import face_of

NOTE = "autotune.json"
"""The file in the extension's folder that says what it is, and how autotune is called."""
MADE_BY = "autotune"
PART = ".part"
"""Ends the name of the folder beside it in which a new one is put together: nothing in it looks like an extension."""
PARTS = {"new", "old", "gone"}
"""What can lie in that folder; with anything else in it, it is not ours."""
RESTART = N_("Restart your web UI to see the change.")


@dataclass(frozen=True)
class Installed:
    """What lies where the extension belongs.

    ``note``: what our own file in it says, None where nothing of ours lies there. ``changed``: our files that are not
    as they were written, or gone; ``foreign``: names that are not ours. ``outdated``: another version's.
    """

    folder: Path
    exists: bool
    note: Mapping[str, Any] | None = None
    changed: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    outdated: bool = False

    @property
    def ours(self) -> bool:
        """Whether autotune made the folder."""
        return self.note is not None

    @property
    def switches(self) -> bool:
        """Whether it was installed with its switches."""
        return bool(self.note and self.note.get("switches"))


def extension_of(root: Path) -> OwnExtension:
    """The extension for the web UI in ``root``. Raises NothingToWorkOn where its kind takes none."""
    found = face_of(root).own_extension(root, flags_of(root).words)
    if found is None:
        raise NothingToWorkOn(
            _("{root}: autotune has no tab for this kind of web UI").format(root=root),
            _("`autotune status` and `autotune report` show the same in a terminal."))
    return found


def look(extension: OwnExtension) -> Installed:
    """What lies where the extension belongs; changes nothing."""
    folder = extension.folder
    if not os.path.lexists(folder):
        return Installed(folder, False)
    note = _note(folder)
    if note is None:
        return Installed(folder, True, foreign=tuple(sorted(_names(folder))))
    written: dict[str, str] = note["files"]
    there = set(_names(folder))
    changed = [name for name, digest in written.items() if name not in there or _digest(folder / name) != digest]
    foreign = [name for name in there if name not in written and name != NOTE and not _bytecode_of(name, written)]
    wanted = _digests(_files(extension, bool(note.get("switches"))))
    return Installed(folder, True, note, tuple(sorted(changed)), tuple(sorted(foreign)), wanted != written)


def install(root: Path, places: Places, config: Path | None, *, switches: bool, force: bool) -> list[str]:
    """Installs the extension, or renews it; returns what was done, in lines.

    ``force``: also over files of ours that somebody changed. Raises NothingToWorkOn, Refused (the folder is not ours,
    or holds what is not), Busy.
    """
    places.require_outside(root)
    extension = extension_of(root)
    with FolderLock(root, "extension install"):
        _sweep(extension.folder)
        before = look(extension)
        _require_ours(before, force)
        parent = extension.folder.parent
        made_parent = bool(before.note["made_parent"]) if before.note else not parent.exists()
        files = _files(extension, switches)
        note = {"made_by": MADE_BY, "version": __version__, "python": console_python(), "webui": str(root),
                "state_dir": str(places.root), "use": str(places.told(root)),
                "config": str(config.absolute()) if config else None,
                "lang": language(), "words": {
                    "silent": _("autotune does not answer"),
                    "again": _("Run `autotune extension install` in a terminal once more.")},
                "switches": switches, "made_parent": made_parent, "files": _digests(files)}
        # The folder of extensions is the web UI's: its permissions are the usual ones.
        disk.make_folder(parent, private=False)
        _put(extension.folder, {**files, NOTE: (json.dumps(note, indent=1) + "\n").encode("utf-8")})
    done = {
        (False, False): _("The tab is installed in {folder}."),
        (False, True): _("The tab is installed in {folder}, with switches."),
        (True, False): _("The tab is renewed in {folder}."),
        (True, True): _("The tab is renewed in {folder}, with switches."),
    }[before.ours, switches]
    return [done.format(folder=extension.folder), _(RESTART)]


def uninstall(root: Path, *, force: bool) -> list[str]:
    """Removes exactly what ``install`` made; returns what was done, in lines.

    ``force``: also files of ours that somebody changed. Raises NothingToWorkOn (there is none), Refused, Busy.
    """
    extension = extension_of(root)
    with FolderLock(root, "extension uninstall"):
        _sweep(extension.folder)
        found = look(extension)
        if not found.exists:
            return [_("The tab is not installed."), *_forget(root, extension)]
        _require_ours(found, force)
        assert found.note is not None
        _take_away(extension.folder)
        if found.note["made_parent"]:
            _remove_empty(extension.folder.parent)
        done = _("The tab is removed from {folder}.").format(folder=extension.folder.parent)
        return [done, *_forget(root, extension), _(RESTART)]


def _require_ours(found: Installed, force: bool) -> None:
    """Raises Refused where the folder, or something in it, is not ours to touch."""
    if found.exists and not found.ours:
        raise Refused(_("{folder} is not autotune's").format(folder=found.folder),
                      _("It is left alone. Move it away, and run again."))
    if found.foreign:
        raise Refused(_("{folder} holds what is not autotune's: {names}").format(
            folder=found.folder, names=", ".join(found.foreign)), _("Move it away, and run again."))
    if found.changed and not force:
        raise Refused(_("{folder}: changed since autotune wrote it: {names}").format(
            folder=found.folder, names=", ".join(found.changed)),
            _("Keep what you need of it, then run again with --force."))


def _forget(root: Path, extension: OwnExtension) -> list[str]:
    """Takes the extension out of the web UI's saved options; a line where that is left to its owner."""
    path = extension.settings
    try:
        data = path.read_bytes()
        options = config_json.values(data, path.name)
    except (OSError, AutotuneError):
        return []
    lists, names = extension.traces(options)
    if not lists and not names:
        return []
    from autotune.webui import running

    told = ", ".join(sorted([*lists, *names]))
    if running.is_running(root):
        return [_("{file} still names it ({keys}): the running web UI would write that again. Close it, and run "
                  "`autotune extension uninstall` once more.").format(file=path.name, keys=told)]
    wanted: dict[str, Any] = {**lists, **dict.fromkeys(names, config_json.ABSENT)}
    disk.write_whole(path, config_json.edit(data, wanted, path.name), private=False)
    return [_("{file} names it no more ({keys}).").format(file=path.name, keys=told)]


# files


def _files(extension: OwnExtension, switches: bool) -> dict[str, bytes]:
    return {**extension.files, **(extension.switches if switches else {})}


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _note(folder: Path) -> dict[str, Any] | None:
    """What our own file in a folder says; None where the folder is a link, or none of ours."""
    if _is_link(folder):
        return None
    try:
        found = json.loads((folder / NOTE).read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and found.get("made_by") == MADE_BY and isinstance(found.get("files"), dict)
    return {"made_parent": False, **found} if whole else None


def _is_link(path: Path) -> bool:
    """Whether a name leads elsewhere: a symbolic link, or a junction of Windows."""
    seen = path.lstat()
    reparse = getattr(seen, "st_file_attributes", 0) & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
    return stat.S_ISLNK(seen.st_mode) or bool(reparse)


def _names(folder: Path) -> Iterator[str]:
    """Names of all below a folder, with "/", that are no folders with something in them; links are not followed."""
    if _is_link(folder) or not folder.is_dir():
        yield "."
        return
    for path in folder.iterdir():
        if path.is_dir() and not _is_link(path):
            inside = list(_names(path))
            yield from (f"{path.name}/{name}" for name in inside or [""])
        else:
            yield path.name


def _bytecode_of(name: str, written: Mapping[str, str]) -> bool:
    """Whether a file is bytecode that Python made of one of our files, or the emptied folder of such."""
    path = Path(name)
    if name.endswith("/"):
        return path.name == "__pycache__" or any(one.startswith(name) for one in written)
    source = path.parent.parent / f"{path.name.split('.')[0]}.py"
    return path.parent.name == "__pycache__" and ".pyc" in path.name and source.as_posix() in written


def _part(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{PART}")


def _sweep(folder: Path) -> None:
    """Puts an install that was cut off in order: what stood before is put back, what was begun is removed."""
    part = _part(folder)
    if not part.is_dir() or _is_link(part) or {path.name for path in part.iterdir()} - PARTS:
        return
    old = part / "old"
    if old.is_dir() and not os.path.lexists(folder):
        disk.retry_while_held(lambda: old.rename(folder))
    shutil.rmtree(part)


def _put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Has the folder with exactly these files: put together beside it, then moved to its place in one step."""
    part = _part(folder)
    new, old = part / "new", part / "old"
    try:
        for name, data in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            disk.write_new(new / name, data, 0o666)
            disk.sync(new / name)
        if folder.exists():
            disk.retry_while_held(lambda: folder.rename(old))
        disk.retry_while_held(lambda: new.rename(folder))
    finally:
        _sweep(folder)
    disk.sync_folder(folder.parent)


def _take_away(folder: Path) -> None:
    """Removes the folder so that at each instant it is there whole or is no extension any more."""
    part = _part(folder)
    part.mkdir()
    disk.retry_while_held(lambda: folder.rename(part / "gone"))
    shutil.rmtree(part)
    disk.sync_folder(folder.parent)


def _remove_empty(folder: Path) -> None:
    if sys.platform != "win32" and folder.is_symlink():
        return
    try:
        folder.rmdir()
    except OSError:
        return  # somebody put something into it meanwhile
