"""`apply`: works out the edit of the launch file, makes it reversibly, and proves by one start that it acts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from autotune.flags.words import canonical, split
from autotune.install import blocking_programs
from autotune.install.inspection import Inspection
from autotune.install.launch_flags import known_words
from autotune.install.still_applied import file_drift
from autotune.language.translate import _, ngettext
from autotune.launchfile import LaunchFile, config_json, edit
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.lock import exclusively
from autotune.launchfile.options import with_defaults
from autotune.launchfile.quoting import joined
from autotune.launchfile.reader import parse
from autotune.launchfile.records import FileChange
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

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """An edit that is ready to be shown and made.

    ``flags`` and ``settings``: the set; ``changes``: the files to write; ``meta``: what the checkpoint notes of it.
    ``before`` and ``after``: all words that launch.py gets; ``unproven``: what ``after`` depends on that is not known,
    '' where it is certain. ``notes``: what the user should know before saying yes. ``blocked``: why it cannot be made
    now, although it can be shown. ``newest``: the newest checkpoint when it was worked out.
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
        """Whether anything is to be written; False when the files hold this set already."""
        return bool(self.changes)

    def require_possible(self, root: Path, start: bool) -> None:
        """Raises Busy while another program, mostly the user's web UI, prevents the edit, or its proof (``start``)."""
        why = self.blocked or (blocking_programs.against_starting(root) if start else None)
        if why is not None:
            raise why

    def document(self, changed: bool, checkpoint: str | None = None, verified: bool | None = None) -> dict[str, Any]:
        """The document of `apply` (docs/contract.md: JSON); its ``message`` is the same in words."""
        name = self.file.path.name
        if changed:
            message = _written([change.path.name for change in self.changes], verified)
        elif self.changed:
            message = _("Nothing was written.")
        else:
            message = _("{name} already holds this set.").format(name=name)
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


def _written(names: Sequence[str], verified: bool | None) -> str:
    """What was written, and whether that is proven (False: it was not asked for)."""
    files = names[0] if len(names) == 1 else _("{others} and {last}").format(
        others=", ".join(names[:-1]), last=names[-1])
    if verified:
        text = ngettext("{files} is written, and is in effect. To undo: autotune rollback",
                        "{files} are written, and is in effect. To undo: autotune rollback", len(names))
    elif verified is None:
        text = ngettext("{files} is written (not proven: it was not started). To undo: autotune rollback",
                        "{files} are written (not proven: it was not started). To undo: autotune rollback", len(names))
    else:
        text = ngettext("{files} is written. To undo: autotune rollback",
                        "{files} are written. To undo: autotune rollback", len(names))
    return text.format(files=files)


def plan(install: Inspection, places: Places, words: str | None, cause: str = "asked") -> Plan:
    """Works out the edit for the flags in ``words`` (from the command line), or for the newest tune's winner.

    Raises NothingToWorkOn (no launch file, no tune), UsageProblem (a word that autotune does not manage), Refused (the
    file cannot be edited safely).
    """
    places.require_outside(install.root)
    file = _editable(install, lambda: _given(install, words) if words is not None else _winner(install, places))
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
        shown_diff += settings_diff(option.path.name, option.keys)
        if option.live:
            text = _("the web UI runs: its settings are changed through its API, and it saves {name}")
            notes.append(text.format(name=option.path.name))
    notes += _edited_since(install, places, file)
    running = blocking_programs.next_start_note(install.root) if install.machine.webui.running else None
    notes += [running] if running else []
    asked = f"{cause}: --flags" if words is not None else cause
    parts = codec.dump(install.machine.fingerprint)
    meta.update(cause=asked, flags=list(flags), settings=settings, fingerprint=parts)
    again, unproven = _reread(install, file, after)
    if unproven:
        text = _("which other flags the web UI gets depends on {what}: only the tuning flags can be proven")
        notes.append(text.format(what=unproven))
    newest = Checkpoints(places.checkpoints(install.root)).newest()
    return Plan(file, flags, settings, tuple(changes), shown_diff, again, meta, tuple(notes), blocked, newest,
                install.machine.webui.flags, unproven)


