"""Plots as values: what is drawn is in the drawing, at its place, with round figures on the axes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.report import charts
from autotune.report.rows import SetRow, Story, pairs, story_of
from tests.report import examples

TIMES = st.lists(st.floats(0.01, 5000), min_size=1, max_size=20)


def story(factor: float = 1.0) -> Story:
    note = examples.recorded()
    samples = [replace(s, seconds=s.seconds * factor if "v1" in s.candidate else s.seconds) if s.seconds else s
               for s in note.samples]
    return story_of(examples.document(note), samples, note.launches)


@given(TIMES)
def test_an_axis_holds_all_times_in_order_and_has_a_few_round_figures(times: list[float]) -> None:
    scale, title = charts._time_scale(times)
    places = [scale.at(time) for time in sorted(times)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 8
    assert len({tick.text for tick in ticks}) == len(ticks)
    for tick in ticks:
        assert abs(scale.at(float(tick.text)) - tick.at) <= 0.02
    assert ("logarithmic" in title) is (max(times) > charts.LOGARITHMIC_FROM * min(times))


def test_ticks_are_equally_far_apart_on_a_linear_axis_and_1_2_5_on_a_logarithmic_one() -> None:
    linear = [float(tick.text) for tick in charts.Scale(4.2, 13.6).ticks()]
    assert linear == [6, 8, 10, 12]
    assert [tick.text for tick in charts.Scale(4.2, 130.0, True).ticks()] == ["5", "10", "20", "50", "100"]
    assert [tick.text for tick in charts.Scale(0.05, 4000.0, True).ticks()] == ["0.1", "1", "10", "100", "1000"]


def test_each_set_has_one_row_with_all_its_clips_the_fastest_first() -> None:
    for factor in (1.0, 9.0):
        found = story(factor)
        chart = charts.sets(found, 0)
        assert chart is not None
        rows = {row.label.split(" (")[0]: row for row in chart.rows}
        for row in found.rows:
            assert len(rows[row.label].marks) == len(row.clips_of(0))
            assert sum(mark.filled for mark in rows[row.label].marks) == sum(s.cold for s in row.clips_of(0))
        middles = [row.middle or 0.0 for row in chart.rows]
        assert middles == sorted(middles)
        assert {row.colour for row in chart.rows} == {"now", "tuned", "other"}


def test_each_pair_goes_from_the_current_time_to_the_other() -> None:
    found = story()
    chart = charts.confirmation(found)
    assert chart is not None
    assert len(chart.rows) == len(pairs(found))
    for row, pair in zip(chart.rows, pairs(found), strict=True):
        assert [mark.colour for mark in row.marks] == ["now", "tuned"]
        assert row.line == (row.marks[0].at, row.marks[1].at)
        assert (row.line[0] > row.line[1]) is (pair.baseline > pair.winner)


def test_names_of_points_do_not_cover_each_other_and_the_compared_sets_are_drawn_last() -> None:
    chart = charts.time_memory(story())
    assert chart is not None
    assert {mark.colour for mark in chart.marks[-2:]} == {"now", "tuned"}
    assert {name.colour for name in chart.names if not name.minor} == {"now", "tuned"}
    for one, other in itertools.combinations(chart.names, 2):
        near = abs(one.at - other.at) < 22 and abs(one.y - other.y) < 9
        assert not (near and one.minor) and not (near and other.minor)


def test_an_effect_has_its_interval_and_is_hollow_where_nothing_was_shown() -> None:
    found = story()
    chart = charts.effects(found)
    assert chart is not None and chart.zero is not None
    for row, item in zip(chart.rows, found.tune["ablation"], strict=True):
        assert row.line is not None
        assert row.line[0] < row.marks[0].at < row.line[1]
        assert row.marks[0].filled is item["significant"]
        assert (row.line[0] < chart.zero < row.line[1]) is not item["significant"]


def test_long_labels_go_above_their_rows() -> None:
    note = examples.recorded()
    short = charts.sets(story_of(examples.document(note), note.samples, note.launches), 0)
    long = [replace(s, candidate=s.candidate.replace("attention=", f"attention={'y' * 50}")) for s in note.samples]
    wide = charts.sets(story_of(examples.document(note), long, note.launches), 0)
    assert short is not None and wide is not None
    assert wide.above and not short.above


@pytest.mark.parametrize(("other", "below"), [((30.0, 77.0), True), ((30.0, 83.0), False), ((70.0, 77.0), False)])
def test_a_name_goes_below_its_point_where_it_would_lie_on_another(other: tuple[float, float], below: bool) -> None:
    rows = [SetRow("a", "sdp, half precision", "winner", "tuned", "", (), ()),
            SetRow("b", "v1", "other", "", "", (), ())]
    marks = [charts.Mark(20.0, 80.0, "tuned", True, ""), charts.Mark(*other, "other", True, "")]
    assert charts._point_names(rows, marks)[0].below is below
