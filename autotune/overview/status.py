"""`status`: what is applied, and is it still in force? Reads files only, so that it answers at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.language.translate import _
from autotune.model.errors import AutotuneError
from autotune.store.journal import load_json
from autotune.store.places import Places

LEAST_ROOM = 4096
"""Bytes that must be free on the disk, for one more record."""

CLOCK_TOLERANCE = 2.0
"""Seconds by which two readings of the clock for one moment may differ."""

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
    found = flags_of(root, places=places)
    # Another file than the usual one counts when the apply wrote to it, as with --launch-file.
    other = written is not None and not (found.path and found.path.resolve() == written)
    launch = _launch_flags(root, written) if written and other else found
    path, words, problem = launch.path, launch.words, launch.fault.message if launch.fault else None
    now = face_of(root).fingerprint(root, path if path is not None and path.is_file() else None, words)
    meta: dict[str, Any] = dict(applied.meta) if applied else {}
    then = dict(meta.get("fingerprint", {}).get("parts", ()))
    parts = dict(now.parts)
    if applied and not problem and launch.known:
        from autotune.install.still_applied import file_drift

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
        "certain": launch.doubt is None,
        "depends": launch.doubt,
        "fingerprint_now": {"id": now.id, "parts": parts},
        "stale": sorted(name for name in then if parts.get(name) != then[name]),
        "fingerprint_then": then or None,
        "drift": problem,
        "slower": _slower(places, root),
        "running": running(places, root),
        "unfinished": unfinished(places, root),
        "ending": _ending(places),
        "machine_down": _machine_down(places, root),
        "daemon": agent_status(places),
        "asked_tune": _asked_tune(places, root),
        "tab": _tab(root, words),
    }


def _slower(places: Places, root: Path) -> str | None:
    """Since when clips of the user's web UI are slower, in a sentence; None while they are not."""
    if not places.use(root).is_file():
        return None
    from autotune.overview.slower_since import slower_now

    return slower_now(places, root)


def running(places: Places, root: Path) -> dict[str, Any] | None:
    """What an autotune with this state folder is doing: verb, pid, since when, and the progress of a tune; or None."""
    from autotune.launchfile.lock import Lock

    holder = Lock(places.lock).holder()
    begun = str(holder.get("started") or "")
    if not lives(holder.get("pid")) or not _began_by(holder.get("pid"), begun):
        return None
    progress = unfinished(places, root) if holder.get("what") == "tune" else None
    return {"verb": holder.get("what"), "pid": holder.get("pid"), "since": begun.replace("+00:00", "Z"),
            "progress": progress}


def unfinished(places: Places, root: Path) -> dict[str, Any] | None:
    """The newest tune of this web UI and its progress, if it has no verdict yet; None else."""
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
        "hint": _("The same `autotune tune` command goes on from there."),
    }


def _ending(places: Places) -> list[int]:
    """Pids of guard processes that are ending, right now, the trial web UI of an autotune that was killed."""
    try:
        if not any(places.runs.iterdir()):
            return []
    except OSError:
        return []
    from autotune.trial.sweep import guards_cleaning_up

    return guards_cleaning_up(places.runs)


def _machine_down(places: Places, root: Path) -> list[dict[str, Any]]:
    """Sets that ran when the machine went down; they are not tried again without being asked for."""
    if not places.install(root).is_dir():
        return []
    from autotune.store.running_set import RunningSet, this_boot

    return RunningSet(places.install(root), this_boot()).machine_down_sets()


def _launch_flags(root: Path, path: Path) -> LaunchFlags:
    """The flags in the launch file ``path``; a file that is gone is told as a fault."""
    from autotune.install.launch_flags import LaunchFlags, flags_of

    try:
        return flags_of(root, path)
    except AutotuneError as error:
        return LaunchFlags(path, None, error.message, None, error)


def _install(found: LaunchFlags) -> dict[str, Any] | None:
    """What the install is, whether autotune edits its flags, and where they are written."""
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
    """(newest apply, its store); (None, None), without a slow import, where nothing was ever applied."""
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


def _asked_tune(places: Places, root: Path) -> dict[str, Any] | None:
    """The tune that the user asked for and that is not done yet; None without one."""
    if not places.wishes(root).is_dir():
        return None
    from autotune.store import asked_tune

    asked = asked_tune.read(places.wishes(root))
    if asked is None:
        return None
    since = datetime.fromtimestamp(asked.at, timezone.utc)
    return {"when": asked.when, "since": f"{since:%Y-%m-%dT%H:%M:%SZ}"}


def _tab(root: Path, words: Sequence[str]) -> dict[str, Any] | None:
    """The tab in the web UI's page, where it is installed; None else."""
    from autotune.webui.recognise import face_of

    ours = face_of(root).own_extension(root, words)
    if ours is None or not ours.folder.is_dir():
        return None
    from autotune.install.extension import look

    found = look(ours)
    if not found.ours:
        return None
    return {"switches": found.switches, "outdated": found.outdated, "changed": list(found.changed)}


def agent_status(places: Places) -> dict[str, Any] | None:
    """What the agent last wrote about itself; None when it never ran with this state folder."""
    agent = _read_agent(places.daemon / "status.json")
    if agent is not None and agent.get("running") and not lives(agent.get("pid")):
        agent["running"] = False  # it was killed before it could write that
    problem = _cannot_write(places.daemon)
    if agent is None and problem is not None:
        agent = {"running": False}
    if agent is not None and problem is not None:
        # The agent itself cannot write down that it cannot write.
        agent["problems"] = [*(agent.get("problems") or ()), problem]
    return agent


def _read_agent(path: Path) -> dict[str, Any] | None:
    """The agent's status file; a damaged one becomes a problem in it, and no error, since the agent rewrites it."""
    if not path.exists():
        return None
    from autotune.model import codec
    from autotune.model.errors import StateDamaged
    from autotune.model.records import AgentStatus
    try:
        agent = load_json(path)
        codec.load(AgentStatus, agent)
        return agent
    except (codec.InvalidRecord, StateDamaged) as problem:
        why = problem.message if isinstance(problem, StateDamaged) else f"{path}: {problem}"
        return {"running": False, "problems": [why]}


def _cannot_write(folder: Path) -> str | None:
    """Why no record can be written in ``folder`` now; None where one can, or where the system does not tell."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return _("{folder}: cannot be written (a read-only disk, or its permissions)").format(folder=folder)
    if hasattr(os, "statvfs"):
        disk = os.statvfs(folder)
        if disk.f_bavail * disk.f_frsize < LEAST_ROOM:
            return _("{folder}: the disk is full").format(folder=folder)
    return None


def _began_by(pid: object, time: str) -> bool:
    """Whether the process began by that time (ISO 8601). If not, it only has the number of one that was killed."""
    import psutil

    if not isinstance(pid, int):
        return False
    try:
        then = datetime.fromisoformat(time).timestamp()
        return psutil.Process(pid).create_time() <= then + CLOCK_TOLERANCE
    except ValueError:
        return False
    except (psutil.Error, OSError):
        return True


def lives(pid: object) -> bool:
    """Whether there is a process with that number."""
    if not isinstance(pid, int):
        return False
    import psutil  # not at the top of the file: it would slow `status` down where nothing runs

    return psutil.pid_exists(pid)
