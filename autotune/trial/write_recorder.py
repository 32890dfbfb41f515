"""Runs inside the web UI's own interpreter, as ``sitecustomize``: records which files of the install a trial writes.

A copy of this file lies in the run's folder, first on PYTHONPATH, so every Python process of a trial loads it. It
only listens (``sys.addaudithook``): before this very process first writes, renames or removes a file of the install,
the file's state and a copy of it are noted in the run's folder; just after, how it was left. With that,
``written_files.restore`` puts back what the trial wrote and nothing that somebody else wrote. Where no file of the
install is written, it costs a function call per audited event and nothing else. Standard library only, Python 3.8 and
later; whatever goes wrong in here must never reach the web UI.
"""

from __future__ import annotations

import atexit
import json
import os
import stat
import sys
import threading
import time
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "AUTOTUNE_WRITES"
"""Environment variable with the install's ``root`` and the run's ``folder``, as JSON."""
JOURNAL = "journal"
"""Folder in the run's folder: one file of JSON lines for each process."""
COPIES = "kept"
"""Folder in the run's folder: files as they were before the trial wrote them."""

SKIPPED = frozenset({
    ".git", "__pycache__", "models", "repositories", "cache", "node_modules", ".cache", "venv", ".venv",
})
"""Folders where what a web UI downloads or installs for itself stays: it would only do it again."""
OWN_CACHE = "cache.json"
"""The web UI's own hash cache, which stays too."""
LARGEST_COPY = 64 * 1024 * 1024
"""Bytes of the largest file that is copied before it is written; a larger one is left as the trial leaves it."""
MOST_IN_A_TREE = 5000
"""Folders of a tree about to be removed whose files are recorded at most."""
FIRST_PAUSE, LAST_PAUSE = 0.0005, 0.5
"""Seconds between checks of a file that was just written: soon, then ever more seldom while it is held open."""
CALL_TIME = 0.25
"""Seconds that a call is given to open, rename or remove the file it was announced for."""
UNCHANGED_FOR = 0.05
"""Seconds without change after which a file counts as written, where the system does not list open files."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FAULTS = (OSError, ValueError, TypeError, AttributeError, NameError, LookupError, RuntimeError, MemoryError)
"""All that can go wrong here, also while the interpreter is being taken down."""

Call = Any
"""``(thread, frame's id, instruction)`` of a call, to see whether it has returned; None where it cannot be told."""
Pending = Any
"""``[when it was announced, state as last told, the call that writes]``."""
State = Any
"""``[kind, size, mtime_ns, inode, mode]`` of a file ("f") or link ("l"); None where there is none."""


def state_of(path: str) -> State:
    """The state of a path now. Raises OSError for what is neither file, link nor absent."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = "f" if stat.S_ISREG(found.st_mode) else "l" if stat.S_ISLNK(found.st_mode) else "d"
    if kind == "d":
        raise IsADirectoryError(path)
    return [kind, found.st_size, found.st_mtime_ns, found.st_ino, stat.S_IMODE(found.st_mode)]


class WriteRecorder:
    """Records the files of one install that this process writes, in a journal in the run's ``folder``."""

    def __init__(self, root: str, folder: str) -> None:
        self.roots = sorted({os.path.abspath(root), os.path.realpath(root)})
        self.folder = os.path.realpath(folder)
        prefix = os.path.realpath(sys.prefix)
        # An interpreter that lies in the install; not an install that lies in an interpreter's folder.
        self.interpreter_folders = [prefix] if any(_relative_to(prefix, top) is not None for top in self.roots) else []
        self.left: dict[str, State] = {}
        self.pending: dict[str, Pending] = {}
        self.database_of: dict[str, str] = {}
        self.call: Call = None
        self.count = 0
        self.reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        """Begins anew in a forked process: another thread may have held the lock at the fork."""
        self.pending.clear()
        self.lock = threading.RLock()
        self.wake = threading.Event()
        self.watcher: threading.Thread | None = None
        self.our_threads: set[int] = set()

    # -- events

    def listener(self) -> Callable[[str, tuple[Any, ...]], None]:
        """The audit hook. Python calls it for each ``id()`` too, so it returns at once for all other events."""
        watched, on_event = HANDLERS, self.on_event

        def listen(event: str, args: tuple[Any, ...]) -> None:
            if event in watched:
                on_event(event, args)

        return listen

    def on_event(self, event: str, args: tuple[Any, ...]) -> None:
        """Handles one of the watched events, right before it happens."""
        handler = HANDLERS[event]
        if event == "open" and not (isinstance(args[2], int) and args[2] & WRITING):
            return
        thread = threading.get_ident()
        if thread in self.our_threads:
            return
        self.our_threads.add(thread)
        try:
            with self.lock:
                caller = sys._getframe(2)
                self.call = (thread, id(caller), caller.f_lasti)
                handler(self, args)
        except FAULTS:
            pass
        finally:
            self.our_threads.discard(thread)

    def watched_path(self, path: Any, at: Any = -1, *, follow: bool = False) -> tuple[str, str] | None:
        """(Real path, name in the install) of a path that is watched, else None. ``at``: descriptor of its folder."""
        if isinstance(path, int) or path is None:
            return None
        text = os.fsdecode(path)
        if isinstance(at, int) and at >= 0 and not os.path.isabs(text):
            text = os.path.join(os.readlink(f"/proc/self/fd/{at}"), text)
        full = os.path.abspath(text)
        folder, base = os.path.split(full)
        real = os.path.realpath(full) if follow else os.path.join(os.path.realpath(folder), base)
        for one in (full, real):
            for root in self.roots:
                name = _relative_to(one, root)
                if name is not None and not self._skipped(real, name):
                    return real, name
        return None

    def _skipped(self, real: str, name: str) -> bool:
        parts = name.replace("\\", "/").split("/")
        mine = any(_relative_to(real, folder) is not None for folder in (self.folder, *self.interpreter_folders))
        return mine or parts[-1] == OWN_CACHE or not SKIPPED.isdisjoint(parts)

    def note_write(self, path: Any, at: Any = -1, *, follow: bool = False, removes: bool = False) -> None:
        """Records a file that is about to be written or replaced; with ``removes``, removed."""
        found = self.watched_path(path, at, follow=follow)
        if found is None:
            return
        real, name = found
        before = state_of(real)
        if real not in self.pending:
            if real in self.left and self.left[real] == before:
                self.append({"op": "again", "real": real, "goes": removes})
            else:
                self.append({"op": "write", "real": real, "name": name, "goes": removes, "before": before,
                           **self.keep_copy(real, before)})
        self.left.pop(real, None)
        self.pending[real] = [time.monotonic(), before, self.call]
        self.wake.set()
        if self.watcher is None or not self.watcher.is_alive():
            self.watcher = threading.Thread(target=self.watch_pending, name="autotune-writes", daemon=True)
            self.watcher.start()

    def keep_copy(self, real: str, before: State) -> dict[str, Any]:
        """Copies what a file holds now into the run's folder; {} where there is no file."""
        if before is None:
            return {}
        if before[0] == "l":
            return {"link": os.readlink(real)}
        if before[1] > LARGEST_COPY:
            return {"copy": None}
        self.count += 1
        name = f"{os.getpid()}-{time.monotonic_ns()}-{self.count}"
        place = os.path.join(self.folder, COPIES, name)
        try:
            with open(real, "rb") as source, open(place, "xb") as target:
                target.write(source.read())
                target.flush()
                os.fsync(target.fileno())
            whole = state_of(real) == before
        except OSError:
            return {"copy": None}
        # Somebody else writes it at this very moment: a half-written file is nothing to put back.
        return {"copy": name if whole else None}

    def append(self, record: dict[str, Any]) -> None:
        """Appends one line to the journal. Opens it each time, since a daemon closes the files that it finds open."""
        record = {"at": time.monotonic_ns(), "wall": time.time_ns(), **record}
        path = os.path.join(self.folder, JOURNAL, f"{os.getpid()}.jsonl")
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, json.dumps(record).encode() + b"\n")
        finally:
            os.close(handle)

    # -- how files were left

    def watch_pending(self) -> None:
        """Checks the files that were just written until they are closed; runs in a thread of its own."""
        self.our_threads.add(threading.get_ident())
        pause = FIRST_PAUSE
        while True:
            try:
                self.check_pending()
            except FAULTS:
                return
            woken = self.wake.wait(pause if self.pending else None)
            pause = FIRST_PAUSE if woken else min(2 * pause, LAST_PAUSE)
            self.wake.clear()

    def check_pending(self, *, last: bool = False) -> None:
        """Records the state of each written file that is closed now. ``last``: the process ends."""
        with self.lock:
            # State, open files, state again: a file opened in between is not taken for closed.
            first = {real: _state_or(real) for real in self.pending}
            calls, held = _current_calls(), _open_files()
            for real, known in list(self.pending.items()):
                since, seen, call = known
                now, age = _state_or(real), time.monotonic() - since
                # A file is cut to nothing before its opening returns; a call from C may be the same for long.
                busy = call in calls and age < CALL_TIME
                if held is None:
                    busy = busy or (now is not None and (seen != now or age < UNCHANGED_FOR))
                else:
                    busy = busy or now != first[real] or real in held or self.database_of.get(real) in held
                if last or not busy:
                    self.pending.pop(real, None)
                    self.left[real] = now
                    self.append({"op": "left", "real": real, "state": now})
                elif seen != now:
                    self.pending[real] = [time.monotonic() if held is None else since, now, call]
                    self.append({"op": "held", "real": real, "state": now})

    def finish(self) -> None:
        """Records all files still open; called when the interpreter ends."""
        self.our_threads.add(threading.get_ident())
        try:
            self.check_pending(last=True)
        except FAULTS:
            pass
        finally:
            self.our_threads.discard(threading.get_ident())

    # -- handlers of events

    def renamed(self, args: tuple[Any, ...]) -> None:
        """A file is about to be renamed. Of a renamed folder only the names are recorded."""
        source, target, at, to = (*args, -1, -1)[:4]
        found = self.watched_path(source, at)
        if found is not None and os.path.isdir(found[0]) and not os.path.islink(found[0]):
            goal = self.watched_path(target, to)
            self.append({"op": "moved", "name": found[1], "to": goal[1] if goal else os.fsdecode(target)})
            return
        self.note_write(source, at, removes=True)
        self.note_write(target, to)

    def folder_made(self, args: tuple[Any, ...]) -> None:
        """A folder is about to be made."""
        found = self.watched_path(args[0], args[2] if len(args) > 2 else -1)
        if found is not None and not os.path.lexists(found[0]):
            self.append({"op": "folder", "real": found[0], "name": found[1]})

    def folder_removed(self, args: tuple[Any, ...]) -> None:
        """An empty folder is about to be removed."""
        found = self.watched_path(args[0], args[1] if len(args) > 1 else -1)
        if found is not None and os.path.isdir(found[0]):
            self.append({"op": "no folder", "real": found[0], "name": found[1]})

    def tree_removed(self, args: tuple[Any, ...]) -> None:
        """A folder is about to be removed with all in it."""
        found = self.watched_path(args[0], args[1] if len(args) > 1 and args[1] is not None else -1)
        if found is None:
            return
        for number, (here, _, files) in enumerate(os.walk(found[0])):
            self.folder_removed((here,))
            for name in files:
                self.note_write(os.path.join(here, name), removes=True)
            if number > MOST_IN_A_TREE:
                return

    def database(self, args: tuple[Any, ...]) -> None:
        """A SQLite database is about to be opened. SQLite itself writes it, and files beside it."""
        text = os.fsdecode(args[0])
        if text and not text.startswith((":", "file:")):
            for ending in ("", "-journal", "-wal", "-shm"):
                self.database_of[os.path.realpath(text + ending)] = os.path.realpath(text)
                self.note_write(text + ending, follow=True)