def edited(install: Inspection, flags: Sequence[str], dimensions: Sequence[str] = ()) -> bytes:
    """The launch file's bytes with ``flags`` as its only managed words.

    ``dimensions``: beside the default ones these may be edited, because a study searched them. Raises Refused, with the
    line to paste, where the file cannot be edited safely.
    """
    assert install.file is not None
    held = split(install.machine.webui.flags, install.catalogue, dimensions).tuned
    if install.launch.asked and sorted(held) == sorted(flags):
        return install.file.data
    blocked = install.kind.block_flags()
    return edit(install.file, flags, lambda words: install.catalogue.owns(words, dimensions), blocked)


def carry_out(install: Inspection, places: Places, plan: Plan, *, start: bool, say: Say) -> dict[str, Any]:
    """Makes the edit, proves it by one start (with ``start``), and undoes it when it is not in effect then.

    Raises Busy (the user's web UI runs and prevents the proof or does not take settings, or another autotune changed
    the file), Refused, StateDamaged, BaselineFailed (not in effect; all files are as before).
    """
    from autotune.apply import proving_start

    plan.require_possible(install.root, start)
    with exclusively(places.lock, install.root, "apply"):
        store = Checkpoints(places.checkpoints(install.root), running=install.kind.options_of(install.root))
        store.recover()
        if store.newest() != plan.newest:
            raise Busy(
                _("another autotune changed {name} meanwhile (checkpoint {id})").format(
                    name=plan.file.path.name, id=store.newest()),
                _("Nothing was written. Run the command again: it works out the change anew."))
        checkpoint = store.begin(plan.changes, plan.meta)
        verified: bool | None = None
        try:
            if start:
                say(_("starting the web UI once as you start it, to see whether the flags are in effect"))
                managed = plan.flags if plan.unproven else None
                proving_start.prove(install, places, plan.after, plan.settings, managed)
                verified = True
        except (AutotuneError, KeyboardInterrupt) as error:
            store.abandon(checkpoint)
            if isinstance(error, BaselineFailed):
                message = _("{message}; {name} is as it was").format(message=error.message, name=plan.file.path.name)
                raise BaselineFailed(message, error.hint) from None
            raise
        try:
            store.finish(checkpoint)
        except AutotuneError:
            store.abandon(checkpoint)
            raise
        note_in_history(
            places.history(install.root), "apply", say, cause=plan.meta["cause"], study=plan.meta.get("study"),
            flags=list(plan.flags), settings=plan.settings, speedup=plan.meta.get("speedup"),
            checkpoint=checkpoint.id, verified=verified, file=str(plan.file.path))
    return plan.document(True, checkpoint.id, verified)


def note_in_history(history: Path, verb: str, say: Say, **facts: Any) -> None:  # noqa: ANN401 - see events.record
    """Records in the history what was done. A history that cannot be written is only reported: the edit is made."""
    try:
        events.record(history, verb, **facts)
    except StateDamaged as error:
        say(_("the history lacks this {verb}: {message}").format(verb=verb, message=error.message))


