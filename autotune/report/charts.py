"""The page's plots, drawn by matplotlib. Each comes twice, for wide screens and for phones; CSS shows one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from autotune.model.study import Sample
from autotune.report import svg, words
from autotune.report.rows import Pair, SetRow, Story, pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_COLOUR = {"baseline": svg.BASELINE, "winner": svg.WINNER, "other": svg.OTHER}
_MARK = {"baseline": "s", "winner": "D", "other": "o"}
_WIDE, _NARROW = 9.6, 4.3  # inches; 72 SVG units an inch, so about 690 and 310 CSS pixels of drawing

Tips = dict[str, list[str]]
Draw = Callable[["Figure", bool, Tips], None]


def _both(name: str, title: str, wide_height: float, narrow_height: float, draw: Draw) -> str:
    """Draw for wide and for narrow; the two SVGs as one figure body."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    out = []
    for narrow, width, height in ((False, _WIDE, wide_height), (True, _NARROW, narrow_height)):
        with mpl.rc_context(rc=svg.STYLE):
            figure = Figure(figsize=(width, height), layout="constrained")
            tips: Tips = {}
            draw(figure, narrow, tips)
            css = "narrow" if narrow else "wide"
            out.append(svg.inline(figure, f"{name}-{css}", title, tips, css))
    return "".join(out)


def sets(told: Story, workload: int) -> str:
    """Every set's clips of one workload as dots, fastest set on top; empty text when it has none."""
    rows = [row for row in told.rows if row.of(workload)]
    rows.sort(key=lambda row: (row.median(workload) or 0.0, row.candidate))
    if not rows:
        return ""
    best = rows[0]
    title = (
        f"Dot plot, {told.workloads[workload]}: seconds per clip of {words.plural(len(rows), 'set')}, "
        f"fastest first. {best.label}: median {words.seconds(best.median(workload))}; "
        f"{rows[-1].label}: median {words.seconds(rows[-1].median(workload))}."
    )

    def draw(figure: Figure, narrow: bool, tips: Tips) -> None:
        axes = figure.add_subplot()
        times = [s.seconds for row in rows for s in row.of(workload) if s.seconds is not None]
        _time_axis(axes, times)
        for place, row in enumerate(rows):
            _set_row(axes, row, (place, workload), narrow, tips)
        axes.set_ylim(len(rows) - 0.4, -0.75 if narrow else -0.6)
        axes.set_yticks([])
        if not narrow:
            axes.set_yticks(range(len(rows)), [_named(row) for row in rows])
            axes.tick_params(axis="y", length=0)
            for text, row in zip(axes.get_yticklabels(), rows, strict=True):
                _emphasise(text, row)

    return _both(f"sets{workload}", title, 0.9 + 0.34 * len(rows), 0.9 + 0.5 * len(rows), draw)


def _named(row: SetRow) -> str:
    return f"{row.label}  ({row.tag})" if row.tag else row.label


def _emphasise(text: Text, row: SetRow) -> None:
    if row.role != "other":
        text.set_color(_COLOUR[row.role])
        text.set_fontweight("bold")


def _set_row(axes: Axes, row: SetRow, at: tuple[int, int], narrow: bool, tips: Tips) -> None:
    place, workload = at
    colour = _COLOUR[row.role]
    axes.axhline(place, color=svg.GRID, linewidth=0.6, zorder=0)
    for cold in (True, False):
        clips = [s for s in row.of(workload) if s.cold is cold]
        if not clips:
            continue
        gid = f"dots{place}{'c' if cold else 'l'}"
        axes.scatter(
            [s.seconds or 0.0 for s in clips],
            _spread(place, len(clips)),
            s=22,
            marker=_MARK[row.role],
            zorder=3,
            facecolors=colour if cold else svg.PAPER,
            edgecolors=colour,
            linewidths=1.2,
            alpha=0.85,
            gid=gid,
        )
        tips[gid] = [_tip(row, s) for s in clips]
    middle = row.median(workload) or 0.0
    axes.plot([middle, middle], [place - 0.3, place + 0.3], color=colour, linewidth=2, zorder=2)
    if narrow:
        text = axes.text(
            0.0, place - 0.34, _named(row), transform=axes.get_yaxis_transform(), va="bottom", fontsize=10.5
        )
        _emphasise(text, row)


