"""Where everything stands on a card of 1280 x 640: text is wrapped and shrunk until it fits its place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from autotune.language.translate import source_only
from autotune.report import words
from autotune.report.card_facts import STAND_IN, CardFacts, headline, rows, signature

WIDTH, HEIGHT = 1280, 640
MARGIN = 64
LINE = 1.25
"""Height of a line over the size of its letters."""
Colour = Literal["ink", "quiet", "gain", "warning", "before", "panel"]
WidthOf = Callable[[str, int], float]
"""Pixels that a text takes at a size of letters."""


@dataclass(frozen=True, slots=True)
class Box:
    """A piece of a card, in pixels from its upper left corner: lines of text of that ``size``, or without any a
    filled rectangle."""

    x: int
    y: int
    width: int
    height: int
    colour: Colour
    lines: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Room for a text, and the sizes of letters that are tried there, the largest first.

    ``gap``: spaces between two pieces of the text."""

    x: int
    y: int
    width: int
    height: int
    largest: int
    smallest: int = 12
    gap: int = 1


@source_only()
def layout(card: CardFacts, width_of: WidthOf) -> list[Box]:
    """All boxes of a card, rectangles first. No text leaves the card or touches another one."""
    big, what, about = headline(card)
    half = 544
    texts: list[tuple[_Place, Colour, Sequence[str]]] = [
        (_Place(MARGIN, 40, 1152, 52, 40), "ink", [card.gpu]),
        (_Place(MARGIN, 94, 1152, 34, 24), "quiet", card.workload.split()),
        (_Place(MARGIN, 132, 1152, 28, 22), "warning", STAND_IN.split() if card.stand_in else []),
        (_Place(MARGIN - 6, 162, half, 150, 120, 40), "gain" if card.changes else "ink", [big]),
        (_Place(MARGIN, 314, half, 38, 28), "ink" if card.sure else "warning", what.split()),
        (_Place(MARGIN, 352, half, 32, 22), "quiet", about.split()),
        (_Place(MARGIN + 24, 506, 80, 60, 20), "quiet", ["Flags"]),
        (_Place(MARGIN + 112, 500, 1020, 72, 26, gap=3), "ink", card.flags or ["(none)"]),
        (_Place(MARGIN, 592, 1152, 26, 18), "quiet", signature(card).split()),
    ]
    for number, (label, text) in enumerate(rows(card)):
        y = 176 + 74 * number
        texts.append((_Place(690, y, 526, 24, 18), "quiet", [label]))
        texts.append((_Place(690, y + 24, 526, 42, 26), "ink", text.split()))
    bars = _bars(card, width_of)
    panel = Box(MARGIN, 492, 1152, 88, "panel")
    written = [_fit(place, colour, pieces, width_of) for place, colour, pieces in texts if pieces]
    return [panel, *(one for one in bars if not one.lines), *(one for one in bars if one.lines), *written]


def _bars(card: CardFacts, width_of: WidthOf) -> list[Box]:
    """Seconds of both sets as bars, where both were measured and do not contradict the speed."""
    first, second = card.seconds
    longest = 0.0 if first is None or second is None else max(first, second)
    if first is None or second is None or longest <= 0.0 or not card.times_agree:
        return []
    found = []
    colours: tuple[Colour, Colour] = ("before", "gain" if card.changes else "quiet")
    for row, (name, time) in enumerate(zip(card.names, (first, second), strict=True)):
        y = 396 + 36 * row
        long = max(4, round(300 * time / longest))
        found += [
            _fit(_Place(MARGIN, y, 104, 28, 20), "quiet", [name], width_of),
            Box(MARGIN + 112, y + 3, long, 20, colours[row]),
            _fit(_Place(MARGIN + 124 + long, y, 120, 28, 20), "ink", [words.seconds(time)], width_of),
        ]
    return found


def _fit(place: _Place, colour: Colour, pieces: Sequence[str], width_of: WidthOf) -> Box:
    """The pieces in the largest letters with which they fit their place; at the smallest what is too much is left
    out, and that it is so is said."""
    for size in range(place.largest, place.smallest, -2):
        lines = _wrap(pieces, size, place, width_of)
        if lines is not None and len(lines) * size * LINE <= place.height:
            return _box(place, colour, lines, size, width_of)
    size, most = place.smallest, int(place.height / (place.smallest * LINE))
    for kept in range(len(pieces), 0, -1):
        left = [] if kept == len(pieces) else [f"... and {len(pieces) - kept} more"]
        lines = _wrap([*pieces[:kept], *left], size, place, width_of)
        if lines is not None and len(lines) <= most:
            return _box(place, colour, lines, size, width_of)
    cut = next(pieces[0][:end] for end in range(len(pieces[0]), -1, -1)
               if width_of(f"{pieces[0][:end]}...", size) <= place.width)
    return _box(place, colour, [f"{cut}..."], size, width_of)


def _wrap(pieces: Sequence[str], size: int, place: _Place, width_of: WidthOf) -> list[str] | None:
    """The pieces in lines that are no wider than the place, none of them torn; None where one is wider than a line."""
    lines: list[str] = []
    for piece in pieces:
        longer = f"{lines[-1]}{' ' * place.gap}{piece}" if lines else piece
        if width_of(longer, size) <= place.width:
            lines[-1:] = [longer]
        elif width_of(piece, size) <= place.width:
            lines.append(piece)
        else:
            return None
    return lines


def _box(place: _Place, colour: Colour, lines: Sequence[str], size: int, width_of: WidthOf) -> Box:
    """The box that the lines take, in the middle of their place's height."""
    width = int(max(width_of(line, size) for line in lines)) + 1
    height = int(len(lines) * size * LINE)
    return Box(place.x, place.y + (place.height - height) // 2, min(width, place.width), height, colour,
               tuple(lines), size)
