"""What the live screen of a tune shows, as lines: made from values alone, for any window, so that tests can look at it.

Every line fits the window, wide letters counted as two columns; marks say by their shape what colours say too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.language.translate import _, ngettext
from autotune.model.failures import meaning
from autotune.model.flagset import NONE_TUNED, Candidate
from autotune.report import labels, words
from autotune.report.plain import clean
from autotune.report.wrap import broken
from autotune.search.standings import SetStanding, Standings
from autotune.search.time_left import TimeLeft
from autotune.tune.progress import Step

if TYPE_CHECKING:
    from rich.text import Text

LEAST_BAR, MOST_BAR = 18, 44
LEAST_NAME, MOST_NAME = 14, 40
SECONDS, SPEED = 8, 18
"""Columns of the parts of a row."""
SURELY_NEAR = 1.05
"""The scale of the bars reaches at least from 1 / so much to so much."""
FARTHEST = 8.0
"""The scale ends there: a set ten times as slow would press all others together."""


@dataclass(frozen=True)
class Marks:
    """What bars and marks are drawn with. ``beats``: frames of the sign that shows that something goes on."""

    line: str
    low: str
    high: str
    point: str
    one: str
    now: str
    faster: str
    slower: str
    more: str
    dash: str
    about: str
    beats: str


DRAWN = Marks("─", "├", "┤", "●", "│", "▸", "▲", "▼", "…", "–", "≈", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
ASCII = Marks("-", "[", "]", "o", "|", ">", "+", "-", "...", "-", "~", "|/-\\")
"""Where the stream's encoding lacks the others (the old code pages of Windows)."""


def marks_for(encoding: str | None) -> Marks:
    """The marks that text of this encoding can hold."""
    try:
        "".join(map(str, vars(DRAWN).values())).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return DRAWN


@dataclass
class Shown:
    """What is known of a tune at the moment. ``objective``: speed, vram or balanced; ``told_at``: when ``budget_left``
    (seconds) and the standings were told (time.monotonic)."""

    objective: str
    min_gain: float
    candidate: Candidate | None = None
    why: str = ""
    step: Step | None = None
    standings: Standings | None = None
    budget_left: float | None = None
    told_at: float = 0.0


@dataclass(frozen=True)
class TuneView:
    """The window and the moment. ``elapsed``: seconds since the tune began; ``now``: time.monotonic."""

    width: int
    height: int
    elapsed: float
    now: float
    marks: Marks


def view(shown: Shown, to: TuneView) -> list[Text]:
    """The lines for a window; never more of them than it has, less one for the cursor, and none wider than it."""
    room = to.height - 1
    names = _names(shown)
    head = _head(shown, to, names)
    foot = _foot(shown, to, names)
    found = shown.standings
    rows: list[Text] = []
    if found is not None and len(found.sets) > 0:
        space = room - len(head) - len(foot) - 2
        if space >= 3:
            rows = [_line("", to), *_table(found, shown, to, names, space), _line("", to)]
    lines = [*head, *rows, *foot]
    if len(lines) > room:
        lines = [*head[:1], *foot[-(room - 1):]] if room > 1 else head[:1]
    return lines


def _names(shown: Shown) -> dict[str, str]:
    """A short name for each set that appears: its attention class and what else it differs in."""
    ids = [one.candidate for one in shown.standings.sets] if shown.standings is not None else []
    if shown.candidate is not None:
        ids.append(shown.candidate.id)
    return {name: clean(text) for name, text in labels.short(ids).items()}


def _line(text: str, to: TuneView, style: str = "", width: int | None = None) -> Text:
    """One line, cut where the window ends."""
    from rich.text import Text

    made = Text(text, style=style, no_wrap=True)
    made.truncate(to.width if width is None else width, overflow="ellipsis" if to.marks is DRAWN else "crop")
    return made


def _wrapped(text: str, to: TuneView, most: int, style: str = "") -> list[Text]:
    """A sentence on at most so many lines."""
    parts = broken(text, to.width)
    if len(parts) > most:
        parts[most - 1:] = [" ".join(parts[most - 1:])]
    return [_line(part, to, style) for part in parts]


