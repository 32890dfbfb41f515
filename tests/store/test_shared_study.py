"""One study from two workers: who takes over what, and what is never taken twice; over SQLite and real PostgreSQL."""

from __future__ import annotations

import dataclasses
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from autotune.decide.compare import complete_pairs
from autotune.decide.rounds import rounds
from autotune.model.study import Launch, Proposal, Sample
from autotune.search import trial_history
from autotune.search.sampler import LaunchAwareSampler
from autotune.search.strategy import SearchQuestion
from autotune.store import optuna_storage, shared_study
from autotune.store.optuna_study import OptunaStudy
from autotune.store.shared_study import OtherWorkers
from autotune.store.studies import Study
from autotune.webui.a1111.webui import WEBUI
from benchmarks import postgres, two_workers
from benchmarks.waiting import open_waiting, tuned
from tests.flags.machines import machine
from tests.search.test_sessions import small

pytestmark = pytest.mark.slow

SURFACE = small()
HOME = SURFACE.space.baseline
SETS = [c.id for c in SURFACE.space.candidates if c.id != HOME]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """One worker's hands: its record, its view of the storage, and a clock of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.study = open_waiting(folder, SURFACE)
        if "worker" not in self.study.head:
            self.study.set_head(worker=folder.name)
        sampler = LaunchAwareSampler(SURFACE.space, profile=SURFACE.profile)
        self.storage = optuna_storage.open_storage(url)
        question = SearchQuestion(SURFACE.space, SURFACE.profile, "speed", shared="shared")
        self.told = OptunaStudy(self.storage, "shared", question, sampler, folder.name)
        self.told.add_missing([*self.study.launches, *self.study.samples])
        self.study.on_record = self.told.record
        self.clock = Clock()
        self.others = OtherWorkers(self.told, self.study, self.clock, grace=10.0)

    def begin(self, name: str, block: int | None = None, rival: str = SETS[0]) -> None:
        purpose: Any = "screen" if block is None else "confirm"
        fresh = block is not None and name == HOME
        self.told.begin_trial(Proposal(name, purpose, 1, fresh, block), self.study.begin_trial(), None,
                              None if block is None else rival)

    def clip(self, name: str, block: int | None = None, *, state: Any = "ok") -> None:
        number = len(self.study.launches)
        self.study.add_launch(Launch(number, name, SURFACE.space[name].launch_key, block is not None, 20.0))
        self.study.add_sample(Sample(len(self.study.samples), name, "screen" if block is None else "confirm", number,
                                     block is not None, 0, 0, state, 5.0, 5.0, block=block))

    def measure(self, name: str, block: int | None = None) -> None:
        self.begin(name, block)
        self.clip(name, block)
        self.told.finish_trial()

    def beat(self) -> None:
        value = self.told.study.user_attrs.get(shared_study.beat_attribute(self.told.worker), 0)
        self.told.study.set_user_attr(shared_study.beat_attribute(self.told.worker), value + 1)

    def close(self) -> None:
        optuna_storage.close_storage(self.storage)


@pytest.fixture(params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Worker, Worker]]:
    if request.param == "postgresql" and postgres.binaries() is None:
        pytest.skip("needs PostgreSQL (Debian: postgresql)")
    with two_workers.storage(request.param, tmp_path) as (url, _):
        both = Worker(tmp_path / "a", url(1)), Worker(tmp_path / "b", url(1))
        yield both
        for one in both:
            one.close()


@pytest.fixture
def near(tmp_path: Path) -> Iterator[tuple[Worker, Worker]]:
    url = optuna_storage.url_of(tmp_path / "shared.db")
    both = Worker(tmp_path / "a", url), Worker(tmp_path / "b", url)
    yield both
    for one in both:
        one.close()


def taken(study: Study) -> Counter[tuple[str, str, int | None]]:
    records: list[Sample | Launch] = [*study.samples, *study.launches]
    return Counter((type(one).__name__, one.worker, one.origin) for one in records if one.worker)


def own(study: Study) -> Counter[tuple[str, str, int | None]]:
    records: list[Sample | Launch] = [*study.samples, *study.launches]
    name = str(study.head["worker"])
    return Counter((type(one).__name__, name, one.number) for one in records if not one.worker)


def test_each_learns_what_the_other_measured_once(pair: tuple[Worker, Worker]) -> None:
    a, b = pair
    a.measure(HOME)
    b.measure(SETS[0])
    for _ in range(2):
        for one in (a, b):
            one.beat()
            one.others.refresh()
    a.measure(SETS[1])
    b.others.refresh()
    assert taken(b.study) == own(a.study) and taken(a.study) == own(b.study)
    assert [one.number for one in b.study.samples] == list(range(3)), "numbered anew"
    assert {b.study.launches[one.launch].candidate for one in b.study.samples} == {HOME, SETS[0], SETS[1]}
    reread = open_waiting(b.study.folder.parent.parent, SURFACE)
    assert reread.samples == b.study.samples, "and kept on the disk"


def test_a_running_trial_is_seen_and_a_dead_workers_is_taken_over(near: tuple[Worker, Worker]) -> None:
    a, b = near
    a.measure(HOME)
    b.begin(SETS[0])
    b.clip(SETS[0])
    b.beat()
    seen = a.others.refresh()
    assert seen.running == [SETS[0]] and seen.anyone_measures and not taken(a.study)
    a.clock.now = 9.0
    b.beat()
    assert a.others.refresh().running == [SETS[0]]
    a.clock.now = 18.0
    assert a.others.refresh().running == [SETS[0]], "its beat moved at 9"
    a.clock.now = 30.0
    seen = a.others.refresh()
    assert not seen.running and not seen.anyone_measures
    assert taken(a.study) == own(b.study), "its clip is not lost"
    assert a.told.study.trials[1].state == TrialState.COMPLETE
    # It was not dead, only slow: what it measures now is added, nothing is there twice.
    b.clip(SETS[0])
    b.told.finish_trial()
    assert not b.told.is_behind
    a.others.refresh()
    assert taken(a.study) == own(b.study)
    assert max(taken(a.study).values()) == 1


def test_a_worker_that_ended_is_not_waited_for(near: tuple[Worker, Worker]) -> None:
    a, b = near
    with b.others.beating():
        b.begin(SETS[0])
        assert a.others.refresh().anyone_measures
    assert not a.others.refresh().anyone_measures


def test_pairs_are_taken_over_whole_and_get_a_number_of_their_own(near: tuple[Worker, Worker]) -> None:
    a, b = near
    for one in (a, b):
        one.beat()
    a.measure(HOME, 0)
    assert b.others.refresh().pairs == 1 and b.others.activity.anyone_measures
    assert not b.study.samples, "half a pair says nothing"
    b.measure(HOME, 0)
    b.measure(SETS[0], 0)
    a.measure(SETS[0], 0)
    for one in (a, b):
        one.others.refresh()
    for one in (a, b):
        history = one.study.history(3600.0, 0.0, None)
        pairs = complete_pairs(rounds(history, SURFACE.profile), history, HOME, SETS[0])
        assert len(pairs) == 2
        for block in pairs:
            workers = {history.samples[side.place].worker for side in (*block.baseline, *block.winner)}
            assert len(workers) == 1, "both sides of a pair come from one card"
    assert a.others.activity.rival == SETS[0] and a.others.activity.pairs == 0


def test_nobodys_pair_is_taken_over_while_ones_own_is_open(near: tuple[Worker, Worker]) -> None:
    a, b = near
    b.measure(HOME, 0)
    b.measure(SETS[0], 0)
    a.measure(HOME, 0)
    a.others.refresh(no_pairs=True)
    assert not taken(a.study)
    a.measure(SETS[0], 0)
    a.others.refresh()
    assert taken(a.study) == own(b.study)
    assert {one.block for one in a.study.samples if one.worker} == {1}


def test_a_pair_that_goes_on_keeps_its_number(near: tuple[Worker, Worker]) -> None:
    """Clips of both sides taken in turn: what comes after the pair was taken over belongs to it, too."""
    a, b = near
    a.measure(HOME, 0)
    a.measure(SETS[0], 0)
    b.measure(HOME, 0)
    b.measure(SETS[0], 0)
    a.others.refresh()
    b.begin(SETS[0], 0)
    b.clip(SETS[0], 0)
    b.told.finish_trial()
    assert b.told.study.trials[-1].user_attrs[trial_history.BLOCK] == 0
    a.others.refresh()
    assert taken(a.study) == own(b.study)
    assert {one.block for one in a.study.samples if one.worker} == {1}


def test_half_a_pair_of_a_dead_worker_is_kept_as_no_pair(near: tuple[Worker, Worker]) -> None:
    a, b = near
    b.measure(HOME, 0)
    a.others.refresh()
    a.clock.now = 100.0
    assert a.others.refresh().pairs == 0
    a.measure(HOME, 0)
    a.measure(SETS[0], 0)
    a.others.refresh(take_all=True)
    assert taken(a.study) == own(b.study)
    assert [one.block for one in a.study.samples if one.worker] == [None]


def test_who_asked_first_for_a_set_measures_it(near: tuple[Worker, Worker]) -> None:
    a, b = near
    for one in (a, b):
        one.beat()
    a.begin(SETS[0])
    b.begin(SETS[0])
    assert not a.others.conflicts()
    assert b.others.conflicts()
    b.told.withdraw_trial()
    b.begin(SETS[1])
    assert not b.others.conflicts()
    assert b.told.study.trials[1].user_attrs[trial_history.SAMPLES] == []


def test_who_began_to_compare_first_says_which_set(near: tuple[Worker, Worker]) -> None:
    a, b = near
    for one in (a, b):
        one.beat()
    a.begin(HOME, 0, SETS[0])
    b.begin(HOME, 0, SETS[1])
    assert not a.others.conflicts() and b.others.conflicts()
    b.told.withdraw_trial()
    assert b.others.refresh().rival == SETS[0], "known from the first side on, which is the current flags"
    b.begin(HOME, 0, SETS[0])
    assert not b.others.conflicts()


def test_what_another_version_wrote_is_left_out(near: tuple[Worker, Worker]) -> None:
    a, b = near
    trial = b.told.study.ask(b.told.distributions)
    for key, value in {trial_history.WORKER: "c", trial_history.SET: SETS[0], trial_history.PURPOSE: "screen",
                       trial_history.LAUNCHES: [{"number": "x"}, {}],
                       trial_history.SAMPLES: [{"number": 0, "launch": 7}, 3]}.items():
        trial.set_user_attr(key, value)
    b.told.study.tell(trial, 1.0)
    a.others.refresh(take_all=True)
    assert not a.study.samples and not a.study.launches


@pytest.mark.parametrize("fresh", [False, True])
def test_which_study_of_a_question_a_worker_takes_part_in(near: tuple[Worker, Worker], fresh: bool) -> None:
    a, _ = near
    name = shared_study.study_name(a.storage, "autotune-q", fresh)
    assert name == "autotune-q"
    optuna.create_study(storage=a.storage, study_name=name)
    optuna.create_study(storage=a.storage, study_name="autotune-qq-7")
    assert shared_study.study_name(a.storage, "autotune-q", fresh) == ("autotune-q-2" if fresh else "autotune-q")
    study = optuna.create_study(storage=a.storage, study_name="autotune-q-2")
    study.set_user_attr(shared_study.beat_attribute("x"), time.time_ns())
    assert shared_study.study_name(a.storage, "autotune-q", fresh) == "autotune-q-2", "somebody is at work on it"


def test_two_cards_of_one_machine_ask_the_same() -> None:
    prints = [dataclasses.replace(machine(()).fingerprint, parts=(("gpu", "A, A"), ("kept_flags", words)))
              for words in ("--api --device-id 0", "--api --device-id=1", "--api", "--device-id 1 --api")]
    assert len({tuple(WEBUI.shared_parts(one)) for one in prints}) == 1
    other = dataclasses.replace(prints[0], parts=(("gpu", "B"), ("kept_flags", "--api")))
    assert WEBUI.shared_parts(other) != WEBUI.shared_parts(prints[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_workers_killed_at_random_lose_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 of either worker, and of PostgreSQL; benchmarks/two_workers.py does the same a hundred times."""
    if kind == "postgresql" and postgres.binaries() is None:
        pytest.skip("needs PostgreSQL (Debian: postgresql)")
    for name in ("BEAT", "GRACE"):
        monkeypatch.setattr(shared_study, name, getattr(shared_study, name))
    found = two_workers.kills(4, kind, random.Random().randrange(1 << 30), 0.01)
    assert found["kills"] == 4 and found["acknowledged"] > 30
    assert (found["lost"], found["twice"], found["unknown"], found["open"]) == (0, 0, 0, 0), found


def test_a_second_worker_ends_with_the_same_verdict(tmp_path: Path) -> None:
    """It joins at the end: all that the first one measured is its own now, and nothing is measured again."""
    url = optuna_storage.url_of(tmp_path / "shared.db")
    first, verdict = tuned(tmp_path / "a", SURFACE, 0, storage=url)
    second, same = tuned(tmp_path / "b", SURFACE, 1, storage=url)
    assert same == verdict and verdict.decision == "apply"
    assert taken(second) == own(first)
    assert not [one for one in second.samples if not one.worker]
