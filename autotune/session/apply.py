"""`apply` and `rollback`: the winning set into the launch file, proven, and back, byte for byte."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.flags.space import OPTION_DEFAULTS
from autotune.launchfile import LaunchFile, config_json, diff, edit, read
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.lock import Lock
from autotune.launchfile.records import Change, Checkpoint
from autotune.launchfile.redact import shown
from autotune.model import codec
from autotune.model.errors import AutotuneError, BaselineFailed, NothingToWorkOn, Refused, UsageProblem
from autotune.model.flagset import SettingValue
from autotune.session.look import Look
from autotune.session.recover import recover
from autotune.store import events
from autotune.store.places import Places
from autotune.store.studies import find_study

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """A change that is ready to be shown and made. ``notes``: what the user should know before saying yes."""

    file: LaunchFile
    flags: tuple[str, ...]
    settings: dict[str, SettingValue]
    changes: tuple[Change, ...]
    diff: str
    after: tuple[str, ...]
    meta: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """False when the files already hold this set."""
        return bool(self.changes)

    def document(
        self, changed: bool, checkpoint: str | None = None, verified: bool | None = None
    ) -> dict[str, Any]:
        """The document of `apply`; ``message`` is the same in words."""
        name = self.file.path.name
        if changed:
            proof = {True: ", and is in effect", None: " (not proven: it was not started)"}.get(verified, "")
            message = f"{name} is written{proof}. To undo: autotune rollback"
        else:
            message = f"{name} already holds this set." if not self.changed else "Nothing was written."
        return {
            "changed": changed,
            "file": str(self.file.path),
            "before": shown(self.file.words),
            "after": shown(self.after),
            "flags": list(self.flags),
            "settings": dict(self.settings),
            "diff": self.diff,
            "checkpoint": checkpoint,
            "verified": verified,
            "notes": list(self.notes),
            "message": message,
        }


def plan(look: Look, places: Places, words: str | None, cause: str = "asked") -> Plan:
    """Works out the change: ``words`` (given on the command line) or the newest tune's winner.

    Raises NothingToWorkOn (no launch file, no tune), UsageProblem (a word that is not managed), Refused.
    """
    file = _editable(look)
    flags, settings, meta, notes = _given(look, words) if words is not None else _winner(look, places)
    after = edited(look, flags)
    changes = [] if after == file.data else [Change(file.path, file.data, after)]
    shown_diff = diff(file.data, after, file.path.name)
    config = settings_file(look)
    data = config.read_bytes() if config.is_file() else b"{}"
    wanted = _wanted(data, settings, str(config))
    if wanted:
        new = config_json.edit(data, wanted, str(config))
        keys = config_json.old_and_new(data, wanted)
        changes.append(Change(config, data if config.is_file() else None, new, keys))
        shown_diff += _settings_diff(config.name, keys)
    notes += _edited_since(look, places, file.path)
    asked = f"{cause}: --flags" if words is not None else cause
    parts = codec.dump(look.machine.fingerprint)
    meta.update(cause=asked, flags=list(flags), settings=settings, fingerprint=parts)
    again = _reread(file, after)
    return Plan(file, flags, settings, tuple(changes), shown_diff, again, meta, tuple(notes))


def edited(look: Look, flags: Sequence[str]) -> bytes:
    """The launch file's bytes with exactly these managed words. Raises Refused with the line to paste."""
    assert look.file is not None
    return edit(look.file, flags, look.catalogue.owns)


def carry_out(look: Look, places: Places, plan: Plan, *, start: bool, say: Say) -> dict[str, Any]:
    """Makes the change and proves it by one start; takes it back when it does not come into effect.

    Raises Busy, Refused, StateDamaged, BaselineFailed (the web UI does not start with it: files are as before).
    """
    from autotune.session import proof

    with Lock(places.lock, "apply"):
        _require_quiet_settings(look, plan)
        store = Checkpoints(places.checkpoints(look.root))
        checkpoint = store.begin(plan.changes, plan.meta)
        verified: bool | None = None
        try:
            if start:
                say("starting the web UI once by its own script, to see whether the flags are in effect")
                proof.prove(look, places, plan.after, plan.settings)
                verified = True
        except (AutotuneError, KeyboardInterrupt) as error:
            store.abandon(checkpoint)
            if isinstance(error, BaselineFailed):
                message = f"{error.message}; {plan.file.path.name} is as it was"
                raise BaselineFailed(message, error.hint) from None
            raise
        store.finish(checkpoint)
        events.record(
            places.history(look.root), "apply", str(plan.meta.get("cause", "asked")), study=plan.meta.get("study"),
            flags=list(plan.flags), settings=plan.settings, speedup=plan.meta.get("speedup"),
            checkpoint=checkpoint.id, verified=verified, file=str(plan.file.path),
        )
    return plan.document(True, checkpoint.id, verified)


def rollback(
    root: Path, places: Places, to: str | None, force: bool = False, cause: str = "asked"
) -> dict[str, Any]:
    """Puts everything back as it was before the newest apply, or before apply ``to``.

    Raises NothingToWorkOn (nothing applied), Refused (its owner changed the file since), StateDamaged, Busy.
    """
    recover(places, root)
    with Lock(places.lock, "rollback"):
        store = Checkpoints(places.checkpoints(root))
        done = store.rollback(to, force, {"cause": cause})
        events.record(places.history(root), "rollback", cause, checkpoint=done.undoes[0], undone=list(done.undoes))
    return _rolled_back(store, done, root)


