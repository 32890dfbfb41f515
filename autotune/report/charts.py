"""The page's plots as plain values: where each mark, line and text goes. The templates draw them as SVG.

Places along x are percentages of the drawing's width, so one drawing fits a wide screen, a phone and paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.language.translate import _
from autotune.model.study import Sample
from autotune.report import words
from autotune.report.rows import SetRow, Story, pairs

LOGARITHMIC_FROM = 6.0
"""The axis is logarithmic where the slowest clip takes more than this many times the fastest."""
LONGEST_BESIDE = 34
"""Characters of a label that still fits beside its row; with a longer one all labels go above their rows."""
LETTER = 0.8
"""Per cent of a drawing's width that a letter of a name takes on a screen of usual size."""
_COLOURS = {"baseline": "now", "winner": "tuned", "other": "other"}


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis, in percent from its start."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from ``low`` to ``high``, linear or logarithmic."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The place of a value in percent from the axis' start."""
        low, high, here = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return round((here - low) / (high - low) * 100, 2)

    def ticks(self) -> tuple[Tick, ...]:
        """Round values on the axis: 1, 2, 5, 10, … on a logarithmic one, else at most eight at equal steps."""
        values = _powers(self.low, self.high) if self.logarithmic else _steps(self.low, self.high)
        return tuple(Tick(self.at(value), f"{value:.6g}") for value in values)


