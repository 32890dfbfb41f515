"""The table that a run under Windows Python ends with."""

from __future__ import annotations

from tests.windows.rooms import table


def test_each_room_has_its_row_and_all_have_one() -> None:
    seen = [("tests/cli/test_main.py::test_a[x/y]", "passed"), ("tests\\cli\\test_main.py::test_b", "failed"),
            ("tests/store/test_events.py::test_c", "skipped"), ("tests/store/test_events.py::test_d", "passed")]
    assert table(seen) == [
        "| room | passed | failed | error | skipped |", "|---|---|---|---|---|",
        "| cli | 1 | 1 | 0 | 0 |", "| store | 1 | 0 | 0 | 1 |", "| all | 2 | 1 | 0 | 1 |"]
