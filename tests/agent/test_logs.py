"""The agent's log: what a reader finds of each session, and that it never grows without bound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autotune.agent.logs import close_log, open_log
from tests.agent.test_agent import DAY, change, settled
from tests.agent.world import BETTER


@pytest.mark.parametrize("files", [1, 3])
def test_it_rotates(files: int, tmp_path: Path) -> None:
    say = open_log(tmp_path, 0.01, files, quiet=True)
    try:
        for number in range(2000):
            say(f"line {number} of several\nlines")
    finally:
        close_log()
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["agent.log", *(f"agent.log.{number}" for number in range(1, files + 1))]
    assert all(path.stat().st_size <= 0.01 * 1048576 for path in tmp_path.iterdir())
    lines = (tmp_path / "agent.log").read_text().splitlines()
    assert lines[-1].endswith(" line 1999 of several lines")
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} line ", line) for line in lines)


def test_a_reader_finds_cause_decision_and_cost_of_each_session(tmp_path: Path) -> None:
    life = settled(tmp_path, policy="apply")
    life.world.results["tune"] = (0, BETTER)
    change(life, driver="new")
    life.run(DAY)
    lines = [line for line in life.world.lines if line.startswith(("begin ", "end "))]
    assert lines[0] == "begin 00001-retune: driver 535.98 → new"
    done = r"end 00001-retune: done: apply: --opt-sdp-attention: 1\.40 times as fast \(cost 60\d s, 10 min today\)"
    assert re.fullmatch(done, lines[1])
    assert lines[2].startswith("begin 00002-apply: --opt-sdp-attention: 1.40 times")
    assert re.search(r"\(cost 3\d s, 10 min today\)$", lines[3])
    assert len(lines) == 4
