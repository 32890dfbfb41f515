"""What a run of clips tells while it goes on, as values: what begins now, what was said, how things stand.

Whoever shows it (``cli/``) decides how it looks; nothing here prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autotune.model.flagset import Candidate
from autotune.model.study import History, Proposal
from autotune.search.standings import Standings


@dataclass(frozen=True, slots=True)
class Step:
    """What begins now. ``candidate``: the set's id, "" where none is concerned.

    "start": a process of the web UI, with ``words`` (credentials masked); "warmup": a short clip that is not timed, the
    ``clip``th; "clip": the ``clip``th of ``clips`` that the proposal asks for; "check": one that only checks a
    prediction; "stop": a process ends; "pause": waiting ``seconds`` at most; "away": the machine is the user's.
    """

    kind: Literal["start", "warmup", "clip", "check", "stop", "pause", "away"]
    candidate: str = ""
    clip: int = 0
    clips: int = 0
    words: tuple[str, ...] = ()
    seconds: float = 0.0


class Progress:
    """What is told; this one shows nothing. ``wants_standings``: whether ``stands`` is to be called, which costs a
    hundredth of a second of thinking each time."""

    wants_standings = False

    def say(self, text: str) -> None:
        """One line that should stay: a warning, a failure, a pause."""

    def proposed(self, candidate: Candidate, proposal: Proposal) -> None:
        """This is measured from now on."""

    def began(self, step: Step) -> None:
        """Called when a step begins, from the thread that measures."""

    def update(self, history: History, left: float) -> None:
        """Called after each measurement; ``left``: seconds of the budget that are left at most."""

    def stands(self, standings: Standings) -> None:
        """Called after ``update`` where ``wants_standings``."""
