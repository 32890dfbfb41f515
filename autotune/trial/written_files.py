"""Puts back the files of the web UI's folder that a trial wrote, and leaves what anybody else wrote there.

Isolation (``isolation``) keeps the web UI itself from writing into the install; an extension may still do so. Who
wrote what is not guessed from the files: the trial's own Python records it while it runs (``write_recorder``). Only
a file that the trial wrote, and that is as the trial left it, is put back. Where somebody wrote it since, where that
cannot be told, or where a program that is no Python wrote it, it stays and is named. Whatever is taken out of
the install lies in the ``aside`` folder beside the runs' folders, and nothing there is ever deleted by us. Standard
library only: the guard does this too when autotune died.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.disk import files as disk
from autotune.language.translate import _
from autotune.trial import write_recorder
from autotune.trial.write_recorder import COPIES, JOURNAL, SKIPPED, State

LIST = "inventory.json"
"""File in the run's folder: the install's folder, and when the run began."""
HOOK = "hook"
"""Folder in the run's folder: the copy of ``write_recorder`` that each Python of the trial loads."""
ASIDE = "aside"
"""Folder beside the runs' folders that takes what a trial left in the install, so that nothing is lost."""
BEFORE = "before"
"""Folder in a run's part of it: what files held before the trial, where that was not put back."""
KILL_SLACK = 1_000_000_000
"""Nanoseconds: a trial that was killed while it wrote may have written for so long after its last record."""
MOST_NAMED = 200
"""Files written by others that are named at most."""
MADE_BY_SCRIPT = ("tmp",)
"""Folders that webui.bat makes before any Python runs, so that no journal names them; removed only when empty."""
MOST_IN_WARNING = 5
"""Files that a warning names at most."""
MOST_LOOKED_AT = 200_000
"""Entries of folders that are read at most for that."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One file of the install that was written during a run. ``what``: "moved out" (the trial made it), "put back"
    (the trial changed or removed it), "left" (by somebody else, or that cannot be told)."""

    path: str
    what: str


@dataclass(slots=True)
class _WrittenFile:
    """One file in the journal: as it was ``before``, and as the trial ``left`` it, which is final once ``closed``.

    ``record``: the first line about it, with its copy or link target; ``wall``: when the last one was written
    (nanoseconds since 1970); ``removed``: the trial was about to remove it.
    """

    name: str
    before: State
    record: dict[str, Any]
    left: State = None
    closed: bool = False
    removed: bool = False
    wall: int = 0


@dataclass(slots=True)
class _Journal:
    """All that the trial's processes recorded: files by real path; folders made, removed (``gone``) and moved."""

    files: dict[str, _WrittenFile] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def take(root: Path, folder: Path) -> None:
    """Prepares a run's ``folder`` so that what the trial writes into ``root`` is recorded. Raises OSError."""
    for name in (COPIES, JOURNAL, HOOK):
        (folder / name).mkdir(mode=0o700)
    shutil.copyfile(write_recorder.__file__, folder / HOOK / "sitecustomize.py")
    missing = [name for name in MADE_BY_SCRIPT if not os.path.lexists(root / name)]
    listing = {"root": str(root), "began": time.time_ns(), "missing": missing}
    disk.write_whole(folder / LIST, json.dumps(listing).encode())