def _spread(place: int, count: int) -> list[float]:
    """Heights around a row's line, in a fixed order, so that clips of one time do not hide each other."""
    steps = (0.0, 0.13, -0.13, 0.065, -0.065, 0.195, -0.195)
    return [place + steps[i % len(steps)] for i in range(count)]


def _tip(row: SetRow, s: Sample) -> str:
    how = "own launch" if s.cold else "switched live"
    if s.rendered is not None:
        how += f", told from {words.seconds(s.rendered)} with {s.steps} steps"
    return f"{row.label}: {words.seconds(s.seconds)}, clip {s.number}, {s.purpose}, launch {s.launch}, {how}"


def _time_axis(axes: Axes, times: Sequence[float]) -> None:
    """Seconds along x; logarithmic where the slowest clip takes more than six times the fastest."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = min(times), max(times)
    if high > 6 * low:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(low / 1.12, high * 1.12)
    else:
        room = max(high - low, high * 0.02) * 0.06
        axes.set_xlim(low - room, high + room)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("seconds per clip" + (", logarithmic" if high > 6 * low else ""))
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0)


def paired(told: Story) -> str:
    """The confirmation: one line a pair of fresh launches, from the current set's time to the tuned one's."""
    found = pairs(told)
    if not found:
        return ""
    faster = sum(p.winner < p.baseline for p in found)
    row = told.row("winner")
    assert row is not None  # pairs() found both sides
    title = f"Paired plot: the other set was faster in {faster} of {words.plural(len(found), 'pair')}."

    def draw(figure: Figure, narrow: bool, tips: Tips) -> None:
        axes = figure.add_subplot()
        _time_axis(axes, [t for p in found for t in (p.baseline, p.winner)])
        for place, p in enumerate(found):
            axes.plot([p.baseline, p.winner], [place, place], color=svg.GRID, linewidth=2.5, zorder=1)
        for side, colour, mark in (("baseline", svg.BASELINE, "s"), ("winner", svg.WINNER, "D")):
            values = [getattr(p, side) for p in found]
            axes.scatter(values, range(len(found)), s=34, marker=mark, color=colour, zorder=3, gid=side)
            tips[side] = [_pair_tip(p, row.tag) for p in found]
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.set_yticks(
            range(len(found)), [str(i + 1) if narrow else f"pair {i + 1}" for i in range(len(found))]
        )
        axes.tick_params(axis="y", length=0)

    return _both("pairs", title, 0.9 + 0.27 * len(found), 0.9 + 0.3 * len(found), draw)


def _pair_tip(p: Pair, other: str) -> str:
    return (
        f"current {words.seconds(p.baseline)}, {other} {words.seconds(p.winner)}: "
        f"{p.baseline / p.winner:.3f} times as fast"
    )


def time_memory(told: Story) -> str:
    """Median seconds against peak memory, one point a set; empty text where nothing told the memory."""
    rows = [row for row in told.rows if row.median(0) is not None and row.memory_peak is not None]
    if len(rows) < 2:
        return ""
    top = max(row.memory_peak or 0.0 for row in rows)
    unit, scale = ("GiB", 1024.0) if top >= 1024 else ("MiB", 1.0)
    title = (
        f"Scatter plot: seconds per clip against peak memory in {unit} of {words.plural(len(rows), 'set')}."
    )

    def draw(figure: Figure, narrow: bool, tips: Tips) -> None:
        axes = figure.add_subplot()
        _time_axis(axes, [row.median(0) or 0.0 for row in rows])
        axes.margins(x=0.12)
        for number, row in enumerate(rows):
            x, y = row.median(0) or 0.0, (row.memory_peak or 0.0) / scale
            gid = f"set{number}"
            axes.scatter(
                [x],
                [y],
                s=60 if row.role != "other" else 36,
                marker=_MARK[row.role],
                zorder=4 if row.role != "other" else 3,
                gid=gid,
                color=_COLOUR[row.role],
            )
            tips[gid] = [f"{row.label}: {words.seconds(x)}, peak {words.memory(row.memory_peak)}"]
        _name_points(axes, rows, scale, narrow)
        axes.set_ylim(bottom=0, top=top / scale * 1.18)
        axes.set_ylabel(f"peak memory, {unit}")
        axes.grid(axis="y", linewidth=0.6)
        axes.tick_params(axis="y", length=0, labelcolor=svg.MUTED)

    return _both("memory", title, 3.6, 3.4, draw)


def _name_points(axes: Axes, rows: Sequence[SetRow], scale: float, narrow: bool) -> None:
    """Names for the current and the tuned set and, where room allows, for points that stand alone."""
    top = max(row.memory_peak or 0.0 for row in rows) / scale
    taken: list[tuple[float, float]] = []
    for row in sorted(rows, key=lambda r: r.role == "other"):
        x, y = row.median(0) or 0.0, (row.memory_peak or 0.0) / scale
        share = axes.transLimits.transform(axes.transScale.transform((x, 0.0)))[0]
        spot = (float(share), y / top)
        crowded = any(abs(spot[0] - a) < 0.22 and abs(spot[1] - b) < 0.09 for a, b in taken)
        if row.role == "other" and (crowded or narrow):
            continue
        taken.append(spot)
        end = share > 0.6
        text = axes.annotate(
            _named(row) if row.role == "other" else f"{row.tag}: {row.label}",
            (x, y),
            xytext=(-7 if end else 7, 7),
            textcoords="offset points",
            ha="right" if end else "left",
            fontsize=9.5,
            color=svg.MUTED,
        )
        _emphasise(text, row)


def effects(told: Story) -> str:
    """The ablation: what each flag of the winner is worth, with its interval; empty text without one."""
    items = list(told.tune.get("ablation") or ())
    if not items:
        return ""
    title = "Effect of each flag of the tuned set: " + "; ".join(
        f"{a['flag']} {words.change(a['effect'])}" for a in items
    )

    def draw(figure: Figure, narrow: bool, tips: Tips) -> None:
        axes = figure.add_subplot()
        axes.axvline(0, color=svg.MUTED, linewidth=1)
        for place, a in enumerate(items):
            colour = svg.WINNER if a["significant"] else svg.OTHER
            low, mid, high = ((a[k] - 1) * 100 for k in ("low", "effect", "high"))
            axes.plot([low, high], [place, place], color=colour, linewidth=2.5, solid_capstyle="round")
            gid = f"effect{place}"
            axes.scatter([mid], [place], s=44, color=colour, zorder=3, gid=gid)
            tips[gid] = [f"{a['flag']}: {words.change(a['effect'])}, {words.credit_source(a)}"]
            if narrow:
                box = {"facecolor": svg.PAPER, "edgecolor": "none", "pad": 1.0}
                where = axes.get_yaxis_transform()
                axes.text(0.0, place - 0.28, a["flag"], transform=where, va="bottom", bbox=box)
        axes.set_ylim(len(items) - 0.5, -0.8 if narrow else -0.5)
        axes.set_yticks([] if narrow else range(len(items)), [] if narrow else [a["flag"] for a in items])
        axes.tick_params(length=0)
        axes.grid(axis="x", linewidth=0.6)
        axes.set_xlabel(
            "longer without it, %" if narrow else "how much longer a clip takes without the flag, %"
        )

    return _both("effects", title, 0.9 + 0.36 * len(items), 0.9 + 0.55 * len(items), draw)
