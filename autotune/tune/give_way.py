"""Watches the user's own web UI during a study; when it starts a job, the machine is free for it within seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from autotune.install.idle import in_the_way
from autotune.language.translate import _
from autotune.machine.cpu_use import CpuMeter
from autotune.measure.observations import Observations
from autotune.measure.observers import Observer
from autotune.webui.running import Finder, Monitor

LOOK = 1.0
"""Seconds between two checks. A job is seen by the second one at the latest; our process ends within a second."""
DOUBTS = 2
"""Checks in a row without an answer after which the web UI counts as busy; one may be late on a loaded machine."""
CALM = 3
"""Checks in a row that must find the web UI idle before measuring goes on, since pictures are often made in series."""


class GiveWay:
    """Checks from a thread of its own. ``taken`` is set while the user has the machine; ``why`` says why."""

    def __init__(self, root: Path, gpu: bool, hand_back: Callable[[], object]) -> None:
        """``gpu``: a running web UI is in the way even when idle, since it holds GPU memory. ``hand_back`` ends our
        process; it is called from the thread, right after ``taken`` was set."""
        self.taken = threading.Event()
        self.why = ""
        self._monitor, self._gpu, self._hand_back = Monitor(root), gpu, hand_back
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="give way", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and waits for that."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def wait_free(self, seconds: float) -> bool:
        """Waits until the user's web UI is done; False when it is not after ``seconds``."""
        until = time.monotonic() + seconds
        while self.taken.is_set() and time.monotonic() < until:
            self._end.wait(0.1)
        return not self.taken.is_set()

    def _run(self) -> None:
        """The thread: sets and clears ``taken``, by the rules at DOUBTS and CALM."""
        doubts = calm = 0
        while not self._end.wait(LOOK):
            reasons = [(state.busy, why.message) for state in self._monitor.activities(LOOK)
                       if (why := in_the_way(state, self._gpu)) is not None]
            sure = [text for busy, text in reasons if busy is not None or self._gpu]
            doubts = doubts + 1 if reasons and not sure else 0
            calm = 0 if reasons else calm + 1
            if sure or doubts >= DOUBTS:
                self.why = (sure or [text for _, text in reasons])[0]
                if not self.taken.is_set():
                    self.taken.set()
                    self._hand_back()
            elif calm >= CALM:
                self.taken.clear()


class UserWebUIObserver(Observer):
    """Tells whether the user's web UI worked during one clip, even if that was over before the next check."""

    def __init__(self, root: Path) -> None:
        self._finder, self._meter = Finder(root), CpuMeter()
        self._before: frozenset[int] = frozenset()
        self._disturbed = ""

    def before(self) -> None:
        """Notes which web UIs run, and how much CPU time each has used."""
        found = self._finder.web_uis()
        self._before, self._disturbed = frozenset(one.pid for one in found), ""
        self._meter.keep_only(self._before)
        for pid in self._before:
            self._meter.read(pid)

    def after(self) -> None:
        """Notes a web UI that was started, or used the CPU, since ``before``."""
        for one in self._finder.web_uis():
            use = self._meter.read(one.pid)
            if one.pid not in self._before:
                self._disturbed = _("{name} was started").format(name=one.name)
            elif use is not None and use.works:
                self._disturbed = _("{name} worked meanwhile: its process {use}").format(name=one.name, use=use)

    def seen(self) -> Observations:
        """What disturbed the last clip, if anything."""
        return Observations(disturbed=self._disturbed)