def variables(root: Path, folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """The environment variables, on top of ``env``, that make the trial's Python record what it writes."""
    path = os.pathsep.join(filter(None, (str(folder / HOOK), env.get("PYTHONPATH", ""))))
    return {"PYTHONPATH": path, write_recorder.VARIABLE: json.dumps({"root": str(root), "folder": str(folder)})}


def restore(folder: Path) -> tuple[Trace, ...]:
    """Puts back what the trial wrote and names what else changed; call it when no process of the run lives.

    Does nothing without what ``take`` prepared. A file that cannot be put back stays; the rest goes on. Safe to
    call again where it was stopped.
    """
    try:
        listing = json.loads((folder / LIST).read_text(encoding="utf-8"))
        root, began = Path(listing["root"]), int(listing["began"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    if not root.is_dir():
        return ()
    journal = _read_journal(folder / JOURNAL)
    journal.made += [os.path.realpath(root / name) for name in listing.get("missing", ()) if name in MADE_BY_SCRIPT]
    aside = folder.parent / ASIDE / folder.name
    traces = [Trace(name, "left") for name in journal.moved]
    for real, one in journal.files.items():
        what = _undo(Path(real), one, folder, aside)
        if what is not None:
            traces.append(Trace(one.name, what))
        if what == "left":
            _keep_original(one, folder, aside)
    for path in sorted(journal.gone, key=len):
        with contextlib.suppress(OSError):
            Path(path).mkdir()
    for path in sorted(set(journal.made) - set(journal.gone), key=len, reverse=True):
        with contextlib.suppress(OSError):
            Path(path).rmdir()
    known = {*journal.files, *(os.path.realpath(root / trace.path) for trace in traces)}
    traces += [Trace(name, "left") for name in _changed_otherwise(root, began, known)]
    return tuple(traces)


def warnings_of(traces: Sequence[Trace], run_root: Path) -> tuple[str, ...]:
    """Warnings for the user about files that a trial left changed or had to have put back."""
    undone = _named(trace.path for trace in traces if trace.what != "left")
    left = _named(trace.path for trace in traces if trace.what == "left")
    out = []
    if undone:
        out.append(
            _("the web UI, or an extension of it, wrote into its folder during trials ({undone}); that is as it was "
              "again, what was written lies in {folder}").format(undone=undone, folder=run_root / ASIDE))
    if left:
        out.append(_("also written in the web UI's folder during trials, by somebody else or by whom cannot be told, "
                     "and left as it is: {left}").format(left=left))
    return tuple(out)


def _named(paths: Iterable[str]) -> str:
    names = sorted(set(paths))
    more = len(names) - MOST_IN_WARNING
    shown = ", ".join(names[:MOST_IN_WARNING])
    return _("{names} and {count} more").format(names=shown, count=more) if more > 0 else shown


# -- reading the journal


def _read_journal(folder: Path) -> _Journal:
    """What all processes of the run recorded, in the order of its time; lines that cannot be read are left out."""
    records: list[dict[str, Any]] = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            for line in path.read_bytes().splitlines():
                # The last line of a process that was killed may be torn.
                with contextlib.suppress(ValueError):
                    records.append(json.loads(line))
    journal = _Journal()
    for record in sorted(records, key=lambda one: int(one["at"])):
        _add_record(journal, record)
    return journal


def _add_record(journal: _Journal, record: dict[str, Any]) -> None:
    """Takes one line of the journal into account."""
    op, real = record["op"], record.get("real", "")
    one = journal.files.get(real)
    if op == "folder":
        journal.made.append(real)
    elif op == "no folder":
        journal.gone.append(real)
    elif op == "moved":
        journal.moved += [record["name"], record["to"]]
    elif op == "write":
        # The content is the trial's own where the file is as it left it, or where it had not yet closed it.
        own = one is not None and (one.left == record["before"] if one.closed else True)
        if one is None or not own:
            one = journal.files[real] = _WrittenFile(record["name"], record["before"], record)
        one.closed = False
    elif one is not None:
        one.closed = op == "left"
        one.left = record.get("state", one.left)
    if one is not None:
        one.wall = record["wall"]
        one.removed = record.get("goes", one.removed)


# -- putting back


def _undo(path: Path, one: _WrittenFile, folder: Path, aside: Path) -> str | None:
    """Puts one file back, where only the trial wrote it. Returns ``Trace.what``, None where the file is unchanged."""
    try:
        now = write_recorder.state_of(str(path))
    except OSError:
        return "left"
    if _unchanged(now, one.before):
        return None
    if not _as_the_trial_left_it(now, one):
        return "left"
    try:
        if one.before is None:
            if now is not None:
                _move_aside(path, aside / one.name)
            return "moved out" if now is not None else None
        return _put_back(path, one, now, folder, aside)
    except OSError:
        return "left"


def _unchanged(now: State, before: State) -> bool:
    """Whether kind, size, time and mode are equal; the inode is not compared, since a file that is put back is new."""
    return (now is None) == (before is None) and (now is None or (*now[:3], now[4]) == (*before[:3], before[4]))


def _as_the_trial_left_it(now: State, one: _WrittenFile) -> bool:
    """Whether the file is as the trial left it, so that nobody wrote it since."""
    if now == one.left and (one.closed or one.left is not None):
        return True
    # The trial was killed as it wrote: nobody checked the file after its last byte.
    return not one.closed and (one.removed if now is None else now[2] <= one.wall + KILL_SLACK)


def _put_back(path: Path, one: _WrittenFile, now: State, folder: Path, aside: Path) -> str | None:
    """Replaces a file by what it held before the trial, in one step. Raises OSError."""
    part = path.with_name(f".{path.name[:100]}.autotune-part")
    part.unlink(missing_ok=True)
    if one.before[0] == "l":
        part.symlink_to(one.record["link"])
    else:
        if not one.record.get("copy"):
            return "left"
        copy = folder / COPIES / one.record["copy"]
        if now is not None and now[0] == "f" and now[1] == one.before[1] and path.read_bytes() == copy.read_bytes():
            path.chmod(one.before[4])
            os.utime(path, ns=(one.before[2], one.before[2]))
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(copy, part)
        part.chmod(one.before[4])
        os.utime(part, ns=(one.before[2], one.before[2]))
    try:
        if now is not None:
            shutil.copy2(path, _unused_name(aside / one.name), follow_symlinks=False)
        if write_recorder.state_of(str(path)) != now:
            return "left"
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return "put back"


def _unused_name(place: Path) -> Path:
    """``place``, or a name beside it that nothing has, so that nothing in the aside folder is overwritten."""
    disk.make_folder(place.parent)
    number, free = 1, place
    while os.path.lexists(free):
        number, free = number + 1, place.with_name(f"{place.name}.{number}")
    return free


def _move_aside(path: Path, place: Path) -> None:
    """Moves a file into the aside folder."""
    try:
        path.rename(_unused_name(place))
    except OSError:
        # The aside folder lies on another disk.
        shutil.copy2(path, _unused_name(place), follow_symlinks=False)
        path.unlink()


def _keep_original(one: _WrittenFile, folder: Path, aside: Path) -> None:
    """Keeps in the aside folder what a file held before the trial, where it was not put back. Needs no disk space."""
    if one.record.get("copy"):
        with contextlib.suppress(OSError):
            (folder / COPIES / one.record["copy"]).rename(_unused_name(aside / BEFORE / one.name))


# -- files that others wrote


def _changed_otherwise(root: Path, began: int, known: set[str]) -> Iterator[str]:
    """Names of files below ``root`` written since the run ``began`` that are not in the journal (``known``)."""
    named = looked = 0
    todo = [str(root)]
    while todo:
        here = todo.pop()
        try:
            entries = list(os.scandir(here))
        except OSError:
            continue
        for entry in entries:
            looked += 1
            if looked > MOST_LOOKED_AT or named >= MOST_NAMED:
                return
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in SKIPPED and not Path(entry.path, "pyvenv.cfg").is_file():
                        todo.append(entry.path)
                    continue
                found = entry.stat(follow_symlinks=False)
                if (max(found.st_mtime_ns, found.st_ctime_ns) >= began
                        and entry.name != write_recorder.OWN_CACHE and os.path.realpath(entry.path) not in known):
                    named += 1
                    yield os.path.relpath(entry.path, root)
