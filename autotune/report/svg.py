"""A matplotlib figure as one inline SVG element that follows the page: its colours, font, width and theme.

Plots are drawn in marker colours (``INK``, ``GRID``, …) that no one would choose; here they become CSS
variables, so one drawing is right in light and in dark. Ids get a prefix because a page holds several SVGs.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#010101", "#020202", "#030303"
BASELINE, WINNER, OTHER, PAPER = "#040404", "#050505", "#060606", "#070707"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    BASELINE: "var(--now)",
    WINNER: "var(--tuned)",
    OTHER: "var(--other)",
    PAPER: "var(--card)",
}
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "autotune",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def inline(figure: Figure, name: str, title: str, tips: Mapping[str, Sequence[str]], css: str = "") -> str:
    """The figure as an ``<svg>`` element.

    ``name``: prefix for its ids; ``title``: what it shows, for readers who do not see it; ``tips``: for an
    artist's gid, one tooltip a point in drawing order; ``css``: a class name.
    """
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314  our own drawing, made one line above
    for element in list(root):
        if element.tag == f"{_SVG}metadata":
            root.remove(element)
    for element in root.iter():
        _clean(element, name)
    for gid, texts in tips.items():
        _tooltips(root, f"{name}-{gid}", texts)
    root.attrib.pop("version", None)
    root.attrib.update({"role": "img", "aria-label": title, "class": f"plot {css}".strip()})
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    return ElementTree.tostring(root, encoding="unicode")


def _clean(element: ElementTree.Element, name: str) -> None:
    """Drop namespaces, prefix ids and references, put variables for marker colours."""
    element.tag = element.tag.removeprefix(_SVG)
    for key, value in list(element.attrib.items()):
        del element.attrib[key]
        text = value
        if key == "id":
            text = f"{name}-{value}"
        elif key == f"{_XLINK}href":
            text = value.replace("#", f"#{name}-")
        elif "url(#" in value:
            text = value.replace("url(#", f"url(#{name}-")
        if key == "style":
            text = _style(text)
        element.set(key.removeprefix(_XLINK), text)
    if element.tag == "style":
        element.text = None
    element.tail = None
    if element.text and not element.text.strip():
        element.text = None


def _style(text: str) -> str:
    for marker, variable in _VARIABLES.items():
        text = text.replace(marker, variable)
    return re.sub(r"font:\s*((?:bold |italic |\d+ )*)([\d.]+px)[^;]*", r"font: \1\2 var(--font)", text)


def _tooltips(root: ElementTree.Element, gid: str, texts: Sequence[str]) -> None:
    for group in root.iter("g"):
        if group.get("id") != gid:
            continue
        hidden = {id(e) for defs in group.iter("defs") for e in defs.iter()}
        points = [e for e in group.iter() if e.tag in ("use", "path") and id(e) not in hidden]
        for point, text in zip(points, texts, strict=False):
            ElementTree.SubElement(point, "title").text = text
