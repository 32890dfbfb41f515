"""The world as the agent sees it: clocks, fingerprint, activity, children, messages. Tests put another in place."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from autotune.agent.may_run import Situation
from autotune.agent.verb_process import Result, Session, document, prune
from autotune.config.config import Config
from autotune.model.errors import AutotuneError


class Child(Protocol):
    """A command that runs: see ``runner.Session``."""

    def pids(self) -> frozenset[int]:
        """Ids of the command and all it started."""

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""

    def result(self) -> Result:
        """Code and document of a command that ended."""

    def stop(self) -> Result:
        """Ends it within seconds."""


class World(Protocol):
    """All effects of the agent. Times: ``wall`` may jump, ``steady`` may not."""

    def wall(self) -> datetime:
        """Local time with its zone."""

    def steady(self) -> float:
        """Seconds of a clock that never goes back."""

    def parts(self) -> dict[str, str]:
        """The fingerprint's parts. Raises AutotuneError where there is no web UI to look at."""

    def moved(self) -> bool:
        """Whether a file event came since the last call."""

    def situation(self, ours: frozenset[int], session: bool) -> Situation:
        """What the machine looks like, our own processes left out."""

    def webui_pids(self, ours: frozenset[int]) -> tuple[int, ...]:
        """Processes of the owner's web UI."""

    def follow_starts(self, wanted: bool) -> None:
        """Whether starts of the web UI matter now: then none must be missed, however short."""

    def listens(self, pid: int) -> bool:
        """Whether that process has opened a port."""

    def tuned_before(self) -> bool:
        """Whether this web UI was ever tuned."""

    def begin(self, name: str, words: Sequence[str]) -> Child:
        """Begins ``autotune WORDS``. Raises StateDamaged."""

    def earlier(self, name: str) -> dict[str, Any] | None:
        """The document of a command of an earlier life of the agent; None without a whole one."""

    def tell(self, title: str, text: str) -> None:
        """Tells the owner."""

    def log(self, text: str) -> None:
        """One line in the log."""

    def publish(self, status: dict[str, Any]) -> None:
        """Makes the agent's status visible to others."""


class RealWorld:
    """The world itself. ``woken`` is set by file events and by signals."""

    def __init__(
        self, root: Path, state: Path, config: Callable[[], Config], say: Callable[[str], None]
    ) -> None:
        from autotune.agent.file_events import Watcher
        from autotune.agent.situation import Activity
        from autotune.agent.webui_starts import Openings

        self.root, self.state = root, state
        self._config, self.log = config, say
        self.woken = threading.Event()
        self.watcher = Watcher(self.woken)
        self.activity = Activity(root)
        # A look of its own: it is asked from the thread that gets the events.
        self.openings = Openings(root, lambda: Activity(root).listening(frozenset()))
        self._listening: dict[int, bool] = {}
        self.problems: Callable[[], list[str]] = list
        self._published: dict[str, Any] = {}

    def wall(self) -> datetime:
        """Local time with its zone."""
        return datetime.now().astimezone()

    def steady(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def parts(self) -> dict[str, str]:
        """Reads the fingerprint and sees to it that the right folders are watched."""
        from autotune.install.launch_flags import flags_of
        from autotune.webui.find import check_folder
        from autotune.webui.recognise import face_of
        from autotune.workload import profile

        root = check_folder(self.root)
        webui = face_of(root)
        found = flags_of(root)
        if found.fault is not None:
            raise found.fault
        parts = dict(webui.fingerprint(root, found.path, found.words).parts)
        config = self._config()
        wanted = profile.load(config.profile)
        if config.added_models == "when_used":
            parts = webui.narrowed(parts, max(one.window for one in wanted.workloads))
        chosen = repr(wanted) + config.objective
        parts["profile"] = f"{Path(config.profile).name} {hashlib.sha256(chosen.encode()).hexdigest()[:8]}"
        own = [config.file.parent] if config.file is not None else []
        self.watcher.watch([*webui.watched(root, found.path, found.words), *own])
        return parts

    def moved(self) -> bool:
        """Whether a file event came since the last call."""
        return self.watcher.take()

    def situation(self, ours: frozenset[int], session: bool) -> Situation:
        """What the machine looks like, our own processes left out."""
        return self.activity.situation(ours, session)

    def webui_pids(self, ours: frozenset[int]) -> tuple[int, ...]:
        """Processes of the owner's web UI, and once those of starts that have ended already."""
        self._listening = self.activity.listening(ours)
        return tuple(sorted({*self._listening, *self.openings.take()} - ours))

    def follow_starts(self, wanted: bool) -> None:
        """Watches for starts while they matter."""
        self.openings.watch(wanted)

    def listens(self, pid: int) -> bool:
        """Whether that process has opened a port, as of the last call of ``webui_pids``."""
        return self._listening.get(pid, False)

    def tuned_before(self) -> bool:
        """Whether the history holds a tune of this web UI."""
        from autotune.store import events
        from autotune.store.places import Places

        rows = events.read(Places(self.state).history(self.root))
        return any(row.get("verb") == "tune" and not row.get("code") for row in rows)

    @property
    def sessions(self) -> Path:
        """Folder of the children's output."""
        return self.state / "daemon" / "sessions"

    def begin(self, name: str, words: Sequence[str]) -> Session:
        """Begins ``autotune WORDS`` on this web UI with this state folder. Raises StateDamaged."""
        prune(self.sessions)
        first = ["--webui", str(self.root), "--state-dir", str(self.state)]
        file = self._config().file
        more = ["--config", str(file)] if file is not None else []
        return Session(self.sessions, name, [*first, *more, *words])

    def earlier(self, name: str) -> dict[str, Any] | None:
        """The document of a command of an earlier life of the agent; None without a whole one."""
        return document(self.sessions, name)

    def tell(self, title: str, text: str) -> None:
        """Notifies the desktop if the configuration wants it; the log has the line in any case."""
        from autotune.agent import notify

        self.log(f"{title}: {text}")
        config = self._config()
        if config.notifications and not notify.show(title, text, config.notification_sound):
            self.log("no notification could be shown: this log alone tells it")

    def publish(self, status: dict[str, Any]) -> None:
        """Writes status.json when it says something new."""
        import json

        from autotune.store.journal import write_whole

        whole = {"running": True, "pid": os.getpid(), "webui": str(self.root), **status}
        problems = [*status.get("problems", ()), *self.problems(), *filter(None, [self.watcher.problem])]
        whole["problems"] = list(dict.fromkeys(problems))  # those of the last word are said again in the end
        if whole == self._published:
            return
        try:
            write_whole(
                self.state / "daemon" / "status.json", json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
            )
        except AutotuneError as error:
            self.log(f"status cannot be written: {error.message}")
            return
        self._published = whole

    def close(self, passed: bool = False) -> None:
        """Ends watching and says that the agent is gone; ``passed``: after one pass, whose reasons to wait hold."""
        self.watcher.stop()
        self.openings.watch(False)
        if self._published:
            over = {"doing": "one pass is over"} if passed else {"doing": "stopped", "waiting": []}
            self.publish({**self._published, "running": False, "pid": None, **over})
