"""Which set a trial runs with right now, on disk: after a machine went down nothing else tells what it ran.

Written before each start and each switch of a trial, removed when its processes are gone: by autotune, or, when that
was killed, by the guard of the web UI. An entry that is still there after the machine has booted again is of the set
that ran when it went down; such a set is kept in a list and not tried again until somebody asks for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.language.translate import _
from autotune.model.errors import StateDamaged
from autotune.store import events
from autotune.store.journal import load_json, write_whole
from autotune.store.places import Places

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
CLOCK_TOLERANCE = 60.0
"""Seconds by which the time of the last boot may seem to move: it is worked out from the clock, which is set now and
then. No machine boots twice within them."""


@dataclass(frozen=True, slots=True)
class Boot:
    """One run of the machine, from boot to shutdown. ``id``: the system's own name of it (Linux), else None; ``began``:
    time of the boot, seconds since 1970; ``up``: seconds since then."""

    id: str | None
    began: float
    up: float


def this_boot() -> Boot:
    """The run of the machine that this process is part of."""
    if sys.platform == "linux":
        with suppress(OSError):
            return Boot(BOOT_ID.read_text(encoding="ascii").strip(), 0.0, 0.0)
    import psutil

    return Boot(None, psutil.boot_time(), time.monotonic())


def same_boot(then: Boot, now: Boot) -> bool:
    """Whether the machine has not gone down in between. Where only its clock can tell, a machine that is up for less
    time than it was then has booted again, and so has one whose boot time differs by more than CLOCK_TOLERANCE."""
    if then.id is not None and now.id is not None:
        return then.id == now.id
    return now.up >= then.up and abs(now.began - then.began) <= CLOCK_TOLERANCE


class RunningSet:
    """The entry of one web UI, and its list of sets that ran when the machine went down."""

    def __init__(self, folder: Path, boot: Boot) -> None:
        self.path = folder / "in-flight.json"
        self._list = folder / "machine-down.json"
        self._boot = boot

    def begin(self, candidate: str, words: Sequence[str], verb: str) -> None:
        """Records that a set is about to run; on the disk when it returns. Raises StateDamaged."""
        boot = {"id": self._boot.id, "began": self._boot.began, "up": self._boot.up}
        self._write(self.path, {"candidate": candidate, "flags": list(words), "verb": verb, "at": events.now(),
                                "boot": boot})

    def end(self) -> None:
        """Records that it no longer runs."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    @contextmanager
    def during(self, candidate: str, words: Sequence[str], verb: str) -> Iterator[None]:
        """``begin`` and ``end`` around a block."""
        self.begin(candidate, words, verb)
        try:
            yield
        finally:
            self.end()

    def record_machine_down(self) -> None:
        """Moves an entry that an earlier run left behind into the list, if the machine went down meanwhile. Raises
        StateDamaged when the list cannot be written."""
        try:
            left = load_json(self.path)
            boot = Boot(**left["boot"]) if left is not None else None
            candidate = str(left["candidate"]) if left is not None else ""
        except (StateDamaged, KeyError, TypeError):
            left, boot, candidate = None, None, ""  # nothing can be told from it, so nobody is blamed
        if left is not None and boot is not None and not same_boot(boot, self._boot):
            row = {"candidate": candidate, "flags": list(left.get("flags") or ()), "at": left.get("at"),
                   "verb": left.get("verb")}
            others = [one for one in self.machine_down_sets() if one["candidate"] != candidate]
            self._write(self._list, {"sets": [*others, row]})
        self.end()

    def machine_down_sets(self) -> list[dict[str, Any]]:
        """The sets that ran when the machine went down: candidate, flags, at, verb."""
        try:
            found = (load_json(self._list) or {}).get("sets") or []
        except StateDamaged:
            return []
        return [one for one in found if isinstance(one, dict) and isinstance(one.get("candidate"), str)]

    def forget_machine_down(self) -> None:
        """Empties the list: somebody asked to try those sets again."""
        with suppress(OSError):
            self._list.unlink(missing_ok=True)

    @staticmethod
    def _write(path: Path, document: dict[str, Any]) -> None:
        import json

        write_whole(path, json.dumps(document, ensure_ascii=False) + "\n")


def of_webui(places: Places, root: Path) -> RunningSet:
    """The entry of the web UI in ``root``."""
    return RunningSet(places.install(root), this_boot())


def why_not_tried(entry: dict[str, Any]) -> str:
    """Why such a set is not tried again, in words."""
    return _("the machine went down while this set ran ({time})").format(time=entry.get("at") or _("some time ago"))
