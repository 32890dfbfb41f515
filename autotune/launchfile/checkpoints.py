"""Changes of files as transactions: checkpoint first, replace in one step, undo from the checkpoint alone.

A change goes through three states, each on disk before the next begins: *temporary* (the checkpoint is being
made, nothing of the user's has changed), *in progress* (files are being replaced, or the change is being
proved), *final*. ``recover()`` settles what a dead process left: a temporary checkpoint goes away, an apply in
progress is taken back, a rollback in progress is carried through. It never overwrites a file that is neither
the old one nor the new one: that is its owner's work, and is noted instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from autotune.launchfile import config_json, records
from autotune.launchfile.files import FileLayer, Target, examine, put, stage, swap, sweep
from autotune.launchfile.records import (
    FINAL,
    IN_PROGRESS,
    RECORD,
    TEMPORARY,
    UNDONE,
    Change,
    Checkpoint,
    SavedFile,
    digest,
)
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused, StateDamaged

Since = Literal["unmanaged", "same", "before", "edited", "missing"]
"""How a file stands to our last apply: never applied, as we left it, as it was before, changed, gone."""

_ID = re.compile(r"\d{4,}")


class Checkpoints:
    """All checkpoints of one state folder. The caller holds the Lock while it changes anything."""

    def __init__(self, folder: Path, layer: FileLayer | None = None) -> None:
        self.folder = folder
        self.layer = layer or FileLayer()

    # -- looking

    def entries(self) -> tuple[Checkpoint, ...]:
        """All checkpoints that can be read, oldest first; damaged ones are left out (see ``damaged``)."""
        found = []
        for path in self._folders():
            try:
                found.append(records.load(path))
            except StateDamaged:
                continue
        return tuple(found)

    def damaged(self) -> tuple[Path, ...]:
        """Folders of checkpoints whose record cannot be read."""
        bad = []
        for path in self._folders():
            try:
                records.load(path)
            except StateDamaged:
                bad.append(path)
        return tuple(bad)

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted((p for p in self.folder.iterdir() if _ID.fullmatch(p.name) and p.is_dir()),
                      key=lambda p: int(p.name))

    def applied(self) -> tuple[Checkpoint, ...]:
        """Final applies that nothing took back or replaced since, oldest first."""
        entries = self.entries()
        undone = {i for c in entries if c.state == FINAL for i in c.undoes}
        return tuple(c for c in entries if c.kind == "apply" and c.state == FINAL and c.id not in undone)

    def current(self) -> Checkpoint | None:
        """The latest apply in force, None if there is none."""
        applied = self.applied()
        return applied[-1] if applied else None

    def changed_since(self, path: Path) -> Since:
        """How a file stands to our last apply that touched it."""
        real = path.resolve()
        for checkpoint in reversed(self.applied()):
            for file in checkpoint.files:
                if file.path == real:
                    return _stands(file, self._now(real))
        return "unmanaged"

    def held(self, checkpoint: Checkpoint, path: Path, side: Literal["before", "after"]) -> bytes | None:
        """The saved bytes of one file of a checkpoint. Raises StateDamaged, KeyError."""
        for number, file in enumerate(checkpoint.files):
            if file.path == path.resolve():
                expected = file.before if side == "before" else file.after
                return records.blob(self.folder / checkpoint.id, number, side, expected)
        raise KeyError(path)

    @staticmethod
    def _now(path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror}", "Check its permissions.") from None

    # -- changing

    def apply(self, changes: Sequence[Change], meta: Mapping[str, Any] | None = None) -> Checkpoint:
        """Change files, all or none, and finish at once. See ``begin``."""
        return self.finish(self.begin(changes, meta))

    def begin(self, changes: Sequence[Change], meta: Mapping[str, Any] | None = None) -> Checkpoint:
        """Change files, all or none, and leave the change *in progress* until ``finish`` or ``abandon``.

        A process that dies in between is taken back by the next ``recover()``. Raises Refused or
        NothingToWorkOn with every file as it was, StateDamaged if no checkpoint can be written.
        """
        files = []
        for change in changes:
            target = examine(change.path)
            if self._now(target.path) != change.before:
                raise Refused(f"{change.path} changed while autotune was at work", "Run the command again.")
            files.append(_Plan(target, change.before, change.after, change.keys))
        # An apply that someone else undid meanwhile (git does) is over once this one stands.
        paths = {plan.target.path for plan in files}
        over = tuple(c.id for c in self.applied() if {f.path for f in c.files} & paths
                     and all(_stands(f, self._now(f.path)) == "before" for f in c.files))
        checkpoint = self._save("apply", files, dict(meta or {}), over)
        return self._carry_out(checkpoint)

    def finish(self, checkpoint: Checkpoint) -> Checkpoint:
        """Mark a change as final. Raises StateDamaged."""
        return self._mark(checkpoint, FINAL)

    def abandon(self, checkpoint: Checkpoint) -> Checkpoint:
        """Take a change in progress back."""
        return self._settle(checkpoint, "before")

    def rollback(self, to: str | None = None, force: bool = False, meta: Mapping[str, Any] | None = None) -> Checkpoint:
        """Put files back as they were before the latest apply, or before apply ``to`` and all later ones.

        A file that its owner changed since is left alone (Refused) unless ``force``; options of a config.json
        that the web UI rewrote are put back by key. Raises NothingToWorkOn (nothing applied, no such id),
        StateDamaged (the saved bytes are not intact).
        """
        undone = self._to_undo(to)
        files: dict[Path, tuple[bytes | None, bytes | None, config_json.Keys]] = {}
        notes: list[str] = []
        for checkpoint in reversed(undone):
            for number, file in enumerate(checkpoint.files):
                folder = self.folder / checkpoint.id
                now = files[file.path][1] if file.path in files else self._now(file.path)
                goal, note = self._goal(file, now, folder, number, force)
                notes += note
                first = files[file.path][0] if file.path in files else now
                files[file.path] = (first, goal, {})
        changed = [_Plan(examine(path), *sides) for path, sides in files.items() if sides[0] != sides[1]]
        ids = tuple(c.id for c in undone)
        record = self._save("rollback", changed, dict(meta or {}), ids, tuple(notes))
        return self.finish(self._carry_out(record))

    def _to_undo(self, to: str | None) -> list[Checkpoint]:
        applied = list(self.applied())
        if not applied:
            bad = self.damaged()
            if bad:
                raise StateDamaged(f"the only checkpoints cannot be read: {', '.join(p.name for p in bad)}",
                                   f"The saved bytes are in {bad[-1]}.")
            raise NothingToWorkOn("nothing is applied, so there is nothing to roll back", "See: autotune history")
        if to is None:
            return applied[-1:]
        known = [c.id for c in applied]
        wanted = to.zfill(4)
        if wanted not in known:
            raise NothingToWorkOn(f"there is no checkpoint {to!r} in force", f"In force: {', '.join(known)}")
        return applied[known.index(wanted) :]

    def _goal(
        self, file: SavedFile, now: bytes | None, folder: Path, number: int, force: bool
    ) -> tuple[bytes | None, list[str]]:
        """What a file shall hold after undoing one checkpoint, and notes. Raises Refused."""
        stands = _stands(file, now)
        if stands == "before":
            return now, []
        before = records.blob(folder, number, "before", file.before)
        if stands == "same":
            return before, []
        if file.keys and now is not None:
            undone, left = config_json.undo(now, file.keys, str(file.path))
            return undone, [f"{file.path.name}: {key} was changed since and stays" for key in left]
        if force:
            return before, [f"{file.path.name}: changes made since the apply were overwritten"]
        what = "was deleted" if now is None else "was changed by someone else"
        raise Refused(f"{file.path} {what} since autotune wrote it",
                      f"The bytes from before are in {folder / f'{number}.before'}; compare, and copy what you want.")

    # -- the transaction

    def _save(
        self, kind: str, files: Sequence[_Plan], meta: dict[str, Any], undoes: tuple[str, ...],
        notes: tuple[str, ...] = (),
    ) -> Checkpoint:
        """Write a checkpoint, whole or not at all. Raises StateDamaged."""
        saved = tuple(plan.saved() for plan in files)
        layer = self.layer
        new: Path | None = None
        try:
            self._make_root()
            numbers = [int(p.name.split(".")[0]) for p in self.folder.iterdir() if _ID.match(p.name)]
            name = f"{max(numbers, default=0) + 1:04d}"
            time = datetime.now(timezone.utc).isoformat(timespec="seconds")
            checkpoint = Checkpoint(name, kind, TEMPORARY, time, saved, meta, undoes, notes)
            new = self.folder / f"{name}.new"
            layer.make_folder(new)
            blobs = [(f"{i}.{side}", data) for i, plan in enumerate(files)
                     for side, data in (("before", plan.before), ("after", plan.after)) if data is not None]
            for blob, data in [*blobs, (RECORD, records.dump(checkpoint))]:
                layer.write(new / blob, data)
                layer.sync(new / blob)
            layer.sync_folder(new)
            layer.replace(new, self.folder / name)
            layer.sync_folder(self.folder)
        except OSError as error:
            if new is not None:
                self._discard(new)
            hint = "Nothing was changed. Make room there, or name another folder with --state-dir."
            raise StateDamaged(f"no checkpoint can be written to {self.folder}: {error.strerror or error}",
                               hint) from None
        return checkpoint

    def _make_root(self) -> None:
        missing = []
        path = self.folder
        while not path.is_dir():
            missing.append(path)
            path = path.parent
        for path in reversed(missing):
            self.layer.make_folder(path)
            self.layer.sync_folder(path.parent)

    def _discard(self, folder: Path) -> None:
        """Remove a checkpoint folder that was never used; what cannot be removed now goes at the next recover()."""
        try:
            for entry in sorted(folder.iterdir()):
                self.layer.unlink(entry)
            self.layer.remove_folder(folder)
        except OSError:
            return

    def _mark(self, checkpoint: Checkpoint, state: str, notes: tuple[str, ...] = ()) -> Checkpoint:
        """Write a new state into a record, in one step. Raises StateDamaged."""
        marked = replace(checkpoint, state=state, notes=(*checkpoint.notes, *notes))
        folder = self.folder / checkpoint.id
        temp = folder / f"{RECORD}.new"
        try:
            self.layer.unlink(temp)
            self.layer.write(temp, records.dump(marked))
            self.layer.sync(temp)
            self.layer.replace(temp, folder / RECORD)
            self.layer.sync_folder(folder)
        except OSError as error:
            raise StateDamaged(f"the checkpoint {folder} cannot be written: {error.strerror or error}",
                               "Make room there; the next command settles the rest.") from None
        return marked

    def _carry_out(self, checkpoint: Checkpoint) -> Checkpoint:
        """Replace the files of a saved checkpoint. On any fault everything is put back."""
        try:
            checkpoint = self._mark(checkpoint, IN_PROGRESS)
            targets = [self._stage(checkpoint, number, file, "after") for number, file in enumerate(checkpoint.files)]
            for target in targets:  # from here on nothing needs room on the disk
                self._swap(checkpoint, *target)
        except (OSError, AutotuneError, KeyboardInterrupt) as error:
            self._take_back(checkpoint)
            if isinstance(error, OSError):
                hint = "Everything is as it was. Make room or allow writing, then run the command again."
                raise Refused(f"the files could not be replaced: {error.strerror or error}", hint) from None
            raise
        return checkpoint

    def _take_back(self, checkpoint: Checkpoint) -> None:
        try:
            self._settle(checkpoint, "before")
        except OSError as error:
            raise StateDamaged(f"a change of files stopped half-way: {error.strerror or error}",
                               "Make room or allow writing; the next command puts everything back.") from None

    def _stage(
        self, checkpoint: Checkpoint, number: int, file: SavedFile, side: Literal["before", "after"]
    ) -> tuple[Target, bool]:
        """Have one side's bytes ready beside the file. The target, and whether it shall exist at all."""
        data = records.blob(self.folder / checkpoint.id, number, side, file.before if side == "before" else file.after)
        target = examine(file.path)
        if len(file.links) > 1:
            target = replace(target, names=file.links)
        if data is not None:
            stage(self.layer, target, data, checkpoint.id)
        return target, data is not None

    def _swap(self, checkpoint: Checkpoint, target: Target, exists: bool) -> None:
        if exists:
            swap(self.layer, target, checkpoint.id)
        else:
            self.layer.unlink(target.path)
            self.layer.sync_folder(target.path.parent)

    def _settle(self, checkpoint: Checkpoint, side: Literal["before", "after"]) -> Checkpoint:
        """Bring all files of a change to one side, leaving alone what is neither, and close the record."""
        notes: list[str] = []
        for number, file in enumerate(checkpoint.files):
            sweep(self.layer, file.path, checkpoint.id)
            now = digest(self._now(file.path))
            goal, other = (file.before, file.after) if side == "before" else (file.after, file.before)
            split = len(file.links) > 1 and not _one_file(file.links)
            if now == goal and not split:
                continue
            if now == other or (now == goal and split):
                self._swap(checkpoint, *self._stage(checkpoint, number, file, side))
            elif file.keys and side == "before":
                notes += self._undo_keys(checkpoint, file)
            else:
                notes.append(f"{file.path} was changed by someone else meanwhile and was left as it is")
        return self._mark(checkpoint, UNDONE if side == "before" else FINAL, tuple(notes))

    def _undo_keys(self, checkpoint: Checkpoint, file: SavedFile) -> list[str]:
        now = self._now(file.path)
        if now is None:
            return [f"{file.path} is gone and was left so"]
        try:
            data, left = config_json.undo(now, file.keys, str(file.path))
        except Refused as error:
            return [error.message]
        if data != now:
            put(self.layer, examine(file.path), data, checkpoint.id)
        return [f"{file.path.name}: {key} was changed meanwhile and stays" for key in left]

    def recover(self) -> tuple[str, ...]:
        """Settle what a dead process left. One sentence for each thing done; empty if all was well.

        Raises Refused or NothingToWorkOn when a file cannot be put back right now; the next call tries again.
        """
        done: list[str] = []
        if not self.folder.is_dir():
            return ()
        for path in sorted(self.folder.iterdir()):
            if path.name.endswith(".new") and _ID.match(path.name):
                self._discard(path)
                done.append(f"an unfinished checkpoint ({path.name}) was removed; nothing had been changed")
        for checkpoint in self.entries():
            folder = self.folder / checkpoint.id
            if (folder / f"{RECORD}.new").exists():
                self.layer.unlink(folder / f"{RECORD}.new")
            if checkpoint.state in (TEMPORARY, IN_PROGRESS):
                side: Literal["before", "after"] = "before" if checkpoint.kind == "apply" else "after"
                if checkpoint.state == TEMPORARY:
                    side = "before"
                try:
                    self._settle(checkpoint, side)
                except OSError as error:
                    raise Refused(f"an interrupted {checkpoint.kind} cannot be settled: {error.strerror or error}",
                                  "Allow writing or make room; the next command tries again.") from None
                what = "taken back" if side == "before" else "carried through"
                done.append(f"an interrupted {checkpoint.kind} ({checkpoint.id}) was {what}")
        return tuple(done)

    def list(self) -> tuple[Checkpoint, ...]:
        """The same as ``entries()``."""
        return self.entries()


@dataclass(frozen=True, slots=True)
class _Plan:
    """One file of a checkpoint that is about to be written."""

    target: Target
    before: bytes | None
    after: bytes | None
    keys: config_json.Keys

    def saved(self) -> SavedFile:
        """As the record keeps it."""
        links = self.target.names if len(self.target.names) > 1 else ()
        return SavedFile(self.target.path, digest(self.before), digest(self.after), self.keys, links)


def _one_file(names: Sequence[Path]) -> bool:
    """Are all these names still one file? (Interrupted between two of them, they are not.)"""
    return len({(p.stat().st_dev, p.stat().st_ino) for p in names if p.exists()}) == 1


def _stands(file: SavedFile, now: bytes | None) -> Since:
    hashed = digest(now)
    if hashed == file.after:
        return "same"
    if hashed == file.before:
        return "before"
    return "missing" if now is None else "edited"
