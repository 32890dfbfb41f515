"""From samples to the news: takes samples of the user's web UI, asks the rule, and says since when clips are slower."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.agent.use_watch import UseWatch
from autotune.model.use import Slowdown
from autotune.overview import slower_since
from autotune.store import events
from autotune.store.places import Places
from autotune.store.use import UseLog

if TYPE_CHECKING:
    from autotune.model.use import ChangeRecord
    from autotune.webui.running import OwnWebUI


class UseReader:
    """Looks again and again at how one web UI is used."""

    def __init__(self, root: Path, state: Path, parts: Callable[[], Mapping[str, str]]) -> None:
        """Raises StateDamaged when the record cannot be read."""
        self._places, self._root = Places(state), root
        self._log = UseLog(self._places.use(root))
        self._watch = UseWatch(root, self._log, self._places.told(root), lambda: _without_profile(parts()))
        self._asked = False

    def parts_changed(self, parts: Mapping[str, str]) -> None:
        """With the parts of the fingerprint as they were just read. Raises StateDamaged."""
        self._watch.parts_changed(_without_profile(parts))

    def look(self, web_uis: Sequence[OwnWebUI]) -> Slowdown | None:
        """Takes samples; the slowdown that is in force, None without one. Raises AutotuneError."""
        from autotune.model.use import ChangeRecord

        history = None
        if self._watch.look(web_uis) or not self._asked:
            history = events.read(self._places.history(self._root))
            change = slower_since.newest_change(self._log, history)
            if change is not None:
                self._log.add(change)
            self._asked = change is None  # there may be another one after it
        last = self._log.last(ChangeRecord)
        if last is None or not last.slower:
            return None
        history = events.read(self._places.history(self._root)) if history is None else history
        return self._slowdown(last, history) if slower_since.in_force(last, history) else None

    def _slowdown(self, change: ChangeRecord, history: Sequence[Mapping[str, object]]) -> Slowdown:
        called = slower_since.iso(change.at)
        since = slower_since.iso(change.since)
        measured = any(row.get("verb") == "tune" and row.get("decision") and str(row["at"]) >= since for row in history)
        return Slowdown(called, slower_since.headline(change), since, measured)


def _without_profile(parts: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parts.items() if name != "profile"}
