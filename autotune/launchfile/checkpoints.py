"""Changes files as transactions: checkpoint first, replace in one step, undo from the checkpoint alone.

A change goes through three states, each on disk before the next begins: *temporary* (the checkpoint is being
made, nothing of the user's has changed), *in progress* (files are being replaced, or the change is being
proved), *final*. ``recover()`` ends what a dead process left: a temporary checkpoint is removed, an apply in
progress is undone, a rollback in progress is finished. A file that holds neither the old nor the new bytes is
its owner's work: it is never overwritten, and a note says so.

Options of config.json are changed through the web UI while it runs (options.py): the checkpoint then holds their
old values only, and whatever undoes it asks first whether the web UI runs now.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from autotune.language.translate import _
from autotune.launchfile import config_json, formats, options, records
from autotune.launchfile.files import (
    FileLayer,
    TargetFile,
    bytes_in,
    cannot_write,
    examine,
    make_folders,
    move_over,
    remove_leftovers,
    replace_file,
    write_beside,
)
from autotune.launchfile.plans import PlannedUndo, PlannedWrite, notes_on_kept, options_in_file
from autotune.launchfile.records import Checkpoint, FileChange, SavedFile, SinceApply
from autotune.model.errors import AutotuneError, Busy, NothingToWorkOn, Refused, StateDamaged

_ID = re.compile(r"\d{4,}")


class Checkpoints:
    """All checkpoints of one state folder. The caller holds the Lock while it changes anything.

    ``running`` finds the web UI that holds the options of a config.json; every method that changes something
    raises what it raises (Busy).
    """

    def __init__(
        self, folder: Path, layer: FileLayer | None = None, running: options.FindOptions = options.none_runs
    ) -> None:
        self.folder = folder
        self.layer = layer or FileLayer()
        self.running = running

    # -- looking

    def entries(self) -> tuple[Checkpoint, ...]:
        """All checkpoints that can be read, oldest first; damaged ones are left out (see ``damaged``)."""
        return tuple(found for path in self._folders() if (found := records.read_if_whole(path)) is not None)

    def newest(self) -> str | None:
        """The id of the newest checkpoint, whatever became of it, None without any: a new one tells of a change."""
        folders = self._folders()
        return folders[-1].name if folders else None

    def damaged(self) -> tuple[Path, ...]:
        """Folders of checkpoints whose record cannot be read."""
        return tuple(path for path in self._folders() if records.read_if_whole(path) is None)

    def faults(self) -> tuple[str, ...]:
        """What is wrong with the records or the saved bytes, a sentence each. Nothing of it is ever deleted."""
        return tuple(damage for path in self._folders() if (damage := records.damage_in(path)) is not None)

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted((p for p in self.folder.iterdir() if _ID.fullmatch(p.name) and p.is_dir()),
                      key=lambda p: int(p.name))

    def applied(self) -> tuple[Checkpoint, ...]:
        """Applies in force, oldest first: final, and neither rolled back nor replaced since."""
        entries = self.entries()
        undone = {i for c in entries if c.state == records.FINAL for i in c.undoes}
        return tuple(c for c in entries if c.kind == "apply" and c.state == records.FINAL and c.id not in undone)

    def current(self) -> Checkpoint | None:
        """The latest apply in force, None if there is none."""
        applied = self.applied()
        return applied[-1] if applied else None

    def changed_since(self, path: Path) -> SinceApply:
        """What became of a file since the last apply that wrote it; "same" too where the program that keeps it wrote it
        anew with the flags of the apply."""
        real = path.resolve()
        written = [(checkpoint, number) for checkpoint in self.applied()
                   for number, file in enumerate(checkpoint.files) if file.path == real]
        if not written:
            return "unmanaged"
        (checkpoint, number), now = written[-1], self._now(real)
        file = checkpoint.files[number]
        how = records.state_since(file, now)
        if how == "edited" and not file.keys:
            with contextlib.suppress(StateDamaged):
                before = self._saved(checkpoint, number, "before")
                if formats.rewritten(real, now, before, lambda: self._saved(checkpoint, number, "after")) is not None:
                    return "same"
        return how

    def saved_bytes(self, checkpoint: Checkpoint, path: Path, version: options.Version) -> bytes | None:
        """The saved bytes of one file of a checkpoint, None for no file. Raises StateDamaged, KeyError."""
        for number, file in enumerate(checkpoint.files):
            if file.path == path.resolve():
                return self._saved(checkpoint, number, version)
        raise KeyError(path)

    def _saved(self, checkpoint: Checkpoint, number: int, version: options.Version) -> bytes | None:
        file = checkpoint.files[number]
        expected = file.before if version == "before" else file.after
        return records.read_saved(self.folder / checkpoint.id, number, version, expected)

    _now = staticmethod(bytes_in)

    # -- changing

    def apply(self, changes: Sequence[FileChange], meta: Mapping[str, Any] | None = None) -> Checkpoint:
        """Change files, all or none, and finish at once. See ``begin``."""
        return self.finish(self.begin(changes, meta))

    def begin(self, changes: Sequence[FileChange], meta: Mapping[str, Any] | None = None) -> Checkpoint:
        """Change files, all or none, and leave the change *in progress* until ``finish`` or ``abandon``.

        A process that dies in between is taken back by the next ``recover()``. Raises Refused or
        NothingToWorkOn with every file as it was, StateDamaged if no checkpoint can be written.
        """
        files = []
        for change in changes:
            target = examine(change.path)
            if change.keys:
                self._require(change)
            if not change.live and self._now(target.path) != change.before:
                raise Refused(_("{path} changed while autotune was at work").format(path=change.path),
                              _("Run the command again."))
            files.append(PlannedWrite(target, change.before, change.after, change.keys, change.live))
        # An apply that someone else undid meanwhile (git does) is no more in force once this one is.
        undone = tuple(c.id for c in self._undone_by_others({plan.target.path for plan in files}))
        return self._carry_out(self._save("apply", files, dict(meta or {}), undone))

    def _undone_by_others(self, paths: set[Path]) -> list[Checkpoint]:
        """Applies to these files that somebody else undid: the newest whose files are as before it, and all later ones.

        Empty where the newest apply is as it left the files: an older one may have begun from the same bytes.
        """
        known = [c for c in self.applied() if {f.path for f in c.files} & paths]
        ways = [{f.path: "live" if f.live else records.state_since(f, self._now(f.path)) for f in c.files}
                for c in known]
        for at in reversed(range(len(known))):
            if at == len(known) - 1 and "same" in ways[at].values():
                return []
            if set(ways[at].values()) == {"before"}:
                return [c for c, each in zip(known[at:], ways[at:], strict=True)
                        if all(how == "before" or (how != "live" and path in ways[at]) for path, how in each.items())]
        return []

    def finish(self, checkpoint: Checkpoint) -> Checkpoint:
        """Mark a change as final. Raises StateDamaged."""
        return self._mark(checkpoint, records.FINAL)

    def abandon(self, checkpoint: Checkpoint) -> Checkpoint:
        """Take a change in progress back."""
        return self._bring_to(checkpoint, "before")

    def rollback(
        self, to: str | None = None, force: bool = False, meta: Mapping[str, Any] | None = None, of: Path | None = None
    ) -> Checkpoint:
        """Put files back as they were before the latest apply, or before apply ``to`` and all later ones.

        ``of``: only applies that wrote this file count; where none in force did, Refused.

        A file that its owner changed since is left alone (Refused) unless ``force``; options of a config.json
        that the web UI rewrote are put back by key. Raises NothingToWorkOn (nothing applied, no such id),
        StateDamaged (the saved bytes are not intact).
        """
        undone = self.to_undo(to, of)
        files: dict[Path, PlannedUndo] = {}
        notes: list[str] = []
        for checkpoint in reversed(undone):
            for number, file in enumerate(checkpoint.files):
                undo = files.get(file.path) or self._undo_of(file.path, any(
                    one.keys for c in undone for one in c.files if one.path == file.path))
                undo.touched.update(file.keys)
                if undo.server is not None:
                    keys = options.with_defaults(undo.server, file.keys)
                    wanted, kept = config_json.undone(undo.values, keys)
                    undo.values, note = {**undo.values, **wanted}, notes_on_kept(file.path, kept)
                else:
                    undo.goal, note = self._goal(checkpoint, number, undo.goal, force)
                notes += note
                files[file.path] = undo
        changed = [plan for path, undo in files.items() if (plan := undo.plan(path)) is not None]
        ids = tuple(c.id for c in undone)
        record = self._save("rollback", changed, dict(meta or {}), ids, tuple(notes))
        return self.finish(self._carry_out(record))

    def _undo_of(self, path: Path, keyed: bool) -> PlannedUndo:
        """A file as it is before a rollback; ``keyed``: some of the checkpoints changed options in it."""
        server = self.running(path) if keyed else None
        if server is not None:
            values = dict(server.values())
            return PlannedUndo(None, None, server, values, values)
        now = self._now(path)
        return PlannedUndo(now, now)

    def _require(self, change: FileChange) -> None:
        """Raises Busy when options are not where they were when the change was worked out, or have other values."""
        server = self.running(change.path)
        same = (server is not None) == change.live
        if same and server is not None:
            now = server.values()
            same = all(now.get(key) in pair for key, pair in change.keys.items())
        if not same:
            raise Busy(
                _("the web UI was started, closed or set otherwise while autotune was at work on {name}").format(
                    name=change.path.name), _("Run the command again."))

    def to_undo(self, to: str | None = None, of: Path | None = None) -> list[Checkpoint]:
        """The applies that a rollback would undo, oldest first. See ``rollback``."""
        applied = list(self.applied())
        if not applied:
            bad = self.damaged()
            if bad:
                raise StateDamaged(
                    _("the only checkpoints cannot be read: {names}").format(names=", ".join(p.name for p in bad)),
                    _("The saved bytes are in {folder}.").format(folder=bad[-1]))
            raise NothingToWorkOn(_("nothing is applied, so there is nothing to roll back"), _("See: autotune history"))
        known = [c.id for c in applied]
        wanted = to.zfill(4) if to is not None else None
        if wanted is not None and wanted not in known:
            raise NothingToWorkOn(_("there is no checkpoint {id!r} in force").format(id=to),
                                  _("In force: {ids}").format(ids=", ".join(known)))
        if of is not None:
            written = sorted({str(f.path) for c in applied for f in c.files if not f.keys})
            applied = [c for c in applied if any(records.same_file(f.path, of) for f in c.files if not f.keys)]
            if not applied or (wanted is not None and wanted not in [c.id for c in applied]):
                what = (_("checkpoint {id} was not written to {path}, so nothing was rolled back") if applied
                        else _("nothing that is in force was written to {path}, so nothing was rolled back"))
                hint = _("Written by autotune and in force: {paths}").format(
                    paths=", ".join(written) or _("options only"))
                raise Refused(what.format(id=wanted, path=of), self._with_unreadable(hint))
        if wanted is None:
            return applied[-1:]
        return applied[[c.id for c in applied].index(wanted) :]

    def _goal(
        self, checkpoint: Checkpoint, number: int, now: bytes | None, force: bool
    ) -> tuple[bytes | None, list[str]]:
        """What a file shall hold after undoing one checkpoint, and notes. Raises Refused."""
        file = checkpoint.files[number]
        if file.live:
            return options_in_file(file, now, "before")
        how = records.state_since(file, now)
        if how == "before":
            return now, []
        before = self._saved(checkpoint, number, "before")
        if how == "same":
            return before, []
        if file.keys and now is not None:
            undone, left = config_json.undo(now, file.keys, str(file.path))
            return undone, notes_on_kept(file.path, left)
        rewritten = formats.rewritten(file.path, now, before, lambda: self._saved(checkpoint, number, "after"))
        if rewritten is not None:
            return rewritten
        if force:
            return before, [_("{name}: changes made since the apply were overwritten").format(name=file.path.name)]
        copy = self.folder / checkpoint.id / f"{number}.before"
        hint = self._with_unreadable(_("The bytes from before are in {copy}; compare, and copy what you want, or put "
                                       "them back whole: autotune rollback --force").format(copy=copy))
        if now is None:
            raise Refused(_("{path} was deleted since autotune wrote it").format(path=file.path), hint)
        raise Refused(_("{path} was changed by someone else since autotune wrote it").format(path=file.path), hint)

    def _with_unreadable(self, hint: str) -> str:
        """A hint that also names the checkpoints that cannot be read, if there are such."""
        bad = ", ".join(path.name for path in self.damaged())
        return _("{hint} (checkpoints that cannot be read: {names})").format(hint=hint, names=bad) if bad else hint

    # -- the transaction

    def _save(
        self, kind: str, files: Sequence[PlannedWrite], meta: dict[str, Any], undoes: tuple[str, ...],
        notes: tuple[str, ...] = (),
    ) -> Checkpoint:
        """Write a checkpoint, whole or not at all. Raises StateDamaged."""
        saved = tuple(plan.saved() for plan in files)
        layer = self.layer
        new: Path | None = None
        try:
            make_folders(layer, self.folder)
            numbers = [int(p.name.split(".")[0]) for p in self.folder.iterdir() if _ID.match(p.name)]
            name = f"{max(numbers, default=0) + 1:04d}"
            time = datetime.now(timezone.utc).isoformat(timespec="seconds")
            checkpoint = Checkpoint(name, kind, records.TEMPORARY, time, saved, meta, undoes, notes)
            new = self.folder / f"{name}.new"
            layer.make_folder(new)
            blobs = [(f"{i}.{version}", data) for i, plan in enumerate(files)
                     for version, data in (("before", plan.before), ("after", plan.after)) if data is not None]
            for blob, data in [*blobs, (records.RECORD, records.record_bytes(checkpoint))]:
                self._write_synced(new / blob, data)
            layer.sync_folder(new)
            layer.replace(new, self.folder / name)
            layer.sync_folder(self.folder)
        except OSError as error:
            if new is not None:
                self._discard(new)
            hint = _("Nothing was changed. Make room there, or name another folder with --state-dir.")
            what = _("no checkpoint can be written to {folder}: {reason}").format(
                folder=self.folder, reason=error.strerror or error)
            raise cannot_write(error, what, hint) from None
        return checkpoint

    def _write_synced(self, path: Path, data: bytes) -> None:
        self.layer.write(path, data)
        self.layer.sync(path)

    def _discard(self, folder: Path) -> None:
        """Remove a checkpoint folder that was never used; what cannot be removed now goes at the next recover()."""
        with contextlib.suppress(OSError):
            for entry in sorted(folder.iterdir()):
                self.layer.unlink(entry)
            self.layer.remove_folder(folder)

    def _mark(self, checkpoint: Checkpoint, state: str, notes: tuple[str, ...] = ()) -> Checkpoint:
        """Write a new state into a record, in one step. Raises StateDamaged."""
        marked = replace(checkpoint, state=state, notes=(*checkpoint.notes, *notes))
        folder = self.folder / checkpoint.id
        temp = folder / f"{records.RECORD}.new"
        try:
            self.layer.unlink(temp)
            self._write_synced(temp, records.record_bytes(marked))
            self.layer.replace(temp, folder / records.RECORD)
            self.layer.sync_folder(folder)
        except OSError as error:
            what = _("the checkpoint {folder} cannot be written: {reason}").format(
                folder=folder, reason=error.strerror or error)
            raise cannot_write(error, what, _("Make room there; the next command settles the rest.")) from None
        return marked

    def _carry_out(self, checkpoint: Checkpoint) -> Checkpoint:
        """Replace the files of a saved checkpoint. On any fault everything is put back."""
        try:
            checkpoint = self._mark(checkpoint, records.IN_PROGRESS)
            targets = [self._write_beside(checkpoint, number, "after")
                       for number, file in enumerate(checkpoint.files) if not file.live]
            for file in checkpoint.files:
                if file.live:  # the web UI may refuse, so it is asked before files change
                    self._bring_options_to(checkpoint, file, "after")
            for target in targets:  # from here on nothing needs room on the disk
                self._move_over(checkpoint, *target)
        except (OSError, AutotuneError, KeyboardInterrupt) as error:
            self._put_back(checkpoint)
            if isinstance(error, OSError):
                hint = _("Everything is as it was. Make room or allow writing, then run the command again.")
                raise Refused(_("the files could not be replaced: {reason}").format(reason=error.strerror or error),
                              hint) from None
            raise
        return checkpoint

    def _put_back(self, checkpoint: Checkpoint) -> None:
        try:
            self._bring_to(checkpoint, "before")
        except Busy as error:
            raise Busy(_("a change stopped half-way: {message}").format(message=error.message), error.hint) from None
        except OSError as error:
            what = _("a change of files stopped half-way: {reason}").format(reason=error.strerror or error)
            hint = _("Make room or allow writing; the next command puts everything back.")
            raise cannot_write(error, what, hint) from None

    def _write_beside(
        self, checkpoint: Checkpoint, number: int, version: options.Version
    ) -> tuple[TargetFile, bool]:
        """Write one version's bytes beside the file; returns the target, and whether it shall exist at all."""
        data, file = self._saved(checkpoint, number, version), checkpoint.files[number]
        target = examine(file.path)
        if len(file.links) > 1:
            target = replace(target, names=file.links)
        if data is not None:
            write_beside(self.layer, target, data, checkpoint.id)
        return target, data is not None

    def _move_over(self, checkpoint: Checkpoint, target: TargetFile, exists: bool) -> None:
        if exists:
            move_over(self.layer, target, checkpoint.id)
        else:
            self.layer.unlink(target.path)
            self.layer.sync_folder(target.path.parent)

    def _bring_to(self, checkpoint: Checkpoint, version: options.Version) -> Checkpoint:
        """Give all files of a change one version's bytes, leave alone those that hold neither, close the record."""
        notes: list[str] = []
        damage: StateDamaged | None = None
        # Files first: should the web UI not let its options go now, the launch file is put right all the same.
        for number, file in sorted(enumerate(checkpoint.files), key=lambda one: bool(one[1].keys)):
            remove_leftovers(self.layer, file.path, checkpoint.id)
            if file.keys and (file.live or self.running(file.path) is not None):
                notes += self._bring_options_to(checkpoint, file, version)
                continue
            now = records.digest(self._now(file.path))
            goal, other = (file.before, file.after) if version == "before" else (file.after, file.before)
            split = len(file.links) > 1 and not records.one_file(file.links)
            if now == goal and not split:
                continue
            if now == other or (now == goal and split):
                try:
                    self._move_over(checkpoint, *self._write_beside(checkpoint, number, version))
                except StateDamaged as error:
                    damage = damage or error
            elif file.keys:
                notes += self._bring_options_to(checkpoint, file, version)
            else:
                notes.append(
                    _("{path} was changed by someone else meanwhile and was left as it is").format(path=file.path))
        if damage is not None:
            raise damage  # only now, so that the other files are put right
        return self._mark(checkpoint, records.UNDONE if version == "before" else records.FINAL, tuple(notes))

    def _bring_options_to(self, checkpoint: Checkpoint, file: SavedFile, version: options.Version) -> list[str]:
        """Set options to one version, through the web UI if it runs, else in its file; returns notes."""
        now = self._now(file.path)
        server = self.running(file.path)
        try:
            if server is not None:
                saved = config_json.values(now, str(file.path)) if now is not None else {}
                return notes_on_kept(file.path, options.set_running(server, saved, file.keys, version))
            data, notes = options_in_file(file, now, version)
        except Refused as error:
            return [error.message]
        if data is not None and data != now:
            replace_file(self.layer, examine(file.path), data, checkpoint.id)
        return notes

    def recover(self) -> tuple[str, ...]:
        """End what a dead process left: one sentence for each thing done, none if all was well.

        A change whose saved bytes are damaged is closed with a note and kept. Raises Refused, NothingToWorkOn or
        Busy when a file cannot be put back right now, after all others were; the next call tries again.
        """
        done: list[str] = []
        waits: AutotuneError | None = None
        if not self.folder.is_dir():
            return ()
        for path in sorted(self.folder.iterdir()):
            if path.name.endswith(".new") and _ID.match(path.name) and path.is_dir():
                self._discard(path)
                if not path.exists():
                    done.append(_("an unfinished checkpoint ({name}) was removed; nothing had been changed").format(
                        name=path.name))
        for checkpoint in self.entries():
            try:
                done += self._recover_one(checkpoint)
            except OSError as error:
                waits = waits or Refused(
                    _("an interrupted {kind} cannot be settled: {reason}").format(
                        kind=checkpoint.kind, reason=error.strerror or error),
                    _("Allow writing or make room; the next command tries again."))
            except AutotuneError as error:
                waits = waits or error
        if waits is not None:
            raise waits
        return tuple(done)

    def _recover_one(self, checkpoint: Checkpoint) -> tuple[str, ...]:
        """End one interrupted change, and say so; nothing where it needs that not."""
        left = self.folder / checkpoint.id / f"{records.RECORD}.new"
        if left.is_dir():  # autotune makes none, and it would be in the way for ever
            self.layer.replace(left, left.with_name(f"{left.name}.{os.getpid()}.aside"))
        elif left.exists():
            self.layer.unlink(left)
        if checkpoint.state not in (records.TEMPORARY, records.IN_PROGRESS):
            return ()
        back = checkpoint.state == records.TEMPORARY or checkpoint.kind == "apply"
        try:
            self._bring_to(checkpoint, "before" if back else "after")
        except StateDamaged as error:
            if records.damage_in(self.folder / checkpoint.id) is None:
                raise
            note = _("an interrupted {kind} ({id}) cannot be settled and was closed: {message}; its files are as they "
                     "were found").format(kind=checkpoint.kind, id=checkpoint.id, message=error.message)
            self._mark(checkpoint, records.UNDONE, (note,))
            return (note,)
        text = (_("an interrupted {kind} ({id}) was taken back") if back
                else _("an interrupted {kind} ({id}) was carried through"))
        return (text.format(kind=checkpoint.kind, id=checkpoint.id),)
