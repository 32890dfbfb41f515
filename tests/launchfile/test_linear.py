"""A line of a long file costs less than twice a line of one a tenth as long."""

from __future__ import annotations

import pytest

from benchmarks.launchfile_lines import seconds_a_line

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["sh", "cmd"])
def test_time_a_line(kind: str) -> None:
    ratios = [seconds_a_line(kind, 3_000, 1) / seconds_a_line(kind, 300, 3) for _ in range(3)]
    assert min(ratios) < 2
