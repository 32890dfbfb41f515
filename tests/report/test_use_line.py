"""The line of the owner's clips: every use that can be compared is drawn, at its place, with the updates marked."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autotune.report.html import render
from autotune.report.use_line import use_line
from tests.report import examples
from tests.report.test_page import outline


def document(seconds: list[float], since: int | None = None, **more: Any) -> dict[str, Any]:
    """A document of ``explain``: one use a day, clips slower from use ``since`` on."""
    rows = [{"at": f"2026-11-{day:02d}T10:00:00Z", "start": day, "shape": "512 × 512", "series": "ab", "seconds": value,
             "updates": ["the driver 551.23 became <b>555.1</b>"] if day - 1 == since else []}
            for day, value in enumerate(seconds, 1)]
    return {"state": "as_before" if since is None else "slower", "text": "Clips are 20 % slower.", "around": [],
            "advice": "", "cure": None, "since": rows[since]["at"] if since is not None else None, "line": rows, **more}


@given(st.lists(st.floats(1e-4, 10.0), min_size=3, max_size=28))
def test_every_use_is_drawn_in_order_and_on_the_sheet(seconds: list[float]) -> None:
    found = use_line(document(seconds))
    assert found is not None
    marks = found.chart.marks
    assert [mark.at for mark in marks] == sorted(mark.at for mark in marks) and len(marks) == len(seconds)
    assert all(0 <= mark.at <= 100 and 0 <= mark.y <= 100 for mark in marks)
    order = sorted(range(len(seconds)), key=lambda i: seconds[i])
    heights = [-marks[i].y for i in order]
    assert heights == sorted(heights), "slower is higher up"
    assert 1 <= len(found.chart.ticks) <= 7


def test_slow_uses_and_those_with_other_flags_since_stand_out_and_the_update_is_marked() -> None:
    times = [0.010, 0.011, 0.010, 0.012, 0.012, 0.010]
    found = use_line(document(times, since=3, cure={"applied": "2026-11-06T09:00:00Z"}))
    assert found is not None
    assert [mark.colour for mark in found.chart.marks] == ["other"] * 3 + ["now"] * 2 + ["tuned"]
    (at,) = found.chart.lines
    assert found.chart.marks[2].at < at < found.chart.marks[3].at
    assert found.updates == ((1, "2026-11-04", 4, "the driver 551.23 became <b>555.1</b>"),)
    assert "1.20 times as long as before" in found.chart.marks[3].tip


def test_clips_with_nothing_like_them_before_are_left_out_and_too_few_uses_are_no_line() -> None:
    doc = document([0.01] * 6, since=3)
    doc["line"][4]["series"] = "cd"
    found = use_line(doc)
    assert found is not None and len(found.chart.marks) == 5
    assert use_line(document([0.01, 0.01])) is None
    assert use_line({}) is None


def test_the_page_has_it_escaped_and_has_no_empty_place_without_it() -> None:
    note = examples.recorded()
    plain = examples.document(note)
    page = render({**plain, "use": document([0.01] * 4, since=2)}, note.samples, note.launches, None)
    seen = outline(page)
    assert "Your own clips over time" in seen.words
    assert "the driver 551.23 became <b>555.1</b>" in seen.words
    assert "<b>555.1" not in page
    assert 'id="use"' not in render(plain, note.samples, note.launches, None)
