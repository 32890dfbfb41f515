"""Start and stop again and again: nothing is left. AUTOTUNE_CYCLES=500 runs the whole demonstration."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks import cycles

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform == "win32", reason="stops and kills by signals of POSIX")
@pytest.mark.timeout(3600)
def test_nothing_is_left_after_many_cycles() -> None:
    count = int(os.environ.get("AUTOTUNE_CYCLES", "12"))
    tally = cycles.run(count, count // 25, seed=3, progress=False)
    assert tally.cycles == count and len(tally.seconds) == count
    assert tally.failed_starts < count
    assert sum(tally.left.values()) == 0, tally.left
