"""One damaged checkpoint is noted and gone on from, by every verb; `--launch-file` names whose apply is undone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from autotune.cli.main import VERBS, cli, run
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import FileChange
from autotune.store.places import Places
from tests import reference
from tests.launchfile.test_damage import DAMAGE

pytestmark = pytest.mark.slow

Ask = Callable[..., dict[str, Any]]
OLD, NEW = b'export COMMANDLINE_ARGS=""\n', b'export COMMANDLINE_ARGS="--opt-channelslast"\n'
SLOW = ("truncated", "before is another")
"""Kinds that are tried with the verbs that ask the web UI's own Python, too."""


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference.copy(tmp_path_factory.mktemp("damaged") / "webui")


@pytest.fixture
def store(install: Path, tmp_path: Path) -> Iterator[Checkpoints]:
    for name in ("webui-user.sh", "other.sh"):
        (install / name).write_bytes(OLD)
    yield Checkpoints(Places(tmp_path).checkpoints(install))


@pytest.fixture
def ask(install: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def call(*words: str, code: int = 0) -> dict[str, Any]:
        got = run([*words, "--webui", str(install), "--state-dir", str(tmp_path), "--json", "-q"])
        said = capsys.readouterr()
        assert got == code, said.out + said.err
        document: dict[str, Any] = json.loads(said.out)
        return document

    return call


def broken(store: Checkpoints, install: Path, kind: str) -> str:
    """A good apply of one file, then a damaged one in progress of the other; the good one's id."""
    good = store.apply([FileChange(install / "other.sh", OLD, NEW)], {"flags": ["--opt-channelslast"]})
    bad = store.begin([FileChange(install / "webui-user.sh", OLD, NEW)], {"flags": ["--opt-channelslast"]})
    DAMAGE[kind](store.folder / bad.id)
    return good.id


@pytest.mark.parametrize("kind", list(DAMAGE))
def test_status_and_rollback_go_on(store: Checkpoints, install: Path, ask: Ask, kind: str) -> None:
    good = broken(store, install, kind)
    for _ in range(2):
        assert ask("status")["checkpoint"] == good
    ask("history")
    done = ask("rollback", "--launch-file", str(install / "other.sh"), "--yes")
    assert done["checkpoint"] == good and (install / "other.sh").read_bytes() == OLD
    assert len(store.faults()) == 1


@pytest.mark.parametrize("kind", SLOW)
def test_probe_and_doctor_go_on_and_doctor_says_it(store: Checkpoints, install: Path, ask: Ask, kind: str) -> None:
    broken(store, install, kind)
    assert ask("probe")["kind"] == "probe"
    row = next(one for one in ask("doctor", code=3)["checks"] if one["name"] == "checkpoints")
    assert not row["ok"] and "0002" in row["detail"] and str(store.folder) in row["hint"]


def test_a_file_that_cannot_be_put_back_now_stops_no_looking(store: Checkpoints, install: Path, ask: Ask) -> None:
    store.begin([FileChange(install / "other.sh", OLD, NEW)], {"flags": []})
    (install / "other.sh").unlink()
    (install / "other.sh").mkdir()
    try:
        ask("status")
        rows = {one["name"]: one for one in ask("doctor", code=3)["checks"]}
        assert not rows["checkpoints"]["ok"] and not rows["can be tuned"]["ok"]
    finally:
        (install / "other.sh").rmdir()


def test_a_named_file_that_was_never_written_undoes_nothing(store: Checkpoints, install: Path, ask: Ask) -> None:
    made = store.apply([FileChange(install / "other.sh", OLD, NEW)], {"flags": []})
    refused = ask("rollback", "--launch-file", str(install / "webui-user.sh"), code=5)
    assert str(install / "other.sh") in refused["hint"] and (install / "other.sh").read_bytes() == NEW
    assert ask("rollback", "--launch-file", str(install / "other.sh"))["checkpoint"] == made.id


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            if isinstance(found, click.Group):
                yield from commands(found, *path, name)
            else:
                yield " ".join([*path, name]), found


LOOKING = {"probe", "verify", "status", "history", "doctor", "service status", "config path", "config show",
           "config check", "profiles list", "profiles show", "profiles check", "replay", "dashboard", "completion",
           "extension status", "extension show", "explain"}
"""Verbs that change nothing; whoever adds one says here or with ``--yes`` which kind it is."""


def test_every_verb_that_changes_something_takes_yes() -> None:
    found = dict(commands(cli))
    assert {name.split()[0] for name in found} == set(VERBS)
    without = {name for name, one in found.items() if not any("--yes" in option.opts for option in one.params)}
    assert without <= LOOKING
