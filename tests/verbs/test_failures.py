"""Whatever the current flags fail with, they are given up."""

from __future__ import annotations

from typing import get_args

import pytest

from autotune.decide.rounds import failures
from autotune.decide.verdict import verdict
from autotune.model.study import Failure, History, Launch, Sample
from autotune.model.workload import Profile, SearchSpec, Workload
from tests.decide.test_rules import SPACE

ONE = Profile("one", (Workload(64, 64, 4, 1),), SearchSpec(()))


@pytest.mark.parametrize("failure", get_args(Failure))
def test_whatever_the_current_flags_fail_with_they_are_given_up(failure: Failure) -> None:
    """Clips and starts of the baseline, as often as each class is tried again."""
    for starting in (False, True):
        samples, launches = [], []
        for number in range(4):
            failed = failure if starting else None
            launches.append(Launch(number, SPACE.baseline, SPACE[SPACE.baseline].launch_key, False, 1.0, failed))
            if not starting:
                samples.append(
                    Sample(number, SPACE.baseline, "screen", number, False, 0, 0, "failed", None, 1.0, failure))
        history = History(tuple(samples), tuple(launches))
        assert failures(history, SPACE).baseline is not None
        found = verdict(history, SPACE, ONE, "speed")
        assert found.decision == "keep" and found.winner is None
        assert (failure if failure != "machine_down" else "machine went down") in found.reason
