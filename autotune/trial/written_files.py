"""What a trial wrote into the web UI's folder is put back; what anybody else wrote there is left.

Isolation (``isolation``) keeps the web UI itself from writing into the install; an extension may still do so. Who
wrote what is not guessed from the files: the trial's own Python notes it while it runs (``write_recorder``). Put back
is a file that the trial wrote, that stands as the trial left it, and nothing else. Where somebody wrote it since, where
that cannot be told, or where a program that is no Python wrote it, it stays and is named. Whatever is taken out of
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
from autotune.trial import write_recorder
from autotune.trial.write_recorder import COPIES, JOURNAL, SKIPPED, State

LIST = "inventory.json"
HOOK = "hook"
ASIDE = "aside"
"""Folder beside the runs' folders that takes what a trial left in the install, so that nothing is lost."""
BEFORE = "before"
"""Folder in a run's part of it: what files held before the trial, where that was not put back."""
JUST_NOW = 1_000_000_000
"""Nanoseconds: a trial that was killed while it wrote wrote last at most so long after it was last looked at."""
MOST_NAMED = 200
SCRIPTS_OWN = ("tmp",)
"""Folders that webui.bat makes before any Python runs, so that no journal tells of them; only empty ones go."""
TOLD = 5
"""Files that a warning names."""
MOST_LOOKED_AT = 200_000


@dataclass(frozen=True, slots=True)
class Trace:
    """One file of the install that was written during a run. ``what``: "moved out" (the trial made it), "put back"
    (the trial changed or removed it), "left" (by somebody else, or that cannot be told)."""

    path: str
    what: str


@dataclass(slots=True)
class _Written:
    """What the trial's processes told of one file: as it was before, as they left it."""

    name: str
    before: State
    how: dict[str, Any]
    left: State = None
    sure: bool = False
    goes: bool = False
    wall: int = 0


@dataclass(slots=True)
class _Told:
    """All that the trial's processes told."""

    files: dict[str, _Written] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def take(root: Path, folder: Path) -> None:
    """Prepares a run's ``folder`` so that what the trial writes into ``root`` is noted. Raises OSError."""
    for name in (COPIES, JOURNAL, HOOK):
        (folder / name).mkdir(mode=0o700)
    shutil.copyfile(write_recorder.__file__, folder / HOOK / "sitecustomize.py")
    missing = [name for name in SCRIPTS_OWN if not os.path.lexists(root / name)]
    listing = {"root": str(root), "began": time.time_ns(), "missing": missing}
    disk.write_whole(folder / LIST, json.dumps(listing).encode())


