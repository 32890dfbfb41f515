"""Parts of a tune's document, from recorded clips."""

from __future__ import annotations

from autotune.model.study import History
from autotune.tune.document import front_json, trials_json
from tests.decide.test_rules import PROFILE, SPACE, name, sample


def test_what_short_clips_told_is_marked_and_whole_ones_come_first() -> None:
    base, sdp, v1 = SPACE.baseline, name("sdp"), name("v1")
    history = History((
        sample(0, base, 7.2, memory_peak=20_000.0), sample(1, sdp, 5.0, memory_peak=6_000.0),
        sample(2, sdp, 5.6, memory_peak=6_000.0, steps=10, rendered=3.3),
        sample(3, v1, 9.0, memory_peak=5_000.0, steps=10, rendered=5.0)))
    front = {tuple(row["flags"]): row for row in front_json(history, SPACE, PROFILE)}
    assert [(flags, row["short"]) for flags, row in front.items()] == [
        (tuple(SPACE[sdp].flags.words), False), (tuple(SPACE[v1].flags.words), True)]
    assert front[tuple(SPACE[sdp].flags.words)]["score"] == round(5.0 / 7.2, 5)
    trials = {tuple(row["flags"]): row for row in trials_json(history, SPACE)}
    told = trials[tuple(SPACE[sdp].flags.words)]
    assert (told["seconds"], told["samples"], told["steps"], told["short"]) == (5.0, [5.0], None, False)
    told = trials[tuple(SPACE[v1].flags.words)]
    assert (told["seconds"], told["steps"], told["short"]) == (9.0, 10, True)
