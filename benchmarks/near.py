"""Time spent choosing among sets that hardly differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autotune.model.study import Launch, Sample
from benchmarks.virtual import Surface

SEARCH = ("screen", "race")


def near_equal(surface: Surface, samples: Sequence[Sample], launches: Sequence[Launch], share: float = 0.5) -> float:
    """Seconds of the search spent on a set whose true score is within half the minimum gain (``share`` of it) of the
    best other set that had been measured by then: its clips, warm-up clips, and the starts made for it. Confirmation
    does not count."""
    half = share * math.log1p(surface.profile.decide.min_gain)
    startup = {launch.number: launch.startup for launch in launches}
    measured: set[str] = set()
    spent = 0.0
    for one in samples:
        starting = startup.pop(one.launch, 0.0)
        others = [surface.true_score(name) for name in measured if name != one.candidate]
        if one.purpose in SEARCH and others and abs(surface.true_score(one.candidate) - min(others)) < half:
            spent += one.cost + starting
        if one.state in ("ok", "too_slow"):
            measured.add(one.candidate)
    return spent
