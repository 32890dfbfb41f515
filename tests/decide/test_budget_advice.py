"""Why a question stayed open, and what it would take."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace

import pytest

from autotune.decide import budget_advice
from autotune.decide.assumptions import RULES
from autotune.decide.compare import StartPair, compare
from autotune.decide.rounds import Round
from autotune.decide.verdict import verdict
from autotune.model.study import History, Launch
from tests.decide.test_rules import PROFILE, SPACE, name, pair, sample

BASE, SDP = SPACE.baseline, name("sdp")
KEY = SPACE[BASE].launch_key
CLIP, START, WARM = 20.0, 25.0, 30.0
PAIR = 2.0 * CLIP + START + WARM


def searched(gain: float = 0.1, spent: float = 500.0, budget: float = 600.0) -> History:
    """Screening of two sets in one process, twice each."""
    samples = [sample(0, BASE, 5.0, state="warmup", cost=WARM)]
    for number, (candidate, seconds) in enumerate([(BASE, CLIP), (SDP, CLIP / (1.0 + gain))] * 2, 1):
        samples.append(sample(number, candidate, seconds, cost=seconds))
    return History(tuple(samples), (Launch(0, BASE, KEY, False, START),), spent, budget, 0)


def confirmed(gaps: list[float], spent: float, budget: float) -> History:
    """As many pairs as there are ``gaps`` (log seconds), after that search."""
    found = searched(spent=spent, budget=budget)
    samples, launches = list(found.samples), list(found.launches)
    for block, gap in enumerate(gaps):
        for candidate, seconds in ((BASE, CLIP), (SDP, CLIP * math.exp(-gap))):
            number = len(launches)
            launches.append(Launch(number, candidate, SPACE[candidate].launch_key, True, START))
            state: dict[str, object] = {"purpose": "confirm", "block": block, "launch": number, "cold": True}
            samples.append(sample(len(samples), candidate, 5.0, **{**state, "state": "warmup", "cost": WARM}))
            samples.append(sample(len(samples), candidate, seconds, cost=seconds, **state))
    return replace(found, samples=tuple(samples), launches=tuple(launches))


def reason(history: History) -> str:
    found = verdict(history, SPACE, PROFILE, "speed")
    assert found.decision == "keep" and not found.sure
    return found.reason


@pytest.mark.parametrize(("gain", "words"), [
    (0.2, r"came to \d+\.\d % less time"), (-0.2, r"came to \d+\.\d % more time")])
def test_what_the_best_set_came_to_is_said_in_the_words_of_time(gain: float, words: str) -> None:
    found = verdict(searched(gain), SPACE, PROFILE, "speed")
    assert found.decision == "keep" and re.search(words, found.reason), found.reason


def named(said: str) -> float:
    """Seconds of the budget that the words name."""
    found = re.search(r"`--budget (\d+)m`", said)
    assert found is not None, said
    return 60.0 * int(found.group(1))


def test_a_pair_costs_its_starts_and_warm_ups_and_a_clip_a_side() -> None:
    """Attention switches live, so one start carries both sides; channels-last needs a start of its own."""
    assert budget_advice.pair_seconds(searched(0.0), SPACE, SDP) == pytest.approx(PAIR)
    assert budget_advice.pair_seconds(searched(0.0), SPACE, name("split", True)) == pytest.approx(PAIR + START + WARM)
    assert budget_advice.pair_seconds(History((sample(0, SDP, 5.0),)), SPACE, SDP) is None


OPEN = [0.3, -0.2]
CASES = [
    # history, what is said, what is not
    (searched(spent=500.0), "the budget ended: about", None),
    (searched(spent=650.0), "the budget ended: about", None),
    (searched(spent=100.0), "9 min of the budget left", "budget ended"),
    (confirmed([0.1], 590.0, 600.0), "the budget ended: about", None),
    (confirmed([0.1], 100.0, 600.0), "9 min of the budget left", "budget ended"),
    (confirmed(OPEN, 900.0, 1000.0), "the budget ended", None),
    (confirmed(OPEN, 900.0, 3000.0), "35 min of the budget left", "budget ended"),
    (replace(searched(), samples=(), spent=700.0), "the budget ended, and the current flags were not timed", None),
    (replace(searched(), samples=(), spent=70.0), "the current flags were not timed", "budget"),
    (replace(searched(), samples=searched().samples[:2], spent=590.0), "timed; the budget ended: about", None),
    (replace(searched(), samples=searched().samples[:2], spent=60.0),
     "no other set was timed; no more was measured after 1 start, with 9 min of the budget left", "budget ended"),
]


@pytest.mark.parametrize(("history", "said", "unsaid"), CASES)
def test_the_budget_is_said_to_have_ended_only_where_it_did(history: History, said: str, unsaid: str | None) -> None:
    told = reason(history)
    assert said in told and (unsaid is None or unsaid not in told), told
    if "about" in told:
        assert named(told) >= history.budget + 60.0


def test_the_budget_that_is_named_has_room_for_what_is_needed() -> None:
    for spent in (0.0, 250.0, 500.0, 590.0, 640.0):
        history = searched(spent=spent)
        if history.budget - spent < budget_advice.SPARE_FACTOR * RULES.min_blocks * PAIR:
            assert named(reason(history)) >= spent + RULES.min_blocks * PAIR


@pytest.mark.parametrize("gain", [0.05, 0.12])
def test_about_as_many_more_pairs_settle_it_as_are_named(gain: float) -> None:
    """Drawn on from where they stand: within twice the number named, and one, most are settled."""
    rng = random.Random(f"more {gain}")
    asked = settled = 0
    for _ in range(60):
        pairs = tuple(pair(rng, gain, 0.03, 0.02, 2, number) for number in range(3))
        found = compare(pairs, clips(pairs), 0.02, 0.95)
        assert found is not None
        more = budget_advice.pairs_to_settle(found, PROFILE.decide)
        if found.answer != "not sure" or more is None:
            continue
        asked += 1
        while len(pairs) < min(RULES.max_blocks, 4 + 2 * more):
            pairs += (pair(rng, gain, 0.03, 0.02, 2, len(pairs)),)
            later = compare(pairs, clips(pairs), 0.02, 0.95)
            if later is not None and later.answer != "not sure":
                settled += 1
                break
    assert asked >= 5 and settled >= 0.75 * asked


def clips(pairs: tuple[StartPair, ...]) -> tuple[Round, ...]:
    return tuple(one for block in pairs for one in (*block.baseline, *block.winner))


def test_what_no_number_of_pairs_would_settle_is_said() -> None:
    found = confirmed([0.9, -0.8, 0.7, -0.79], 2000.0, 2010.0)
    assert f"even {RULES.max_blocks} pairs would hardly settle it" in reason(found)