HANDLERS = {
    "open": lambda to, args: to.note_write(args[0], follow=True),
    "os.truncate": lambda to, args: to.note_write(args[0], follow=True),
    "os.chmod": lambda to, args: to.note_write(args[0], args[2] if len(args) > 2 else -1, follow=True),
    "os.utime": lambda to, args: to.note_write(args[0], args[3] if len(args) > 3 else -1, follow=True),
    "os.remove": lambda to, args: to.note_write(*args[:2], removes=True),
    "os.link": lambda to, args: to.note_write(args[1], args[3] if len(args) > 3 else -1),
    "os.symlink": lambda to, args: to.note_write(args[1], args[2] if len(args) > 2 else -1),
    "_winapi.CopyFile2": lambda to, args: to.note_write(args[1], follow=True),
    "os.rename": WriteRecorder.renamed,
    "os.mkdir": WriteRecorder.folder_made,
    "os.rmdir": WriteRecorder.folder_removed,
    "shutil.rmtree": WriteRecorder.tree_removed,
    "sqlite3.connect": WriteRecorder.database,
}
"""Handler of each audit event that is watched."""


def _state_or(path: str) -> State:
    """``state_of``, and for what is neither file nor link a state that no file has."""
    try:
        return state_of(path)
    except OSError:
        return ["d", 0, 0, 0, 0]


