"""A table for the terminal whose columns are narrowed without breaking words, as long as there is any room."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.report.wrap import columns

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
    from rich.text import Text

MOST_WORD = 36
"""Columns that a word may ask for; a longer one (a path) is broken."""
MOST_NUMBER = 9
"""Letters of a number with its unit, which stay together; an interval has more."""
EMPTY = "–"
"""What stands in a cell without a value (``plain.clean``)."""


@dataclass(frozen=True)
class FittedTable:
    """A table by rich; see ``tables._table`` for what it is made of."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[Sequence[Text]]
    numbers: str
    instead: RenderableType | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """See rich."""
        from rich import box
        from rich.table import Table

        made = Table(title=self.title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        widths = self._widths(options.max_width)
        if widths is None:
            yield self.instead or self._lines()
            return
        for place, head in enumerate(self.heads):
            made.add_column(head, justify="right" if str(place) in self.numbers else "left", overflow="fold",
                            width=widths[place])
        for row in self.rows:
            made.add_row(*row)
        yield made

    def _lines(self) -> Group:
        """A line a row: its first cell, and what the others hold."""
        from rich.console import Group
        from rich.text import Text

        rows = [[cell.plain for cell in row if cell.plain not in ("", EMPTY)] for row in self.rows]
        return Group(*([Text(self.title)] if self.title else []),
                     *(Text(f"{row[0]}: {', '.join(row[1:])}" if len(row) > 1 else "".join(row)) for row in rows))

    def _widths(self, room: int) -> list[int] | None:
        """The width of each column, the widest ones narrowed first; None where even the longest words have no room."""
        cells = [[head, *(row[place].plain for row in self.rows)] for place, head in enumerate(self.heads)]
        widths = [max(columns(line) for cell in column for line in cell.split("\n")) for column in cells]
        least = [min(MOST_WORD, max(columns(word) for cell in column for word in self._words(place, cell)))
                 for place, column in enumerate(cells)]
        room -= 3 * (len(self.heads) - 1) + 2
        if sum(least) > room:
            return None
        while sum(widths) > room:
            place = max(range(len(widths)), key=lambda at: widths[at] - least[at])
            widths[place] -= 1
        return widths

    def _words(self, place: int, cell: str) -> list[str]:
        """What should not be broken: words, single wide letters, and a number with its unit."""
        if str(place) in self.numbers and len(cell) <= MOST_NUMBER:
            return [cell]
        return re.findall(r"[^\s\u3000-\uffff]+|[\u3000-\uffff]", cell) or [""]
