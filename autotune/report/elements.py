"""Small pieces of HTML. Everything that comes from outside passes through ``esc`` here, once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from autotune.secrets.mask import masked


def esc(text: object) -> str:
    """Text for an element or a quoted attribute: credentials masked, control characters shown, escaped."""
    plain = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return escape(masked(plain), quote=True)


def prose(text: object) -> str:
    """Escaped text of a sentence, with figures and their units kept on one line."""
    return re.sub(r"(?<=\d) (?=(?:s|h|min|GiB|MiB|dB|times)\b|%|×)", "\N{NO-BREAK SPACE}", esc(text))


def code(text: object) -> str:
    """Escaped text in the code font."""
    return f"<code>{esc(text)}</code>"


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], kinds: str) -> str:
    """A table in a box that scrolls by itself. Cells are HTML.

    ``kinds``: one letter a column, t text, n number, w wide text, h the row's own heading.
    """

    def cell(kind: str, html: str) -> str:
        if kind == "h":
            return f'<th scope="row">{html}</th>'
        return f"<td>{html}</td>" if kind == "t" else f'<td class="{kind}">{html}</td>'

    head = "".join(
        f'<th scope="col"{" class=n" if kind == "n" else ""}>{esc(text)}</th>'
        for kind, text in zip(kinds, heads, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(cell(kind, html) for kind, html in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{esc(caption)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def section(name: str, title: str, *parts: str) -> str:
    """A titled section; empty text when it has nothing to show."""
    body = "".join(parts)
    if not body:
        return ""
    return (
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{esc(title)}</h2>{body}</section>'
    )


def figure(drawing: str, caption: str) -> str:
    """A drawing with its caption (HTML); empty text without a drawing."""
    if not drawing:
        return ""
    return f"<figure>{drawing}{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"


def diff(text: str) -> str:
    """A unified diff with added and removed lines marked; their signs stay, so colour is not needed."""
    lines = []
    for line in masked(text).splitlines():
        kind = {"+": "add", "-": "del", "@": "at"}.get(line[:1], "")
        if line.startswith(("+++", "---")):
            kind = "at"
        lines.append(f'<span class="{kind}">{esc(line)}</span>' if kind else esc(line) + "\n")
    return f'<pre tabindex="0" aria-label="Change as a diff">{"".join(lines)}</pre>'
