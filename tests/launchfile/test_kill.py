"""Kill -9 before, inside and after every effect on disk: files are old or new, and the next command settles it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from autotune.launchfile import config_json
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import Change
from tests.launchfile.faults import KillLayer, in_child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to kill a process for real")

OLD = b'export COMMANDLINE_ARGS="--xformers --api-auth me:secret"\n'
NEW = b'export COMMANDLINE_ARGS="--opt-sdp-attention --api-auth me:secret"\n'
OLD_JSON = b'{\n    "batch_cond_uncond": true,\n    "x": "\xc3\xa9"\n}'
WANTED = {"batch_cond_uncond": False, "cross_attention_optimization": "Automatic"}
NEW_JSON = config_json.edit(OLD_JSON, WANTED)
WHEN = ("before", "inside", "after")


class Place:
    """An install with a launch file (two hard links) and a config.json, and a state folder beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.web = root / "webui"
        self.web.mkdir(parents=True)
        self.script, self.config = self.web / "webui-user.sh", self.web / "config.json"
        self.script.write_bytes(OLD)
        self.script.chmod(0o750)
        os.link(self.script, self.web / "second-name.sh")
        self.config.write_bytes(OLD_JSON)
        self.state = root / "state" / "checkpoints"

    def changes(self) -> list[Change]:
        keys = config_json.old_and_new(OLD_JSON, WANTED)
        return [Change(self.script, OLD, NEW), Change(self.config, OLD_JSON, NEW_JSON, keys)]

    def sides(self) -> set[str]:
        """old, new, for every file there is; anything else is a failure."""
        found = set()
        for path, old, new in ((self.script, OLD, NEW), (self.web / "second-name.sh", OLD, NEW),
                               (self.config, OLD_JSON, NEW_JSON)):
            data = path.read_bytes()
            assert data in (old, new), data
            found.add("old" if data == old else "new")
        return found

    def check_clean(self) -> None:
        """No temporary file is left, mode and links are as they were."""
        assert sorted(p.name for p in self.web.iterdir()) == ["config.json", "second-name.sh", "webui-user.sh"]
        assert stat.S_IMODE(self.script.stat().st_mode) == 0o750
        assert self.script.stat().st_nlink == 2
        assert self.script.stat().st_ino == (self.web / "second-name.sh").stat().st_ino
        if self.state.exists():
            assert not [p for p in self.state.iterdir() if p.name.endswith(".new")]


def every_kill(quick_path: Path, prepare: Callable[[Place], None], act: Callable[[Place, KillLayer], object],
               check: Callable[[Place], None], whens: tuple[str, ...] = WHEN) -> int:
    """Run ``act`` once for each step and moment, on a fresh place each time. The number of kills."""
    kills = 0
    for when in whens:
        for at in range(500):
            root = quick_path / f"{when}{at}"
            place = Place(root)
            prepare(place)
            if in_child(partial(act, place, KillLayer(at, when))):
                break
            kills += 1
            check(place)
            shutil.rmtree(root)
        else:
            raise AssertionError("no end of steps")
    return kills


def nothing(place: Place) -> None:
    """Start from the untouched install."""


def applied(place: Place) -> None:
    """Start from an install with one apply."""
    Checkpoints(place.state).apply(place.changes(), {"study": "s1"})


def settled(place: Place, allowed: set[str]) -> None:
    """The next command recovers by itself: one side everywhere, and the loop works again."""
    place.sides()
    checkpoints = Checkpoints(place.state)
    checkpoints.recover()
    sides = place.sides()
    assert len(sides) == 1 and sides <= allowed, sides
    assert checkpoints.recover() == ()
    place.check_clean()
    if sides == {"old"}:
        assert checkpoints.current() is None
        checkpoints.apply(place.changes())
    assert checkpoints.current() is not None
    checkpoints.rollback()
    assert place.sides() == {"old"} and checkpoints.current() is None
    place.check_clean()


def test_apply_killed_everywhere(quick_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kills = every_kill(quick_path, nothing, lambda p, layer: Checkpoints(p.state, layer).apply(p.changes()),
                       lambda p: settled(p, {"old", "new"}))
    with capsys.disabled():
        print(f"\n[apply: killed at {kills} points]", end="")
    assert kills > 100


def test_rollback_killed_everywhere(quick_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kills = every_kill(quick_path, applied, lambda p, layer: Checkpoints(p.state, layer).rollback(),
                       lambda p: settled(p, {"old", "new"}))
    with capsys.disabled():
        print(f"\n[rollback: killed at {kills} points]", end="")
    assert kills > 90


def test_proving_killed_everywhere(quick_path: Path) -> None:
    """begin, prove, abandon: an apply that was never finished is always taken back."""

    def act(place: Place, layer: KillLayer) -> None:
        checkpoints = Checkpoints(place.state, layer)
        checkpoints.abandon(checkpoints.begin(place.changes()))

    assert every_kill(quick_path, nothing, act, lambda p: settled(p, {"old"}), ("before", "after")) > 80


@pytest.mark.parametrize(("start", "first"), [("apply", 16), ("apply", 30), ("apply", 38), ("rollback", 22)])
def test_recovery_killed_too(quick_path: Path, start: str, first: int) -> None:
    """A second kill -9, in the recovery from the first."""

    def half_way(place: Place) -> None:
        if start == "rollback":
            applied(place)
        layer = KillLayer(first, "after")
        checkpoints = Checkpoints(place.state, layer)
        act = checkpoints.rollback if start == "rollback" else partial(checkpoints.apply, place.changes())
        assert not in_child(act)

    def check(place: Place) -> None:
        settled(place, {"old"})

    kills = every_kill(quick_path, half_way, lambda p, layer: Checkpoints(p.state, layer).recover(), check,
                       ("before", "inside"))
    assert kills > 5
