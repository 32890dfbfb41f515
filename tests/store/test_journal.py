"""The journal: whatever instant the power goes, whole records stay and later ones do not join torn ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotune.model.errors import NothingToWorkOn, StateDamaged
from autotune.model.study import Launch, Sample
from autotune.store.journal import Journal, write_whole
from autotune.store.studies import find_study, open_study, question_key

RECORDS: list[dict[str, Any]] = [{"n": 1, "text": "a\nb"}, {"n": 2, "text": "Пример"}, {"n": 3}]


def test_records_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "journal.jsonl")
    for record in RECORDS:
        journal.append(record)
    assert Journal(journal.path).read() == RECORDS


def test_cut_at_every_byte_keeps_whole_records_and_takes_new_ones(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "whole.jsonl")
    for record in RECORDS:
        journal.append(record)
    data = journal.path.read_bytes()
    for end in range(len(data) + 1):
        path = tmp_path / "cut.jsonl"
        path.write_bytes(data[:end])
        kept = data[:end].count(b"\n")
        cut = Journal(path)
        assert cut.read() == RECORDS[:kept]
        cut.append({"n": 9})
        assert Journal(path).read() == [*RECORDS[:kept], {"n": 9}]


def test_damage_in_the_middle_is_set_aside_not_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":\x00\x00\n{"n":3}\n')
    assert Journal(path).read() == [{"n": 1}]
    assert path.with_name("journal.jsonl.damaged").read_bytes() == b'{"n":\x00\x00\n{"n":3}\n'


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing_that_was_recorded(small_disk: Path) -> None:
    journal = Journal(small_disk / "journal.jsonl")
    written = 0
    with pytest.raises(StateDamaged, match="disk is full") as caught:
        for _ in range(10_000):
            journal.append({"n": written, "filler": "x" * 200})
            written += 1
    assert caught.value.code == 8
    assert 0 < written == len(Journal(journal.path).read())
    with pytest.raises(StateDamaged, match="disk is full"):
        write_whole(small_disk / "result.json", "x" * 20_000)
    assert sorted(path.name for path in small_disk.iterdir()) == ["journal.jsonl"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StateDamaged) as caught:
        Journal(tmp_path / "file" / "journal.jsonl").append({})
    assert str(tmp_path / "file") in caught.value.message
    assert "--state-dir" in caught.value.hint


def sample(number: int, seconds: float | None = 1.25) -> Sample:
    return Sample(number, "a", "screen", 0, False, 0, number, "ok" if seconds else "failed", seconds, 1.5)


def test_a_study_resumes_with_every_sample(tmp_path: Path) -> None:
    key = question_key({"profile": "tiny"})
    study = open_study(tmp_path, key, {"objective": "speed"}, fresh=False)
    study.add_launch(Launch(0, "a", "k", True, 7.5))
    study.add_sample(sample(0))
    study.add_sample(sample(1, None))
    study.set_cost({"wall": 10, "search": 1})
    study.set_cost({"wall": 12, "search": 2})
    again = open_study(tmp_path, key, {"objective": "speed"}, fresh=False)
    again.set_cost({"wall": 5, "startup": 5})
    assert again.id == study.id
    assert again.samples == study.samples == [sample(0), sample(1, None)]
    assert again.launches == [Launch(0, "a", "k", True, 7.5)]
    assert again.cost()["wall"] == 17
    assert again.cost()["search"] == 2
    assert open_study(tmp_path, key, {}, fresh=True).id != study.id
    assert open_study(tmp_path, question_key({"profile": "other"}), {}, fresh=False).samples == []
    assert find_study(tmp_path, study.id).samples == study.samples


def test_asking_for_a_study_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(NothingToWorkOn, match="no study is recorded"):
        find_study(tmp_path, None)
