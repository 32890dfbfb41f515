"""What the user's own web UI gives away of its starts and clips: one cheap sample each. No prompt, no file name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from autotune.model.bounds import ClipSeconds, Count, Mebibytes

Positive = Annotated[float, Meta(gt=0.0, le=1e6)]
Pixels = Annotated[int, Meta(ge=1, le=1 << 20)]


@dataclass(frozen=True, slots=True)
class PrintedClip:
    """A clip as the web UI's output tells of it: sampling ``steps``, and seconds of one step."""

    steps: int
    step_seconds: float


@dataclass(frozen=True, slots=True)
class Printed:
    """What a piece of a web UI's output tells: clips that ended in it, in order, and the seconds that its start took by
    itself (None: it does not say). ``read``: bytes of the piece that need not be read again."""

    clips: tuple[PrintedClip, ...] = ()
    startup: float | None = None
    read: int = 0


@dataclass(frozen=True, slots=True)
class SavedClip:
    """A clip as its saved file tells of it. ``at``: when it was written (seconds since 1970); ``frames`` that were
    computed, ``context`` at a time; ``model``: a text that differs from checkpoint to checkpoint."""

    at: float
    width: int
    height: int
    frames: int
    context: int
    steps: int
    sampler: str
    guided: bool
    model: str


@dataclass(frozen=True, slots=True)
class ToldClip:
    """A clip as the tab in the web UI tells of it: its whole ``seconds``, which clip of its process ``number`` it was,
    and the figures of ``SavedClip``. ``parent``: on Windows a Python of a venv is two processes, one in the other."""

    at: float
    pid: Count
    parent: Count
    number: Count
    seconds: ClipSeconds
    width: Pixels
    height: Pixels
    frames: Pixels
    context: Count
    steps: Pixels
    sampler: str
    guided: bool
    model: str


@dataclass(frozen=True, slots=True)
class Around:
    """What was around when a clip was rendered, as far as known: °C, the card's power limit in W, MiB of GPU memory
    that other programs held, and the share of its memory that was in use."""

    temperature: float | None = None
    power_limit: float | None = None
    memory_others: Mebibytes | None = None
    memory_share: float | None = None


@dataclass(frozen=True, slots=True)
class StartRecord:
    """A start of the user's web UI. ``created``: when its process began, ``at``: when it was seen (seconds since
    1970)."""

    kind: Literal["start"]
    number: Count
    at: float
    created: float
    pid: int


@dataclass(frozen=True, slots=True)
class StartupRecord:
    """The seconds that a start took, by the web UI's own words."""

    kind: Literal["startup"]
    start: Count
    at: float
    seconds: Positive


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """A clip. ``seconds``: per step and frame; ``number``: which clip of its start; ``series``: equal for clips that
    can be compared; ``shape``: the same in words."""

    kind: Literal["clip"]
    start: Count
    number: Count
    at: float
    seconds: Positive
    series: str
    shape: str
    source: Literal["log", "tab"]
    around: Around = Around()


@dataclass(frozen=True, slots=True)
class PartsRecord:
    """The parts of the fingerprint from a moment on."""

    kind: Literal["parts"]
    at: float
    parts: dict[str, str]


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """A change of the clips' time that was called: times after over times before, with its interval.

    ``start`` and ``since``: first start with the new times, and when its first such clip ended; ``first`` and ``last``:
    starts between which it lies; ``series``: whose clips showed it; ``before`` and ``after``: parts in force at the
    last use before and the first one after; ``around_before``, ``around_after``: medians of what was around.
    """

    kind: Literal["change"]
    at: float
    since: float
    start: Count
    first: Count
    last: Count
    estimate: Positive
    low: Positive
    high: Positive
    uses: Count
    seconds_before: Positive
    seconds_after: Positive
    shape: str
    before: dict[str, str]
    after: dict[str, str]
    around_before: Around = Around()
    around_after: Around = Around()

    @property
    def slower(self) -> bool:
        """Whether clips take longer since."""
        return self.estimate > 1.0


@dataclass(frozen=True, slots=True)
class Slowdown:
    """Clips have become slower: ``id`` of that change, a sentence, since when (ISO 8601), and whether a tune has looked
    for what gives the speed back since."""

    id: str
    text: str
    since: str
    measured: bool


UseRecord = StartRecord | StartupRecord | ClipRecord | PartsRecord | ChangeRecord
