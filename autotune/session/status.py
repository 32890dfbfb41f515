"""`status`: what is applied and whether it still stands. Reads files only, so that it answers at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.model.errors import AutotuneError
from autotune.store.places import Places

if TYPE_CHECKING:
    from autotune.launchfile.checkpoints import Checkpoints
    from autotune.launchfile.records import Checkpoint


def status(root: Path, places: Places) -> dict[str, Any]:
    """The document of `status` (CONTRACT: JSON). Raises StateDamaged, NothingToWorkOn."""
    from autotune.launchfile.reader import read
    from autotune.probe import fingerprint, install

    applied, store = _applied(root, places)
    path = applied.files[0].path if applied and applied.files else install.launch_file(root)
    words: tuple[str, ...] = ()
    problem = None
    if path is not None:
        try:
            words = read(path).words
        except AutotuneError as error:
            problem = error.message
    now = fingerprint.cheap(root, words)
    meta: dict[str, Any] = dict(applied.meta) if applied else {}
    then = dict(meta.get("fingerprint", {}).get("parts", ()))
    parts = dict(now.parts)
    if applied and not problem:
        from autotune.session.drift import catalogue_of, file_drift

        problem = file_drift(words, meta.get("flags", ()), catalogue_of(root))
    return {
        "root": str(root),
        "applied": {"flags": meta["flags"], "settings": meta.get("settings", {})} if applied else None,
        "since": applied.time if applied else None,
        "speedup": meta.get("speedup"),
        "checkpoint": applied.id if applied else None,
        "study": meta.get("study"),
        "file": str(path) if path else None,
        "file_since_apply": store.changed_since(path) if path and store else "unmanaged",
        "flags_now": _shown(words),
        "fingerprint_now": {"id": now.id, "parts": parts},
        "stale": sorted(name for name in then if parts.get(name) != then[name]),
        "drift": problem,
        "daemon": _daemon(places),
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
    from autotune.launchfile.redact import shown

    return shown(words)


def _daemon(places: Places) -> dict[str, Any] | None:
    """What the agent last said of itself, None when it never ran with this state folder."""
    from autotune.store.journal import load_json

    said = load_json(places.daemon / "status.json")
    if said is not None and said.get("running") and not lives(said.get("pid")):
        said["running"] = False  # it was killed and could not say so
    return said


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