def variables(root: Path, folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """The variables that make the trial's Python note what it writes, on top of ``env``."""
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
    told = _read(folder / JOURNAL)
    told.made += [os.path.realpath(root / name) for name in listing.get("missing", ()) if name in SCRIPTS_OWN]
    aside = folder.parent / ASIDE / folder.name
    traces = [Trace(name, "left") for name in told.moved]
    for real, one in told.files.items():
        what = _settle(Path(real), one, folder, aside)
        if what is not None:
            traces.append(Trace(one.name, what))
        if what == "left":
            _keep_copy(one, folder, aside)
    for path in sorted(told.gone, key=len):
        with contextlib.suppress(OSError):
            Path(path).mkdir()
    for path in sorted(set(told.made) - set(told.gone), key=len, reverse=True):
        with contextlib.suppress(OSError):
            Path(path).rmdir()
    known = {*told.files, *(os.path.realpath(root / trace.path) for trace in traces)}
    traces += [Trace(name, "left") for name in _others(root, began, known)]
    return tuple(traces)


def warnings_of(traces: Sequence[Trace], run_root: Path) -> tuple[str, ...]:
    """What a run's traces come to, as warnings."""
    undone = _names(trace.path for trace in traces if trace.what != "left")
    left = _names(trace.path for trace in traces if trace.what == "left")
    out = []
    if undone:
        out.append(f"the web UI, or an extension of it, wrote into its folder during trials ({undone}); that is as it "
                   f"was again, what was written lies in {run_root / ASIDE}")
    if left:
        out.append(f"also written in the web UI's folder during trials, by somebody else or by whom cannot be told, "
                   f"and left as it is: {left}")
    return tuple(out)


def _names(paths: Iterable[str]) -> str:
    names = sorted(set(paths))
    return ", ".join(names[:TOLD]) + (f" and {len(names) - TOLD} more" if len(names) > TOLD else "")


# -- what was told


def _read(journal: Path) -> _Told:
    records: list[dict[str, Any]] = []
    with contextlib.suppress(OSError):
        for path in journal.iterdir():
            for line in path.read_bytes().splitlines():
                # The last line of a process that was killed may be torn.
                with contextlib.suppress(ValueError):
                    records.append(json.loads(line))
    told = _Told()
    for record in sorted(records, key=lambda one: int(one["at"])):
        _take_in(told, record)
    return told


def _take_in(told: _Told, record: dict[str, Any]) -> None:
    op, real = record["op"], record.get("real", "")
    one = told.files.get(real)
    if op == "folder":
        told.made.append(real)
    elif op == "no folder":
        told.gone.append(real)
    elif op == "moved":
        told.moved += [record["name"], record["to"]]
    elif op == "write":
        # What stands there is the trial's own where it left it so, or has just begun to write it.
        own = one is not None and (one.left == record["before"] if one.sure else True)
        if one is None or not own:
            one = told.files[real] = _Written(record["name"], record["before"], record)
        one.sure = False
    elif one is not None:
        one.sure = op == "left"
        one.left = record.get("state", one.left)
    if one is not None:
        one.wall = record["wall"]
        one.goes = record.get("goes", one.goes)


# -- putting back


def _settle(path: Path, one: _Written, folder: Path, aside: Path) -> str | None:
    """Brings one file back to what it was before the trial, where only the trial wrote it since."""
    try:
        now = write_recorder.state_of(str(path))
    except OSError:
        return "left"
    if _same(now, one.before):
        return None
    if not _trials(now, one):
        return "left"
    try:
        if one.before is None:
            if now is not None:
                _move(path, aside / one.name)
            return "moved out" if now is not None else None
        return _put_back(path, one, now, folder, aside)
    except OSError:
        return "left"


def _same(now: State, before: State) -> bool:
    """Kind, size, time and mode; a file that was put back is another inode."""
    return (now is None) == (before is None) and (now is None or (*now[:3], now[4]) == (*before[:3], before[4]))


def _trials(now: State, one: _Written) -> bool:
    """Does the file stand as the trial left it?"""
    if now == one.left and (one.sure or one.left is not None):
        return True
    # The trial was killed as it wrote: nobody looked at the file after its last byte.
    return not one.sure and (one.goes if now is None else now[2] <= one.wall + JUST_NOW)


def _put_back(path: Path, one: _Written, now: State, folder: Path, aside: Path) -> str | None:
    part = path.with_name(f".{path.name[:100]}.autotune-part")
    part.unlink(missing_ok=True)
    if one.before[0] == "l":
        part.symlink_to(one.how["link"])
    else:
        if not one.how.get("copy"):
            return "left"
        copy = folder / COPIES / one.how["copy"]
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
            _keep(path, aside / one.name)
        if write_recorder.state_of(str(path)) != now:
            return "left"
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return "put back"


def _free(place: Path) -> Path:
    """``place``, or a name beside it that nothing has: what lies aside is never written over."""
    disk.make_folder(place.parent)
    number, free = 1, place
    while os.path.lexists(free):
        number, free = number + 1, place.with_name(f"{place.name}.{number}")
    return free


def _keep(path: Path, place: Path) -> None:
    """What a file holds now, aside; it stays where it is too."""
    shutil.copy2(path, _free(place), follow_symlinks=False)


def _move(path: Path, place: Path) -> None:
    try:
        path.rename(_free(place))
    except OSError:
        # Another disk.
        shutil.copy2(path, _free(place), follow_symlinks=False)
        path.unlink()


def _keep_copy(one: _Written, folder: Path, aside: Path) -> None:
    """What a file held before the trial, aside, where it was not put back. A rename: it needs no room."""
    if one.how.get("copy"):
        with contextlib.suppress(OSError):
            (folder / COPIES / one.how["copy"]).rename(_free(aside / BEFORE / one.name))


# -- what else changed


def _others(root: Path, began: int, known: set[str]) -> Iterator[str]:
    """Files written since the run began that the trial did not tell of, by name."""
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
