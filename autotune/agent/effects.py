"""All that the agent reads and does outside itself: clocks, fingerprint, machine, child processes, messages, status.

``Effects`` says what there is, so that tests can let simulated days pass; ``RealEffects`` does it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from autotune.agent.may_run import Situation
from autotune.agent.verb_process import VerbProcess, VerbResult, read_document, remove_old_output
from autotune.config.config import Config
from autotune.disk.files import make_folder
from autotune.language.translate import _
from autotune.model.errors import AutotuneError
from autotune.model.use import Slowdown
from autotune.store import asked_tune
from autotune.store.asked_tune import AskedTune
from autotune.store.places import Places

if TYPE_CHECKING:
    from autotune.agent.use_reader import UseReader

USE_PERIOD = 20.0
"""Seconds between two looks at how the user's web UI is used: looking takes some thousandths of a second."""


class RunningVerb(Protocol):
    """A verb that runs as a child process; its methods are those of ``verb_process.VerbProcess``."""

    def pids(self) -> frozenset[int]:
        """Process ids of the verb and of all it started."""

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""

    def result(self) -> VerbResult:
        """Exit code and document of a verb that ended."""

    def stop(self) -> VerbResult:
        """Ends it within seconds."""


class Effects(Protocol):
    """What the agent reads and does outside itself."""

    def local_time(self) -> datetime:
        """Local time with its zone; it may jump."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""

    def fingerprint_parts(self) -> dict[str, str]:
        """Parts of the fingerprint by name. Raises AutotuneError where there is no web UI to look at."""

    def files_moved(self) -> bool:
        """Whether a file event came since the last call."""

    def situation(self, ours: frozenset[int], session: bool) -> Situation:
        """What machine and user do, processes of ``ours`` left out; ``session``: one of ours is measuring."""

    def webui_pids(self, ours: frozenset[int]) -> tuple[int, ...]:
        """Processes of the user's web UI, and once those of starts that have ended since the last call."""

    def watch_starts(self, wanted: bool) -> None:
        """Whether starts of the web UI matter now: then none must be missed, however short."""

    def has_port(self, pid: int) -> bool:
        """Whether that process has opened a port, as of the last call of ``webui_pids``."""

    def use_period(self) -> float:
        """Seconds between two looks at how the user's web UI is used."""

    def slower_since(self, ours: frozenset[int]) -> Slowdown | None:
        """Takes samples of the user's web UI; since when its clips are slower, None while they are not."""

    def was_tuned(self) -> bool:
        """Whether this web UI was ever tuned."""

    def asked_tune(self) -> AskedTune | None:
        """The tune that the user asks for, None where there is none."""

    def forget_asked(self, name: str) -> None:
        """The tune of that id is done with."""

    def start_verb(self, name: str, words: Sequence[str]) -> RunningVerb:
        """Starts ``autotune WORDS`` on this web UI as the session ``name``. Raises StateDamaged."""

    def document_of(self, name: str) -> dict[str, Any] | None:
        """The document of a session that was begun before the agent was last started; None without a whole one."""

    def notify_user(self, title: str, text: str) -> None:
        """Tells the user."""

    def log(self, text: str) -> None:
        """Writes one line to the log."""

    def publish_status(self, status: dict[str, Any]) -> None:
        """Makes the agent's status visible to others."""


