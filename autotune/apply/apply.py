"""`apply` and `rollback`: the winning set into the launch file, proven, and back, byte for byte."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autotune.flags.words import split
from autotune.install import blocking_programs
from autotune.install.inspection import Inspection
from autotune.install.interrupted_edit import settle_interrupted_edit
from autotune.install.launch_flags import known_words
from autotune.install.still_applied import file_drift
from autotune.launchfile import LaunchFile, config_json, edit, read
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.lock import exclusively
from autotune.launchfile.options import with_defaults
from autotune.launchfile.records import Checkpoint, FileChange
from autotune.model import codec
from autotune.model.errors import (
    AutotuneError,
    BaselineFailed,
    Busy,
    NothingToWorkOn,
    Refused,
    StateDamaged,
    UsageProblem,
)
from autotune.model.flagset import SettingValue
from autotune.secrets.mask import masked_diff, masked_words
from autotune.store import events
from autotune.store.places import Places
from autotune.store.studies import find_study
from autotune.webui.recognise import face_of

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """A change that is ready to be shown and made. ``notes``: what the user should know before saying yes.

    ``after``: the words that launch.py is to receive; ``unproven``: what they depend on that nobody here knows, '' when
    they are certain.

    ``blocked``: why it cannot be made now, although it can be shown. ``newest``: the checkpoint it was worked out on.
    """

    file: LaunchFile
    flags: tuple[str, ...]
    settings: dict[str, SettingValue]
    changes: tuple[FileChange, ...]
    diff: str
    after: tuple[str, ...]
    meta: dict[str, Any]
    notes: tuple[str, ...]
    blocked: Busy | None = None
    newest: str | None = None
    before: tuple[str, ...] = ()
    unproven: str = ""

    @property
    def changed(self) -> bool:
        """False when the files already hold this set."""
        return bool(self.changes)

    def require_possible(self, root: Path, start: bool) -> None:
        """Raises Busy when the change cannot be made, or with ``start`` not proven, as long as another program runs
        as it does: the user's own web UI above all."""
        why = self.blocked or (blocking_programs.against_starting(root) if start else None)
        if why is not None:
            raise why

    def document(
        self, changed: bool, checkpoint: str | None = None, verified: bool | None = None
    ) -> dict[str, Any]:
        """The document of `apply`; ``message`` is the same in words."""
        name = self.file.path.name
        if changed:
            proof = {True: ", and is in effect", None: " (not proven: it was not started)"}.get(verified, "")
            written = [change.path.name for change in self.changes]
            verb = "is" if len(written) == 1 else "are"
            message = f"{' and '.join(written)} {verb} written{proof}. To undo: autotune rollback"
        else:
            message = f"{name} already holds this set." if not self.changed else "Nothing was written."
        return {
            "changed": changed,
            "file": str(self.file.path),
            "before": masked_words(self.before),
            "after": masked_words(self.after),
            "flags": list(self.flags),
            "settings": dict(self.settings),
            "diff": self.diff,
            "checkpoint": checkpoint,
            "verified": verified,
            "notes": list(self.notes),
            "message": message,
        }


def plan(install: Inspection, places: Places, words: str | None, cause: str = "asked") -> Plan:
    """Works out the change: ``words`` (given on the command line) or the newest tune's winner.

    Raises NothingToWorkOn (no launch file, no tune), UsageProblem (a word that is not managed), Refused.
    """
    places.require_outside(install.root)
    file = _editable(install)
    flags, settings, meta, notes = _given(install, words) if words is not None else _winner(install, places)
    dimensions: Sequence[str] = meta.get("dimensions", ())
    _require_startable(install, file, dimensions)
    after = edited(install, flags, dimensions)
    changes = [] if after == file.data else [FileChange(file.path, file.data, after)]
    shown_diff = masked_diff(file.data, after, file.path.name)
    option, blocked = _option_change(install, settings)
    blocked = blocked or blocking_programs.against_writing(install.root, (change.path for change in changes))
    if option is not None:
        changes.append(option)
        shown_diff += _settings_diff(option.path.name, option.keys)
        if option.live:
            notes.append(f"the web UI runs: its settings are changed through its API, and it saves {option.path.name}")
    notes += _edited_since(install, places, file)
    notes += filter(None, [blocking_programs.next_start_note(install.root) if install.machine.webui.running else None])
    asked = f"{cause}: --flags" if words is not None else cause
    parts = codec.dump(install.machine.fingerprint)
    meta.update(cause=asked, flags=list(flags), settings=settings, fingerprint=parts)
    again, unproven = _reread(install, file, after)
    if unproven:
        notes.append(f"which other flags the web UI gets depends on {unproven}: only the tuning flags can be proven")
    newest = Checkpoints(places.checkpoints(install.root)).newest()
    return Plan(file, flags, settings, tuple(changes), shown_diff, again, meta, tuple(notes), blocked, newest,
                install.machine.webui.flags, unproven)


