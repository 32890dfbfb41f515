"""The agent's records: torn, unwritable, long; what was due stays due."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.daemon.state import Keeper, dump, restore
from autotune.model.errors import StateDamaged
from tests.daemon.test_agent import BUSY, DAY, FREE, applied, change, events, settled


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


def test_a_long_journal_is_made_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotune.daemon import state as module

    life = settled(tmp_path)
    keeper = life.agent.keeper  # type: ignore[union-attr]
    monkeypatch.setattr(module, "COMPACT_AT", 50)
    for number in range(50):
        keeper.note(
            {
                "event": "believed",
                "parts": {"driver": str(number)},
                "action": "nothing",
                "id": "x",
                "causes": [],
                "at": 1.0,
            }
        )
    again = Keeper(tmp_path)
    assert again.state == keeper.state
    assert len(events(tmp_path)) == 1
    assert Keeper(tmp_path).state == keeper.state
