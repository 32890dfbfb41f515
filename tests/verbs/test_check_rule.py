"""The rule of a check, in virtual time: what it costs, what it says, and how seldom it takes back wrongly."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest

from autotune.check.rule import MAX_STARTS, Finding, Question, finding, next_step
from autotune.decide.drift import RecordedSpeedup
from autotune.model.flagset import Dimension, Space
from autotune.model.study import History, Proposal
from benchmarks import surfaces
from benchmarks.virtual import Session

pytestmark = pytest.mark.slow

DIMENSIONS = (Dimension("attention", ("sdp", "split"), True),)
SPACE = surfaces.space(DIMENSIONS, {"attention": "sdp"})
CURRENT, OTHER = SPACE.baseline, next(c.id for c in SPACE.candidates if c.id != SPACE.baseline)
GAIN = 1.4
RECORDED = RecordedSpeedup(CURRENT, OTHER, 2.0, 2.0 + math.log(GAIN))


@dataclasses.dataclass
class Asked:
    """The rule as a strategy that a virtual session can run."""

    question: Question

    def next(self, history: History) -> Proposal | None:
        return next_step(history, self.question)


def question(recorded: RecordedSpeedup | None = RECORDED, can_roll_back: bool = True, space: Space = SPACE) -> Question:
    return Question(space, OTHER, surfaces.profile(), "speed", can_roll_back, recorded)


def check(
    current: float, other: float, asked: Question, seed: int = 0, budget: float = 3600.0
) -> tuple[Finding, Session]:
    """A check on a machine where the log seconds of a clip are these."""
    noise = surfaces.Noise(clip=0.02, launch=0.015)
    machine = surfaces.Drawn(
        SPACE, surfaces.profile(), {CURRENT: current, OTHER: other}, {CURRENT: 5000.0, OTHER: 5000.0}, noise=noise
    )
    session = Session(machine, random.Random(seed), budget)
    return finding(session.run(Asked(asked)), asked), session


def test_what_holds_costs_one_start() -> None:
    found, session = check(2.0, 2.0 + math.log(GAIN), question())
    assert found.answer == "holds"
    assert len(session.launches) == 1


def test_a_slower_machine_is_no_lost_gain() -> None:
    found, session = check(2.5, 2.5 + math.log(GAIN), question())
    assert found.answer == "holds"
    assert len(session.launches) == 1
    assert found.gain is not None


def test_a_smaller_gain_asks_for_a_tune_and_takes_nothing_back() -> None:
    found, _ = check(2.0 + math.log(1.25), 2.0 + math.log(GAIN), question())
    assert found.answer == "changed"


@pytest.mark.parametrize("recorded", [RECORDED, None])
def test_a_loss_is_shown_by_fresh_pairs_in_turn(recorded: RecordedSpeedup | None) -> None:
    found, session = check(2.0 + math.log(1.6), 2.0 + math.log(GAIN), question(recorded))
    assert found.answer == "loss"
    assert found.paired
    assert found.gain is not None
    assert found.gain.high < 1.0
    assert len(session.launches) <= MAX_STARTS
    cold = [launch for launch in session.launches if launch.cold]
    assert {launch.candidate for launch in cold} == {CURRENT, OTHER}
    assert len(cold) >= 2


def test_nothing_to_take_back_is_never_a_loss() -> None:
    found, session = check(2.0 + math.log(1.6), 2.0 + math.log(GAIN), question(can_roll_back=False))
    assert found.answer == "changed"
    assert len(session.launches) == 1


def test_without_a_record_fresh_pairs_say_that_it_gains() -> None:
    found, _ = check(2.0, 2.0 + math.log(GAIN), question(None))
    assert found.answer == "holds"


def test_a_budget_that_ends_early_says_nothing() -> None:
    assert check(2.0, 2.4, question(None), budget=30.0)[0].answer == "unknown"


@pytest.mark.parametrize("recorded", [RECORDED, None])
def test_equal_sets_are_hardly_ever_taken_back(recorded: RecordedSpeedup | None) -> None:
    """The gain is gone, no more: at 95 % at most one in forty may pass for a loss (the other side of the interval
    is a gain); 300 checks, so at most 12 at that rate (98 % quantile of the binomial)."""
    level = 2.0 + math.log(GAIN)
    wrong = sum(check(level, level, question(recorded), seed)[0].answer == "loss" for seed in range(300))
    assert wrong <= 12


def test_real_losses_are_mostly_seen() -> None:
    level = 2.0 + math.log(GAIN)
    seen = sum(check(level + math.log(1.15), level, question(), seed)[0].answer == "loss" for seed in range(60))
    assert seen >= 54


@pytest.mark.parametrize(
    ("failing", "answer"), [({CURRENT}, "loss"), ({OTHER}, "holds"), ({CURRENT, OTHER}, "unknown")]
)
def test_a_set_that_does_not_render_any_more(failing: set[str], answer: str) -> None:
    asked = question()
    noise = surfaces.Noise(clip=0.02, launch=0.015)
    machine = surfaces.Drawn(
        SPACE, surfaces.profile(), {CURRENT: 2.5, OTHER: 2.3}, {CURRENT: 5000.0, OTHER: 5000.0},
        failing=dict.fromkeys(failing, "oom"), noise=noise,
    )
    session = Session(machine, random.Random(1), 3600.0)
    assert finding(session.run(Asked(asked)), asked).answer == answer
    assert len(session.launches) <= MAX_STARTS
