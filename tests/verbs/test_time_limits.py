"""Limits, warm-up and giving up, from what a study has recorded."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.decide.rounds import rounds
from autotune.decide.surface import Surface
from autotune.decide.verdict import verdict
from autotune.measure.clip import TOO_SLOW
from autotune.model import codec
from autotune.model.study import History, Launch, Proposal, Sample, SampleState
from autotune.model.workload import Profile, SearchSpec, Workload
from autotune.search import make_strategy
from autotune.tune import time_limits
from tests.decide.test_rules import SPACE, name

CLIP = Workload(512, 512, 16, 8)
PROFILE = Profile("one", (CLIP,), SearchSpec(()))


def sample(number: int, candidate: str, seconds: float, state: SampleState = "ok", launch: int = 0, workload: int = 0,
           cost: float | None = None) -> Sample:
    return Sample(number, candidate, "screen", launch, False, workload, 0, state, seconds,
                  seconds if cost is None else cost)


def warmed(times: list[float], learned: list[Sample], launch: int, candidate: str, budget: float = 1800.0) -> int:
    """How many warm-up clips a set takes in a process in which clip k takes ``times[k]``."""
    samples = list(learned)
    count = 0
    while time_limits.another_warmup(samples, launch, candidate, 0, budget):
        samples.append(sample(len(samples), candidate, times[min(count, len(times) - 1)], "warmup", launch))
        count += 1
        assert count <= 6
    return count


def test_the_first_process_tells_how_many_warm_up_clips_later_ones_take() -> None:
    """H200: the first clip of a process takes 1.4 to 3.6 times the others, the second the same as the third."""
    assert warmed([11.3, 4.9, 4.9], [], 0, "a") == 3
    learned = [sample(i, "a", seconds, "warmup") for i, seconds in enumerate((11.3, 4.9, 4.9))]
    assert warmed([11.0, 5.0, 5.0], learned, 1, "b") == 1
    assert warmed([5.3, 4.9, 4.9], learned, 0, "b") == 3  # the first switch is another question
    slow = [sample(i, "a", seconds, "warmup") for i, seconds in enumerate((11.3, 8.0, 5.0, 4.9))]
    assert warmed([11.0, 8.0, 5.0], slow, 1, "a") == 2


def test_finding_out_has_a_share_of_the_budget_only() -> None:
    assert warmed([60.0, 30.0, 30.0], [], 0, "a", budget=600.0) == 1
    assert warmed([60.0, 5.0, 5.0, 5.0], [], 0, "a", budget=0.0) == 1


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=8), st.floats(0.0, 1e5))
def test_warm_up_always_ends(times: list[float], budget: float) -> None:
    assert 1 <= warmed(times, [], 0, "a", budget) <= 5


def test_what_may_be_given_up_and_against_what() -> None:
    base, other = SPACE.baseline, name("v1")
    samples = [sample(0, base, 7.0), sample(1, base, 7.4), sample(2, base, 7.1), sample(3, name("sdp"), 4.9)]
    assert time_limits.seconds_to_beat(samples, Proposal(other, "screen", 1), 0, base) == 4.9
    assert time_limits.seconds_to_beat(samples[:3], Proposal(other, "screen", 1), 0, base) == 7.1
    for proposal in (Proposal(base, "screen", 1), Proposal(name("sdp"), "race", 1), Proposal(other, "confirm", 1),
                     Proposal(other, "drift", 1)):
        assert time_limits.seconds_to_beat(samples, proposal, 0, base) is None
    assert time_limits.seconds_to_beat([], Proposal(other, "screen", 1), 0, base) is None
    good = time_limits.good_seconds(samples, 0)
    assert time_limits.comparable_seconds(samples, Proposal(other, "confirm", 1), 0, base) == good != ()
    assert time_limits.comparable_seconds(samples, Proposal(base, "confirm", 1), 0, base) == ()  # never called spilled
    assert time_limits.slow_factor((CLIP,), 0) == 1.5
    assert time_limits.slow_factor((CLIP, CLIP), 1) == pytest.approx(1.5**2)


def screened(rng: random.Random, noise: float, sets: int, again: int) -> list[Sample]:
    """Warm-ups and clips of sets that all take 12 s, each once and the first ``again`` times more; all of one process,
    clips that vary by ``noise`` (log seconds)."""
    samples: list[Sample] = []
    for number in range(sets):
        warmups = [sample(0, f"set {number}", 3.0 * math.exp(rng.gauss(0.0, noise)), "warmup") for _ in range(3)]
        warmups[0] = replace(warmups[0], seconds=11.0)
        clips = 1 + (again if number == 0 else 0)
        samples += warmups + [sample(0, f"set {number}", 12.0 * math.exp(rng.gauss(0.0, noise))) for _ in range(clips)]
    return samples


@pytest.mark.parametrize("noise", [0.01, 0.06, 0.1, 0.2, 0.3])
def test_a_set_is_given_up_against_the_noise_seen(noise: float) -> None:
    """A set as fast as the best is not thrown out by one slow clip, however lucky the best one's was; where chance does
    not explain it, one of twice the time is."""
    rng = random.Random(f"given up {noise}")
    tries, equal, twice = 2000, 0, 0
    for _ in range(tries):
        samples = screened(rng, noise, sets=rng.randrange(1, 6), again=rng.randrange(0, 5))
        reference = time_limits.seconds_to_beat(samples, Proposal("new", "screen", 1), 0, SPACE.baseline)
        assert reference is not None
        clip = 12.0 * math.exp(rng.gauss(0.0, noise))
        equal += clip > reference * TOO_SLOW
        twice += 2.0 * clip > reference * TOO_SLOW
    assert equal <= (0.002 if noise <= 0.1 else 0.025) * tries
    assert twice >= {0.01: 1.0, 0.06: 0.97, 0.1: 0.85}.get(noise, 0.2) * tries


def test_a_lucky_clip_is_no_yardstick_where_clips_scatter_from_8_to_19_seconds() -> None:
    rng = random.Random(3)
    for _ in range(300):
        samples = screened(rng, 0.2, 1, 0)[:3]
        samples += [sample(0, "a", seconds) for seconds in rng.sample([8.0, 10.0, 13.0, 15.0, 19.0], 3)]
        samples += [sample(0, "lucky", 9.5)]
        reference = time_limits.seconds_to_beat(samples, Proposal("new", "screen", 1), 0, SPACE.baseline)
        assert reference is not None and reference * TOO_SLOW > 15.0
        assert reference * TOO_SLOW <= 9.5 * 4.0


def test_on_an_h200_what_cannot_win_is_given_up_as_before() -> None:
    """The 768x768 tune of the recordings: warm-ups of sdp 5.18 and 5.16 s, sdp 9.12 s, sdp-no-mem 9.21 s."""
    samples = [sample(0, "sdp", seconds, "warmup") for seconds in (8.97, 5.175, 5.162)]
    samples += [sample(0, SPACE.baseline, 15.38), sample(0, "sdp", 9.117), sample(0, "sdp-no-mem", 9.209)]
    reference = time_limits.seconds_to_beat(samples, Proposal("v1", "screen", 1), 0, SPACE.baseline)
    assert reference is not None and 9.117 <= reference <= 9.117 * 1.05


@given(st.floats(1e-6, 1e6), st.lists(st.floats(1e-6, 1e6), max_size=3))
def test_a_workload_of_any_weight_has_a_limit(weight: float, others: list[float]) -> None:
    asked = (replace(CLIP, weight=weight), *(replace(CLIP, weight=other) for other in others))
    assert 1.5 - 1e-9 <= time_limits.slow_factor(asked, 0) <= 1.5**time_limits.SLOWEST


def test_limits() -> None:
    starts = [Launch(0, "a", "k", False, 20.0), Launch(1, "a", "k", False, 500.0, "hang")]
    assert time_limits.start_limits([], 1e6).hang == time_limits.FIRST_START
    assert time_limits.start_limits(starts, 1e6).hang == 160.0
    assert time_limits.start_limits([], 180.0).hang == 90.0 and time_limits.start_limits(starts, 20.0).first == 20.0
    samples = [sample(0, "a", 30.0, "warmup"), sample(1, "a", 10.0)]
    assert time_limits.clip_limits([], 0, CLIP, True, 1e6).hang == time_limits.FIRST_CLIP
    assert time_limits.clip_limits([], 0, CLIP, True, 180.0).hang == 90.0
    assert time_limits.clip_limits(samples, 0, CLIP, False, 1e6).hang == 80.0
    assert time_limits.clip_limits(samples, 0, CLIP, True, 1e6).hang == 140.0
    assert time_limits.clip_limits(samples, 0, CLIP, True, 5.0).first == 15.0
    assert time_limits.clip_limits(samples[:1], 0, CLIP, False, 1e6).hang == 8 * 30.0 * CLIP.steps / 2
    assert time_limits.clip_limits(samples[:1], 0, CLIP, False, 5.0).first == 35.0


def test_a_clip_that_must_not_count_is_repeated_after_a_rest() -> None:
    good = sample(0, SPACE.baseline, 7.2)
    bad = replace(sample(1, SPACE.baseline, 9.0, "discarded"), detail="the card throttled (sw_thermal)")
    assert time_limits.pause_after([]) == time_limits.pause_after([bad, good]) == 0.0
    assert [time_limits.pause_after([good] + [bad] * count) for count in (1, 3, 500)] == [1.0, 3.0, 30.0]
    assert time_limits.pause_after([bad] * 2) == 2.0
    assert time_limits.discard_warning([]) is None and time_limits.discard_warning([good] * 9 + [bad]) is None
    told = time_limits.discard_warning([good] * 3 + [bad] * 2 + [replace(bad, detail="the request waited 2.0 s")])
    assert told == "3 of 6 clips did not count, most often because the card throttled (sw_thermal)"


def given_up(factor: float) -> History:
    """A study in which v1 was given up at this many times the best."""
    samples = [sample(0, SPACE.baseline, 7.2), sample(1, name("sdp"), 4.9),
               sample(2, name("v1"), 4.9 * factor, "too_slow", cost=4.9 * factor + 0.4),
               sample(3, name("v1"), 4.9 * factor, "too_slow")]
    return History(tuple(samples), (Launch(0, SPACE.baseline, SPACE[SPACE.baseline].launch_key, False, 20.0),),
                   120.0, 1800.0, 0)


def test_a_set_given_up_is_known_to_be_worse_and_is_not_asked_for_again() -> None:
    history = given_up(1.5)
    found = rounds(history, PROFILE)
    assert [one.candidate for one in found].count(name("v1")) == 1
    gain, doubt = Surface(SPACE).posterior(found).gain(name("sdp"), name("v1"))
    assert gain == pytest.approx(-math.log(1.5), abs=0.1) and gain + 2 * doubt < 0.0
    proposal = make_strategy("screen", SPACE, PROFILE, "speed", 0).next(history)
    assert proposal is not None and proposal.candidate != name("v1")


def test_the_verdict_is_the_same_from_the_record() -> None:
    history = given_up(1.5)
    again = History(tuple(codec.load(Sample, codec.dump(one)) for one in history.samples), history.launches,
                    history.spent, history.budget)
    assert verdict(again, SPACE, PROFILE, "speed") == verdict(history, SPACE, PROFILE, "speed")
    assert verdict(history, SPACE, PROFILE, "speed").decision == "keep"


def test_the_warm_up_clip_of_a_workflow_is_a_whole_one() -> None:
    """What it took is what the next one takes: it is not scaled up to more steps."""
    mine = Workload(0, 0, 0, 40, workflow="w.json", workflow_digest="0" * 16)
    samples = [sample(0, "a", 100.0, "warmup")]
    ours = time_limits.clip_limits(samples, 0, replace(CLIP, steps=40), False, 300.0)
    theirs = time_limits.clip_limits(samples, 0, mine, False, 300.0)
    assert theirs.surely == pytest.approx(100.0 * time_limits.PATIENCE) and ours.surely == 20 * theirs.surely