def _editable(install: Inspection, chosen: Callable[[], _ChosenSet]) -> LaunchFile:
    """The launch file to edit. Raises NothingToWorkOn (there is none), Refused (autotune does not edit it, and says
    where to paste the flags of the ``chosen`` set)."""
    webui, layout = install.machine.webui, install.launch.layout
    if install.launch.fault is not None:
        raise install.launch.fault
    # A kind with other files than scripts need not have one at all: its flags are wherever its owner starts it.
    if install.path is None and install.catalogue.tuned and not (layout and (layout.host or install.kind.formats)):
        why_not, hint = layout.why_not if layout else None, _("Name it with --launch-file.")
        if layout:
            hint = _("Its flags go here: {place}").format(place=layout.where_flags_go) + f"\n{hint}"
        raise NothingToWorkOn(why_not or _("{root} has no launch file").format(root=install.root), hint)
    if not webui.manageable:
        where = _("Put the flags there by hand.")
        if layout:
            where = _("Its flags go here: {place}").format(place=layout.where_flags_go) + _pasted(chosen)
        why = webui.why_not or _("this install is not managed")
        raise Refused(f"{install.root}: {why}", where)
    if install.path is None or install.file is None:
        raise NothingToWorkOn(_("{root} has no launch file").format(root=install.root),
                              _("Name it with --launch-file."))
    return install.file


def _pasted(chosen: Callable[[], _ChosenSet]) -> str:
    """A line that says which flags to write by hand; empty where nothing was chosen yet."""
    try:
        words = joined(chosen().flags)
    except (NothingToWorkOn, UsageProblem):
        return ""
    text = _("Paste there, beside your own flags and in place of others of its kind: {words}").format(
        words=words) if words else _("Take out the flags there that autotune tunes: the set has none.")
    return f"\n{text}"


def _require_startable(install: Inspection, file: LaunchFile, dimensions: Sequence[str]) -> None:
    """Raises Refused when the web UI's own parser stops at a flag of the owner's: then no set can be proven."""
    kept = split(install.machine.webui.flags, install.catalogue, dimensions).kept
    why = install.kind.complaint(install.root, kept) if install.launch.known else None
    if why is not None:
        raise Refused(_("{path}: the web UI does not start with these flags: {why}").format(path=file.path, why=why),
                      _("Mend that flag first; nothing was changed."))


class _ChosenSet(NamedTuple):
    """The set to apply. ``meta``: what the checkpoint notes of it, ``dimensions`` (what may be edited) among it;
    ``notes``: what to tell the user."""

    flags: tuple[str, ...]
    settings: dict[str, SettingValue]
    meta: dict[str, Any]
    notes: list[str]


def _given(install: Inspection, words: str) -> _ChosenSet:
    """The set on the command line. Raises UsageProblem."""
    try:
        flags = tuple(shlex.split(words))
    except ValueError as error:
        message = _("--flags {words!r}: {error}").format(words=words, error=error)
        raise UsageProblem(message, _("Close the quote.")) from None
    # Memory and precision flags are left alone unless a profile searches them; named here, they are asked for.
    named = (install.catalogue.find(word) for word in flags)
    dimensions = sorted({flag.dimension for flag in named if flag is not None and flag.dimension})
    managed = " ".join(sorted(install.catalogue.managed(install.catalogue.dimensions)))
    for word, ours in zip(flags, install.catalogue.owns(flags, dimensions), strict=True):
        if not ours:
            raise UsageProblem(_("--flags: {word!r} is not a flag that autotune manages for {title}").format(
                                   word=word, title=install.catalogue.title),
                               _("Put it into the launch file by hand; managed: {managed}.").format(managed=managed))
    settings = dict(install.kind.let_flags_decide(dict(install.machine.settings)))
    return _ChosenSet(canonical(flags, install.catalogue), settings, {"dimensions": dimensions}, [])


def _winner(install: Inspection, places: Places) -> _ChosenSet:
    """The newest tune's winner. Raises NothingToWorkOn, StateDamaged."""
    study = find_study(places.studies(install.root), None)
    study.checked_question()
    document = study.document()
    if document is None:
        raise NothingToWorkOn(_("study {name} has no verdict yet").format(name=study.id),
                              _("Run `autotune tune` to go on with it."))
    if study.head.get("imported"):
        raise NothingToWorkOn(_("the newest study was measured elsewhere"),
                              _("Run `autotune tune` on this machine first."))
    notes = []
    if document["decision"] == "keep":
        notes.append(_("the newest tune says: keep the current flags. {reason}").format(reason=document["reason"]))
    then = dict(document["fingerprint"]["parts"])
    now = dict(install.machine.fingerprint.parts)
    changed = sorted(name for name in now if then.get(name) != now[name])
    if changed:
        text = _("since that tune has changed: {parts}; `autotune tune` would measure again")
        notes.append(text.format(parts=", ".join(changed)))
    side = document["winner"]
    searched = [one["name"] for one in study.head["space"]["dimensions"]]
    meta = {"study": study.id, "speedup": document["speedup"], "dimensions": searched}
    return _ChosenSet(tuple(side["flags"]), dict(side["settings"]), meta, notes)


