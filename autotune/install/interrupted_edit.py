"""Finishes or undoes an edit of launch files that was interrupted, at the next command."""

from __future__ import annotations

import contextlib
from pathlib import Path

from autotune.model.errors import AutotuneError, Busy
from autotune.store.places import Places


def settle_interrupted_edit(places: Places, root: Path) -> AutotuneError | None:
    """Finishes or undoes an interrupted edit of this install; quick where there is none.

    An edit by another autotune, which holds the lock, is left alone. Returns why an edit cannot be settled now (a file
    that is read-only or gone, options that a running web UI does not give back): verbs that only read go on, the next
    command tries again, and verbs that write or measure wait for that. None where nothing is left to settle.
    """
    folder = places.checkpoints(root)
    if not folder.is_dir():
        return None
    from autotune.launchfile.checkpoints import Checkpoints
    from autotune.launchfile.records import IN_PROGRESS, TEMPORARY

    unsettled = any(one.state in (TEMPORARY, IN_PROGRESS) for one in Checkpoints(folder).entries())
    if unsettled or any(folder.glob("*.new")):
        from autotune.launchfile.lock import exclusively
        from autotune.webui.recognise import face_of

        try:
            with contextlib.suppress(Busy), exclusively(places.lock, root, "recover"):
                Checkpoints(folder, running=face_of(root).options_of(root)).recover()
        except AutotuneError as error:
            return error
    return None
