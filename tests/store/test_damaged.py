"""Damaged records: whatever a disk or an editor did to a study, no verb ends in a traceback or in a verdict on less."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import benchmarks
from autotune.cli.main import run
from autotune.model.errors import StateDamaged
from autotune.overview.exported_study import read_export
from autotune.store.places import Places
from autotune.store.studies import Study, find_study, open_study
from tests import reference
from tests.store import mutate

pytestmark = pytest.mark.slow

DATA = Path(benchmarks.__file__).parent / "data"
EXPORT = DATA / "reference-sd15-h200-tune.json"
ROUNDS = int(os.environ.get("AUTOTUNE_DAMAGES", "90"))
"""Damages a kind of file; thousands by hand."""
STATUS = {
    "running": True, "pid": 1, "webui": "/x", "doing": "watching", "due": ["retune: driver"], "waiting": ["busy"],
    "asked": 12.5, "problems": ["none"], "policy": "notify", "follow": None, "watching_first_start": False,
    "last": {"kind": "retune", "at": 1.5, "outcome": "done", "text": "x", "seconds": 1.0}, "sessions_this_week": 1,
}
EVENTS = [
    {"at": "2026-11-27T12:12:24Z", "verb": "tune", "cause": "asked", "study": "0001-aaaaaaaa", "decision": "apply",
     "reason": "x", "speedup": {"estimate": 1.2, "low": 1.1, "high": 1.3, "confidence": 0.95},
     "flags": ["--xformers"], "settings": {"a": 1}, "cost": 12.5},
    {"at": "2026-11-27T12:13:24Z", "verb": "apply", "cause": "asked", "changed": True, "checkpoint": "0001"},
    {"at": "2026-11-27T12:14:24Z", "verb": "check", "cause": "agent: driver", "decision": "holds", "speedup": None},
]


@dataclass(frozen=True)
class Store:
    """A web UI and a state folder that holds one study."""

    webui: Path
    state: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def places(self) -> Places:
        return Places(self.state)

    @property
    def study(self) -> Path:
        (folder,) = self.places.studies(self.webui).iterdir()
        return folder

    def ask(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit code and the one document of a verb."""
        code = run([*words, "--json", "--webui", str(self.webui), "--state-dir", str(self.state)])
        told = self.capsys.readouterr()
        assert "Traceback" not in told.err
        document: dict[str, Any] = json.loads(told.out)
        assert document["kind"] == ("error" if code else words[0] if words[0] != "export" else "autotune-study")
        assert not code or document["code"] == code
        return code, document


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference.copy(tmp_path_factory.mktemp("damaged") / "webui")


@pytest.fixture
def store(install: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Store]:
    one = Store(install, tmp_path / "state", capsys)
    assert one.ask("import", str(EXPORT))[0] == 0
    yield one


def damages(value: Any, count: int, seed: str) -> Iterator[tuple[random.Random, str, bytes]]:
    rng = random.Random(seed)
    data = json.dumps(value).encode()
    for _ in range(count):
        if rng.random() < 0.25:
            yield (rng, *mutate.damage_bytes(data, rng))
        else:
            yield (rng, *mutate.damage(value, rng.choice(mutate.some_places(value, rng)), rng))


def test_a_damaged_file_is_refused_and_leaves_nothing_in_the_store(store: Store, tmp_path: Path) -> None:
    file, whole = tmp_path / "study.json", json.loads(EXPORT.read_bytes())
    refused = 0
    for _, what, data in damages(whole, ROUNDS, "export"):
        file.write_bytes(data)
        code, document = store.ask("replay", str(file))
        assert code in (0, 2), what
        if code:
            refused += 1
            assert document["message"].startswith(f"{file}: "), what
            before = sorted(store.state.rglob("*"))
            assert store.ask("import", str(file))[0] == 2, what
            assert sorted(store.state.rglob("*")) == before, what
    assert refused > ROUNDS // 2


@pytest.mark.parametrize("name", ["study.json", "result.json", "samples.jsonl"])
def test_a_damaged_study_is_named_and_kept(name: str, store: Store) -> None:
    path = store.study / name
    whole = path.read_bytes()
    verdict = store.ask("replay")[1]
    rng = random.Random(name)
    refused = 0
    for _ in range(ROUNDS):
        if rng.random() < 0.25:
            what, data = mutate.damage_bytes(whole, rng)
        elif name.endswith("l"):
            what, data = mutate.damage_lines(whole, rng)
        else:
            value = json.loads(whole)
            what, data = mutate.damage(value, rng.choice(mutate.some_places(value, rng)), rng)
        path.write_bytes(data)
        codes = {verb: store.ask(verb) for verb in ("replay", "export")}
        code, document = codes["replay"]
        assert codes["export"][0] == code, what
        assert code in (0, 3, 8), what
        if code == 8:
            refused += 1
            assert str(store.study) in document["message"], what
            assert document["hint"], what
        elif code == 0 and name != "study.json" and b"seconds" not in data:
            assert document == verdict, what
        if rng.random() < 0.1:  # it reads the same, but draws a page for seconds
            assert store.ask("report")[0] in (code, 3), what
        assert path.read_bytes() == data, "a verb that only reads changed it"
        assert not list(store.study.glob("*.damaged"))
    assert refused > ROUNDS // 2
    path.write_bytes(whole)
    assert store.ask("replay")[1] == verdict


@pytest.mark.parametrize("name", ["reference-sd15-h200-tune", "race-sd15-h200", "race-sd15-h200-4m"])
def test_an_imported_study_gives_the_verdict_of_its_file(name: str, store: Store) -> None:
    found = json.loads((DATA / f"{name}.json").read_bytes())
    for number, document in enumerate(found if isinstance(found, list) else [found]):
        file = store.state / f"{number}.json"
        file.write_text(json.dumps(document))
        study = store.ask("import", str(file))[1]["study"]
        told = store.ask("replay", study)[1]
        assert {**told, "study": document["study"]["id"]} == store.ask("replay", str(file))[1]


