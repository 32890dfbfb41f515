"""Settles an edit that was interrupted, at the next command, without a question."""

from __future__ import annotations

import contextlib
from pathlib import Path

from autotune.model.errors import AutotuneError, Busy
from autotune.store.places import Places


def recover(places: Places, root: Path) -> AutotuneError | None:
    """Finishes or undoes an edit of this install that was interrupted; quick when there is none.

    While another autotune holds the lock its edit is its own business. What cannot be settled right now (a file that
    is read-only or gone, options that a running web UI does not let go) is returned, for looking goes on without it;
    the next command tries again, and verbs that write or measure do not go on before that.
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