def _steps(low: float, high: float) -> list[float]:
    least = (high - low) / 7
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least)
    return [count * step for count in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _powers(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [factor * 10.0**e for e in exponents for factor in (1, 2, 5) if low <= factor * 10.0**e <= high]
    return found if len(found) <= 8 else [value for value in found if f"{value:e}".startswith("1.")]


@dataclass(frozen=True, slots=True)
class Mark:
    """One dot: ``at`` percent along x; ``y`` is in pixels around its row's line, or percent from the top."""

    at: float
    y: float
    colour: str
    filled: bool
    tip: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a plot with its marks; ``line`` (an interval or a pair) and ``middle`` (a median) in percent."""

    label: str
    colour: str
    marks: tuple[Mark, ...]
    line: tuple[float, float] | None = None
    middle: float | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A text beside a point; ``minor`` ones are left out on phones."""

    at: float
    y: float
    text: str
    colour: str
    before: bool
    below: bool
    minor: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot. ``title`` says what it shows to readers who do not see it; ``zero``: where a line marks zero, ``lines``:
    where others stand upright in a plot of marks.

    Either ``rows`` are filled, or ``marks`` with ``names``, ``up`` (ticks of the axis upwards) and ``up_title``.
    """

    title: str
    axis: str
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...] = ()
    zero: float | None = None
    marks: tuple[Mark, ...] = ()
    names: tuple[Name, ...] = ()
    up: tuple[Tick, ...] = ()
    up_title: str = ""
    lines: tuple[float, ...] = ()

    @property
    def longest(self) -> int:
        """Characters of the longest label."""
        return max((len(row.label) for row in self.rows), default=0)

    @property
    def above(self) -> bool:
        """Whether labels are too long to be beside their rows."""
        return self.longest > LONGEST_BESIDE


def _time_scale(times: Iterable[float], room: float = 0.06) -> tuple[Scale, str]:
    """The axis of seconds, with ``room`` (a share of the range) at both ends, and its title."""
    found = list(times)
    low, high = min(found), max(found)
    if high > LOGARITHMIC_FROM * low:
        return Scale(low / 1.12, high * 1.12, True), _("seconds per clip, logarithmic")
    margin = max(high - low, high * 0.02) * room
    return Scale(low - margin, high + margin), _("seconds per clip")


def sets(story: Story, workload: int) -> Chart | None:
    """Every set's clips of one workload as dots, fastest set on top; None when it has none."""
    rows = [row for row in story.rows if row.clips_of(workload)]
    rows.sort(key=lambda row: (row.median(workload) or 0.0, row.candidate))
    if not rows:
        return None
    best, last = rows[0], rows[-1]
    title = _("Dot plot, {workload}: seconds per clip of {sets}, fastest first. {best}: median {best_time}; {last}: "
              "median {last_time}.").format(
        workload=story.workloads[workload], sets=words.plural(len(rows), "set"), best=best.label,
        best_time=words.seconds(best.median(workload)), last=last.label,
        last_time=words.seconds(last.median(workload)))
    scale, axis = _time_scale(s.seconds for row in rows for s in row.clips_of(workload) if s.seconds is not None)
    drawn = tuple(
        Row(_named(row), _COLOURS[row.role], _dots(row, workload, scale), middle=scale.at(row.median(workload) or 0.0))
        for row in rows
    )
    return Chart(title, axis, scale.ticks(), drawn)


def _named(row: SetRow) -> str:
    return f"{row.label} ({row.tag})" if row.tag else row.label


def _dots(row: SetRow, workload: int, scale: Scale) -> tuple[Mark, ...]:
    """A set's clips, those of fresh launches first; heights vary, so that clips of one time do not hide each other."""
    heights = (0, 4, -4, 2, -2, 6, -6)
    colour, clips = _COLOURS[row.role], row.clips_of(workload)
    return tuple(
        Mark(scale.at(clip.seconds or 0.0), heights[number % len(heights)], colour, fresh, _clip_tip(row, clip))
        for fresh in (True, False)
        for number, clip in enumerate(clip for clip in clips if clip.cold is fresh)
    )


def _clip_tip(row: SetRow, s: Sample) -> str:
    how = _("own launch") if s.cold else _("switched live")
    if s.rendered is not None:
        how = _("{how}, told from {seconds} with {steps} steps").format(
            how=how, seconds=words.seconds(s.rendered), steps=s.steps)
    return _("{set}: {seconds}, clip {number}, {purpose}, launch {launch}, {how}").format(
        set=row.label, seconds=words.seconds(s.seconds), number=s.number, purpose=s.purpose, launch=s.launch, how=how)


def confirmation(story: Story) -> Chart | None:
    """One line a pair of fresh launches, from the current set's time to the other one's; None without pairs."""
    found, other = pairs(story), story.row("winner")
    if not found or other is None:
        return None
    faster = sum(p.winner < p.baseline for p in found)
    title = _("Paired plot: the other set was faster in {count} of {pairs}.").format(
        count=faster, pairs=words.plural(len(found), "pair"))
    scale, axis = _time_scale(time for p in found for time in (p.baseline, p.winner))
    rows = []
    for number, p in enumerate(found, 1):
        ends = (scale.at(p.baseline), scale.at(p.winner))
        tip = _("current {now}, {name} {then}: {gain:.3f} times as fast").format(
            now=words.seconds(p.baseline), name=other.tag, then=words.seconds(p.winner), gain=p.baseline / p.winner)
        marks = tuple(Mark(at, 0, colour, True, tip) for at, colour in zip(ends, ("now", "tuned"), strict=True))
        rows.append(Row(_("pair {number}").format(number=number), "plain", marks, ends))
    return Chart(title, axis, scale.ticks(), tuple(rows))


def time_memory(story: Story) -> Chart | None:
    """Median seconds against peak memory, one point a set; None where fewer than two sets have both."""
    points = [(row, time, peak) for row in story.rows
              if (time := row.median(0)) is not None and (peak := row.memory_peak) is not None]
    if len(points) < 2:
        return None
    top = max(one[2] for one in points)
    unit, size = ("GiB", 1024.0) if top >= 1024 else ("MiB", 1.0)
    scale, axis = _time_scale((one[1] for one in points), room=0.12)
    up = Scale(0.0, max(top / size, 1e-9) * 1.18)
    title = _("Scatter plot: seconds per clip against peak memory in {unit} of {sets}.").format(
        unit=unit, sets=words.plural(len(points), "set"))
    points.sort(key=lambda one: one[0].role != "other")  # the two that were compared are drawn over the others
    marks = tuple(
        Mark(scale.at(time), round(100 - up.at(peak / size), 2), _COLOURS[row.role], True,
             _("{set}: {seconds}, peak {memory}").format(
                 set=row.label, seconds=words.seconds(time), memory=words.memory(peak)))
        for row, time, peak in points
    )
    return Chart(title, axis, scale.ticks(), marks=marks, names=_point_names([one[0] for one in points], marks),
                 up=up.ticks(), up_title=_("peak memory, {unit}").format(unit=unit))


def _point_names(rows: Sequence[SetRow], marks: Sequence[Mark]) -> tuple[Name, ...]:
    """Names for the current and the other side of the comparison and, where there is room, for other points."""
    named: list[Name] = []
    for row, mark in sorted(zip(rows, marks, strict=True), key=lambda one: one[0].role == "other"):
        crowded = any(abs(mark.at - one.at) < 22 and abs(mark.y - one.y) < 9 for one in named)
        minor = row.role == "other"
        if minor and crowded:
            continue
        text = _named(row) if minor else f"{row.tag}: {row.label}"
        before = mark.at > 60
        below = crowded or (_covers(mark, marks, text, before, False) and not _covers(mark, marks, text, before, True))
        named.append(Name(mark.at, mark.y, text, mark.colour, before, below, minor))
    return tuple(named)


def _covers(mark: Mark, marks: Sequence[Mark], text: str, before: bool, below: bool) -> bool:
    """Whether a name beside a point would lie on another point, or below the axis; about, on a screen of usual size."""
    if below and mark.y > 92:
        return True
    width = LETTER * len(text)
    start = mark.at - width if before else mark.at
    near, far = (1.0, 8.0) if below else (-8.0, -1.0)
    return any(start <= one.at <= start + width and near <= one.y - mark.y <= far for one in marks if one is not mark)


def effects(story: Story) -> Chart | None:
    """How much longer a clip takes without each flag of the tuned set, with intervals; None where nothing is known."""
    items: list[dict[str, Any]] = list(story.tune.get("ablation") or ())
    if not items:
        return None
    title = _("Effect of each flag of the tuned set: {effects}").format(
        effects="; ".join(f"{words.credited(a['flag'])} {words.change(a['effect'])}" for a in items))
    ends = [(a[key] - 1) * 100 for a in items for key in ("low", "effect", "high")] + [0.0]
    margin = max(max(ends) - min(ends), 1.0) * 0.05
    scale = Scale(min(ends) - margin, max(ends) + margin)
    rows = []
    for a in items:
        low, middle, high = (scale.at((a[key] - 1) * 100) for key in ("low", "effect", "high"))
        sure = bool(a["significant"])
        colour = "gain" if sure else "other"
        tip = f"{words.credited(a['flag'])}: {words.change(a['effect'])}, {words.credit_source(a)}"
        rows.append(Row(words.credited(a["flag"]), "plain", (Mark(middle, 0, colour, sure, tip),), (low, high)))
    axis = _("how much longer a clip takes without the flag, %")
    return Chart(title, axis, scale.ticks(), tuple(rows), scale.at(0.0))