def _rolled_back(store: Checkpoints, done: Checkpoint, root: Path) -> dict[str, Any]:
    undone = next(one for one in store.entries() if one.id == done.undoes[0])
    path = next((file.path for file in undone.files if file.path.suffix != ".json"), undone.files[0].path)
    try:
        before, after = store.held(done, path, "before"), store.held(done, path, "after")
    except KeyError:
        before = after = path.read_bytes() if path.is_file() else None
    notes = "".join(f"\n{note}" for note in done.notes)
    message = f"{path.name} is as it was before checkpoint {undone.id}." if done.files else "Nothing had to change."
    return {
        "changed": bool(done.files),
        "file": str(path),
        "before": _words_of(path, before, root),
        "after": _words_of(path, after, root),
        "diff": diff(before or b"", after or b"", path.name),
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
        return shown(parse(data, path, {}, root).words)
    except AutotuneError:
        return []


def _editable(look: Look) -> LaunchFile:
    if look.path is None:
        raise NothingToWorkOn(f"{look.root} has no launch file", "Name it with --launch-file.")
    if not look.machine.webui.manageable:
        raise Refused(
            f"{look.root}: {look.machine.webui.why_not or 'this install is not managed'}",
            "`autotune probe` says where its flags live; put them there by hand.",
        )
    if look.file is None:
        raise Refused(look.why_not_editable or f"{look.path} cannot be read", "Mend the file first.")
    return look.file


Chosen = tuple[tuple[str, ...], dict[str, SettingValue], dict[str, Any], list[str]]


def _given(look: Look, words: str) -> Chosen:
    try:
        flags = tuple(shlex.split(words))
    except ValueError as error:
        raise UsageProblem(f"--flags {words!r}: {error}", "Close the quote.") from None
    for word, ours in zip(flags, look.catalogue.owns(flags), strict=True):
        if not ours:
            raise UsageProblem(f"--flags: {word!r} is not a flag that autotune manages", "Edit it by hand.")
    from autotune.flags.words import canonical

    settings: dict[str, SettingValue] = {}
    if dict(look.machine.settings).get("cross_attention_optimization"):
        settings["cross_attention_optimization"] = OPTION_DEFAULTS["cross_attention_optimization"]
    return canonical(flags, look.catalogue), settings, {}, []


def _winner(look: Look, places: Places) -> Chosen:
    study = find_study(places.studies(look.root), None)
    document = study.document()
    if document is None:
        raise NothingToWorkOn(f"study {study.id} has no verdict yet", "Run `autotune tune` to go on with it.")
    if study.head.get("imported"):
        raise NothingToWorkOn("the newest study was measured elsewhere", "Run `autotune tune` on this machine first.")
    notes = []
    if document["decision"] == "keep":
        notes.append(f"the newest tune says: keep the current flags. {document['reason']}")
    then = dict(document["fingerprint"]["parts"])
    now = dict(look.machine.fingerprint.parts)
    changed = sorted(name for name in now if then.get(name) != now[name])
    if changed:
        notes.append(f"since that tune has changed: {', '.join(changed)}; `autotune tune` would measure again")
    side = document["winner"]
    meta = {"study": study.id, "speedup": document["speedup"]}
    return tuple(side["flags"]), dict(side["settings"]), meta, notes


def settings_file(look: Look) -> Path:
    """The web UI's config.json, wherever its flags place it."""
    from autotune.server.isolation import settings_files

    return settings_files(look.root, look.machine.webui.flags)[0]


def _wanted(data: bytes, settings: dict[str, SettingValue], name: str) -> dict[str, SettingValue]:
    """Options that really change: a default that the file does not hold is not written."""
    now = config_json.values(data, name) if settings else {}
    return {key: value for key, value in settings.items() if now.get(key, OPTION_DEFAULTS.get(key)) != value}


def _settings_diff(name: str, keys: config_json.Keys) -> str:
    rows = [f"--- {name} (before)", f"+++ {name} (after)"]
    for key, (old, new) in keys.items():
        if old != config_json.ABSENT:
            rows.append(f"-{key}: {old}")
        rows.append(f"+{key}: {new}")
    return "\n".join(rows) + "\n"


def _edited_since(look: Look, places: Places, path: Path) -> list[str]:
    stands = Checkpoints(places.checkpoints(look.root)).changed_since(path)
    if stands == "edited":
        return [f"{path.name} was edited since autotune last wrote it; only tuning flags are changed now"]
    if stands == "before":
        return [f"{path.name} was put back since autotune last wrote it (a git pull, or its owner)"]
    return []


def _reread(file: LaunchFile, after: bytes) -> tuple[str, ...]:
    from autotune.launchfile.reader import parse

    return parse(after, file.path, file.environ, file.root).words


def _require_quiet_settings(look: Look, plan: Plan) -> None:
    """A running web UI writes its options over config.json: then options are not ours to change."""
    from autotune.model.errors import Busy
    from autotune.session.owner import servers_of

    if not any(change.keys for change in plan.changes):
        return
    for pid, port in servers_of(look.root):
        raise Busy(
            f"the web UI runs (pid {pid}, port {port}) and would write over {settings_file(look).name}",
            "Close it and run again.",
        )


__all__ = ["Plan", "carry_out", "edited", "plan", "read", "rollback", "settings_file"]