def test_what_is_missing_never_gives_a_verdict_on_the_rest(store: Store) -> None:
    """Lines lost at the end leave a journal that is sound in itself: the result tells that there were more."""
    path = store.study / "samples.jsonl"
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if json.loads(line)["kind"] != "cost"]
    assert len(lines) > 20
    for left in (0, 1, 10, len(lines) - 2, len(lines) - 1):
        path.write_bytes(b"".join(lines[:left]))
        code, document = store.ask("replay")
        assert code == 8, left
        assert "result.json: result: it tells of" in document["message"]
    exported = json.loads(EXPORT.read_bytes())
    exported["samples"].pop()
    file = store.state / "less.json"
    file.write_text(json.dumps(exported))
    assert store.ask("replay", str(file))[0] == 2


def test_a_tune_goes_on_from_what_is_whole_and_throws_nothing_away(install: Path, tmp_path: Path) -> None:
    exported = json.loads(EXPORT.read_bytes())
    rng = random.Random("resume")
    first = open_study(tmp_path / "whole", "abcdef0123", exported["study"], True)
    found = read_export(EXPORT)
    from autotune.overview.exported_study import import_study

    imported = import_study(Places(tmp_path / "s"), install, found)
    for name in ("samples.jsonl", "result.json"):
        shutil.copy(imported.folder / name, first.folder / name)
    whole = Study(first.folder, first.head)
    mended = 0
    for number in range(ROUNDS):
        name = rng.choice(["samples.jsonl", "samples.jsonl", "result.json"])
        shutil.copytree(tmp_path / "whole", tmp_path / str(number))
        path = tmp_path / str(number) / first.folder.name / name
        if rng.random() < 0.3:
            what, data = mutate.damage_bytes(path.read_bytes(), rng)
        elif name.endswith("l"):
            what, data = mutate.damage_lines(path.read_bytes(), rng)
        else:
            value = json.loads(path.read_bytes())
            what, data = mutate.damage(value, rng.choice(mutate.some_places(value, rng)), rng)
        path.write_bytes(data)
        study = open_study(tmp_path / str(number), "abcdef0123", {}, False)
        study.set_bad_result_aside()
        try:
            study.checked_question()
        except StateDamaged as damaged:
            assert "samples.jsonl" in damaged.message, what
            continue
        assert len(study.samples) <= len(whole.samples), what
        if study.moved_aside is not None:
            mended += 1
            kept = path.read_bytes() if path.exists() else b""
            aside = path.with_name(f"{name}.damaged")
            assert kept + (aside.read_bytes() if aside.exists() else b"") == data, what
        # What is there now is whole: the next one opens it without a word.
        assert open_study(tmp_path / str(number), "abcdef0123", {}, False).moved_aside is None, what
    assert mended > ROUNDS // 4


def test_a_damaged_history_shows_the_rest(store: Store) -> None:
    path = store.places.history(store.webui)
    whole = b"".join(json.dumps(one).encode() + b"\n" for one in EVENTS)
    rng = random.Random("history")
    for _ in range(ROUNDS):
        what, data = (mutate.damage_bytes if rng.random() < 0.3 else mutate.damage_lines)(whole, rng)
        path.write_bytes(data)
        code, document = store.ask("history")
        assert code == 0, what
        assert len(document["events"]) + len(document["unread"]) == data.count(b"\n"), what
        lines = data.split(b"\n")[:-1]
        assert all(one in document["events"] for one in EVENTS if json.dumps(one).encode() in lines), what
        if b"\n" in data[:-1]:
            assert run(["history", "--webui", str(store.webui), "--state-dir", str(store.state)]) == 0
            store.capsys.readouterr()
        assert path.read_bytes() == data, "looking changed it"


def test_a_damaged_word_of_the_agent_is_told_and_stops_nothing(store: Store) -> None:
    path = store.places.daemon / "status.json"
    path.parent.mkdir(parents=True)
    for _, what, data in damages(STATUS, ROUNDS // 2, "status"):
        path.write_bytes(data)
        assert store.ask("status")[0] == 0, what
        assert run(["status", "--webui", str(store.webui), "--state-dir", str(store.state)]) == 0, what
        store.capsys.readouterr()


def test_a_damaged_study_of_another_question_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "0007-other").mkdir()
    (tmp_path / "0007-other" / "study.json").write_bytes(b"\x00")
    (tmp_path / "0008-file").write_bytes(b"")
    (tmp_path / "²-x").mkdir()
    (tmp_path / ("9" * 40 + "-x")).mkdir()
    study = open_study(tmp_path, "key", {}, False)
    assert study.id == "0008-key"
    assert find_study(tmp_path, "0008").id == study.id
    with pytest.raises(StateDamaged, match=r"0007-other.study\.json"):
        find_study(tmp_path, "0007")


def test_a_damaged_view_of_the_studies_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    optuna, dashboard = pytest.importorskip("optuna"), pytest.importorskip("optuna_dashboard")
    monkeypatch.setattr(dashboard, "run_server", lambda *_, **__: None)
    path = store.places.optuna
    optuna.create_study(storage=f"sqlite:///{path}", study_name="a")
    whole, rng = path.read_bytes(), random.Random("view")
    codes = []
    for _ in range(12):
        what, data = mutate.damage_bytes(whole, rng)
        path.write_bytes(data)
        codes.append(run(["dashboard", "--state-dir", str(store.state)]))
        assert codes[-1] in (0, 8), what
        store.capsys.readouterr()
    assert 8 in codes