class RealEffects(Effects):
    """The effects themselves. ``woken`` is set by file events and by signals."""

    def __init__(self, root: Path, state: Path, config: Callable[[], Config], say: Callable[[str], None]) -> None:
        from autotune.agent.file_events import FolderWatcher
        from autotune.agent.situation import SituationReader
        from autotune.agent.webui_starts import BriefStarts

        self.root, self.state, self._config, self._say = root, state, config, say
        self.woken = threading.Event()
        self._watcher = FolderWatcher(self.woken)
        self._asked = Places(state).wishes(root)
        with suppress(OSError):
            make_folder(self._asked)
        self._watcher.watch([self._asked])
        self._situation_reader = SituationReader(root)
        # A reader of its own: it is asked from the thread that gets the file events.
        self._brief_starts = BriefStarts(root, lambda: SituationReader(root).webui_processes(frozenset()))
        self._ports: dict[int, bool] = {}
        self._sessions = state / "daemon" / "sessions"
        self.problems: Callable[[], list[str]] = list
        self.only_asked = False
        self._published: dict[str, Any] = {}
        self._use: UseReader | None = None
        self._use_problem = ""

    def local_time(self) -> datetime:
        return datetime.now().astimezone()

    def monotonic(self) -> float:
        return time.monotonic()

    def fingerprint_parts(self) -> dict[str, str]:
        """Reads the fingerprint and sees to it that the right folders are watched. Raises AutotuneError."""
        from autotune.install.launch_flags import flags_of
        from autotune.webui.find import check_folder
        from autotune.webui.recognise import face_of
        from autotune.workload import profile

        root = check_folder(self.root)
        webui = face_of(root)
        found = flags_of(root, places=Places(self.state))
        if found.fault is not None:
            raise found.fault
        parts = dict(webui.fingerprint(root, found.path, found.words).parts)
        config = self._config()
        wanted = profile.asked_for(config.profile, config.workflow, webui.usual_profile)
        workflows = [one.workflow_digest for one in wanted.workloads if one.workflow_digest is not None]
        if config.added_models == "when_used" and not workflows:  # a workflow names its own models
            parts = webui.narrowed(parts, max(one.window for one in wanted.workloads))
        question = repr(wanted) + config.objective + "".join(workflows)
        if self._use is not None:
            self._use.parts_changed(parts)
        parts["profile"] = f"{Path(config.profile).name} {hashlib.sha256(question.encode()).hexdigest()[:8]}"
        own = [config.file.parent] if config.file is not None else []
        self._watcher.watch([*webui.watched(root, found.path, found.words), *own, self._asked])
        return parts

    def files_moved(self) -> bool:
        return self._watcher.take()

    def situation(self, ours: frozenset[int], session: bool) -> Situation:
        return self._situation_reader.read(ours, session)

    def webui_pids(self, ours: frozenset[int]) -> tuple[int, ...]:
        self._ports = self._situation_reader.webui_processes(ours)
        return tuple(sorted({*self._ports, *self._brief_starts.take()} - ours))

    def watch_starts(self, wanted: bool) -> None:
        self._brief_starts.watch(wanted)

    def has_port(self, pid: int) -> bool:
        return self._ports.get(pid, False)

    def use_period(self) -> float:
        return min(USE_PERIOD, self._config().poll_seconds)

    def slower_since(self, ours: frozenset[int]) -> Slowdown | None:
        """Takes samples; what cannot be read or written is logged once."""
        from autotune.agent.use_reader import UseReader

        try:
            if self._use is None:
                self._use = UseReader(self.root, self.state, self.fingerprint_parts)
            return self._use.look(self._situation_reader.web_uis(ours))
        except AutotuneError as error:
            if error.message != self._use_problem:
                self.log(_("how the web UI is used cannot be recorded: {message}").format(message=error.message))
            self._use_problem = error.message
            return None

    def was_tuned(self) -> bool:
        from autotune.store import events

        rows = events.read(Places(self.state).history(self.root))
        return any(row.get("verb") == "tune" and not row.get("code") for row in rows)

    def asked_tune(self) -> AskedTune | None:
        return asked_tune.read(self._asked)

    def forget_asked(self, name: str) -> None:
        with suppress(OSError):
            asked_tune.forget(self._asked, name)

    def start_verb(self, name: str, words: Sequence[str]) -> VerbProcess:
        remove_old_output(self._sessions)
        first = ["--webui", str(self.root), "--state-dir", str(self.state)]
        file = self._config().file
        more = ["--config", str(file)] if file is not None else []
        return VerbProcess(self._sessions, name, [*first, *more, *words])

    def document_of(self, name: str) -> dict[str, Any] | None:
        return read_document(self._sessions, name)

    def notify_user(self, title: str, text: str) -> None:
        """Notifies the desktop if the configuration wants it; the log has the line in any case."""
        from autotune.agent import notify

        self.log(f"{title}: {text}")
        config = self._config()
        if config.notifications and not notify.show(title, text, config.notification_sound):
            self.log(_("no notification could be shown: this log alone tells it"))

    def log(self, text: str) -> None:
        self._say(text)

    def publish_status(self, status: dict[str, Any]) -> None:
        """Writes status.json when it says something new."""
        whole = {"running": True, "pid": os.getpid(), "webui": str(self.root), "only_asked": self.only_asked, **status}
        problems = [*status.get("problems", ()), *self.problems(), *filter(None, [self._watcher.problem])]
        whole["problems"] = list(dict.fromkeys(problems))  # the last status has its problems already
        if whole == self._published:
            return
        try:
            write_status(self.state / "daemon", whole)
        except AutotuneError as error:
            self.log(_("status cannot be written: {message}").format(message=error.message))
            return
        self._published = whole

    def close(self, passed: bool = False) -> None:
        """Ends watching and says that the agent is gone; ``passed``: after one pass, whose reasons to wait hold."""
        self._watcher.stop()
        self._brief_starts.watch(False)
        if self._published:
            over = {"doing": _("one pass is over")} if passed else {"doing": _("stopped"), "waiting": []}
            self.publish_status({**self._published, "running": False, "pid": None, **over})


def write_status(folder: Path, status: dict[str, Any]) -> None:
    """Writes status.json, which `autotune status` reads. Raises StateDamaged."""
    from autotune.store.journal import write_whole

    write_whole(folder / "status.json", json.dumps(status, ensure_ascii=False, indent=1) + "\n")
