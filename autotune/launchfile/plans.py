"""What a change or an undo will do to one file, worked out before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.language.translate import _
from autotune.launchfile import config_json, options
from autotune.launchfile.files import TargetFile, examine
from autotune.launchfile.records import SavedFile, digest


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A file that is about to be written: its bytes before and after, None where there is no file.

    ``live``: options of a running web UI, where ``keys`` alone says what changes.
    """

    target: TargetFile
    before: bytes | None
    after: bytes | None
    keys: config_json.Keys
    live: bool = False

    def saved(self) -> SavedFile:
        """The entry that the checkpoint's record keeps of it."""
        links = self.target.names if len(self.target.names) > 1 else ()
        return SavedFile(self.target.path, digest(self.before), digest(self.after), self.keys, links, self.live)


@dataclass(slots=True)
class PlannedUndo:
    """One file of a rollback, while the checkpoints to undo are gone through, newest first.

    ``first`` and ``goal``: its bytes now, and after the checkpoints so far; with a running web UI (``server``) its
    options instead, ``now`` and ``values``. ``touched``: the options that those checkpoints changed.
    """

    first: bytes | None
    goal: bytes | None
    server: options.RunningOptions | None = None
    now: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    touched: dict[str, object] = field(default_factory=dict)

    def plan(self, path: Path) -> PlannedWrite | None:
        """The write that the rollback needs, None if none. Raises Refused, NothingToWorkOn."""
        if self.server is not None:
            keys = self._keys(self.now, self.values)
            return PlannedWrite(examine(path), None, None, keys, True) if keys else None
        if self.first == self.goal:
            return None
        keys = {}
        if self.touched and self.first is not None and self.goal is not None:
            keys = self._keys(config_json.values(self.first, str(path)), config_json.values(self.goal, str(path)))
        return PlannedWrite(examine(path), self.first, self.goal, keys)

    def _keys(self, now: Mapping[str, Any], goal: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        pairs = {key: (now.get(key, config_json.ABSENT), goal.get(key, config_json.ABSENT)) for key in self.touched}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def options_in_file(file: SavedFile, now: bytes | None, version: options.Version) -> tuple[bytes | None, list[str]]:
    """The bytes of config.json with its options set to one version, and notes. Raises Refused.

    ``now``: its bytes, None without a file. Of options that a running web UI held, one that the file does not name
    was never saved there.
    """
    if now is None:
        return None, [] if file.live else [_("{path} is gone and was left so").format(path=file.path)]
    keys = options.goals(file.keys, version)
    if file.live:
        held = config_json.values(now, str(file.path))
        keys = {key: pair for key, pair in keys.items() if key in held}
    data, left = config_json.undo(now, keys, str(file.path))
    return data, notes_on_kept(file.path, left)


def notes_on_kept(path: Path, left: Sequence[str]) -> list[str]:
    """A note on each option that someone changed since and that is left alone."""
    return [_("{name}: {key} was changed since and stays").format(name=path.name, key=key) for key in left]
