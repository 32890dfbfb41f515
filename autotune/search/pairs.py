"""What one pair of the comparison is made of: a cold start of each side, or one start that renders both in turn.

Where two sets differ only in what can be switched in a running process, a start of one of them serves the other, too:
clips of both are rendered in turn, so that what the process happened to get (clocks, memory layout) favours neither.
Starts alternate between the two sets' own words, so each side is proven from cold starts of exactly its words; that
live and cold times agree was recorded (within 1 % on the H200), and what they differ by is part of the noise between
starts that the decision estimates. Such a pair takes half of the starts for half of the variance: a quarter of the
starts for the same error (blocking; Box, Hunter and Hunter 2005, Statistics for Experimenters, 3 and 4).
"""

from __future__ import annotations

import math
from dataclasses import replace

from autotune.decide import start_noise
from autotune.decide.assumptions import RULES
from autotune.decide.compare import can_share_process, clip_noise, looks_that_fit, pairs_needed
from autotune.language.translate import _
from autotune.model.study import History, Proposal
from autotune.search.thresholds import THRESHOLDS
from autotune.search.view import View


def block_order(view: View, winner: str, number: int) -> tuple[str, str]:
    """The two sets of block ``number``, the one that is started first in front: A B, B A, A B, …"""
    baseline = view.space.baseline
    return (baseline, winner) if number % 2 == 0 else (winner, baseline)


def clips_a_side(view: View, winner: str | None = None, number: int = 0) -> int:
    """How many clips of each side block ``number`` gets: the count with which the question is expected to be settled
    soonest, by the cost of starts and clips and by the noise of both as seen in the study.

    This is the trade-off of two-stage sampling: clips are cheap but all of one start share what the process happened to
    get, starts are expensive (Cochran 1977, Sampling Techniques, 10.6: sqrt(launch cost / clip cost) x clip noise /
    start noise is best for a fixed error). Here the error is what the gain needs at the look that settles it, and then
    what the profile's precision needs, so that a gain that one clip a start will settle gets no more, from the first
    pair on. It depends only on what was measured before the block, so that a resumed study goes on alike.
    """
    before = replace(view, history=history_before_block(view.history, number))
    clip = before.baseline_round or 1.0
    start = max(before.launch_cost(), 0.1)
    sd, variance, _ = clip_noise(before.scored)
    between = start_noise.noise_posterior(before.scored, sd, variance).median
    if winner is None:
        ideal = math.sqrt(start / max(clip, 0.01)) * sd / between
        return int(min(THRESHOLDS.most_clips, max(THRESHOLDS.fewest_clips + 1, round(ideal))))
    return _plan_comparison(before, winner, variance, between, number)[0]


def _plan_comparison(view: View, winner: str, variance: float, between: float, number: int = 0) -> tuple[int, float]:
    """(clips a side, seconds of the whole comparison) that are expected to settle it soonest, infinitely many seconds
    where RULES.most_planned_blocks pairs would not. ``variance``: of one clip; ``between``: deviation between
    starts."""
    gain, doubt = view.posterior.gain(view.space.baseline, winner)
    live = can_share_process(view.space, winner)
    clip, start = view.baseline_round or 1.0, max(view.launch_cost(), 0.1)
    begin = start + view.switch_cost if live else 2.0 * start

    def cost(count: int) -> tuple[float, float]:
        block = (1.0 if live else 2.0) * between**2 + 2.0 * variance / count
        each = begin + 2.0 * count * clip
        blocks = pairs_needed(max(gain - doubt, THRESHOLDS.least_planned_gain), block, view.profile.decide, live,
                              pairs_in_time=looks_that_fit(view.seconds_left, each))
        return (blocks * each if blocks else math.inf), block * each

    # Two clips of one process are what tells how much clips vary; one alone is for what stands out of any noise.
    clear = gain - doubt >= RULES.two_clock_gain
    fewest = THRESHOLDS.fewest_clips if clear else THRESHOLDS.fewest_clips + 1
    # A tight budget is spread over as many pairs as the question needs at least, instead of many clips in too few.
    room = view.seconds_left / max(1, (RULES.min_blocks if clear else RULES.two_clock_pairs) - number)
    counts = [count for count in range(fewest, THRESHOLDS.most_clips + 1) if begin + 2.0 * count * clip <= room]
    best = min(counts or [fewest], key=cost)
    return best, cost(best)[0]


def proof_cost(view: View, winner: str) -> float:
    """Seconds that the search leaves for proving ``winner``: what that is expected to take, but never less than the
    fewest pairs nor more than THRESHOLDS.proof_share of the budget."""
    least = RULES.min_blocks * block_cost(view, winner, clips_a_side(view))
    if winner == view.space.baseline:
        return least
    sd, variance, _ = clip_noise(view.scored)
    wanted = _plan_comparison(view, winner, variance, start_noise.noise_posterior(view.scored, sd, variance).median)[1]
    return max(least, min(wanted, THRESHOLDS.proof_share * view.history.budget))


def history_before_block(history: History, number: int) -> History:
    """The history up to the first sample of block ``number`` or a later one."""
    for place, sample in enumerate(history.samples):
        if sample.purpose == "confirm" and sample.block is not None and sample.block >= number:
            return replace(history, samples=history.samples[:place])
    return history


def block_cost(view: View, winner: str, count: int) -> float:
    """Seconds that one block takes with ``count`` rounds a side: a cold start a side, or one for both."""
    baseline = view.space.baseline
    if winner != baseline and can_share_process(view.space, winner):
        return view.cost(baseline, count, fresh=True) + view.switch_cost + count * view.round_cost(winner)
    return view.cost(baseline, count, fresh=True) + view.cost(winner, count, fresh=True)


def next_in_turn(view: View, winner: str, number: int, count: int, why: str) -> Proposal | None:
    """What a block in one process still lacks, None when it is complete or will not be completed: X Y Y X X Y …, where
    X is the set that the process was started for."""
    first, second = block_order(view, winner, number)
    block_samples = [s for s in view.history.samples if s.purpose == "confirm" and s.block == number
                     and s.candidate in (first, second)]
    cold = {launch.number for launch in view.history.launches if launch.cold and launch.candidate == first}
    live = view.history.live_launch
    rounds = [one for one in view.rounds if one.purpose == "confirm" and one.block == number]
    rounds_of = {launch: tuple(sum(one.launch == launch and one.candidate == name for one in rounds)
                               for name in (first, second)) for launch in cold}
    if any(min(one) >= count for one in rounds_of.values()):
        return None
    goes_on = live in cold and any(s.launch == live for s in block_samples)
    if goes_on and live is not None:
        lost = sum(s.launch == live and s.state == "discarded" for s in block_samples)
        done = rounds_of[live]
        place = sum(done) % 4
        side = 0 if (place in (0, 3) and done[0] < count) or done[1] >= count else 1
        name = (first, second)[side]
        if lost > 4 * count or view.seconds_left < view.cost(name, 1):
            return None
        return Proposal(name, "confirm", 1, fresh=side == 0, block=number,
                        why=_("pair {number}: {why}, in turn").format(number=number + 1, why=why))
    tries = {s.launch for s in block_samples if s.launch in cold}
    if len(tries) >= 2 or any(min(one) > 0 for one in rounds_of.values()):
        return None
    if view.launches_left < 1 or view.seconds_left < block_cost(view, winner, 1):
        return None
    return Proposal(first, "confirm", 1, fresh=True, block=number,
                    why=_("pair {number}: {why}, a fresh start for both in turn").format(number=number + 1, why=why))
