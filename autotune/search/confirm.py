"""The end of every search: baseline and winner in turn, each from cold starts, until the question is settled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from autotune.decide import starts
from autotune.decide.assumptions import RULES
from autotune.decide.compare import block_rounds, blocks, clip_noise, confirmed, pairs_needed
from autotune.decide.finalist import finalist
from autotune.decide.rounds import before_confirmation
from autotune.decide.surface import Surface
from autotune.decide.verdict import challenger
from autotune.model.study import History, Proposal
from autotune.search.effort import EFFORT
from autotune.search.view import View


def rounds_per_launch(view: View, winner: str | None = None, number: int = 0) -> int:
    """How many clips each cold start of block ``number`` gives: the count with which the question is expected to be
    settled soonest, by what starts and clips cost and by the noise of both as the study has seen it.

    Between two counts lies the trade of two-stage sampling: clips are cheap but all of one start share what that
    drew, starts are dear (Cochran 1977, Sampling Techniques, 10.6: sqrt(launch cost / clip cost) x clip noise /
    start noise is the best for a fixed error). Here the error is what the gain needs at the look that settles it, so
    that a gain that one clip a start will settle gets no more, from the first pair on. Found from what was measured
    before the block, so that a resumed study goes on alike.
    """
    before = replace(view, history=before_block(view.history, number))
    clip = before.baseline_round or 1.0
    start = max(before.launch_cost(), 0.1)
    sd, variance, _ = clip_noise(before.scored)
    between = starts.believed(before.scored, sd, variance).middle
    if winner is None:
        ideal = math.sqrt(start / max(clip, 0.01)) * sd / between
        return int(min(EFFORT.most, max(EFFORT.fewest + 1, round(ideal))))
    gain, doubt = before.posterior.gain(view.space.baseline, winner)
    wanted = max(gain - doubt, EFFORT.least_gain)
    confidence = view.profile.decide.confidence

    def cost(count: int) -> tuple[float, float]:
        pair = 2.0 * between**2 + 2.0 * variance / count
        pairs = pairs_needed(wanted, pair, confidence)
        return (pairs or RULES.max_blocks) * (start + count * clip), pair * (start + count * clip)

    return min(range(EFFORT.fewest, EFFORT.most + 1), key=cost)


def before_block(history: History, number: int) -> History:
    """The history up to the first sample of block ``number`` or a later one."""
    for place, sample in enumerate(history.samples):
        if sample.purpose == "confirm" and sample.block is not None and sample.block >= number:
            return replace(history, samples=history.samples[:place])
    return history


def block_cost(view: View, winner: str, count: int) -> float:
    """Seconds that one block takes: a cold start a side with ``count`` rounds each."""
    return view.cost(view.space.baseline, count, fresh=True) + view.cost(winner, count, fresh=True)


def confirm_next(view: View, winner: str) -> Proposal | None:
    """The next part of the confirmation of ``winner``, None when it is settled or cannot go on.

    Blocks of one cold start a side, in the order A B, B A, A B, …, looked at after each block from the second
    on; another block only if the budget and the starts left allow all of it.
    """
    baseline = view.space.baseline
    mine = block_rounds(view.rounds, view.history, winner)
    theirs = block_rounds(view.rounds, view.history, baseline)
    numbers = sorted({s.block for s in view.history.samples if s.purpose == "confirm" and s.block is not None
                      and s.candidate == winner})
    started = sorted({s.block for s in view.history.samples if s.purpose == "confirm" and s.block is not None})
    current = started[-1] if started else None
    done = len(blocks(view.scored, view.history, baseline, winner))
    if current is not None and (not numbers or current >= numbers[-1]):
        wanted = rounds_per_launch(view, winner, current)
        unfinished = _finish(view, winner, current, wanted, mine.keys() & theirs.keys())
        if unfinished is not None:
            return unfinished
    if done >= RULES.max_blocks or len(numbers) >= RULES.max_blocks + 2:
        return None
    if done >= RULES.min_blocks:
        result = confirmed(view.history, view.space, view.scored, winner, view.profile.decide)
        if result is not None and result.answer != "not sure":
            return None
    need = max(1, RULES.min_blocks - done)
    number = 0 if current is None else current + 1
    count = _within(view.left / need / (EFFORT.tight if need > 1 else 1.0), rounds_per_launch(view, winner, number),
                    partial(block_cost, view, winner))
    if view.launches_left < 2 * need or count is None:
        return None
    return _ask(view, winner, number, 0, count)


def _within(seconds: float, wanted: int, cost: Callable[[int], float]) -> int | None:
    """As many rounds as are ``wanted``, or as there is time for; None when there is none for EFFORT.fewest."""
    return next((rounds for rounds in range(wanted, EFFORT.fewest - 1, -1) if cost(rounds) <= seconds), None)


def _order(view: View, winner: str, number: int) -> tuple[str, str]:
    baseline = view.space.baseline
    return (baseline, winner) if number % 2 == 0 else (winner, baseline)


def _ask(view: View, winner: str, number: int, side: int, count: int) -> Proposal:
    name = _order(view, winner, number)[side]
    who = "the current flags" if name == view.space.baseline else "the best set"
    return Proposal(name, "confirm", count, fresh=True, block=number, why=f"pair {number + 1}: {who}, fresh start")


def _finish(view: View, winner: str, number: int, count: int, complete: set[int]) -> Proposal | None:
    """What block ``number`` still lacks, None when it is complete or will not be."""
    for side, name in enumerate(_order(view, winner, number)):
        got = block_rounds(view.rounds, view.history, name).get(number, ())
        if len(got) >= count:
            continue
        tries = {launch.number for launch in view.history.launches if launch.cold and launch.candidate == name}
        asked = {s.launch for s in view.history.samples
                 if s.block == number and s.candidate == name and s.launch in tries}
        live = view.history.live_launch
        lost = sum(1 for s in view.history.samples
                   if s.block == number and s.candidate == name and s.state == "discarded")
        if got and live == got[0].launch and lost <= 2 * count:
            rest = count - len(got)
            if view.left < view.cost(name, rest):
                return None
            return Proposal(name, "confirm", rest, fresh=True, block=number,
                            why="repeats discarded clips" if lost else f"pair {number + 1}: the clips it lacks")
        if len(asked) >= 2 or (number in complete and len(got) >= min(count, 2)):
            return None
        most = _within(view.left, count, partial(view.cost, name, fresh=True))
        if view.launches_left < 1 or most is None:
            return None
        return _ask(view, winner, number, side, most)
    return None


def chosen(view: View, neutral: Surface) -> str | None:
    """The set to confirm: the one being confirmed, or the finalist of what was measured before confirmation."""
    rival = challenger(view.history, view.space, view.failures.dropped)
    if rival is not None:
        return rival
    searched = replace(view, history=before_confirmation(view.history))
    if not searched.tried.get(view.space.baseline):
        return None
    found = finalist(view.space, neutral.posterior(searched.scored), view.barred, view.profile.decide.min_gain)
    return found.id if found else None


def over(view: View) -> bool:
    """True when nothing can be asked any more: baseline given up, one set, too many clips, no budget."""
    return (view.failures.baseline is not None or len(view.space.candidates) < 2
            or len(view.history.samples) >= EFFORT.max_samples or view.left <= 0.0)


def confirming(view: View) -> bool:
    """True once confirmation has begun: the search is over."""
    return any(sample.purpose == "confirm" for sample in view.history.samples)