def clock(seconds: float) -> str:
    """Minutes and seconds, "6:05"; hours before them from one hour on."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def line_view(text: str, elapsed: float, width: int, marks: Marks) -> Text:
    """One line that says what is done, and for how long."""
    to = TuneView(width, 2, elapsed, elapsed, marks)
    return _beside(f"{_beat(to)} {clean(text)}", clock(elapsed), to)


def _beat(to: TuneView) -> str:
    return to.marks.beats[int(to.now * 2.0) % len(to.marks.beats)]


def _beside(left: str, right: str, to: TuneView, style: str = "bold") -> Text:
    """Two texts at the two ends of a line; the left one is cut."""
    from rich.cells import cell_len

    made = _line(left, to, style, to.width - cell_len(right) - 2)
    made.append(" " * (to.width - 1 - made.cell_len - cell_len(right)))
    made.append(right, style="dim")
    return made


def step_words(step: Step, name: str = "") -> str:
    """A step in plain words; ``name``: of the set, "" where it goes without saying."""
    told = {"name": name, "clip": step.clip, "clips": step.clips, "seconds": step.seconds}
    if step.kind == "start":
        text = _("Starting the web UI: {name}") if name else _("Starting the web UI")
    elif step.kind == "warmup":
        text = _("Warm-up clip {clip}: {name}") if name else _("Warm-up clip {clip}")
    elif step.kind == "clip":
        text = _("Clip {clip} of {clips}: {name}") if name else _("Clip {clip} of {clips}")
    elif step.kind == "check":
        text = _("A clip that checks a prediction: {name}") if name else _("A clip that checks a prediction")
    elif step.kind == "stop":
        text = _("Ending the web UI")
    elif step.kind == "pause":
        text = _("Waiting {seconds:.0f} s, for the last clip did not count")
    else:
        text = _("Waiting: the machine is yours")
    return text.format(**told)


def _head(shown: Shown, to: TuneView, names: dict[str, str]) -> list[Text]:
    """What is measured now, its flags, and why."""
    step, candidate = shown.step, shown.candidate
    begins = _("Looking at what is there") if candidate is None else _("Choosing what to measure")
    name = "" if step is None else _name(step.candidate, names, shown)
    text = begins if step is None else step_words(step, name)
    lines = [_beside(f"{_beat(to)} {text}", clock(to.elapsed), to)]
    if candidate is not None and to.height >= 14:
        lines.append(_line("  " + clean(words.flags(candidate.flags.words, candidate.flags.settings)
                                        if candidate.flags.words or candidate.flags.settings else _(NONE_TUNED)), to))
    if shown.why and to.height >= 18:
        lines.append(_line("  " + clean(shown.why), to, "dim"))
    return lines


def _name(candidate: str, names: dict[str, str], shown: Shown) -> str:
    if shown.standings is not None and candidate == shown.standings.baseline:
        return _("your flags")
    return names.get(candidate, "")


def _foot(shown: Shown, to: TuneView, names: dict[str, str]) -> list[Text]:
    """What the verdict hinges on, and the time left."""
    lines = _wrapped(hinge(shown, names), to, 2 if to.height >= 12 else 1)
    left = time_words(shown, to)
    return [*lines, *_wrapped(left, to, 1, "bold")] if left else lines


def hinge(shown: Shown, names: dict[str, str]) -> str:
    """What the verdict hinges on at the moment, in one or two sentences."""
    found, share = shown.standings, 100.0 * shown.min_gain
    if found is None or all(one.speedup is None for one in found.sets):
        return _("Your own flags are timed first: everything is measured against them.")
    name = "" if found.rival is None else names.get(found.rival, found.rival)
    rival = next((one for one in found.sets if one.candidate == found.rival), None)
    if found.stage == "search" or rival is None:
        best = next((one for one in found.sets if one.speedup is not None), None)
        if best is None or best.speedup is None or best.candidate == found.baseline or best.speedup.estimate <= 1.0:
            return _("No set looks better than your flags so far. One must gain {share:.3g} % to be worth a "
                     "change.").format(share=share)
        return _("{name} is ahead, {times:.2f} times your flags. That only chooses it: fresh starts decide.").format(
            name=names.get(best.candidate, best.candidate), times=best.speedup.estimate)
    if found.stage in ("precision", "flags") and found.width is not None and found.wanted_width is not None:
        if found.stage == "flags":
            return _("{name} is surely better. Now it is measured which of its flags are needed.").format(name=name)
        if found.width <= found.wanted_width:
            return _("{name} is surely better, and how much is known well enough: the rest only checks.").format(
                name=name)
        return _("{name} is surely better. By how much is known to {width:.1f} %; {wanted:.1f} % is wanted.").format(
            name=name, width=100.0 * found.width, wanted=100.0 * found.wanted_width)
    if found.answer is None or rival.speedup is None:
        return _("{name} against your flags, from fresh starts: at least two pairs decide.").format(name=name)
    if found.answer == "not better":
        return _("{name} does not gain {share:.3g} % over your flags.").format(name=name, share=share)
    return ngettext(
        "{name} against your flags after {pairs} pair: all of {low:.2f} to {high:.2f} must lie above 1.",
        "{name} against your flags after {pairs} pairs: all of {low:.2f} to {high:.2f} must lie above 1.",
        found.pairs).format(name=name, pairs=found.pairs, low=rival.speedup.low, high=rival.speedup.high)


def time_words(shown: Shown, to: TuneView) -> str:
    """How long it will still take: a range, for chance decides, and what the budget allows at most."""
    if shown.budget_left is None:
        return ""
    since = max(0.0, to.now - shown.told_at)
    most = max(0.0, shown.budget_left - since)
    left = shown.standings.left if shown.standings is not None else None
    if left is None:
        return _("At most {most} min left, by the budget.").format(most=_minutes(most))
    now = TimeLeft(*(min(most, max(0.0, value - since)) for value in (left.low, left.likely, left.high)))
    low, high = math.floor(now.low / 60.0), max(1, math.ceil(now.high / 60.0))
    likely = min(high, max(low, round(now.likely / 60.0)))
    if high <= 1:
        return _("About a minute left.")
    return _("{low} to {high} min left, likely {likely}; the budget allows {most}.").format(
        low=low, high=high, likely=max(1, likely), most=_minutes(most))


def _minutes(seconds: float) -> int:
    return max(1, math.ceil(seconds / 60.0))


@dataclass(frozen=True)
class _Columns:
    """Widths of the parts of a row, 0 for what has no room, and the scale of the bars (log seconds)."""

    name: int
    seconds: int
    speed: int
    bar: int
    low: float
    high: float


def _columns(found: Standings, to: TuneView, names: dict[str, str]) -> _Columns:
    from rich.cells import cell_len

    fixed = 4
    longest = max((cell_len(_row_name(one, found, names)) for one in found.sets), default=LEAST_NAME)
    room = to.width - 1 - fixed
    speed = SPEED + 1 if room - SPEED - 1 >= LEAST_NAME else 0
    seconds = SECONDS + 1 if room - speed - SECONDS - 1 >= LEAST_NAME + 4 else 0
    name = min(max(longest, LEAST_NAME), MOST_NAME, room - speed - seconds)
    bar = room - speed - seconds - name - 2
    if bar < LEAST_BAR and room - speed - seconds - LEAST_BAR - 2 >= LEAST_NAME + 4:
        name, bar = room - speed - seconds - LEAST_BAR - 2, LEAST_BAR
    bar = 0 if bar < LEAST_BAR else min(bar, MOST_BAR)
    known = [one.speedup for one in found.sets if one.speedup is not None]
    low = min([1.0 / SURELY_NEAR, *(one.low for one in known)])
    high = max([SURELY_NEAR, *(one.high for one in known)])
    return _Columns(name, seconds, speed, bar, math.log(max(low, 1.0 / FARTHEST)), math.log(min(high, FARTHEST)))


def _row_name(one: SetStanding, found: Standings, names: dict[str, str]) -> str:
    name = names.get(one.candidate, one.candidate)
    return _("{name} (yours)").format(name=name) if one.candidate == found.baseline else name


def _table(found: Standings, shown: Shown, to: TuneView, names: dict[str, str], room: int) -> Iterator[Text]:
    """A header, the sets that have room, best first and the current flags always among them, and those that are out."""
    good = [one for one in found.sets if one.failed is None]
    out = [one for one in found.sets if one.failed is not None]
    room -= 1 + (1 if out else 0)
    if len(good) > room:
        room -= 1
        keep = set(range(max(0, room)))
        mine = next((place for place, one in enumerate(good) if one.candidate == found.baseline), 0)
        if mine not in keep and keep:
            keep = {*range(max(0, room - 1)), mine}
    else:
        keep = set(range(len(good)))
    columns = _columns(found, to, names)
    yield _table_head(columns, shown, to)
    for place in sorted(keep):
        yield _row(good[place], found, columns, to, names, shown)
    if len(keep) < len(good):
        yield _line("    " + ngettext("{more} {number} other set", "{more} {number} other sets",
                                      len(good) - len(keep)).format(
                                          more=to.marks.more, number=len(good) - len(keep)), to, "dim")
    if out:
        told = ", ".join(f"{names.get(one.candidate, one.candidate)} ({_why(one)})" for one in out)
        yield _line("  " + _("Out: {sets}").format(sets=told), to)


def _why(one: SetStanding) -> str:
    if one.failed == "too_slow":
        return _("too slow")
    return meaning(one.failed).title.lower() if one.failed is not None else ""


def _table_head(columns: _Columns, shown: Shown, to: TuneView) -> Text:
    what = {"speed": _("Speed"), "vram": _("Less memory")}.get(shown.objective, _("Gain"))
    text = "    " + _cell(_("Set"), columns.name)
    if columns.seconds:
        text += " " + _cell(_("A clip"), columns.seconds - 1, right=True)
    if columns.speed:
        text += " " + _cell(what, columns.speed - 1)
    if columns.bar:
        text += "  " + _scale(columns)
    return _line(text, to, "dim")


def _scale(columns: _Columns) -> str:
    """The ends of the scale and its 1, where there is room for them."""
    from rich.cells import cell_len

    low, high = f"{math.exp(columns.low):.2f}", f"{math.exp(columns.high):.2f}"
    place = _place(1.0, columns)
    made = [" "] * columns.bar
    for text, start in (("1", place), (low, 0), (high, columns.bar - cell_len(high))):
        inside = range(max(0, start - 1), min(columns.bar, start + len(text) + 1))
        if all(made[at] == " " for at in inside) and start >= 0:
            made[start:start + len(text)] = text
    return "".join(made[:columns.bar])


def _place(ratio: float, columns: _Columns) -> int:
    """The column of a ratio on the scale of the bars."""
    share = (math.log(max(ratio, 1e-6)) - columns.low) / max(columns.high - columns.low, 1e-9)
    return round(min(1.0, max(0.0, share)) * (columns.bar - 1))


def _cell(text: str, width: int, right: bool = False, more: str = "") -> str:
    """A text in exactly so many columns; ``more``: what a cut one ends with."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > width:
        return set_cell_size(text, width - cell_len(more)) + more
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)


