"""Options held by a program that runs, as the transaction sees them: changed there, undone wherever they are then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from autotune.launchfile import config_json, options
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import FileChange
from autotune.model.errors import Busy
from tests.launchfile.faults import old_and_new

DEFAULTS = {"attention": "Automatic", "batch": True}
OLD, NEW = b"export COMMANDLINE_ARGS=old\n", b"export COMMANDLINE_ARGS=new\n"


class Program:
    """Keeps options in memory and saves all of them at every change, as a web UI does; may be down or deaf."""

    def __init__(self, config: Path) -> None:
        self.config, self.up, self.deaf = config, False, False
        self.held: dict[str, Any] = {}

    def start(self) -> Program:
        self.up = True
        found = json.loads(self.config.read_bytes()) if self.config.exists() else {}
        self.held = {**DEFAULTS, **found}
        return self

    def find(self, path: Path) -> options.RunningOptions | None:
        assert path == self.config
        if self.up and self.deaf:
            raise Busy("it does not answer", "Close it.")
        return self if self.up else None

    def values(self) -> Mapping[str, Any]:
        return dict(self.held)

    def set(self, wanted: Mapping[str, Any]) -> None:
        assert set(wanted) <= set(DEFAULTS)
        self.held.update(wanted)
        self.config.write_text(json.dumps(self.held, indent=4))

    def default(self, key: str) -> Any:
        return DEFAULTS[key]


@pytest.fixture
def program(quick_path: Path) -> Program:
    (quick_path / "webui-user.sh").write_bytes(OLD)
    return Program(quick_path / "config.json")


def store(program: Program) -> Checkpoints:
    return Checkpoints(program.config.with_name("state"), running=program.find)


def script(program: Program) -> Path:
    return program.config.with_name("webui-user.sh")


def live(program: Program, **wanted: Any) -> list[FileChange]:
    keys = {key: (program.held[key], value) for key, value in wanted.items()}
    return [FileChange(script(program), script(program).read_bytes(), NEW),
            FileChange(program.config, None, None, keys, True)]


def in_file(program: Program, **wanted: Any) -> list[FileChange]:
    data = program.config.read_bytes() if program.config.exists() else None
    keys = old_and_new(data or b"{}", wanted)
    new = config_json.edit(data or b"{}", wanted)
    return [FileChange(script(program), script(program).read_bytes(), NEW), FileChange(program.config, data, new, keys)]


def test_up_then_up(program: Program) -> None:
    program.start()
    made = store(program).apply(live(program, attention="V1", batch=False))
    assert program.held == {"attention": "V1", "batch": False} and script(program).read_bytes() == NEW
    assert made.files[1].live and made.files[1].keys == {"attention": ("Automatic", "V1"), "batch": (True, False)}
    store(program).rollback()
    assert program.held == DEFAULTS and script(program).read_bytes() == OLD


def test_a_key_that_was_not_there_becomes_its_default_where_the_program_runs(program: Program) -> None:
    program.config.write_bytes(b'{"other": 1}')
    store(program).apply(in_file(program, attention="V1"))
    program.start()
    assert program.held["attention"] == "V1"
    store(program).rollback()
    assert program.held["attention"] == "Automatic" and json.loads(program.config.read_bytes())["other"] == 1


def test_up_then_down_without_a_settings_file(program: Program) -> None:
    program.start()
    store(program).apply(live(program, attention="V1"))
    program.up = False
    program.config.unlink()
    undone = store(program).rollback()
    assert not program.config.exists() and script(program).read_bytes() == OLD
    assert undone.notes == ()


def test_up_then_down_leaves_other_bytes_alone(program: Program) -> None:
    program.start()
    store(program).apply(live(program, attention="V1"))
    program.up = False
    program.config.write_bytes(b'{"attention":"V1",\r\n  "mine": [1,  2]}')
    store(program).rollback()
    assert program.config.read_bytes() == b'{"attention":"Automatic",\r\n  "mine": [1,  2]}'


def test_several_applies_up_and_down_undone_at_once(program: Program) -> None:
    program.config.write_bytes(b"{}")
    first = store(program).apply(in_file(program, attention="V1"))
    program.start()
    store(program).apply(live(program, attention="sdp", batch=False))
    program.up = False
    store(program).apply(in_file(program, attention="InvokeAI"))
    program.start()
    assert program.held == {"attention": "InvokeAI", "batch": False}
    store(program).rollback(first.id)
    assert program.held == DEFAULTS and script(program).read_bytes() == OLD
    assert store(program).current() is None


@pytest.mark.parametrize("up", [True, False])
def test_what_changed_between_plan_and_change_is_seen(program: Program, up: bool) -> None:
    program.config.write_bytes(b'{"attention": "V1"}')
    program.start()
    changes = live(program, attention="sdp") if up else in_file(program, attention="sdp")
    program.up = not up
    with pytest.raises(Busy, match="while autotune was at work"):
        store(program).apply(changes)
    program.up = up
    if up:
        program.held["attention"] = "InvokeAI"
        with pytest.raises(Busy, match="set otherwise"):
            store(program).apply(changes)
    assert script(program).read_bytes() == OLD and store(program).entries() == ()


def test_recovery_puts_the_file_right_and_waits_for_the_options(program: Program) -> None:
    program.start()
    store(program).begin(live(program, attention="V1"))
    program.deaf = True
    with pytest.raises(Busy):
        store(program).recover()
    assert script(program).read_bytes() == OLD and program.held["attention"] == "V1"
    program.deaf = False
    assert store(program).recover() != ()
    assert program.held["attention"] == "Automatic" and store(program).recover() == ()


def test_a_rollback_that_cannot_reach_the_options_changes_nothing(program: Program) -> None:
    program.start()
    store(program).apply(live(program, attention="V1"))
    program.deaf = True
    with pytest.raises(Busy):
        store(program).rollback()
    assert script(program).read_bytes() == NEW and store(program).current() is not None


def test_pairs() -> None:
    keys = {"a": (1, 2), "b": (config_json.ABSENT, 3)}
    assert options.goals(keys, "before") == keys
    assert options.goals(keys, "after") == {"a": (2, 1), "b": (3, config_json.ABSENT)}
    assert config_json.undone({"a": 2, "b": 9}, keys) == ({"a": 1}, ("b",))
