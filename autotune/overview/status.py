"""`status`: what is applied and whether it still stands. Reads files only, so that it answers at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.model.errors import AutotuneError
from autotune.store.journal import load_json
from autotune.store.places import Places

LEAST_ROOM = 4096
"""Bytes: with less, not one more record finds room."""

NUMBER_TAKEN = 2.0
"""Seconds after a time was noted, in which a clock that is read twice may differ."""

if TYPE_CHECKING:
    from autotune.install.launch_flags import LaunchFlags
    from autotune.launchfile.checkpoints import Checkpoints
    from autotune.launchfile.records import Checkpoint


def status(root: Path, places: Places) -> dict[str, Any]:
    """The document of `status` (docs/contract.md: JSON). Raises StateDamaged, NothingToWorkOn."""
    from autotune.install.launch_flags import flags_of
    from autotune.webui.recognise import face_of

    applied, store = _applied(root, places)
    written = next((file.path for file in applied.files if not file.keys), None) if applied else None
    found = flags_of(root)
    counts = found if written is None or (found.path and found.path.resolve() == written) else _of_file(root, written)
    path, words, problem = counts.path, counts.words, counts.fault.message if counts.fault else None
    now = face_of(root).fingerprint(root, path if path is not None and path.is_file() else None, words)
    meta: dict[str, Any] = dict(applied.meta) if applied else {}
    then = dict(meta.get("fingerprint", {}).get("parts", ()))
    parts = dict(now.parts)
    if applied and not problem and counts.known:
        from autotune.install.still_applied import file_drift
        from autotune.webui.recognise import face_of

        problem = file_drift(words, meta, face_of(root).catalogue(root))
    return {
        "root": str(root),
        "applied": {"flags": meta.get("flags", []), "settings": meta.get("settings", {})} if applied else None,
        "since": applied.time if applied else None,
        "speedup": meta.get("speedup"),
        "checkpoint": applied.id if applied else None,
        "study": meta.get("study"),
        "file": str(path) if path else None,
        "install": _install(found),
        "file_since_apply": store.changed_since(path) if path and store else "unmanaged",
        "flags_now": _shown(words),
        "certain": counts.doubt is None,
        "depends": counts.doubt,
        "fingerprint_now": {"id": now.id, "parts": parts},
        "stale": sorted(name for name in then if parts.get(name) != then[name]),
        "drift": problem,
        "running": running(places, root),
        "unfinished": unfinished(places, root),
        "ending": _ending(places),
        "machine_down": _machine_down(places, root),
        "daemon": _daemon(places),
    }


def running(places: Places, root: Path) -> dict[str, Any] | None:
    """What an autotune of this state folder does right now: verb, pid, since, and how far a tune of this web UI is."""
    from autotune.launchfile.lock import Lock

    said = Lock(places.lock).holder()
    begun = str(said.get("started") or "")
    if not lives(said.get("pid")) or not _as_old(said.get("pid"), begun):
        return None
    progress = unfinished(places, root) if said.get("what") == "tune" else None
    return {"verb": said.get("what"), "pid": said.get("pid"), "since": begun.replace("+00:00", "Z"),
            "progress": progress}


def unfinished(places: Places, root: Path) -> dict[str, Any] | None:
    """The newest tune of this web UI, if it has no verdict yet: how far it is, and what goes on with it."""
    from autotune.store.studies import Study, study_folders

    try:
        folder = study_folders(places.studies(root))[-1]
        head = None if (folder / "result.json").exists() else load_json(folder / "study.json")
        study = Study(folder, head) if head is not None else None
    except (IndexError, AutotuneError):
        return None
    if study is None or study.head.get("imported"):
        return None
    from autotune.tune.progress_counts import counts

    profile = study.head.get("profile") or {}
    return {
        "study": study.id, "created": study.head.get("created"), "profile": profile.get("name"),
        "objective": study.head.get("objective"), "budget": study.head.get("budget"),
        "spent": round(study.spent(), 1), **counts(study.history(0.0, 0.0, None)),
        "hint": "The same `autotune tune` command goes on from there.",
    }


def _ending(places: Places) -> list[int]:
    """Pids of the guards that end just now what a killed autotune left."""
    try:
        if not any(places.runs.iterdir()):
            return []
    except OSError:
        return []
    from autotune.trial.sweep import ending

    return ending(places.runs)


def _machine_down(places: Places, root: Path) -> list[dict[str, Any]]:
    """Sets that ran when the machine went down, and are not tried again unasked."""
    if not places.install(root).is_dir():
        return []
    from autotune.store.running_set import RunningSet, this_boot

    return RunningSet(places.install(root), this_boot()).machine_down_sets()


def _of_file(root: Path, path: Path) -> LaunchFlags:
    """The file that the apply in force wrote, when it is not the one that counts."""
    from autotune.install.launch_flags import LaunchFlags, flags_of

    try:
        return flags_of(root, path)
    except AutotuneError as error:
        return LaunchFlags(path, None, error.message, None, error)


def _install(found: LaunchFlags) -> dict[str, Any] | None:
    """What the install is, whether its flags are managed, and where they go."""
    layout = found.layout
    if layout is None:
        return None
    return {
        "kind": layout.kind,
        "host": layout.host or None,
        "manageable": layout.manageable,
        "why_not": layout.why_not,
        "where_flags_go": layout.where_flags_go,
    }


def _applied(root: Path, places: Places) -> tuple[Checkpoint | None, Checkpoints | None]:
    """The apply in force and the store that knows it; nothing is imported where nothing was ever applied."""
    if not places.checkpoints(root).is_dir():
        return None, None
    from autotune.install.interrupted_edit import settle_interrupted_edit
    from autotune.launchfile.checkpoints import Checkpoints

    settle_interrupted_edit(places, root)
    store = Checkpoints(places.checkpoints(root))
    return store.current(), store


def _shown(words: Sequence[str]) -> list[str]:
    if not words:
        return []
    from autotune.secrets.mask import masked_words

    return masked_words(words)


def _daemon(places: Places) -> dict[str, Any] | None:
    """What the agent last said of itself, None when it never ran with this state folder."""
    said = _said(places.daemon / "status.json")
    if said is not None and said.get("running") and not lives(said.get("pid")):
        said["running"] = False  # it was killed and could not say so
    problem = _cannot_write(places.daemon)
    if said is None and problem is not None:
        said = {"running": False}  # it could not even begin to say something
    if said is not None and problem is not None:
        # The agent cannot write it down itself.
        said["problems"] = [*(said.get("problems") or ()), problem]
    return said


def _said(path: Path) -> dict[str, Any] | None:
    """What stands in the agent's file; where it is damaged, that: it is written anew and worth no error."""
    if not path.exists():
        return None
    from autotune.model import codec
    from autotune.model.errors import StateDamaged
    from autotune.model.records import AgentStatus
    try:
        said = load_json(path)
        codec.load(AgentStatus, said)
        return said
    except (codec.InvalidRecord, StateDamaged) as problem:
        why = problem.message if isinstance(problem, StateDamaged) else f"{path}: {problem}"
        return {"running": False, "problems": [why]}


def _cannot_write(folder: Path) -> str | None:
    """Why records cannot be written there at present; None when they can, or when the system does not tell."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return f"{folder}: cannot be written (a read-only disk, or its permissions)"
    if hasattr(os, "statvfs"):
        disk = os.statvfs(folder)
        if disk.f_bavail * disk.f_frsize < LEAST_ROOM:
            return f"{folder}: the disk is full"
    return None


def _as_old(pid: object, begun: str) -> bool:
    """Is the process of that number the one that wrote this time? A killed one's number may be another's by now."""
    import psutil

    if not isinstance(pid, int):
        return False
    try:
        then = datetime.fromisoformat(begun).timestamp()
        return psutil.Process(pid).create_time() <= then + NUMBER_TAKEN
    except ValueError:
        return False
    except (psutil.Error, OSError):
        return True


def lives(pid: object) -> bool:
    """Is there a process of that number?"""
    if not isinstance(pid, int):
        return False
    if os.name != "posix":
        import psutil

        return psutil.pid_exists(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
