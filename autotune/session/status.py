"""`status`: what is applied and whether it still stands. Reads files only, so that it answers at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.model.errors import AutotuneError
from autotune.store.places import Places

LEAST_ROOM = 4096
"""Bytes: with less, not one more record finds room."""

if TYPE_CHECKING:
    from autotune.launchfile.checkpoints import Checkpoints
    from autotune.launchfile.records import Checkpoint
    from autotune.session.where import Where


def status(root: Path, places: Places) -> dict[str, Any]:
    """The document of `status` (CONTRACT: JSON). Raises StateDamaged, NothingToWorkOn."""
    from autotune.probe import fingerprint
    from autotune.session.where import flags_of

    applied, store = _applied(root, places)
    written = next((file.path for file in applied.files if not file.keys), None) if applied else None
    found = flags_of(root)
    counts = found if written is None or (found.path and found.path.resolve() == written) else _of_file(root, written)
    path, words, problem = counts.path, counts.words, counts.fault.message if counts.fault else None
    now = fingerprint.cheap(root, words, path if path is not None and path.is_file() else None)
    meta: dict[str, Any] = dict(applied.meta) if applied else {}
    then = dict(meta.get("fingerprint", {}).get("parts", ()))
    parts = dict(now.parts)
    if applied and not problem and counts.known:
        from autotune.session.drift import catalogue_of, file_drift

        problem = file_drift(words, meta.get("flags", ()), catalogue_of(root), meta.get("dimensions", ()))
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
        "daemon": _daemon(places),
    }


def _of_file(root: Path, path: Path) -> Where:
    """The file that the apply in force wrote, when it is not the one that counts."""
    from autotune.session.where import Where, flags_of

    try:
        return flags_of(root, path)
    except AutotuneError as error:
        return Where(path, None, error.message, None, error)


def _install(found: Where) -> dict[str, Any] | None:
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
    from autotune.launchfile.checkpoints import Checkpoints
    from autotune.session.recover import recover

    recover(places, root)
    store = Checkpoints(places.checkpoints(root))
    return store.current(), store


def _shown(words: Sequence[str]) -> list[str]:
    if not words:
        return []
    from autotune.model.secrets import masked_words

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
    from autotune.store.journal import load_json

    try:
        said = load_json(path)
        codec.load(AgentStatus, said)
        return said
    except (codec.Misfit, StateDamaged) as problem:
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
