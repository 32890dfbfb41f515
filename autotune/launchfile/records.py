"""What a checkpoint's record says, and how it is read and written.

A checkpoint is a folder: ``record.json`` and, for each file, its full bytes before and after. Nothing else is
needed to put the files back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.launchfile.config_json import Keys
from autotune.model.errors import StateDamaged

TEMPORARY, IN_PROGRESS, FINAL, UNDONE = "temporary", "in progress", "final", "undone"
RECORD = "record.json"


@dataclass(frozen=True, slots=True)
class Change:
    """One file to change. ``before``: the bytes the caller read (None: no such file); ``after``: the new ones.

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
    """One change of files. ``kind``: apply or rollback; ``state``: see this module; ``undoes``: ids no more in force.

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


def dump(checkpoint: Checkpoint) -> bytes:
    """A record as JSON bytes."""
    files = [{"path": str(f.path), "before": f.before, "after": f.after,
              "keys": {k: list(v) for k, v in f.keys.items()}, "links": [str(p) for p in f.links], "live": f.live}
             for f in checkpoint.files]
    document = {
        "format": 1, "id": checkpoint.id, "kind": checkpoint.kind, "state": checkpoint.state,
        "time": checkpoint.time, "undoes": list(checkpoint.undoes), "notes": list(checkpoint.notes),
        "files": files, "meta": dict(checkpoint.meta),
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def load(folder: Path) -> Checkpoint:
    """The record in a checkpoint folder. Raises StateDamaged."""
    try:
        raw = json.loads((folder / RECORD).read_bytes().decode("utf-8", "surrogatepass"))
        files = tuple(
            SavedFile(Path(f["path"]), str(f["before"]), str(f["after"]), _keys(f["keys"]),
                      tuple(Path(p) for p in f["links"]), f.get("live") is True) for f in raw["files"])
        return Checkpoint(str(raw["id"]), str(raw["kind"]), str(raw["state"]), str(raw["time"]), files,
                          dict(raw["meta"]), _texts(raw["undoes"]), _texts(raw["notes"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateDamaged(f"the checkpoint record {folder / RECORD} cannot be read: {error}",
                           f"The saved bytes beside it are intact as far as they go; see {folder}.") from None


def _texts(raw: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(item) for item in raw)


def _keys(raw: Mapping[str, Sequence[Any]]) -> Keys:
    return {str(name): (pair[0], pair[1]) for name, pair in raw.items()}


def blob(folder: Path, number: int, side: str, expected: str) -> bytes | None:
    """Saved bytes of file ``number``, ``side`` before or after. Raises StateDamaged if they are not intact."""
    if not expected:
        return None
    path = folder / f"{number}.{side}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StateDamaged(f"the saved bytes {path} cannot be read: {error.strerror}", f"See {folder}.") from None
    if digest(data) != expected:
        raise StateDamaged(f"the saved bytes {path} are not what was saved", f"See {folder}.")
    return data
