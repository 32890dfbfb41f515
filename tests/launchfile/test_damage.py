"""A damaged record of ours is noted, kept, and hinders nothing else. And: which file a rollback is of."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotune.launchfile import records
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import IN_PROGRESS, FileChange
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused, StateDamaged
from tests.system import HAS_LINKS

OLD, NEW = b'export COMMANDLINE_ARGS=""\n', b'export COMMANDLINE_ARGS="--xformers"\n'


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        record = json.loads((folder / "record.json").read_bytes())
        change(record)
        (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")

    return damage


def bytes_of(data: bytes) -> Callable[[Path], None]:
    return lambda folder: put(folder / "record.json", data)


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def folder_for(path: Path) -> None:
    path.unlink()
    path.mkdir()


def truncated(folder: Path) -> None:
    data = (folder / "record.json").read_bytes()
    (folder / "record.json").write_bytes(data[: len(data) // 2])


def a_folder_in_its_place(folder: Path) -> None:
    folder_for(folder / "record.json")


def a_folder_in_the_way(folder: Path) -> None:
    (folder / "record.json.new").mkdir()
    (folder / "0.before").write_bytes(b"")


def nothing_left(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def not_to_be_read(folder: Path) -> None:
    folder.chmod(0)
    if os.access(folder, os.R_OK):  # root may read all
        folder.chmod(0o700)
        (folder / "record.json").rename(folder / "record.away")


DAMAGE: dict[str, Callable[[Path], None]] = {
    "truncated": truncated, "empty": bytes_of(b""), "binary": bytes_of(bytes(range(256))),
    "zeros": bytes_of(bytes(999)),
    "a list": bytes_of(b"[]"), "a number": bytes_of(b"7"), "null": bytes_of(b"null"), "deep": bytes_of(b"[" * 99999),
    "no files": edited(lambda r: r.pop("files")), "no state": edited(lambda r: r.pop("state")),
    "files null": edited(lambda r: r.update(files=None)),
    "path a number": edited(lambda r: r["files"][0].update(path=5)),
    "path with NUL": edited(lambda r: r["files"][0].update(path="a\0b")), "links a word": edited(
        lambda r: r["files"][0].update(links=3)), "keys a list": edited(lambda r: r["files"][0].update(keys=["a"])),
    "short keys": edited(lambda r: r["files"][0].update(keys={"a": [1]})), "state unknown": edited(
        lambda r: r.update(state="half")), "kind unknown": edited(lambda r: r.update(kind=None)),
    "another's id": edited(lambda r: r.update(id="../0001")), "meta a list": edited(lambda r: r.update(meta=[1])),
    "flags a number": edited(lambda r: r["meta"].update(flags=7)), "undoes a word": edited(
        lambda r: r.update(undoes="0001")), "a later format": edited(lambda r: r.update(format=2)),
    "before is gone": lambda folder: (folder / "0.before").unlink(),
    "before is another": lambda folder: put(folder / "0.before", b"?"),
    "before is a folder": lambda folder: folder_for(folder / "0.before"),
    "hash is no hash": edited(lambda r: r["files"][0].update(before="zz")),
    "a folder": a_folder_in_its_place, "a folder in the way": a_folder_in_the_way, "nothing": nothing_left,
    "not to be read": not_to_be_read,
}


def kept(folder: Path) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


@pytest.fixture
def store(quick_path: Path) -> Checkpoints:
    for name in ("a.sh", "b.sh"):
        (quick_path / name).write_bytes(OLD)
    return Checkpoints(quick_path / "state" / "checkpoints")


@pytest.mark.parametrize("kind", list(DAMAGE))
@pytest.mark.parametrize("state", ["in progress", "final"])
def test_one_damaged_checkpoint_hinders_no_other(store: Checkpoints, quick_path: Path, kind: str, state: str) -> None:
    mine, other = quick_path / "a.sh", quick_path / "b.sh"
    good = store.apply([FileChange(other, OLD, NEW)], {"flags": ["--xformers"]})
    bad = store.begin([FileChange(mine, OLD, NEW)], {"flags": ["--xformers"]})
    if state == "final":
        store.finish(bad)
    folder = store.folder / bad.id
    DAMAGE[kind](folder)
    before = kept(folder)
    for _ in range(2):  # not once, and not for ever
        store.recover()
        assert len(store.faults()) == 1
    assert before.keys() - {"record.json.new"} <= kept(folder).keys() and len(kept(folder)) >= len(before)
    assert mine.read_bytes() == NEW
    assert good.id in [one.id for one in store.applied()]
    assert all(one.state != IN_PROGRESS for one in store.entries())
    store.rollback(good.id, of=other)
    assert other.read_bytes() == OLD and mine.read_bytes() == NEW
    again = store.apply([FileChange(other, OLD, NEW)])
    assert int(again.id) > int(bad.id)
    assert store.rollback().undoes == (again.id,) or state == "final"


def test_what_can_be_settled_of_a_damaged_change_is(store: Checkpoints, quick_path: Path) -> None:
    first, second = quick_path / "a.sh", quick_path / "b.sh"
    begun = store.begin([FileChange(first, OLD, NEW), FileChange(second, OLD, NEW)])
    (store.folder / begun.id / "0.before").write_bytes(b"rotten")
    (note,) = store.recover()
    assert "cannot be settled" in note and begun.id in note
    assert (first.read_bytes(), second.read_bytes()) == (NEW, OLD)
    assert store.recover() == () and store.current() is None


def test_a_file_that_is_gone_keeps_no_other_from_being_settled(store: Checkpoints, quick_path: Path) -> None:
    far = quick_path / "far"
    far.mkdir()
    (far / "c.sh").write_bytes(OLD)
    store.begin([FileChange(far / "c.sh", OLD, NEW)])
    store.begin([FileChange(quick_path / "a.sh", OLD, NEW)])
    (far / "c.sh").unlink()
    (far / "c.sh").mkdir()
    with pytest.raises(AutotuneError):
        store.recover()
    assert (quick_path / "a.sh").read_bytes() == OLD


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_record_with_anything_in_it_is_read_or_called_damaged(quick_path: Path, data: st.DataObject) -> None:
    store = Checkpoints(quick_path / "s")
    if not store.folder.exists():
        (quick_path / "a.sh").write_bytes(OLD)
        change = FileChange(quick_path / "a.sh", OLD, NEW, {"k": (1, 2)})
        store.apply([change], {"flags": ["--xformers"], "speedup": None})
    path = store.folder / "0001" / "record.json"
    whole = path.read_bytes()
    record = json.loads(whole)
    anything = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3),
                            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner,
                                                                                        max_size=2), max_leaves=4)
    place: Any = record
    while True:
        key = data.draw(st.sampled_from(sorted(place))) if isinstance(place, dict) else 0
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(anything)
    path.write_text(json.dumps(record), encoding="utf-8")
    try:
        found = records.read_record(path.parent)
        for one in found.files:
            records.state_since(one, None)
        store.faults(), store.applied(), store.changed_since(quick_path / "a.sh"), store.current()
    except StateDamaged:
        assert store.entries() == () and store.recover() == ()
    finally:
        path.write_bytes(whole)


# -- whose file a rollback is of

def test_a_rollback_is_of_the_file_that_was_named(store: Checkpoints, quick_path: Path) -> None:
    first, second = quick_path / "a.sh", quick_path / "b.sh"
    one, two = store.apply([FileChange(first, OLD, NEW)]), store.apply([FileChange(second, OLD, NEW)])
    with pytest.raises(Refused, match="nothing that is in force") as refused:
        store.rollback(of=quick_path / "c.sh")
    assert str(first) in refused.value.hint and (first.read_bytes(), second.read_bytes()) == (NEW, NEW)
    with pytest.raises(Refused, match=two.id):
        store.rollback(two.id, of=first)
    with pytest.raises(NothingToWorkOn):
        store.rollback("0009", of=first)
    link = quick_path / "link.sh"
    if HAS_LINKS:
        link.symlink_to(first)
    assert store.rollback(of=link if HAS_LINKS else first).undoes == (one.id,)
    assert (first.read_bytes(), second.read_bytes()) == (OLD, NEW)
    with pytest.raises(Refused):
        store.rollback(of=first)
    assert store.rollback(of=second).undoes == (two.id,) and second.read_bytes() == OLD


def test_an_older_apply_of_a_file_goes_with_the_later_ones_of_it_alone(store: Checkpoints, quick_path: Path) -> None:
    first, second = quick_path / "a.sh", quick_path / "b.sh"
    one = store.apply([FileChange(first, OLD, NEW)])
    store.apply([FileChange(second, OLD, NEW)])
    three = store.apply([FileChange(first, NEW, NEW + b"#\n")])
    assert store.rollback(one.id, of=first).undoes == (one.id, three.id)
    assert (first.read_bytes(), second.read_bytes()) == (OLD, NEW)
