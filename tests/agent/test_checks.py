"""What a check leads to, after a small change and after an apply: nothing, a tune, or the flags put back."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.agent.test_agent import DAY, applied, change, events, settled


def measured(answer: str, rollback: bool = True) -> dict[str, Any]:
    """What `verify --measure` prints."""
    said = {"answer": answer, "reason": f"it {answer}", "rollback": rollback}
    return {"schema": 1, "kind": "verify", "ok": answer == "holds", "measured": said}


@pytest.mark.parametrize(
    ("policy", "answer", "rollback", "kinds"),
    [
        ("apply", "holds", True, ["check"]),
        ("apply", "changed", True, ["check", "tune"]),
        ("apply", "unknown", False, ["check", "tune"]),
        ("apply", "loss", True, ["check", "rollback", "tune"]),
        ("apply", "loss", False, ["check", "tune"]),
        ("notify", "loss", True, ["check", "tune"]),
    ],
)
def test_what_a_check_leads_to(
    policy: str, answer: str, rollback: bool, kinds: list[str], tmp_path: Path
) -> None:
    """A loss is taken back under the policy apply only, and only where a tune's own apply is in force."""
    life = settled(tmp_path, policy=policy)
    life.world.results["check"] = (0 if answer == "holds" else 7, measured(answer, rollback))
    change(life, os="Linux 6.9")
    life.run(DAY)
    assert life.kinds() == kinds
    assert life.state.due is None
    assert "os Linux 6.8 → Linux 6.9" in life.world.children[0].words[-1]
    if "rollback" in kinds:
        assert life.world.children[1].words[-1].startswith("agent: a fresh comparison shows a loss: ")
        assert ("Flags were put back", life.world.told[0][1]) == life.world.told[0]
    if "tune" in kinds:
        assert f"a check found: {answer}" in life.world.children[-1].words[-1]
    if policy == "notify":
        assert life.world.told[0][0] == "The flags before were better"


def test_a_loss_right_after_an_apply_is_taken_back_and_not_asked_again(tmp_path: Path) -> None:
    life = applied(tmp_path)
    life.world.results["verify"] = (0, {"kind": "verify", "ok": True})
    life.world.results["check"] = (7, measured("loss"))
    life.world.pids = life.world.ports = {701}
    life.run(60.0)
    life.world.pids = set()
    life.run(3 * DAY)
    assert life.kinds() == ["tune", "apply", "verify", "check", "rollback"]
    assert life.state.due is None


def test_the_check_after_an_apply_can_be_left_out(tmp_path: Path) -> None:
    life = applied(tmp_path, check_after_apply=False)
    life.world.results["verify"] = (0, {"kind": "verify", "ok": True})
    life.world.pids = life.world.ports = {701}
    life.run(DAY)
    assert life.kinds() == ["tune", "apply", "verify"]


@pytest.mark.parametrize("seed", range(4))
def test_random_kills_lose_no_check_and_take_back_once_a_loss(seed: int, tmp_path: Path) -> None:
    """25 kills of the agent or its child at random instants, with small changes whose check finds a loss."""
    random = Random(seed)
    life = settled(tmp_path, policy="apply", sessions_a_week=1000, minutes_a_day=1440.0, quiet_minutes=0.0)
    life.world.results["check"] = (7, measured("loss"))
    kills = changed = 0
    while kills < 25:
        if random.random() < 0.3:
            changed += 1
            change(life, os=f"Linux 7.{changed}")
        running = [c for c in life.world.children if c.poll() is None]
        kills += 1
        if running and random.random() < 0.4:
            running[0].die(-9)
        else:
            life.world.fuse = random.randrange(40)
        life.run(random.uniform(60, DAY / 8))
        life.world.fuse = None
    life.run(2 * DAY)
    assert life.state.due is None
    assert life.state.follow is None
    assert life.state.running is None
    assert not [c for c in life.world.children if c.poll() is None]
    done = [e for e in events(tmp_path) if e["event"] == "ended" and e["outcome"] == "done"]
    losses = [e for e in done if e["decision"] == "loss"]
    undone = [e for e in done if e["session"].endswith("-rollback")]
    assert losses
    assert len(undone) == len(losses)
    # Each loss asked for a tune, and the last one was carried through.
    assert done[-1]["session"].endswith("-retune")
