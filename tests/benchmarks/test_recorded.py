"""A recorded tune is a surface to tune on again; what cannot be one is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from autotune.model.errors import UsageProblem
from autotune.overview.exported_study import read_export, replay
from benchmarks import recorded

FILE = Path(recorded.__file__).parent / "data" / "reference-sd15-h200-tune.json"


def test_a_recorded_tune_is_a_surface_and_its_best_set_is_found_again() -> None:
    where = recorded.surface(read_export(FILE))
    assert math.isfinite(where.true_score(where.space.baseline))
    found = recorded.tuned(where, "speed", 4, 0)
    assert found["regret_mean"] < 0.03
    assert found == recorded.tuned(where, "speed", 4, 0)


def test_a_study_older_than_precision_stands_by_the_rule_of_its_time() -> None:
    """Its decision is the recorded one; asked anew, the same pairs are too few for so small a gain."""
    document = read_export(FILE)
    was, again = document["result"], replay(document)
    assert "precision" not in document["study"]["profile"]["decide"]
    assert (again["decision"], again["sure"]) == (was["decision"], was["sure"]) == ("apply", True)
    assert again["speedup"]["estimate"] == was["speedup"]["estimate"]
    study = document["study"]
    decide = {**study["profile"]["decide"], "precision": 0.03}
    anew = replay({**document, "study": {**study, "profile": {**study["profile"], "decide": decide}}})
    assert (anew["decision"], anew["sure"]) == ("keep", False)


def test_a_study_without_a_timed_baseline_is_no_surface() -> None:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    with pytest.raises(UsageProblem, match="baseline"):
        recorded.surface({**document, "samples": []})
    with pytest.raises(UsageProblem, match="damaged"):
        recorded.surface({**document, "samples": [{"number": 0}]})


def test_replay_is_timed_against_the_recorded_wall_time() -> None:
    speed = recorded.replayed(read_export(FILE))
    assert speed["times"] == pytest.approx(speed["wall"] / speed["replay_seconds"])
