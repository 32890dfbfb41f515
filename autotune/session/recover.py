"""Settles an edit that was interrupted, at the next command, without a question."""

from __future__ import annotations

import contextlib
from pathlib import Path

from autotune.model.errors import Busy
from autotune.store.places import Places


def recover(places: Places, root: Path) -> None:
    """Finishes or undoes an edit of this install that was interrupted; quick when there is none.

    While another autotune holds the lock its edit is its own business. Options that a running web UI holds and
    does not let go are left for the next command, too; the verbs that write do not go on before that. Raises
    Refused when a file cannot be put back right now; the next command tries again.
    """
    folder = places.checkpoints(root)
    if not folder.is_dir():
        return
    from autotune.launchfile.checkpoints import Checkpoints
    from autotune.launchfile.records import IN_PROGRESS, TEMPORARY

    unsettled = any(one.state in (TEMPORARY, IN_PROGRESS) for one in Checkpoints(folder).entries())
    if unsettled or any(folder.glob("*.new")):
        from autotune.launchfile.lock import exclusively
        from autotune.session.live import holder_of

        with contextlib.suppress(Busy), exclusively(places.lock, root, "recover"):
            Checkpoints(folder, running=holder_of(root)).recover()