def edited(install: Inspection, flags: Sequence[str], dimensions: Sequence[str] = ()) -> bytes:
    """The launch file's bytes with exactly these managed words; ``dimensions``: what a study searched, and so may
    edit beside the default ones. Raises Refused with the line to paste."""
    assert install.file is not None
    held = split(install.machine.webui.flags, install.catalogue, dimensions).tuned
    if install.launch.asked and sorted(held) == sorted(flags):
        return install.file.data
    blocked = face_of(install.root).block_flags()
    return edit(install.file, flags, lambda words: install.catalogue.owns(words, dimensions), blocked)


def carry_out(install: Inspection, places: Places, plan: Plan, *, start: bool, say: Say) -> dict[str, Any]:
    """Makes the change and proves it by one start; takes it back when it does not come into effect.

    Raises Busy (also when the user's web UI runs: with ``start``, or where it cannot be asked to change its settings),
    Refused, StateDamaged, BaselineFailed (the web UI does not start with it: files are as before).
    """
    from autotune.apply import proving_start

    plan.require_possible(install.root, start)
    with exclusively(places.lock, install.root, "apply"):
        store = Checkpoints(places.checkpoints(install.root), running=face_of(install.root).options_of(install.root))
        store.recover()
        if store.newest() != plan.newest:
            raise Busy(f"another autotune changed {plan.file.path.name} meanwhile (checkpoint {store.newest()})",
                       "Nothing was written. Run the command again: it works out the change anew.")
        checkpoint = store.begin(plan.changes, plan.meta)
        verified: bool | None = None
        try:
            if start:
                say("starting the web UI once by its own script, to see whether the flags are in effect")
                managed = plan.flags if plan.unproven else None
                proving_start.prove(install, places, plan.after, plan.settings, managed)
                verified = True
        except (AutotuneError, KeyboardInterrupt) as error:
            store.abandon(checkpoint)
            if isinstance(error, BaselineFailed):
                message = f"{error.message}; {plan.file.path.name} is as it was"
                raise BaselineFailed(message, error.hint) from None
            raise
        try:
            store.finish(checkpoint)
        except AutotuneError:
            store.abandon(checkpoint)
            raise
        _record(
            places, install.root, "apply", str(plan.meta.get("cause", "asked")), say, study=plan.meta.get("study"),
            flags=list(plan.flags), settings=plan.settings, speedup=plan.meta.get("speedup"),
            checkpoint=checkpoint.id, verified=verified, file=str(plan.file.path),
        )
    return plan.document(True, checkpoint.id, verified)


def _record(places: Places, root: Path, verb: str, cause: str, say: Say, **facts: object) -> None:
    """Notes in the history what was done. It is done, so a history that cannot be written is no failure of it."""
    try:
        events.record(places.history(root), verb, cause, **facts)
    except StateDamaged as error:
        say(f"the history lacks this {verb}: {error.message}")


def rollback(
    root: Path, places: Places, to: str | None, say: Say, *, force: bool = False, cause: str = "asked",
    launch_file: Path | None = None,
) -> dict[str, Any]:
    """Puts everything back as it was before the newest apply, or before apply ``to``; of ``launch_file``, if given.

    Raises NothingToWorkOn (nothing applied), Refused (its owner changed the file since, or nothing that is in force
    was written to ``launch_file``), StateDamaged, Busy (also
    when settings are to be put back that a running web UI holds and does not let go).
    """
    settle_interrupted_edit(places, root)
    with events.record_failure(places.history(root), "rollback", cause), exclusively(places.lock, root, "rollback"):
        store = Checkpoints(places.checkpoints(root), running=face_of(root).options_of(root))
        try:
            store.recover()
        except (Refused, NothingToWorkOn) as error:
            # Another file's trouble; where it is this one's, it stands as nobody left it, and is refused below.
            say(error.message)
        undone = store.to_undo(to, launch_file)
        written = (file.path for one in undone for file in one.files if not file.keys)
        busy = blocking_programs.against_writing(root, written)
        if busy is not None:
            raise busy
        done = store.rollback(to, force, {"cause": cause}, launch_file)
        _record(places, root, "rollback", cause, say, checkpoint=done.undoes[0], undone=list(done.undoes))
    document = _rolled_back(store, done, root)
    note = blocking_programs.next_start_note(root) if done.files else None
    if note is not None:
        document.update(notes=[*document["notes"], note], message=f"{document['message']}\n{note}")
    return document


