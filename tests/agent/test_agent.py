"""The agent over simulated days: what makes it act, what makes it wait, what follows, what survives."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from autotune.agent import staleness
from autotune.agent.may_run import Situation
from autotune.model.errors import NothingToWorkOn
from tests.agent.world import BETTER, PARTS, TUNE, Life, settings

pytestmark = pytest.mark.slow

BUSY = Situation(webui_runs=True, job="job txt2img", gpu_present=True)
FREE = Situation(gpu_present=True, gpu_percent=0.0)
DAY = 86400.0


def settled(tmp_path: Path, **config: Any) -> Life:
    """An agent that knows the machine and has nothing to do."""
    life = Life(tmp_path, settings(**config))
    life.run(30.0)
    assert life.kinds() == []
    return life


def change(life: Life, **parts: str) -> None:
    """Parts change and an event tells of it."""
    life.world.now_parts |= parts
    life.world.events = True


@pytest.mark.parametrize("part", sorted(PARTS))
def test_one_part_flipped_is_exactly_one_session_of_its_kind(part: str, tmp_path: Path) -> None:
    life = settled(tmp_path)
    change(life, **{part: "something else"})
    life.run(2 * DAY)
    wanted = staleness.rule_of(part)[0]
    assert life.kinds() == {"nothing": [], "retune": ["tune"], "drift": ["check"]}[wanted]
    assert life.state.due is None
    assert life.state.last.get("kind", "nothing") == wanted
    if wanted != "nothing":
        assert f"agent: {part} " in life.world.children[0].words[-1]


@pytest.mark.parametrize("part", ["profile", "driver"])
def test_a_session_renders_the_workflow_that_the_configuration_names(part: str, tmp_path: Path) -> None:
    file = tmp_path / "flow.json"
    life = settled(tmp_path, workflow=file)
    change(life, **{part: "something else"})
    life.run(2 * DAY)
    words = life.world.children[0].words
    assert words[words.index("--workflow") + 1] == str(file)
    plain = settled(tmp_path / "plain")
    change(plain, **{part: "something else"})
    plain.run(2 * DAY)
    assert "--workflow" not in plain.world.children[0].words


def test_unchanged_days_lead_to_nothing_and_little_waking(tmp_path: Path) -> None:
    life = settled(tmp_path)
    before = life.steps
    life.run(35 * DAY)
    assert life.kinds() == []
    assert 10_000 <= life.world.looks <= 35 * DAY / 300 + 5
    assert life.steps - before <= 35 * DAY / 300 + 5
    assert len(events(tmp_path)) == 1, "one belief, at the first look"


def test_a_web_ui_that_was_never_tuned_is_tuned_once(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.world.tuned = False
    life.run(3 * DAY)
    assert life.kinds() == ["tune"]
    assert "never tuned here" in life.world.children[0].words[-1]
    other = Life(tmp_path / "b", settings(first_tune=False))
    other.world.tuned = False
    other.run(DAY)
    assert other.kinds() == []


def test_a_file_that_is_copied_for_minutes_is_one_session(tmp_path: Path) -> None:
    life = settled(tmp_path)
    for size in range(40):
        change(life, motion_module=f"mm_v3.st 836, new.st {size}")
        life.run(15.0)
    assert life.kinds() == []
    life.run(DAY)
    assert life.kinds() == ["tune"]


def test_growth_without_events_is_noticed_before_it_is_believed(tmp_path: Path) -> None:
    life = settled(tmp_path)
    change(life, motion_module="new.st 1")
    life.run(30.0)
    life.world.now_parts["motion_module"] = "new.st 2"  # a network drive: no event
    life.run(45.0)
    assert life.kinds() == []
    life.run(DAY)
    assert life.kinds() == ["tune"]


def test_several_changes_while_it_waits_are_one_session_with_all_causes(tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.scene = BUSY
    for part in ("driver", "os", "torch"):
        change(life, **{part: "new"})
        life.run(600.0)
    assert life.kinds() == []
    assert life.world.status["waiting"] == ["the web UI renders (job txt2img)"]
    assert len(life.world.status["due"]) == 3
    life.world.scene = FREE
    life.run(DAY)
    assert life.kinds() == ["tune"]
    assert all(part in life.world.children[0].words[-1] for part in ("driver", "os", "torch"))


def test_a_change_during_a_session_is_a_second_one(tmp_path: Path) -> None:
    life = settled(tmp_path)
    change(life, driver="new")
    life.run(200.0)
    assert life.kinds() == ["tune"]
    change(life, torch="new")
    life.run(DAY)
    assert life.kinds() == ["tune", "tune"]
    assert "torch" in life.world.children[1].words[-1]
    assert life.state.due is None


@pytest.mark.parametrize("after", [1.0, 10.0, 200.0])
def test_it_gives_way_within_seconds_and_goes_on_later(after: float, tmp_path: Path) -> None:
    life = settled(tmp_path)
    change(life, driver="new")
    while not life.world.children:
        life.run(0.5)
    life.run(after)
    child = life.world.children[0]
    assert child.poll() is None
    life.world.scene, came = BUSY, life.world.clock
    life.run(2.0)
    assert child.stopped == 130
    assert life.world.clock - came <= 2.0
    assert life.state.due is not None
    life.run(3600.0)
    assert len(life.world.children) == 1
    life.world.scene = FREE
    life.run(DAY)
    assert life.kinds() == ["tune", "tune"]
    assert life.world.finished == [life.world.children[1].name]
    assert life.state.due is None


def test_policy_notify_says_it_and_writes_nothing(tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.results["tune"] = (0, BETTER)
    change(life, driver="new")
    life.run(DAY)
    assert life.kinds() == ["tune"]
    assert life.world.told == [
        ("Faster flags were found", "--opt-sdp-attention: 1.40 times as fast. `autotune apply` writes them.")
    ]
    assert life.state.last["decision"] == "apply"


def applied(tmp_path: Path, **config: Any) -> Life:
    """An agent that has just applied a result."""
    life = settled(tmp_path, policy="apply", **config)
    life.world.results["tune"] = (0, BETTER)
    change(life, driver="new")
    life.run(3600.0)
    assert life.kinds() == ["tune", "apply"]
    words = life.world.children[1].words
    assert words[:4] == ["apply", "--json", "--yes", "--cause"]
    assert words[4].startswith("agent: ")
    assert life.state.applied is not None
    return life


def test_policy_apply_writes_and_checks_the_first_real_start(tmp_path: Path) -> None:
    life = applied(tmp_path)
    assert life.world.told[-1][0] == "Flags were changed"
    life.world.results["verify"] = (0, {"kind": "verify", "ok": True})
    life.world.pids = {700, 701}
    life.run(60.0)
    life.world.ports = {701}
    life.run(60.0)
    life.world.pids = {700}
    life.run(600.0)
    life.run(3600.0)
    assert life.kinds() == ["tune", "apply", "verify", "check"]
    assert life.world.children[-1].words[-1] == "agent: the first start after an apply went well"
    assert life.state.applied is None
    assert life.state.follow is None
    assert life.state.due is None


def test_flags_that_do_not_act_are_told(tmp_path: Path) -> None:
    life = applied(tmp_path)
    life.world.results["verify"] = (7, {"kind": "verify", "ok": False})
    life.world.pids = life.world.ports = {700}
    life.run(60.0)
    assert life.world.told[-1][0] == "Flags do not act"


@pytest.mark.parametrize("times", [1, 2])
def test_starts_that_fail_take_the_flags_back(times: int, tmp_path: Path) -> None:
    life = applied(tmp_path, **({} if times == 1 else {"failed_starts": times}))
    for _ in range(times):
        assert life.kinds() == ["tune", "apply"]
        life.world.pids = {800}
        life.run(10.0)
        life.world.pids = set()
        life.run(10.0)
    life.run(60.0)
    assert life.kinds() == ["tune", "apply", "rollback"]
    assert life.world.told[-1][0] == "Flags were put back"
    assert life.state.applied is None


def test_apply_waits_for_the_owner_too(tmp_path: Path) -> None:
    life = settled(tmp_path, policy="apply")
    life.world.results["tune"] = (0, BETTER)
    change(life, driver="new")
    life.run(300.0)
    life.world.lengths["tune"] = 10.0
    life.run(280.0)
    life.world.scene = replace(FREE, user_idle=1.0)
    life.run(3600.0)
    assert "apply" not in life.kinds()
    life.world.scene = FREE
    life.run(7200.0)
    assert "apply" in life.kinds()


@pytest.mark.parametrize(
    ("code", "tries"),
    [(2, "1 attempt"), (3, "3 attempts"), (4, "3 attempts"), (5, "1 attempt"), (8, "3 attempts")],
)
def test_a_session_that_cannot_work_is_given_up(code: int, tries: str, tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.lengths["tune"] = 5.0
    life.world.results["tune"] = (code, {"kind": "error", "code": code, "message": "no motion module"})
    change(life, driver="new")
    life.run(3 * DAY)
    count = int(tries[0])
    assert life.kinds() == ["tune"] * count
    assert life.state.due is None
    assert life.world.told == [
        ("autotune could not do its work", f"no motion module (given up after {tries}, exit code {code})")
    ]
    life.world.results["tune"] = (0, TUNE)
    change(life, driver="newer")
    life.run(DAY)
    assert life.kinds() == ["tune"] * (count + 1)


def test_a_pause_after_a_failure_is_a_reason_too(tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.results["tune"] = (4, {"kind": "error", "message": "it does not start"})
    change(life, driver="new")
    life.run(800.0)
    assert life.kinds() == ["tune"]
    ((_, at, why),) = [reason.split(" ", 2) for reason in life.world.status["waiting"]]
    assert why == "(failed: it does not start)"
    assert at.startswith("12:1")
    assert life.agent is not None
    assert life.agent.idle
    life.run(300.0)
    assert life.world.status["waiting"] == []  # it runs again


def test_another_autotune_is_waited_for(tmp_path: Path) -> None:
    life = settled(tmp_path, sessions_a_week=1000)
    life.world.lengths["tune"] = 1.0
    life.world.results["tune"] = (
        6,
        {"kind": "error", "code": 6, "message": "another autotune is at work: pid 9"},
    )
    change(life, driver="new")
    life.run(3600.0)
    assert 5 <= len(life.kinds()) <= 13
    assert life.state.due.attempts == 0
    life.world.results["tune"] = (0, TUNE)
    life.run(3600.0)
    assert life.state.due is None


@pytest.mark.slow
def test_limits_hold_over_weeks(tmp_path: Path) -> None:
    life = settled(tmp_path, sessions_a_week=2, minutes_a_day=15.0)
    for number in range(28):
        change(life, driver=f"d{number}")
        life.run(DAY)
    began = [child.began for child in life.world.children]
    for at in began:
        assert sum(at - 7 * DAY < other <= at for other in began) <= 2
    assert len(began) >= 6


def test_a_day_that_is_used_up_ends_the_session_until_tomorrow(tmp_path: Path) -> None:
    life = settled(tmp_path, minutes_a_day=10.0)
    life.world.lengths["tune"] = 1500.0
    change(life, driver="new")
    life.run(5 * DAY)
    assert life.kinds() == ["tune"] * 3
    assert life.state.due is None
    assert len(life.world.finished) == 1


def test_the_folder_goes_and_comes_back(tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.fault = NothingToWorkOn("/w is not a folder")
    life.run(DAY)
    assert life.world.status["problems"] == ["/w is not a folder"]
    assert life.kinds() == []
    life.world.fault = None
    life.run(DAY)
    assert life.world.status["problems"] == []
    assert life.kinds() == []
    assert life.world.lines.count("problem: /w is not a folder") == 1


def test_nvml_gone_is_no_change(tmp_path: Path) -> None:
    life = settled(tmp_path)
    change(life, gpu="", gpu_memory="", driver="", cuda_driver="")
    life.run(DAY)
    change(life, **{k: PARTS[k] for k in ("gpu", "gpu_memory", "driver", "cuda_driver")})
    life.run(DAY)
    assert life.kinds() == []
    change(life, driver="555.42")
    life.run(DAY)
    assert life.kinds() == ["tune"]


@pytest.mark.parametrize("jump", [-DAY, DAY, -7 * DAY])
def test_the_clock_is_set(jump: float, tmp_path: Path) -> None:
    life = settled(tmp_path)
    change(life, driver="new")
    life.run(300.0)
    life.world.offset = timedelta(seconds=jump)
    life.run(2 * DAY)
    assert life.kinds() == ["tune"]
    assert life.state.due is None
    assert "the clock jumped (a suspend, or the time was set): looking anew" in life.world.lines
    (spent,) = life.state.sessions
    # By a clock that nobody sets: a tune takes as long as it takes, a look more or less.
    assert abs(spent.seconds - life.world.lengths["tune"]) <= 60.0


def test_a_retry_is_not_lost_to_a_clock_that_was_set_back(tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.lengths["tune"] = 5.0
    life.world.results["tune"] = (4, {"kind": "error", "code": 4, "message": "does not start"})
    change(life, driver="new")
    life.run(120.0)
    assert life.state.due.not_before > 0
    life.world.offset = timedelta(days=-2)
    life.run(3600.0)
    assert len(life.kinds()) >= 2


def test_kill_of_the_agent_in_a_session_resumes_it(tmp_path: Path) -> None:
    life = settled(tmp_path)
    change(life, driver="new")
    life.run(400.0)
    life.restart()
    life.run(DAY)
    assert life.kinds() == ["tune", "tune"]
    assert len(life.world.finished) == 1
    whole = sum(min(c.left, life.world.clock) for c in life.world.children[1:])
    assert whole < life.world.lengths["tune"], "it went on, not anew"


def test_a_result_that_was_left_by_an_earlier_life_is_taken_not_measured_again(tmp_path: Path) -> None:
    life = settled(tmp_path, policy="apply")
    life.world.results["tune"] = (0, BETTER)
    change(life, driver="new")
    life.run(300.0)
    child = life.world.children[0]
    life.world.clock = child.began + child.left + 1
    assert child.poll() == 0
    life.restart()
    life.run(DAY)
    assert life.kinds() == ["tune", "apply"]


@pytest.mark.parametrize("seed", range(8))
def test_random_kills_over_a_week_lose_nothing_and_double_nothing(seed: int, tmp_path: Path) -> None:
    """25 kills of the agent or its child a week at random instants, eight weeks: 200 kills.

    Every believed state of the machine is handled exactly once or taken over by a later one.
    """
    random = Random(seed)
    life = settled(tmp_path, sessions_a_week=1000, minutes_a_day=1440.0, quiet_minutes=0.0)
    world = life.world
    of_child = changed = 0
    while of_child + life.kills < 25 or changed < 10:
        if random.random() < 0.4:
            changed += 1
            change(life, driver=f"driver {changed}")
        # Mostly steps shorter than a tune, so that a kill often meets one; now and then hours.
        life.run(random.uniform(1, 600) if random.random() < 0.7 else random.uniform(60, DAY / 4))
        world.fuse = None  # one that did not go off is not counted
        if of_child + life.kills < 25:
            running = [c for c in world.children if c.poll() is None]
            if running and random.random() < 0.7:
                of_child += 1
                running[0].die(-9)
            else:
                world.fuse = random.randrange(40)
    world.fuse = None
    life.run(2 * DAY)
    assert of_child + life.kills == 25
    assert of_child >= 3
    assert life.kills >= 3
    assert life.state.due is None
    assert life.state.running is None
    assert not [c for c in world.children if c.poll() is None]
    handled = ended(tmp_path, "done")
    assert handled, "something was handled"
    assert len(handled) == len(set(handled)), "a trigger was handled twice"
    assert life.state.known["driver"] == f"driver {changed}"
    last = believed_ids(tmp_path)[-1]
    assert handled[-1] == last, "the last trigger was not handled"
    done = {e["due"] for e in events(tmp_path) if e["event"] == "began"}
    assert done <= set(believed_ids(tmp_path))


def events(folder: Path) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def believed_ids(folder: Path) -> list[str]:
    return [e["id"] for e in events(folder) if e["event"] == "believed" and e["action"] != "nothing"]


def ended(folder: Path, outcome: str) -> list[str]:
    """Triggers whose session ended like that, in order."""
    begun = {e["session"]: e["due"] for e in events(folder) if e["event"] == "began"}
    return [begun[e["session"]] for e in events(folder) if e["event"] == "ended" and e["outcome"] == outcome]


def test_yield_leaves_the_same_verdict_as_undisturbed(tmp_path: Path) -> None:
    life = settled(tmp_path, quiet_minutes=0.0, minutes_a_day=1440.0, sessions_a_week=1000)
    life.world.results["tune"] = (0, BETTER)
    change(life, driver="new")
    yielded = 0
    while life.world.finished == []:
        life.run(100.0)
        if [c for c in life.world.children if c.poll() is None]:
            life.world.scene, yielded = BUSY, yielded + 1
            life.run(2.0)
            assert not [c for c in life.world.children if c.poll() is None]
            life.world.scene = FREE
    life.run(60.0)
    assert yielded >= 5
    assert life.state.last["decision"] == "apply"
    assert sum(c.kind == "tune" for c in life.world.children) == yielded + 1


def test_once_passes_and_stops(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.world.tuned = False
    life.world.scene = BUSY
    life.step()
    assert life.agent is not None
    assert life.agent.idle
    assert life.world.status["waiting"] == ["the web UI renders (job txt2img)"]
    life.world.scene = FREE
    life.run(700.0)
    life.run(700.0)
    assert life.agent.idle
    assert life.kinds() == ["tune"]
