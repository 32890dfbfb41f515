"""How noisy the machine is, told once when it is known and again when it changes much."""

from __future__ import annotations

import random

import pytest

from autotune.decide.assumptions import RULES
from autotune.decide.rounds import Round
from autotune.model.workload import DecideSpec
from autotune.search.noise_report import REPEATED_STARTS, noise_news, noise_report

RULE = DecideSpec()


def seen(start: float, clip: float, count: int, seed: int = 0) -> tuple[Round, ...]:
    """Starts of two sets with two clips each."""
    rng = random.Random(f"{start} {clip} {seed}")
    return tuple(Round(name, 2 * number + place, "confirm", number, own + rng.gauss(0.0, clip), None, 0)
                 for number in range(count) for place, name in enumerate("ab")
                 for own in [rng.gauss(0.0, start)] for _ in range(2))


@pytest.mark.parametrize("start", [0.01, 0.03, 0.08])
def test_noisier_starts_need_more_pairs(start: float) -> None:
    found = [noise_report(seen(start, 0.01, 12, seed), RULE, False) for seed in range(5)]
    assert start / 2.0 < sorted(one.start_sd for one in found if one is not None)[2] < start * 2.0
    noisier = [noise_report(seen(2.0 * start, 0.01, 12, seed), RULE, False) for seed in range(5)]

    def pairs(one: object) -> int:
        return getattr(one, "pairs", None) or RULES.max_blocks + 1

    assert sorted(map(pairs, found))[2] <= sorted(map(pairs, noisier))[2]


def test_in_one_process_the_same_noise_needs_fewer_pairs() -> None:
    apart, together = (noise_report(seen(0.03, 0.01, 12), RULE, live) for live in (False, True))
    assert apart is not None
    assert together is not None
    assert (together.pairs or 99) < (apart.pairs or 99)


def test_nothing_is_told_of_starts_that_were_not_repeated() -> None:
    few = seen(0.03, 0.01, 2)
    assert len({one.launch for one in few}) - 2 < REPEATED_STARTS
    assert noise_report(few, RULE, False) is None
    assert noise_news((), few, RULE, False) == ""


def test_it_is_said_when_it_is_known_and_again_only_when_it_changed() -> None:
    calm, more = seen(0.02, 0.005, 10), seen(0.02, 0.005, 12)
    assert "starts differ by" in noise_news(calm[:8], calm, RULE, False)
    assert noise_news(calm, more, RULE, False) == ""
    wild = tuple(Round(one.candidate, 100 + one.launch, "confirm", 100, one.score, None, 0)
                 for one in seen(0.1, 0.005, 8))
    assert "% gain needs" in noise_news(calm, calm + wild, RULE, False)