def _option_change(install: Inspection, settings: dict[str, SettingValue]) -> tuple[FileChange | None, Busy | None]:
    """The change of the web UI's options: through its API while it runs, else in its config.json. None: none is needed.

    A web UI that runs and cannot be asked is returned as Busy, and the change is then what its file would need.
    """
    if not settings:
        return None, None
    webui = install.kind
    config, usual = webui.settings_file(install.root, install.machine.webui.flags), webui.usual_options()
    data = config.read_bytes() if config.is_file() else None
    saved = config_json.values(data, str(config)) if data is not None else {}

    def changed(now: Mapping[str, Any]) -> config_json.Keys:
        """Option -> (old, new) of those that really change: a default that nobody wrote down is not written."""
        return {key: (now.get(key, config_json.ABSENT), value)
                for key, value in settings.items() if now.get(key, usual.get(key)) != value}

    keys = changed(saved)
    try:
        server = webui.options_of(install.root)(config)
        if server is not None:
            keys = {**keys, **changed({**saved, **server.values()})}
            return (FileChange(config, None, None, with_defaults(server, keys), True) if keys else None), None
    except Busy as busy:
        if not keys:
            return None, None
        return _in_file(config, data, keys), busy
    return (_in_file(config, data, keys) if keys else None), None


def _in_file(config: Path, data: bytes | None, keys: config_json.Keys) -> FileChange:
    new = config_json.edit(data or b"{}", {key: new for key, (__, new) in keys.items()}, str(config))
    return FileChange(config, data, new, keys)


def settings_diff(name: str, keys: config_json.Keys) -> str:
    """A diff of the options in a settings file: one line for each old value and each new one."""
    rows = ["--- " + _("{name} (before)").format(name=name), "+++ " + _("{name} (after)").format(name=name)]
    for key, (old, new) in keys.items():
        rows += [f"{sign}{key}: {value}" for sign, value in (("-", old), ("+", new)) if value != config_json.ABSENT]
    return "\n".join(rows) + "\n"


def _edited_since(install: Inspection, places: Places, file: LaunchFile) -> list[str]:
    """A note for the user on what the owner changed in the file since the newest apply; empty where nothing was."""
    store = Checkpoints(places.checkpoints(install.root))
    since, applied, name = store.changed_since(file.path), store.current(), file.path.name
    if since not in ("edited", "before") or applied is None:
        return []
    drift = file_drift(install.machine.webui.flags, applied.meta, install.catalogue)
    if since == "before":
        text = (_("{name} was put back since autotune last wrote it (a git pull, or its owner): {difference}") if drift
                else _("{name} was put back since autotune last wrote it (a git pull, or its owner)"))
    else:
        text = (_("{name} was edited since autotune last wrote it: {difference}; only tuning flags are changed now")
                if drift else _("{name} was edited since autotune last wrote it; only tuning flags are changed now"))
    return [text.format(name=name, difference=drift)]


def _reread(install: Inspection, file: LaunchFile, after: bytes) -> tuple[tuple[str, ...], str]:
    """(words that the file gives once it is written, what they depend on where they are not certain)."""
    again = replace(parse(after, file.path, file.environ, file.root), others=file.others)
    words = known_words(install.root, again, after)
    if words is not None:
        return words, ""
    return again.words, ", ".join(again.uncertain)