def _rolled_back(store: Checkpoints, done: Checkpoint, root: Path) -> dict[str, Any]:
    undone = next(one for one in store.entries() if one.id == done.undoes[0])
    path = next((file.path for file in undone.files if file.path.suffix != ".json"), undone.files[0].path)
    try:
        before, after = store.held(done, path, "before"), store.held(done, path, "after")
    except KeyError:
        before = after = path.read_bytes() if path.is_file() else None
    settings = "".join(_settings_diff(file.path.name, file.keys) for file in done.files if file.keys)
    notes = "".join(f"\n{note}" for note in done.notes)
    message = f"{path.name} is as it was before checkpoint {undone.id}." if done.files else "Nothing had to change."
    return {
        "changed": bool(done.files),
        "file": str(path),
        "before": _words_of(path, before, root),
        "after": _words_of(path, after, root),
        "diff": masked_diff(before or b"", after or b"", path.name) + settings,
        "checkpoint": undone.id,
        "verified": None,
        "notes": list(done.notes),
        "message": message + notes,
    }


def _words_of(path: Path, data: bytes | None, root: Path) -> list[str]:
    from autotune.launchfile.reader import parse

    if data is None:
        return []
    try:
        return masked_words(parse(data, path, {}, root).words)
    except AutotuneError:
        return []


def _editable(install: Inspection) -> LaunchFile:
    webui, layout = install.machine.webui, install.launch.layout
    if install.launch.fault is not None:
        raise install.launch.fault
    if install.path is None and install.catalogue.tuned and not (layout and layout.host):
        why_not = layout.why_not if layout else None
        raise NothingToWorkOn(why_not or f"{install.root} has no launch file", "Name it with --launch-file.")
    if not webui.manageable:
        where = f"Its flags go here: {layout.where_flags_go}" if layout else "Put the flags there by hand."
        raise Refused(f"{install.root}: {webui.why_not or 'this install is not managed'}", where)
    if install.path is None or install.file is None:
        raise NothingToWorkOn(f"{install.root} has no launch file", "Name it with --launch-file.")
    return install.file


def _require_startable(install: Inspection, file: LaunchFile, dimensions: Sequence[str]) -> None:
    """Raises Refused when the web UI's own parser stops at a word of the owner's: then no set can be proven."""
    webui = install.machine.webui
    kept = split(webui.flags, install.catalogue, dimensions).kept
    why = face_of(install.root).complaint(install.root, kept) if install.launch.known else None
    if why is not None:
        raise Refused(f"{file.path}: the web UI does not start with these flags: {why}",
                      "Mend that flag first; nothing was changed.")


Chosen = tuple[tuple[str, ...], dict[str, SettingValue], dict[str, Any], list[str]]
"""Flags, settings, what the checkpoint notes of them ("dimensions": what may be edited), what to tell the user."""


def _given(install: Inspection, words: str) -> Chosen:
    try:
        flags = tuple(shlex.split(words))
    except ValueError as error:
        raise UsageProblem(f"--flags {words!r}: {error}", "Close the quote.") from None
    # Memory and precision flags are left alone unless a profile searches them; named here, they are asked for.
    named = (install.catalogue.find(word) for word in flags)
    dimensions = sorted({flag.dimension for flag in named if flag is not None and flag.dimension})
    managed = " ".join(sorted(install.catalogue.managed(install.catalogue.dimensions)))
    for word, ours in zip(flags, install.catalogue.owns(flags, dimensions), strict=True):
        if not ours:
            raise UsageProblem(
                f"--flags: {word!r} is not a flag that autotune manages for {install.catalogue.title}",
                f"Put it into the launch file by hand; managed: {managed}.")
    from autotune.flags.words import canonical

    settings = dict(face_of(install.root).let_flags_decide(dict(install.machine.settings)))
    return canonical(flags, install.catalogue), settings, {"dimensions": dimensions}, []


