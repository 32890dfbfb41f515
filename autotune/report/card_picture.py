"""Draws a card as a PNG, with the letters that come with Pillow: no font file is needed."""

from __future__ import annotations

import io
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from autotune.report.card import HEIGHT, LINE, WIDTH, Box, layout
from autotune.report.card_facts import CardFacts

_COLOURS = {"ink": "#22262b", "quiet": "#666c73", "gain": "#1a7567", "warning": "#8a5200", "before": "#c4c8cd",
            "panel": "#ffffff"}
_PAPER, _EDGE = "#faf9f6", "#e3e1da"
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def font(size: int) -> _Font:
    """Pillow's own letters in that size (from Pillow 10.1 on)."""
    return ImageFont.load_default(size=size)


def width_of(text: str, size: int) -> float:
    """Pixels that a text takes at a size of letters."""
    return font(size).getlength(text)


def png(card: CardFacts) -> bytes:
    """The card as a PNG of 1280 x 640, without anything else in the file. Equal facts give equal bytes."""
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    pen = ImageDraw.Draw(image)
    for box in layout(card, width_of):
        draw(pen, box)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def draw(pen: ImageDraw.ImageDraw, box: Box) -> None:
    """Draws one box."""
    if not box.lines:
        edges = (box.x, box.y, box.x + box.width - 1, box.y + box.height - 1)
        pen.rectangle(edges, fill=_COLOURS[box.colour], outline=_EDGE if box.colour == "panel" else None)
    for number, line in enumerate(box.lines):
        at = (box.x, box.y + int(number * box.size * LINE))
        pen.text(at, line, fill=_COLOURS[box.colour], font=font(box.size))
