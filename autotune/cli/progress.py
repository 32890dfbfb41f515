"""How a long verb's progress is shown: lines that stay, or a live screen where the terminal can have one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from autotune.cli.common_options import CommonOptions
from autotune.language.translate import _
from autotune.model.flagset import NONE_TUNED, Candidate
from autotune.model.study import History, Proposal
from autotune.report.words import plural
from autotune.tune.progress import Progress, Step
from autotune.tune.progress_counts import counts

if TYPE_CHECKING:
    from autotune.model.workload import Profile

LEAST_COLUMNS, LEAST_ROWS = 40, 8
"""A smaller window gets lines: there a live screen has no room to say anything."""


def can_be_live(stream: TextIO, environ: dict[str, str] | None = None) -> bool:
    """Whether a live screen can be drawn on the stream: a terminal that moves its cursor and is large enough.

    Not where the environment asks for plain text (CI, TERM=dumb), nor in a Windows console that knows no escape
    sequences. NO_COLOR takes the colours away and leaves the screen.
    """
    found = dict(os.environ) if environ is None else environ
    if found.get("CI") or not stream.isatty():
        return False
    if found.get("TERM", "" if os.name == "posix" else "xterm").lower() in ("", "dumb", "unknown"):
        return False
    from rich.console import Console, detect_legacy_windows

    if detect_legacy_windows():
        return False
    size = Console(file=stream).size
    return size.width >= LEAST_COLUMNS and size.height >= LEAST_ROWS


class PlainLines(Progress):
    """Lines on stderr, for pipes, logs and plain terminals: what happens, how much was measured, how much time is left
    at most. ``counting``: also a line with counts after each measurement."""

    def __init__(self, started: float, *, counting: bool = True) -> None:
        self._started, self._counting = started, counting
        self._said = ""

    def say(self, text: str) -> None:
        """See Progress."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def proposed(self, candidate: Candidate, proposal: Proposal) -> None:
        """See Progress."""
        flags = candidate.flags
        name = " ".join((*flags.words, *(f"{key}={value}" for key, value in flags.settings))) or _(NONE_TUNED)
        self.say(_("{set} ({why})").format(set=name, why=proposal.why) if proposal.why else name)

    def began(self, step: Step) -> None:
        """See Progress."""
        if step.kind == "start":
            self.say(_("starting the web UI with {flags}").format(flags=" ".join(step.words) or _("no flag")))

    def update(self, history: History, left: float) -> None:
        """See Progress."""
        if not self._counting:
            return
        done = counts(history)
        counted = ", ".join((plural(done["clips"], "clip"), plural(done["sets"], "set"),
                             plural(done["launches"], "launch")))
        text = _("[{elapsed} elapsed, up to {left} left] {counted}").format(
            elapsed=_clock(time.monotonic() - self._started), left=_clock(left), counted=counted)
        if text != self._said:
            self.say(text)
        self._said = text


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


@contextmanager
def tune_progress(common: CommonOptions, started: float, profile: Profile, objective: str) -> Iterator[Progress]:
    """Who shows the progress of a tune; ``started``: when it began (time.monotonic)."""
    if common.quiet:
        yield Progress()
    elif can_be_live(sys.stderr):
        from autotune.cli.live import LiveTune

        with LiveTune(sys.stderr, started, profile.decide.min_gain, objective) as live:
            yield live
    else:
        yield PlainLines(started)


@contextmanager
def working(common: CommonOptions, text: str) -> Iterator[Progress]:
    """Who shows that a verb is at work: a line that says what it does and since when, below the lines that stay. Where
    no line can be redrawn only those; with --quiet none."""
    if common.quiet:
        yield Progress()
    elif can_be_live(sys.stderr):
        from autotune.cli.live import LiveLine

        with LiveLine(sys.stderr, _(text)) as live:
            yield live
    else:
        yield PlainLines(time.monotonic(), counting=False)