def _relative_to(path: str, root: str) -> str | None:
    """``path`` relative to ``root``, None when it is not in there; ignores case where the system does."""
    full, top = os.path.normcase(path), os.path.normcase(root).rstrip("\\/") + os.sep
    return path[len(top):] if full.startswith(top) else None


def _current_calls() -> set[Call]:
    """The call that each thread is in now."""
    frames = sys._current_frames()
    return {(thread, id(frame), frame.f_lasti) for thread, frame in frames.items()}


def _open_files() -> set[str] | None:
    """Real paths of all files that this process holds open; None where the system does not say."""
    try:
        numbers = os.listdir("/proc/self/fd")
    except OSError:
        return None
    found = set()
    for number in numbers:
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return found


def _load_next_sitecustomize(run: str) -> None:
    """Loads the ``sitecustomize`` that would have been loaded without this one: ``launch_shim``, then the user's."""
    import importlib.machinery
    import importlib.util

    while True:
        sys.path[:] = [path for path in sys.path if not path or _relative_to(os.path.realpath(path), run) is None]
        spec = importlib.machinery.PathFinder.find_spec("sitecustomize", _search_path(run))
        if spec is None or spec.loader is None:
            return
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)
        if _relative_to(os.path.realpath(spec.origin or ""), run) is None:
            return
        _loaded_from.add(os.path.dirname(os.path.realpath(spec.origin or "")))


_loaded_from: set[str] = set()
"""Folders of the ``sitecustomize`` modules loaded so far."""


def _search_path(run: str) -> list[str]:
    """Folders to search for the next one: the run's other folders on PYTHONPATH first."""
    ours = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)
            if path and _relative_to(real := os.path.realpath(path), run) is not None and real not in _loaded_from]
    return [*ours, *sys.path]


if __name__ == "sitecustomize" and VARIABLE in os.environ:
    try:
        _spec = json.loads(os.environ[VARIABLE])
        _recorder = WriteRecorder(_spec["root"], _spec["folder"])
        atexit.register(_recorder.finish)
        sys.addaudithook(_recorder.listener())
        _loaded_from.add(os.path.dirname(os.path.realpath(__file__)))
    finally:
        _load_next_sitecustomize(os.path.realpath(json.loads(os.environ[VARIABLE])["folder"]))
