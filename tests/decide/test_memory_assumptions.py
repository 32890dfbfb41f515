"""Where memory counts, an answer looks at both conditions: what is saved, and that it does not cost the time."""

from __future__ import annotations

import pytest

from autotune.decide import compare, memory_assumptions, objectives
from autotune.decide.rounds import Round
from autotune.decide.verdict import conclude
from benchmarks import objectives as bench
from tests.decide.test_rules import SPACE, name

pytestmark = pytest.mark.slow


def compared(gaps: list[float]) -> compare.Comparison:
    """The comparison of pairs of cold starts with these log gains."""
    rounds = [Round(label, 2 * block + side, "confirm", block, 2.0 - side * gap, None, 2 * block + side)
              for block, gap in enumerate(gaps) for side, label in enumerate(("a", "b"))]
    pairs = tuple(compare.StartPair(block, (rounds[2 * block],), (rounds[2 * block + 1],))
                  for block in range(len(gaps)))
    found = compare.compare(pairs, tuple(rounds), 0.02, 0.95)
    assert found is not None
    return found


SAVES = compared([0.6, 0.6, 0.6, 0.6])


@pytest.mark.parametrize(("gaps", "answer", "adopted", "sure", "words"), [
    ([0.0] * 16, "better", True, True, "runs at"),
    ([0.0, 0.04], "not sure", False, False, "may be more than 5 % slower"),
    ([-0.3] * 8, "not better", False, True, "is more than 5 % slower"),
])
def test_memory_is_never_kept_or_taken_for_sure_before_the_time_is_settled(
        gaps: list[float], answer: str, adopted: bool, sure: bool, words: str) -> None:
    time = compared(gaps)
    assert objectives.answer_on_time(time) == answer
    taken, reason, certain = conclude(SAVES, time, "vram", 0.02, 9500.0)
    assert (taken, certain) == (adopted, sure)
    assert words in reason


def test_memory_is_expected_apart_from_times() -> None:
    """Before anything is measured: no half-precision VAE is slower, and sdp needs far less memory than split."""
    peaks = memory_assumptions.surface_for(SPACE, "vram").posterior(())
    assert peaks.gain(name("split"), name("sdp"))[0] > 0.3
    assert abs(peaks.gain(name("split"), name("v1"))[0]) < 0.01
    assert memory_assumptions.surface_for(SPACE, "speed").posterior(()).gain(name("split"), name("v1"))[0] < -0.2


@pytest.mark.parametrize(("seed", "objective"), [(200011, "vram"), (200009, "balanced")])
def test_gigabytes_are_not_let_go_for_want_of_two_more_pairs(seed: int, objective: str) -> None:
    """After two pairs the time's interval was 0.87 to 1.14 and the answer "keep, sure"."""
    found = bench.one(seed, objective, 3600.0)
    assert found["right"]
    assert found["adopted"]
    assert found["mib"] == 0.0
