"""What an install's folder held before a run, and putting it back: for extensions that write where they like.

Looked at: the install without its interpreter, git data, models, repositories and the web UI's hash cache. A file
that appeared during the run is moved out, from the outputs too (a trial has an outputs folder of its own, so only an
extension that does not ask for it writes there); a file of the web UI or an extension that changed is put back from a
copy, as long as it is small. Launch files and programs are never touched: if one changed, its owner did it. Nothing
is put back while a web UI of the user's own runs from the same folder, for then the change may be its. Standard
library and psutil only: the guard does this too when autotune died.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from autotune.server.tree import GONE

LIST = "inventory.json"
COPIES = "kept"
ASIDE = "aside"
"""Folder beside the runs' folders that takes what a trial left in the install, so that nothing is lost."""
KEPT = 5
"""Runs whose things are kept aside, the newest; an extension that writes at each start would fill the disk."""

SKIPPED = frozenset({
    ".git", "__pycache__", "models", "repositories", "cache", "node_modules", ".cache",
    "embeddings", "venv", ".venv", "model",
})
NEVER_PUT_BACK = (".sh", ".bat", ".cmd", ".ps1", ".py", ".pyc", ".exe", ".so", ".dll", ".safetensors", ".ckpt",
                  ".pt", ".pth", ".lock")
OUTPUTS = frozenset({"outputs", "output"})
"""Folders of the install that may hold very many files: of those only the names are noted."""
SETTINGS = (".json", ".txt", ".csv", ".ini", ".toml", ".yaml", ".yml", ".cfg", ".log")
"""What is copied first, as there is room for ``MOST_COPIED`` bytes."""
LARGEST_COPY = 256 * 1024
MOST_COPIED = 32 * 1024 * 1024
MOST_FILES = 200_000


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing put back. ``what``: "moved out" (it was new) or "put back" (it had changed)."""

    path: str
    what: str


def _walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Regular files and folders below ``root`` that are looked at; links are not followed."""
    todo = [str(root)]
    while todo:
        here = todo.pop()
        try:
            entries = list(os.scandir(here))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name in SKIPPED or (Path(entry.path) / "pyvenv.cfg").is_file():
                        continue
                    todo.append(entry.path)
                    yield entry
                elif entry.is_symlink() or (entry.is_file(follow_symlinks=False) and entry.name != "cache.json"):
                    yield entry
            except OSError:
                continue


def take(root: Path, folder: Path) -> None:
    """Writes what ``root`` holds into a run's ``folder``. Raises OSError when that cannot be written."""
    copies = folder / COPIES
    copies.mkdir()
    files: dict[str, list[int | str]] = {}
    folders: list[str] = []
    small: list[tuple[bool, str, int]] = []
    for entry in _walk(root):
        name = os.path.relpath(entry.path, root)
        if entry.is_dir(follow_symlinks=False):
            folders.append(name)
            continue
        if len(files) >= MOST_FILES:
            # Not an install as we know it; better no trace hunting than minutes of it.
            return
        if _is_output(name):
            files[name] = []
            continue
        with contextlib.suppress(OSError):
            state = entry.stat(follow_symlinks=False)
            files[name] = [state.st_size, state.st_mtime_ns]
            if state.st_size <= LARGEST_COPY and not entry.is_symlink() and not _left_alone(entry.name):
                small.append((not entry.name.endswith(SETTINGS), name, state.st_size))
    copied = 0
    for number, (_, name, size) in enumerate(sorted(small)):
        copied += size
        if copied > MOST_COPIED:
            break
        with contextlib.suppress(OSError):
            shutil.copy2(root / name, copies / str(number))
            files[name].append(str(number))
    listing = {"root": str(root), "began": time.time_ns(), "files": files, "folders": folders}
    part = folder / f"{LIST}.part"
    part.write_text(json.dumps(listing), encoding="utf-8")
    part.replace(folder / LIST)


def _is_output(name: str) -> bool:
    return Path(name).parts[0] in OUTPUTS


def _left_alone(name: str) -> bool:
    """Launch files and programs: whoever changed them, it was no trial."""
    return name.lower().endswith(NEVER_PUT_BACK) or name.startswith("webui-user")


def _used_by_others(root: Path) -> bool:
    """True when a process works in ``root``; our own tree has ended when this is asked."""
    real = root.resolve()
    for process in psutil.process_iter():
        with contextlib.suppress(*GONE, OSError):
            # Somebody's shell or editor may stand in the folder; only a Python there is a web UI.
            if process.pid != os.getpid() and "python" in process.name().lower() and Path(process.cwd()) == real:
                return True
    return False


def restore(folder: Path) -> tuple[Trace, ...]:
    """Puts the install back as ``take`` found it; what was changed or new lies in the aside folder then.

    Does nothing without an inventory. A file that cannot be moved stays; the rest goes on.
    """
    try:
        listing = json.loads((folder / LIST).read_text(encoding="utf-8"))
        root, files = Path(listing["root"]), listing["files"]
        folders = set(listing["folders"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    if not root.is_dir():
        return ()
    changed: list[tuple[str, bool]] = []
    new_folders: list[str] = []
    for entry in _walk(root):
        name = os.path.relpath(entry.path, root)
        if entry.is_dir(follow_symlinks=False):
            if name not in folders:
                new_folders.append(name)
            continue
        if _left_alone(entry.name):
            continue
        with contextlib.suppress(OSError):
            state = entry.stat(follow_symlinks=False)
            known = files.get(name)
            if known is None:
                if state.st_mtime_ns >= listing["began"] - 1_000_000_000:
                    changed.append((name, True))
            elif known[:2] != [state.st_size, state.st_mtime_ns] and len(known) > 2:
                changed.append((name, False))
    changed += [(name, False) for name, known in files.items()
                if len(known) > 2 and not (root / name).exists() and (root / name).parent.is_dir()]
    if not (changed or new_folders) or _used_by_others(root):
        return ()
    traces = [trace for name, new in changed if (trace := _undo(root, folder, name, files.get(name), new))]
    for name in sorted(new_folders, key=len, reverse=True):
        with contextlib.suppress(OSError):
            (root / name).rmdir()
    _prune(folder.parent / ASIDE)
    return tuple(traces)


def _prune(aside: Path) -> None:
    with contextlib.suppress(OSError):
        for old in sorted(aside.iterdir(), key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)


def _undo(root: Path, folder: Path, name: str, known: list[int | str] | None, new: bool) -> Trace | None:
    path = root / name
    copy = folder / COPIES / str(known[2]) if known and not new else None
    try:
        if copy is not None and path.exists() and path.read_bytes() == copy.read_bytes():
            state = copy.stat()
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
            return None
        if path.exists():
            aside = folder.parent / ASIDE / folder.name / name
            aside.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, aside)
        if copy is not None:
            part = path.with_name(path.name + ".autotune-part")
            shutil.copy2(copy, part)
            part.replace(path)
            return Trace(name, "put back")
    except OSError:
        return None
    return Trace(name, "moved out")
