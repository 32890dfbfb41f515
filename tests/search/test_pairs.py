"""What the comparison's blocks are made of: cold starts, or one start that carries both sides in turn."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random

import pytest

from autotune.decide.compare import StartPair, can_share_process, complete_pairs
from autotune.decide.rounds import rounds
from autotune.decide.surface import Surface
from autotune.model.flagset import Dimension
from autotune.model.study import History, Launch, Proposal, Sample
from autotune.model.workload import DecideSpec
from autotune.search.confirm import next_comparison
from autotune.search.thresholds import THRESHOLDS
from autotune.search.view import View
from benchmarks import surfaces
from benchmarks.virtual import Session

pytestmark = pytest.mark.slow

DIMENSIONS = (Dimension("attention", ("split", "sdp", "xformers"), True),
              Dimension("batch_cond_uncond", ("true", "false"), True),
              Dimension("channelslast", ("false", "true"), False))
SPACE = surfaces.space(DIMENSIONS, {"attention": "split", "batch_cond_uncond": "true", "channelslast": "false"})


def named(attention: str, batch: str = "true", channelslast: str = "false") -> str:
    return f"attention={attention} batch_cond_uncond={batch} channelslast={channelslast}"


LIVE, COLD = named("sdp"), named("sdp", channelslast="true")


def machine(gain: float, precision: float = 0.03, minutes: float = 60.0) -> surfaces.Drawn:
    score = {c.id: 2.0 - (gain if c.id in (LIVE, COLD) else 0.0) for c in SPACE.candidates}
    profile = dataclasses.replace(surfaces.profile(minutes), decide=DecideSpec(precision=precision))
    return surfaces.Drawn(SPACE, profile, score, dict.fromkeys(score, 5000.0))


class Compares:
    """A strategy that does nothing but compare two sets, and keeps what it asked for."""

    def __init__(self, surface: surfaces.Drawn, winner: str) -> None:
        self.surface, self.winner = surface, winner
        self.asked: list[Proposal] = []

    def next(self, history: History) -> Proposal | None:
        where = self.surface
        found = next_comparison(View(history, where.space, where.profile, "speed", Surface(where.space)), self.winner)
        self.asked += [found] if found else []
        return found


def compare(gain: float, winner: str, seed: int, **changes: float) -> tuple[Session, Compares]:
    surface = machine(gain, **changes)
    session, strategy = Session(surface, random.Random(seed), 60.0 * surface.profile.minutes), Compares(surface, winner)
    session.run(strategy)
    return session, strategy


def pairs_of(session: Session, winner: str) -> tuple[StartPair, ...]:
    history = session.history()
    return complete_pairs(rounds(history, session.surface.profile), history, SPACE.baseline, winner)


def test_only_what_switches_live_is_taken_in_one_process() -> None:
    assert can_share_process(SPACE, LIVE)
    assert can_share_process(SPACE, named("sdp", "false"))
    assert not can_share_process(SPACE, COLD)
    assert not can_share_process(SPACE, named("xformers"))  # there only in a process that was started with it
    assert not can_share_process(dataclasses.replace(SPACE, baseline=named("xformers")), LIVE)


@pytest.mark.parametrize("gain", [0.05, 0.1, 0.3])
def test_one_start_carries_both_sides_in_turn(gain: float) -> None:
    """Every start is cold with the exact words of one side, the sides take turns, and clips go A B B A."""
    for seed in range(3):
        session, strategy = compare(gain, LIVE, seed)
        found = pairs_of(session, LIVE)
        assert len(found) == len(session.launches) >= 2
        assert all(block.shares_process for block in found)
        assert all(launch.cold for launch in session.launches)
        assert [one.candidate for one in session.launches] == [
            (SPACE.baseline, LIVE)[number % 2] for number in range(len(session.launches))]
        for number in range(len(found)):
            turns = [s.candidate for s in session.samples if s.block == number and s.state == "ok"]
            first, second = (SPACE.baseline, LIVE) if number % 2 == 0 else (LIVE, SPACE.baseline)
            wanted = itertools.cycle((first, second, second, first))
            assert turns == [next(wanted) for _ in turns]
            assert turns.count(first) == turns.count(second)
        assert all(one.fresh == (one.candidate == session.launches[one.block or 0].candidate)
                   for one in strategy.asked)


def test_sets_that_need_a_start_each_get_one() -> None:
    session, _ = compare(0.3, COLD, 1)
    found = pairs_of(session, COLD)
    assert not any(block.shares_process for block in found)
    assert len(session.launches) == 2 * len(found)


def test_a_gain_takes_fewer_starts_in_one_process() -> None:
    """The same gain, machine and noise: at most half of the starts, and less time."""
    live = [compare(0.1, LIVE, seed)[0] for seed in range(6)]
    cold = [compare(0.1, COLD, seed)[0] for seed in range(6)]
    assert 2 * sum(len(one.launches) for one in live) <= sum(len(one.launches) for one in cold)
    assert sum(one.now for one in live) < 0.8 * sum(one.now for one in cold)


@pytest.mark.parametrize("winner", [LIVE, COLD])
def test_with_budget_left_a_gain_is_told_as_closely_as_the_profile_wants(winner: str) -> None:
    """Once it is sure, more pairs follow until the interval is as narrow as wanted, or as many again were made."""
    for seed in range(3):
        for precision in (0.3, 0.02):
            session, strategy = compare(0.1, winner, seed, precision=precision)
            more = {one.block for one in strategy.asked if "measuring how much" in one.why}
            assert bool(more) == (precision == 0.02)
            assert 2 * len(more) <= len(pairs_of(session, winner))


@pytest.mark.parametrize("at", range(1, 14, 3))
def test_a_process_that_dies_in_mid_block_costs_that_block_one_more_start(at: int) -> None:
    """After so many clips the process is gone; what it gave counts only with what the other side gave in it."""
    surface = machine(0.3)
    session, strategy = Session(surface, random.Random(at), 3600.0), Compares(surface, LIVE)
    died = False
    while (asked := strategy.next(session.history())) is not None:
        session.execute(asked)
        if not died and len(session.samples) >= at:
            session.live, died = None, True
    assert died
    found = pairs_of(session, LIVE)
    assert len(found) >= 2
    assert all(block.shares_process for block in found)
    assert len(session.launches) <= len(found) + 1


def test_clips_of_two_processes_are_no_pair_in_one() -> None:
    """A block of the current flags in one cold start and of the other set in another is a cold pair, also where an
    older process gave clips of one side only."""
    launches = tuple(Launch(n, name, "key", True, 20.0) for n, name in enumerate(
        (SPACE.baseline, LIVE, SPACE.baseline)))
    samples = tuple(
        Sample(n, name, "confirm", launch, True, 0, 0, "ok", 5.0, 5.0, block=0)
        for n, (name, launch) in enumerate(((SPACE.baseline, 0), (LIVE, 1), (SPACE.baseline, 2), (SPACE.baseline, 2))))
    history = History(samples, launches)
    (block,) = complete_pairs(rounds(history, surfaces.profile()), history, SPACE.baseline, LIVE)
    assert not block.shares_process
    assert {one.launch for one in block.baseline} == {2}


def test_few_clips_settle_a_large_gain_and_more_a_small_one() -> None:
    """Where a start costs as much as four clips, a tenth is settled sooner with more clips a start than a half."""
    def clips(gain: float) -> float:
        session, _ = compare(gain, COLD, 3)
        found = pairs_of(session, COLD)
        return sum(len(block.baseline) for block in found) / len(found)

    assert THRESHOLDS.fewest_clips <= clips(math.log(2.0)) < clips(0.05) <= THRESHOLDS.most_clips


def test_a_pair_of_another_worker_gets_no_clip_from_this_card() -> None:
    """A tune of one's own up to the first pair that is whole; then that pair is said to be somebody else's, with a clip
    less on each side than is wanted: nothing that is asked for from then on belongs to it."""
    from autotune import search

    own = 0
    for seed in range(4):
        surface = machine(0.1)
        session = Session(surface, random.Random(seed), 3600.0)
        strategy = search.make_strategy("screen", SPACE, surface.profile, "speed", 0)
        while (asked := strategy.next(session.history())) is not None and asked.block in (None, 0):
            session.execute(asked)
        history = session.history()
        first = [s for s in history.samples if s.block == 0]
        kept = {min(s.number for s in first if s.candidate == name) for name in {s.candidate for s in first}}
        theirs = tuple(dataclasses.replace(s, worker="other") if s.block == 0 else s for s in history.samples
                       if s.block != 0 or s.number in kept)
        found = strategy.next(dataclasses.replace(history, samples=theirs, live_launch=None))
        assert len(kept) >= 2 and found is not None and found.block != 0
        mine = dataclasses.replace(history, samples=tuple(dataclasses.replace(s, worker="") for s in theirs))
        again = strategy.next(dataclasses.replace(mine, live_launch=None))
        own += again is not None and again.block == 0
    assert own, "were it one's own, it would be gone on with"