def _row(one: SetStanding, found: Standings, columns: _Columns, to: TuneView, names: dict[str, str],
         shown: Shown) -> Text:
    """One set: whether it is measured now, whether it is surely faster or slower, its name, its time, its speed."""
    mine, speed, marks = one.candidate == found.baseline, one.speedup, to.marks
    here = shown.step is not None and shown.step.candidate == one.candidate
    sure, style = " ", ""
    if speed is not None and not mine and speed.low > 1.0:
        sure, style = marks.faster, "green"
    elif speed is not None and not mine and speed.high < 1.0:
        sure, style = marks.slower, "red"
    made = _line("", to)
    made.append(f"{marks.now if here else ' '} ", style="bold")
    made.append(f"{sure} ", style=style)
    made.append(_cell(_row_name(one, found, names), columns.name, more=marks.more),
                style="bold" if here or one.fresh else "")
    if columns.seconds:
        text = "" if one.seconds is None else (f"{marks.about} " if one.about else "") + words.seconds(one.seconds)
        made.append(" " + _cell(text, columns.seconds - 1, True))
    if columns.speed:
        text = "" if speed is None else "1" if mine else (
            f"{speed.estimate:.2f} ({speed.low:.2f}{marks.dash}{speed.high:.2f})")
        made.append(" " + _cell(text, columns.speed - 1), style=style)
    if columns.bar:
        made.append("  ")
        made.append_text(_bar(one, columns, marks, mine, style))
    made.rstrip()
    made.truncate(to.width)
    return made


def _bar(one: SetStanding, columns: _Columns, marks: Marks, mine: bool, style: str) -> Text:
    """The interval of a set on the common scale, with a line at 1."""
    from rich.text import Text

    made = [" "] * columns.bar
    made[_place(1.0, columns)] = marks.one
    if one.speedup is not None and not mine:
        low, high = _place(one.speedup.low, columns), _place(one.speedup.high, columns)
        for at in range(low, high + 1):
            made[at] = marks.line
        made[low], made[high] = marks.low, marks.high
        made[_place(one.speedup.estimate, columns)] = marks.point
    found = Text("".join(made), style=style)
    if made[_place(1.0, columns)] == marks.one:
        found.stylize("not bold dim default", _place(1.0, columns), _place(1.0, columns) + 1)
    return found
