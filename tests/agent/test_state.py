"""The agent's records: torn, unwritable, long; what was due stays due."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.agent import session_end
from autotune.agent.state import Event, StateKeeper, dump, restore
from autotune.agent.verb_process import VerbResult
from autotune.model.errors import StateDamaged
from tests.agent.test_agent import BUSY, DAY, FREE, applied, change, events, settled
from tests.agent.world import PARTS, START, Life
from tests.store import mutate


def test_a_torn_journal_is_mended(tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.scene = BUSY
    change(life, driver="new")
    life.run(600.0)
    before = life.state.due
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"event":"ended","sess')
    life.restart()
    life.run(60.0)
    assert life.state.due == before
    life.world.scene = FREE
    life.run(DAY)
    assert life.state.due is None
    assert len(events(tmp_path)) >= 4


def test_an_unwritable_journal_stops_work_visibly(tmp_path: Path) -> None:
    life = settled(tmp_path / "state")
    change(life, driver="new")
    journal = tmp_path / "state" / "journal.jsonl"
    kept = journal.read_bytes()
    journal.unlink()
    journal.mkdir()
    with pytest.raises(StateDamaged):
        life.run(DAY)
    assert life.kinds() == []
    journal.rmdir()
    journal.write_bytes(kept)
    life.restart()
    life.run(DAY)
    assert life.kinds() == ["tune"]


def test_state_survives_being_written_as_one_line(tmp_path: Path) -> None:
    life = applied(tmp_path)
    change(life, torch="new")
    life.world.scene = BUSY
    life.run(600.0)
    state = life.state
    assert restore(dump(state)) == state


YEAR = 365 * DAY


def ahead(at: float) -> dict[str, Event]:
    """One record each of all that the agent keeps with a time, as a clock wrote them that stood at ``at``."""
    due = {"id": "d", "action": "retune", "causes": ["driver"], "since": at, "attempts": 1, "not_before": at}
    follow = {"kind": "apply", "cause": "faster", "attempts": 1, "not_before": at}
    sessions = [{"began": at + i, "seconds": 9000.0, "of": f"s{i}"} for i in range(9)]
    base: Event = {"known": dict(PARTS), "due": None, "follow": None, "running": None, "applied": None, "sessions": [],
            "last": {}, "count": 9, "asked": None}
    each = {
        "due": {**base, "due": due},
        "follow": {**base, "follow": follow},
        "running": {**base, "due": {**due, "not_before": 0.0},
                    "running": {"session": "00009-retune", "kind": "retune", "due": "d", "began": at}},
        "applied": {**base, "due": {**due, "not_before": 0.0}, "applied": {"at": at, "failed_starts": 0}},
        "sessions": {**base, "due": {**due, "not_before": 0.0}, "sessions": sessions},
        "last": {**base, "due": {**due, "not_before": 0.0}, "last": {"at": at, "outcome": "done", "text": "x"}},
        "asked": {**base, "due": {**due, "not_before": 0.0}, "asked": at},
    }
    return {name: {"event": "snapshot", "state": state} for name, state in each.items()}


@pytest.mark.parametrize("far", [YEAR, 30 * YEAR, 1e12])
@pytest.mark.parametrize("name", list(ahead(0.0)))
def test_no_time_that_a_wrong_clock_wrote_blocks_the_agent(name: str, far: float, tmp_path: Path) -> None:
    """Every time that it keeps, dated ahead: what is due begins within the hour, and is done within a day."""
    life = Life(tmp_path)
    life.world.results["apply"] = (0, {"kind": "apply", "changed": True})
    StateKeeper(tmp_path).record(ahead(START.timestamp() + far)[name])
    life.run(3600.0)
    assert life.kinds() == (["apply"] if name == "follow" else ["tune"])
    life.run(DAY)
    assert life.state.due is None
    assert life.state.follow is None
    assert life.world.status["waiting"] == []


def test_a_machine_that_was_a_year_ahead_goes_on_when_its_clock_is_right(tmp_path: Path) -> None:
    """Tunes until the week is full by the wrong clock; after the correction the next change is tuned for."""
    life = settled(tmp_path)
    life.world.offset = timedelta(days=365)
    for number in range(8):
        change(life, driver=f"wrong {number}")
        life.run(3 * 3600.0)
    done = len(life.kinds())
    assert done > 0
    life.world.offset = timedelta(0)
    life.run(DAY)
    change(life, driver="right")
    life.run(DAY)
    assert len(life.kinds()) > done
    assert life.state.due is None


@pytest.mark.slow
def test_a_damaged_journal_never_stops_the_agent(tmp_path: Path) -> None:
    """Any line or value of it damaged: the agent begins, says what it could not read, and goes on tuning."""
    life = applied(tmp_path / "whole")
    life.world.scene = BUSY
    change(life, torch="new")
    life.run(600.0)
    whole, rng = (tmp_path / "whole" / "journal.jsonl").read_bytes(), random.Random("journal")
    for number in range(40):
        (tmp_path / str(number)).mkdir()
        file = tmp_path / str(number) / "journal.jsonl"
        if rng.random() < 0.3:
            record = {"event": "snapshot", "state": dump(life.state)}
            what, data = mutate.damage(record, rng.choice(mutate.some_places(record, rng)), rng)
            data += b"\n"
        else:
            what, data = mutate.damage_lines(whole, rng)
        file.write_bytes(data)
        one = Life(tmp_path / str(number))
        one.run(60.0)
        change(one, driver="changed since")
        one.run(1200.0)
        assert "retune" in " ".join(one.world.status["due"]) or "tune" in one.kinds(), what
        aside = file.with_name("journal.jsonl.damaged")
        assert aside.exists() == ("were damaged" in " ".join(one.world.status["problems"])), what


@given(st.integers(0, 10**9))
def test_no_number_of_attempts_is_too_many(attempts: int) -> None:
    for kind in ("retune", "drift", "apply", "verify", "rollback"):
        for code in (-9, 1, 3, 6, 8, 130):
            assert 0.0 <= session_end.of_result(kind, VerbResult(code, None), attempts).retry <= 3600.0


def test_a_long_journal_is_made_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotune.agent import state as module

    life = settled(tmp_path)
    keeper = life.agent.keeper  # type: ignore[union-attr]
    monkeypatch.setattr(module, "COMPACT_AT", 50)
    for number in range(50):
        keeper.record(
            {
                "event": "believed",
                "parts": {"driver": str(number)},
                "action": "nothing",
                "id": "x",
                "causes": [],
                "at": 1.0,
            }
        )
    again = StateKeeper(tmp_path)
    assert again.state == keeper.state
    assert len(events(tmp_path)) == 1
    assert StateKeeper(tmp_path).state == keeper.state