def _winner(install: Inspection, places: Places) -> Chosen:
    study = find_study(places.studies(install.root), None)
    study.checked_question()
    document = study.document()
    if document is None:
        raise NothingToWorkOn(f"study {study.id} has no verdict yet", "Run `autotune tune` to go on with it.")
    if study.head.get("imported"):
        raise NothingToWorkOn("the newest study was measured elsewhere", "Run `autotune tune` on this machine first.")
    notes = []
    if document["decision"] == "keep":
        notes.append(f"the newest tune says: keep the current flags. {document['reason']}")
    then = dict(document["fingerprint"]["parts"])
    now = dict(install.machine.fingerprint.parts)
    changed = sorted(name for name in now if then.get(name) != now[name])
    if changed:
        notes.append(f"since that tune has changed: {', '.join(changed)}; `autotune tune` would measure again")
    side = document["winner"]
    searched = [one["name"] for one in study.head["space"]["dimensions"]]
    meta = {"study": study.id, "speedup": document["speedup"], "dimensions": searched}
    return tuple(side["flags"]), dict(side["settings"]), meta, notes


def settings_file(install: Inspection) -> Path:
    """Where the web UI saves its options, wherever its flags place that."""
    return face_of(install.root).settings_file(install.root, install.machine.webui.flags)


def _option_change(install: Inspection, settings: dict[str, SettingValue]) -> tuple[FileChange | None, Busy | None]:
    """How options come to be: through the web UI while it runs, else in its config.json; None: they are so already.

    A web UI that runs and cannot be asked stands in the way (Busy); its file then says what would be changed.
    """
    if not settings:
        return None, None
    config = settings_file(install)
    data = config.read_bytes() if config.is_file() else None
    saved = config_json.values(data, str(config)) if data is not None else {}
    usual = face_of(install.root).usual_options()
    keys = _keys(saved, settings, usual)
    try:
        server = face_of(install.root).options_of(install.root)(config)
        if server is not None:
            keys |= _keys({**saved, **server.values()}, settings, usual)
            return (FileChange(config, None, None, with_defaults(server, keys), True) if keys else None), None
    except Busy as busy:
        if not keys:
            return None, None
        return _in_file(config, data, keys), busy
    return (_in_file(config, data, keys) if keys else None), None


def _in_file(config: Path, data: bytes | None, keys: config_json.Keys) -> FileChange:
    new = config_json.edit(data or b"{}", {key: new for key, (_, new) in keys.items()}, str(config))
    return FileChange(config, data, new, keys)


def _keys(
    now: Mapping[str, Any], settings: Mapping[str, SettingValue], usual: Mapping[str, SettingValue]
) -> dict[str, tuple[Any, Any]]:
    """Option -> (old, new) of those that really change: a default that nobody wrote down is not written."""
    return {key: (now.get(key, config_json.ABSENT), value)
            for key, value in settings.items() if now.get(key, usual.get(key)) != value}


def _settings_diff(name: str, keys: config_json.Keys) -> str:
    rows = [f"--- {name} (before)", f"+++ {name} (after)"]
    for key, (old, new) in keys.items():
        rows += [f"{sign}{key}: {value}" for sign, value in (("-", old), ("+", new)) if value != config_json.ABSENT]
    return "\n".join(rows) + "\n"


def _edited_since(install: Inspection, places: Places, file: LaunchFile) -> list[str]:
    """What its owner changed since the newest apply, by name: it is said before anything is written over it."""
    store = Checkpoints(places.checkpoints(install.root))
    stands, applied, name = store.changed_since(file.path), store.current(), file.path.name
    if stands not in ("edited", "before") or applied is None:
        return []
    gone = file_drift(install.machine.webui.flags, applied.meta, install.catalogue)
    difference = f": {gone}" if gone else ""
    if stands == "before":
        return [f"{name} was put back since autotune last wrote it (a git pull, or its owner){difference}"]
    return [f"{name} was edited since autotune last wrote it{difference}; only tuning flags are changed now"]


def _reread(install: Inspection, file: LaunchFile, after: bytes) -> tuple[tuple[str, ...], str]:
    """The words that the file gives once it is written, and what they depend on where they are not certain."""
    from autotune.launchfile.reader import parse

    again = replace(parse(after, file.path, file.environ, file.root), others=file.others)
    words = known_words(install.root, again, after)
    if words is not None:
        return words, ""
    return again.words, ", ".join(again.uncertain)


__all__ = ["Plan", "carry_out", "edited", "plan", "read", "rollback", "settings_file"]
