"""A checkpoint on disk: a folder with ``record.json`` and, of each changed file, all bytes before and after.

Nothing else is needed to put the files back.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from autotune.language.translate import _
from autotune.launchfile.config_json import Keys
from autotune.model.errors import StateDamaged

TEMPORARY, IN_PROGRESS, FINAL, UNDONE = "temporary", "in progress", "final", "undone"
KINDS, STATES = ("apply", "rollback"), (TEMPORARY, IN_PROGRESS, FINAL, UNDONE)
RECORD = "record.json"
FORMAT = 1

SinceApply = Literal["unmanaged", "same", "before", "edited", "missing"]
"""What became of a file since the last apply: never applied, as that left it, as it was before, changed, gone."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file to change. ``before``: the bytes the caller read (None: no such file); ``after``: the new ones.

    ``keys``: for config.json, option -> (old, new); if the web UI rewrites the file, undo goes by these.
    ``live``: the options of a running web UI, which saves the file itself; ``before`` and ``after`` are None.
    """

    path: Path
    before: bytes | None
    after: bytes | None
    keys: Keys = field(default_factory=dict)
    live: bool = False


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One file of a checkpoint: hashes of its bytes before and after ('' = no such file), all its hard links.

    ``live``: options that were changed through the web UI that ran; only ``keys`` says what they were.
    """

    path: Path
    before: str
    after: str
    keys: Keys = field(default_factory=dict)
    links: tuple[Path, ...] = ()
    live: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A change of files. ``kind``: one of KINDS; ``state``: one of STATES; ``undoes``: ids that are no more in force.

    ``meta`` is the caller's own (study, words, speedup); ``notes`` says what was found and left alone.
    ``time``: ISO 8601, UTC.
    """

    id: str
    kind: str
    state: str
    time: str
    files: tuple[SavedFile, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)
    undoes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def digest(data: bytes | None) -> str:
    """SHA-256 of bytes as hex; '' for no file."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def record_bytes(checkpoint: Checkpoint) -> bytes:
    """The bytes of record.json."""
    files = [{"path": str(f.path), "before": f.before, "after": f.after,
              "keys": {k: list(v) for k, v in f.keys.items()}, "links": [str(p) for p in f.links], "live": f.live}
             for f in checkpoint.files]
    document = {
        "format": FORMAT, "id": checkpoint.id, "kind": checkpoint.kind, "state": checkpoint.state,
        "time": checkpoint.time, "undoes": list(checkpoint.undoes), "notes": list(checkpoint.notes),
        "files": files, "meta": dict(checkpoint.meta),
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def read_record(folder: Path) -> Checkpoint:
    """The record in a checkpoint folder. Raises StateDamaged."""
    try:
        raw = json.loads((folder / RECORD).read_bytes().decode("utf-8", "surrogatepass"))
        if raw["format"] != FORMAT:
            raise ValueError(_("format {format!r} is another version's").format(format=raw["format"]))
        if raw["kind"] not in KINDS or raw["state"] not in STATES or raw["id"] != folder.name:
            raise ValueError(_("no apply or rollback of that number"))
        files = tuple(
            SavedFile(_path(f["path"]), _text(f["before"]), _text(f["after"]), _keys(f["keys"]),
                      tuple(_path(p) for p in f["links"]), f.get("live") is True) for f in raw["files"])
        return Checkpoint(raw["id"], raw["kind"], raw["state"], _text(raw["time"]), files,
                          _meta(raw["meta"]), _texts(raw["undoes"]), _texts(raw["notes"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise StateDamaged(
            _("the checkpoint record {path} cannot be read: {error}").format(path=folder / RECORD, error=error),
            _("The saved bytes beside it are intact as far as they go; see {folder}.").format(folder=folder)) from None


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError(_("{raw!r:.40} is no text").format(raw=raw))
    return raw


def _path(raw: object) -> Path:
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise ValueError(_("{raw!r:.40} is no path").format(raw=raw))
    return Path(raw)


def _meta(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The caller's notes. Raises ValueError where those that other commands rely on have another shape."""
    meta = dict(raw.items())
    shapes = {"flags": list, "dimensions": list, "settings": dict, "fingerprint": dict}
    wrong = [name for name, shape in shapes.items() if name in meta and not isinstance(meta[name], shape)]
    if wrong or not all(isinstance(word, str) for name in ("flags", "dimensions") for word in meta.get(name, ())):
        raise ValueError(_("what it says of {names} has another shape").format(
            names=", ".join(wrong) or _("the flags")))
    return meta


def _texts(raw: Sequence[object]) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise ValueError(_("{raw!r:.40} is no list").format(raw=raw))
    return tuple(_text(item) for item in raw)


def _keys(raw: Mapping[str, Sequence[Any]]) -> Keys:
    return {str(name): (pair[0], pair[1]) for name, pair in raw.items()}


def read_saved(folder: Path, number: int, version: str, expected: str) -> bytes | None:
    """The saved bytes of file ``number``; ``expected``: their hash, '' for no file, which gives None.

    ``version``: before or after. Raises StateDamaged if they are not what was saved.
    """
    if not expected:
        return None
    path = folder / f"{number}.{version}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StateDamaged(
            _("the saved bytes {path} cannot be read: {reason}").format(path=path, reason=error.strerror),
            _("See {folder}.").format(folder=folder)) from None
    if digest(data) != expected:
        raise StateDamaged(_("the saved bytes {path} are not what was saved").format(path=path),
                           _("See {folder}.").format(folder=folder))
    return data


def read_if_whole(folder: Path) -> Checkpoint | None:
    """The record in a checkpoint folder, None where it cannot be read."""
    try:
        return read_record(folder)
    except StateDamaged:
        return None


def damage_in(folder: Path) -> str | None:
    """What is wrong with a checkpoint's record or its saved bytes, None if nothing is."""
    try:
        for number, file in enumerate(read_record(folder).files):
            for version, expected in (("before", file.before), ("after", file.after)):
                read_saved(folder, number, version, expected)
    except StateDamaged as error:
        return error.message
    return None


def state_since(file: SavedFile, now: bytes | None) -> SinceApply:
    """What became of a file since a checkpoint, told from its bytes now (None: no such file)."""
    hashed = digest(now)
    if hashed == file.after:
        return "same"
    if hashed == file.before:
        return "before"
    return "missing" if now is None else "edited"


def same_file(one: Path, other: Path) -> bool:
    """Is ``other``, links followed, the real path ``one``?"""
    return os.path.normcase(one) == os.path.normcase(other.resolve())


def one_file(names: Sequence[Path]) -> bool:
    """Do all these names lead to the same file? When a change was interrupted between two of them, they do not."""
    return len({(p.stat().st_dev, p.stat().st_ino) for p in names if p.exists()}) == 1
