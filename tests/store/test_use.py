"""The record of use: whole after any cut, small for ever, and what it forgets is what matters least."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.model.use import ChangeRecord, ClipRecord, PartsRecord, StartRecord, UseRecord
from autotune.store import use
from autotune.store.use import UseLog


def start(number: int) -> StartRecord:
    return StartRecord("start", number, 1000.0 * number, 1000.0 * number - 9.0, 40 + number)


def clip(number: int, seconds: float = 0.02) -> ClipRecord:
    return ClipRecord("clip", number, 2, 1000.0 * number + 5, seconds, "ab", "64 × 64, 4 frames, Euler", "log")


def parts(at: float, **changed: str) -> PartsRecord:
    return PartsRecord("parts", at, {"driver": "551.23", "torch": "2.1.2", **changed})


def change(at: float) -> ChangeRecord:
    return ChangeRecord("change", at, at - 9, 3, 2, 3, 1.2, 1.1, 1.3, 4, 0.02, 0.024, "64 × 64", {}, {"a": "ä"})


RECORDS: list[UseRecord] = [parts(1.0), start(1), clip(1), clip(1, 0.021), start(2), clip(2), change(2100.0)]


def test_cut_at_every_byte_it_keeps_whole_records_and_takes_more(tmp_path: Path) -> None:
    log = UseLog(tmp_path / "whole.jsonl")
    for record in RECORDS:
        log.add(record)
    data = (tmp_path / "whole.jsonl").read_bytes()
    for end in range(len(data) + 1):
        path = tmp_path / "cut.jsonl"
        path.write_bytes(data[:end])
        kept = RECORDS[: data[:end].count(b"\n")]
        cut = UseLog(path)
        assert cut.records == kept
        cut.add(clip(9))
        assert UseLog(path).records == [*kept, clip(9)]


def test_lines_that_make_no_sense_are_passed_over_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "use.jsonl"
    log = UseLog(path)
    log.add(start(1))
    with path.open("ab") as file:
        file.write(b'{"kind":"clip","start":-3}\nnonsense\n{"kind":"later","x":1}\n[]\n')
    log = UseLog(path)
    log.add(clip(1))
    assert UseLog(path).records == [start(1), clip(1)]
    assert b"nonsense" in path.read_bytes()


def test_it_stays_small_and_remembers_what_is_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use, "MOST", 200)
    log = UseLog(tmp_path / "use.jsonl")
    log.add(parts(0.5))
    log.add(parts(0.6, driver="555.1"))
    log.add(change(1.0))
    for number in range(1, 2000):
        log.add(start(number))
        log.add(clip(number))
        assert len(log.records) < 200
    again = UseLog(tmp_path / "use.jsonl")
    assert again.records == log.records
    assert again.of(PartsRecord) == [parts(0.6, driver="555.1")]
    assert again.of(ChangeRecord) == [change(1.0)]
    assert again.last(StartRecord) == start(1999)
    assert (tmp_path / "use.jsonl").read_bytes().count(b"\n") == len(log.records)
