"""The confirmation at the end of every search: baseline and winner in turn, from cold starts, until the question is
settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from autotune.decide import objectives
from autotune.decide.assumptions import RULES
from autotune.decide.compare import (
    StartPair,
    block_rounds,
    can_share_process,
    compare,
    complete_pairs,
    confirmation_result,
    is_precise,
    looks_planned,
    pairs_until_better,
)
from autotune.decide.finalist import finalist
from autotune.decide.rounds import before_confirmation
from autotune.decide.surface import Surface
from autotune.decide.verdict import challenger
from autotune.language.translate import _
from autotune.model.study import Proposal
from autotune.search.noise_report import noise_news
from autotune.search.pairs import block_cost, block_order, clips_a_side, history_before_block, next_in_turn
from autotune.search.thresholds import THRESHOLDS
from autotune.search.view import View


def next_comparison(view: View, winner: str) -> Proposal | None:
    """The next part of the comparison of ``winner`` with the baseline, None when it is settled or cannot go on.

    Pairs of one cold start a side, in the order A B, B A, A B, …, or of one start for both in turn where a process can
    render both (search/pairs.py). The result is looked at after each pair from the second on; another pair is begun
    only if the budget and the starts left allow all of it.
    """
    baseline = view.space.baseline
    shared = can_share_process(view.space, winner)
    winner_rounds = block_rounds(view.rounds, view.history, winner)
    baseline_rounds = block_rounds(view.rounds, view.history, baseline)
    numbers = sorted({s.block for s in view.history.samples if s.purpose == "confirm" and s.block is not None
                      and s.candidate in ((winner, baseline) if shared else (winner,))})
    started = sorted({s.block for s in view.history.samples if s.purpose == "confirm" and s.block is not None})
    current = started[-1] if started else None
    found = complete_pairs(view.scored, view.history, baseline, winner)
    done = len(found)
    another = any(s.worker for s in view.history.samples if s.block == current and s.purpose == "confirm")
    if current is not None and not another and (not numbers or current >= numbers[-1]):
        wanted = clips_a_side(view, winner, current)
        unfinished = (next_in_turn(view, winner, current, wanted, _why(view, winner, current)) if shared else
                      _rest_of_block(view, winner, current, wanted, winner_rounds.keys() & baseline_rounds.keys()))
        if unfinished is not None:
            return unfinished
    if done >= RULES.max_blocks or len(numbers) >= RULES.max_blocks + 2:
        return None
    if done >= RULES.min_blocks and _is_settled(view, winner, found):
        return None
    need = max(1, RULES.min_blocks - done)
    number = 0 if current is None else current + 1
    seconds = view.seconds_left / need / (THRESHOLDS.first_pairs_margin if need > 1 else 1.0)
    count = _affordable_rounds(seconds, clips_a_side(view, winner, number), partial(block_cost, view, winner))
    if view.launches_left < (need if shared else 2 * need) or count is None:
        return None
    if shared:
        return next_in_turn(view, winner, number, count, _why(view, winner, number))
    return _start_side(view, winner, number, 0, count, _why(view, winner, number))


def _is_settled(view: View, winner: str, found: tuple[StartPair, ...]) -> bool:
    """Whether another pair is not worth its time: the answer is known and, for a gain, how large it is.

    Pairs that only tell how much better the set is are at most RULES.precision_pairs times those that it took to be
    sure that it is better.
    """
    rule = view.profile.decide
    result = objectives.compare_by_objective(view.history, view.space, view.rounds, winner, rule, view.objective)
    if result is None or result.answer == "not sure":
        return False
    if result.answer == "not better" or view.objective != "speed" or is_precise(result, rule):
        return True
    since = pairs_until_better(found, view.scored, rule, looks_planned(view.history))
    return since is not None and len(found) >= (1.0 + RULES.precision_pairs) * since


def _why(view: View, winner: str, number: int) -> str:
    """What block ``number`` is for, in words for the screen, by what was known before it; and how noisy the machine
    turned out to be in the one before."""
    before, rule = history_before_block(view.history, number), view.profile.decide
    scored = replace(view, history=before).scored
    earlier = replace(view, history=history_before_block(view.history, number - 1)).scored
    result = confirmation_result(before, view.space, scored, winner, rule)
    why = _("the current flags against the best set")
    if result is not None and result.answer == "better":
        why = (_("sure that it is faster; measuring how much") if view.objective == "speed" else
               _("sure that it is better; measuring how much"))
    begun = any(one.purpose == "confirm" and one.block == number for one in view.history.samples)
    noise = "" if begun else noise_news(earlier, scored, rule, can_share_process(view.space, winner))
    return f"{why}; {noise}" if noise else why


def _affordable_rounds(seconds: float, wanted: int, cost: Callable[[int], float]) -> int | None:
    """As many rounds as are ``wanted``, or as there is time for (``cost``: seconds of so many); None when there is no
    time for THRESHOLDS.fewest_clips."""
    return next((rounds for rounds in range(wanted, THRESHOLDS.fewest_clips - 1, -1) if cost(rounds) <= seconds), None)


def _start_side(view: View, winner: str, number: int, side: int, count: int, why: str) -> Proposal:
    """A fresh start of one side of block ``number``."""
    name = block_order(view, winner, number)[side]
    who = _("the current flags") if name == view.space.baseline else _("the best set")
    return Proposal(name, "confirm", count, fresh=True, block=number,
                    why=_("pair {number}: {why}: {who}, fresh start").format(number=number + 1, why=why, who=who))


def _rest_of_block(view: View, winner: str, number: int, count: int, complete: set[int]) -> Proposal | None:
    """What block ``number`` still lacks, None when it is complete or will not be completed."""
    for side, name in enumerate(block_order(view, winner, number)):
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
            if view.seconds_left < view.cost(name, rest):
                return None
            return Proposal(name, "confirm", rest, fresh=True, block=number,
                            why=_("repeats discarded clips") if lost else
                            _("pair {number}: the clips it lacks").format(number=number + 1))
        if len(asked) >= 2 or (number in complete and len(got) >= min(count, 2)):
            return None
        most = _affordable_rounds(view.seconds_left, count, partial(view.cost, name, fresh=True))
        if view.launches_left < 1 or most is None:
            return None
        return _start_side(view, winner, number, side, most, _why(view, winner, number))
    return None


def set_to_confirm(view: View, neutral: Surface) -> str | None:
    """The set to confirm: the one being confirmed, or the finalist by what was measured before confirmation.
    ``neutral``: a model without an earlier study's expectations."""
    rival = challenger(view.history, view.space, view.failures.dropped)
    slow = _too_slow(view) if rival is not None else frozenset()
    if rival is not None and rival not in slow:
        return rival
    searched = replace(view, history=before_confirmation(view.history))
    if not searched.tried.get(view.space.baseline):
        return None
    barred = view.barred | slow
    found = finalist(view.space, neutral.posterior(searched.scored), barred, view.profile.decide.min_gain)
    return found.id if found else rival


def _too_slow(view: View) -> frozenset[str]:
    """Sets that saved memory, but were found to be slower than that is worth: another one may not be."""
    if view.objective == "speed":
        return frozenset()
    rule, found = view.profile.decide, set()
    for name in {s.candidate for s in view.history.samples if s.purpose == "confirm"} - {view.space.baseline}:
        pairs = complete_pairs(view.rounds, view.history, view.space.baseline, name)
        speed = compare(pairs, view.rounds, rule.min_gain, rule.confidence)
        if speed is not None and objectives.answer_on_time(speed) == "not better":
            found.add(name)
    return frozenset(found)


def is_finished(view: View) -> bool:
    """True when nothing can be measured any more: baseline given up, one set, too many clips, no budget."""
    return (view.failures.baseline is not None or len(view.space.candidates) < 2
            or len(view.history.samples) >= THRESHOLDS.max_samples or view.seconds_left <= 0.0)


def confirmation_begun(view: View) -> bool:
    """True once a clip of the confirmation was rendered: the search is over."""
    return any(sample.purpose == "confirm" for sample in view.history.samples)
