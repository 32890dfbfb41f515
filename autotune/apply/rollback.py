"""`rollback`: puts launch files and settings back as they were before an apply, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.apply.apply import Say, note_in_history, settings_diff
from autotune.install import blocking_programs
from autotune.install.interrupted_edit import settle_interrupted_edit
from autotune.language.translate import _
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.lock import exclusively
from autotune.launchfile.reader import parse
from autotune.launchfile.records import Checkpoint
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused
from autotune.secrets.mask import masked_diff, masked_words
from autotune.store import events
from autotune.store.places import Places
from autotune.webui.recognise import face_of


@dataclass(frozen=True)
class RollbackRequest:
    """Which apply to undo: the newest one, or all back to checkpoint ``to``; only those of ``launch_file``, if given.

    ``force``: also where the owner changed the file since; ``cause``: who asked, for the history.
    """

    to: str | None = None
    launch_file: Path | None = None
    force: bool = False
    cause: str = "asked"


def rollback(root: Path, places: Places, asked: RollbackRequest, say: Say) -> dict[str, Any]:
    """Undoes an apply and returns the document of `rollback` (docs/contract.md: JSON).

    Raises NothingToWorkOn (nothing applied), Refused (the owner changed the file since, or nothing that is in force was
    written to the ``launch_file``), StateDamaged, Busy (a program holds the file, or a running web UI does not give
    its settings back).
    """
    settle_interrupted_edit(places, root)
    history = places.history(root)
    with events.record_failure(history, "rollback", asked.cause), exclusively(places.lock, root, "rollback"):
        store = Checkpoints(places.checkpoints(root), running=face_of(root).options_of(root))
        try:
            store.recover()
        except (Refused, NothingToWorkOn) as error:
            # It may be about another file, and then this rollback can go on; if not, it is refused below.
            say(error.message)
        undone = store.to_undo(asked.to, asked.launch_file)
        written = (file.path for one in undone for file in one.files if not file.keys)
        busy = blocking_programs.against_writing(root, written)
        if busy is not None:
            raise busy
        done = store.rollback(asked.to, asked.force, {"cause": asked.cause}, asked.launch_file)
        note_in_history(history, "rollback", say, cause=asked.cause, checkpoint=done.undoes[0],
                        undone=list(done.undoes))
    return _document(store, done, root)


def _document(store: Checkpoints, done: Checkpoint, root: Path) -> dict[str, Any]:
    undone = next(one for one in store.entries() if one.id == done.undoes[0])
    path = next((file.path for file in undone.files if file.path.suffix != ".json"), undone.files[0].path)
    try:
        before, after = store.saved_bytes(done, path, "before"), store.saved_bytes(done, path, "after")
    except KeyError:
        before = after = path.read_bytes() if path.is_file() else None
    settings = "".join(settings_diff(file.path.name, file.keys) for file in done.files if file.keys)
    running = blocking_programs.next_start_note(root) if done.files else None
    notes = [*done.notes, *([running] if running else [])]
    message = _("{name} is as it was before checkpoint {id}.").format(
        name=path.name, id=undone.id) if done.files else _("Nothing had to change.")
    return {
        "changed": bool(done.files),
        "file": str(path),
        "before": _words_in_file(path, before, root),
        "after": _words_in_file(path, after, root),
        "diff": masked_diff(before or b"", after or b"", path.name) + settings,
        "checkpoint": undone.id,
        "verified": None,
        "notes": notes,
        "message": "\n".join([message, *notes]),
    }


def _words_in_file(path: Path, data: bytes | None, root: Path) -> list[str]:
    """The words in a launch file's bytes, credentials masked; empty where it cannot be read."""
    try:
        return [] if data is None else masked_words(parse(data, path, {}, root).words)
    except AutotuneError:
        return []
