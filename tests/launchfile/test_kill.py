"""Kill -9 before, inside and after every effect on disk: files are old or new, and the next command settles it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.launchfile.checkpoints import Checkpoints
from tests.launchfile.killed import Act, Place, abandon, apply, came_to_its_end, recover, roll_back

pytestmark = pytest.mark.slow

WHEN = ("before", "inside", "after")
STRIDE = int(os.environ.get("AUTOTUNE_KILL_STRIDE", "1" if hasattr(os, "fork") else "9"))
"""Each so manieth step is killed: on Windows every one takes a new Python."""


def every_kill(quick_path: Path, prepare: Callable[[Place], None], act: Act, check: Callable[[Place], None],
               whens: tuple[str, ...] = WHEN) -> int:
    """Does it once for each step and moment, on a fresh place each time. How many kills there were, or would be."""
    kills = 0
    for number, when in enumerate(whens):
        for at in range(number % STRIDE, 500, STRIDE):
            root = quick_path / f"{when}{at}"
            place = Place(root).make()
            prepare(place)
            if came_to_its_end(act, place, at, when):
                break
            kills += 1
            check(place)
            shutil.rmtree(root)
        else:
            raise AssertionError("no end of steps")
    return kills * STRIDE


def nothing(place: Place) -> None:
    """Start from the untouched install."""


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
    kills = every_kill(quick_path, nothing, apply, lambda p: settled(p, {"old", "new"}))
    with capsys.disabled():
        print(f"\n[apply: killed at {kills // STRIDE} points]", end="")
    assert kills > 100


def test_rollback_killed_everywhere(quick_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kills = every_kill(quick_path, apply, roll_back, lambda p: settled(p, {"old", "new"}))
    with capsys.disabled():
        print(f"\n[rollback: killed at {kills // STRIDE} points]", end="")
    assert kills > 90


def test_proving_killed_everywhere(quick_path: Path) -> None:
    """begin, prove, abandon: an apply that was never finished is always taken back."""
    assert every_kill(quick_path, nothing, abandon, lambda p: settled(p, {"old"}), ("before", "after")) > 80


@pytest.mark.parametrize(("start", "first"), [(apply, 16), (apply, 30), (apply, 38), (roll_back, 22)])
def test_recovery_killed_too(quick_path: Path, start: Act, first: int) -> None:
    """A second kill -9, in the recovery from the first."""

    def half_way(place: Place) -> None:
        if start is roll_back:
            apply(place)
        assert not came_to_its_end(start, place, first, "after")

    kills = every_kill(quick_path, half_way, recover, lambda p: settled(p, {"old"}), ("before", "inside"))
    assert kills > 5
