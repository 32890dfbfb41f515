"""The line of the owner's own clips over time, with updates marked on it, for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from autotune.language.translate import _
from autotune.report import words
from autotune.report.charts import Chart, Mark, Name, Scale, Tick

MOST_TICKS = 6
"""Labelled uses along the axis, at most."""
LEAST_USES = 3
"""Uses from which on a line says something."""


@dataclass(frozen=True, slots=True)
class UseLine:
    """The plot, and what was updated before which use: (number on the plot, day, start, in words)."""

    chart: Chart
    updates: tuple[tuple[int, str, int, str], ...]


def use_line(doc: Mapping[str, Any]) -> UseLine | None:
    """The line of a document of ``explain``; None where it has too few uses that can be compared.

    Each use is drawn at its time as a multiple of what clips like its own took before the change (without one: take).
    """
    rows: Sequence[Mapping[str, Any]] = doc.get("line") or ()
    since = doc.get("since") or ""
    usual: dict[str, list[float]] = {}
    for row in rows:
        if not since or row["at"] < since:
            usual.setdefault(row["series"], []).append(row["seconds"])
    shown = [(row, row["seconds"] / median(usual[row["series"]])) for row in rows if row["series"] in usual]
    if len(shown) < LEAST_USES:
        return None
    times = [value for __, value in shown]
    low, high = min(times), max(times)
    margin = max(high - low, 0.02) * 0.1
    across, up = Scale(-0.5, len(shown) - 0.5), Scale(max(0.0, low - margin), high + margin)
    marks = tuple(Mark(across.at(number), round(100 - up.at(value), 2), _colour(doc, row), True, _tip(row, value))
                  for number, (row, value) in enumerate(shown))
    updates = [(number, row) for number, (row, __) in enumerate(shown) if row["updates"]]
    names = tuple(Name(across.at(number - 0.5), 0.0, str(count), "plain", False, True, False)
                  for count, (number, __) in enumerate(updates, 1))
    step = max(1, -(-len(shown) // MOST_TICKS))
    ticks = tuple(Tick(across.at(number), words.moment(row["at"])[:10])
                  for number, (row, __) in enumerate(shown) if number % step == step // 2)
    title = _("Line of {uses} of your web UI: {text} Updates are marked in {places}.").format(
        uses=words.plural(len(shown), "use"), text=doc.get("text"), places=words.plural(len(updates), "place"))
    chart = Chart(title, _("uses of your web UI, by day"), ticks, marks=marks, names=names, up=up.ticks(),
                  up_title=_("time of a clip, 1 = as before"), lines=tuple(name.at for name in names))
    listed = tuple((count, words.moment(row["at"])[:10], row["start"], "; ".join(row["updates"]))
                   for count, (__, row) in enumerate(updates, 1))
    return UseLine(chart, listed)


def _colour(doc: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Uses since clips became slower stand out, and so do those with the flags that were written because of it."""
    cured = (doc.get("cure") or {}).get("applied")
    if cured and row["at"] >= cured:
        return "tuned"
    slow = doc.get("state") in ("slower", "given_back") and row["at"] >= doc["since"]
    return "now" if slow else "other"


def _tip(row: Mapping[str, Any], value: float) -> str:
    text = _("start {number}, {moment}: {times:.2f} times as long as before ({clip}, {seconds} a step and frame)")
    return text.format(number=row["start"], moment=words.moment(row["at"]), times=value, clip=row["shape"],
                       seconds=words.seconds(row["seconds"]))
