"""A plugin of pytest: at the end of a run it says what passed, failed and was skipped, room by room."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest

OUTCOMES = ("passed", "failed", "error", "skipped")


def table(seen: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of a table, from the name of each test (``tests/ROOM/...``) and how it ended."""
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for name, outcome in seen:
        parts = name.replace("\\", "/").split("/")
        rooms[parts[1] if len(parts) > 2 else parts[0]][outcome] += 1
    rows = [[room, *(str(counts[outcome]) for outcome in OUTCOMES)] for room, counts in sorted(rooms.items())]
    total = sum(rooms.values(), Counter[str]())
    rows.append(["all", *(str(total[outcome]) for outcome in OUTCOMES)])
    return ["| room | " + " | ".join(OUTCOMES) + " |", "|---" * (1 + len(OUTCOMES)) + "|",
            *("| " + " | ".join(row) + " |" for row in rows)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, behind everything else."""
    seen = [(report.nodeid, outcome) for outcome in OUTCOMES
            for report in terminalreporter.stats.get(outcome, []) if report.nodeid]
    for line in table(seen):
        terminalreporter.write_line(line)
