"""Draws progress anew on the terminal twice a second, by rich, and leaves the terminal as it was.

What is drawn is made elsewhere (``cli/live_view.py``). Lines that should stay are printed above what is redrawn, also
those that others write to stderr meanwhile.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from autotune.cli.live_view import Shown, TuneView, line_view, marks_for, step_words, view
from autotune.model.flagset import Candidate
from autotune.model.study import History, Proposal
from autotune.report.plain import clean
from autotune.search.standings import Standings
from autotune.tune.progress import Progress, Step

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

PER_SECOND = 2.0
"""How often the screen is drawn: each time costs a few milliseconds, which clips must not feel."""
FORGET = "\x1b[H\x1b[2J"
"""Clears the window: where it became narrower, nobody knows how the terminal broke the lines that stood there."""


def _console(stream: TextIO) -> Console:
    """A console on which one thread at a time draws. By itself rich works out how many lines to take back before it
    waits for its turn to write: where another thread wrote meanwhile, old lines stayed, or others were lost."""
    from rich.console import Console

    class OneAtATime(Console):
        turn = threading.RLock()

        def __enter__(self) -> OneAtATime:
            self.turn.acquire()
            super().__enter__()
            return self

        def __exit__(self, kind: object, error: object, trace: object) -> None:
            try:
                super().__exit__(kind, error, trace)
            finally:
                self.turn.release()

    return OneAtATime(file=stream, highlight=False, emoji=False, markup=False, soft_wrap=False)


class _Live(Progress):
    """What both kinds share: a console on the stream, a thread that draws, and an end that gives the cursor back."""

    def __init__(self, stream: TextIO) -> None:
        self._console = _console(stream)
        self._marks = marks_for(getattr(stream, "encoding", None))
        self._lock = threading.Lock()
        self._width = self._console.width
        self._live: Live | None = None
        self._over = threading.Event()

    def __enter__(self) -> _Live:
        from rich.live import Live

        self._live = Live(get_renderable=self._drawn, console=self._console, auto_refresh=False, transient=True,
                          redirect_stdout=stream_is_tty("stdout"), redirect_stderr=True, vertical_overflow="crop")
        self._live.start()
        threading.Thread(target=self._keep_drawing, args=(self._live,), daemon=True).start()
        return self

    def _keep_drawing(self, live: Live) -> None:
        while not self._over.wait(1.0 / PER_SECOND):
            with self._console:
                if not self._over.is_set():
                    live.refresh()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._over.set()
        if self._live is not None:
            with self._console:
                self._live.stop()

    def say(self, text: str) -> None:
        """See Progress."""
        from rich.text import Text

        self._console.print(Text(clean(text)), soft_wrap=False)

    def _drawn(self) -> Group:
        from rich.console import Group

        width, height = self._console.size
        if width < self._width:
            self._console.file.write(FORGET)
        self._width = width
        with self._lock:
            return Group(*self._lines(width, height))

    def _lines(self, width: int, height: int) -> list[Text]:
        raise NotImplementedError


def stream_is_tty(name: str) -> bool:
    """Whether one of the standard streams is a terminal."""
    import sys

    stream = getattr(sys, name)
    return stream is not None and bool(stream.isatty())


class LiveTune(_Live):
    """The screen of a tune. ``started``: when the tune began (time.monotonic); ``objective``: speed, vram, balanced."""

    wants_standings = True

    def __init__(self, stream: TextIO, started: float, min_gain: float, objective: str) -> None:
        super().__init__(stream)
        self._started = started
        self._shown = Shown(objective, min_gain)

    def proposed(self, candidate: Candidate, proposal: Proposal) -> None:
        """See Progress."""
        with self._lock:
            self._shown.candidate, self._shown.why = candidate, proposal.why

    def began(self, step: Step) -> None:
        """See Progress."""
        with self._lock:
            self._shown.step = step

    def update(self, history: History, left: float) -> None:  # noqa: ARG002
        """See Progress."""
        with self._lock:
            self._shown.budget_left, self._shown.told_at = left, time.monotonic()

    def stands(self, standings: Standings) -> None:
        """See Progress."""
        with self._lock:
            self._shown.standings = standings

    def _lines(self, width: int, height: int) -> list[Text]:
        now = time.monotonic()
        return list(view(self._shown, TuneView(width, height, now - self._started, now, self._marks)))


class LiveLine(_Live):
    """One line: what is done now, and since when."""

    def __init__(self, stream: TextIO, text: str) -> None:
        super().__init__(stream)
        self._begun, self._text, self._step = time.monotonic(), text, ""

    def began(self, step: Step) -> None:
        """See Progress."""
        with self._lock:
            self._step = step_words(step)

    def _lines(self, width: int, height: int) -> list[Text]:  # noqa: ARG002
        text = f"{self._text}: {self._step}" if self._step else self._text
        return [line_view(text, time.monotonic() - self._begun, width, self._marks)]
