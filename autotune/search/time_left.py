"""How long a tune will go on: not known, because chance decides how soon a comparison is settled; so it is a range.

How many clips a search asks for and how many pairs it takes to be sure follow from clips that are not rendered yet.
Even one who knew a machine's true times and noise would miss what is left at half time by more than a quarter in every
second tune (``python -m benchmarks.time_left --oracle``; docs/statistics.md). So this says a likely value and a range
that holds in four tunes of five, both read off thousands of simulated tunes: the logarithm of what is left over what
was spent is a weighted sum of what is known now, one set of weights for the search and one for the comparison, found by
quantile regression (Koenker and Bassett 1978, Econometrica 46:33). ``python -m benchmarks.time_left --fit`` finds them
again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotune.decide.compare import chance_above, clip_noise, confirmation_result, is_precise
from autotune.decide.rounds import before_confirmation
from autotune.decide.start_noise import noise_posterior
from autotune.model.study import History
from autotune.search.confirm import confirmation_begun, set_to_confirm
from autotune.search.knowledge_gradient import contenders, expected_loss
from autotune.search.needed_flags import flag_arms
from autotune.search.pairs import block_cost, clips_a_side, proof_cost
from autotune.search.screen import Screen
from autotune.search.view import View


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds until the verdict: ``likely``, and from ``low`` to ``high`` in four tunes of five. None is more than the
    budget has left."""

    low: float
    likely: float
    high: float


Weights = dict[str, tuple[float, float, float]]
"""What a fact adds to the logarithm of (seconds left / seconds spent), for ``low``, ``likely`` and ``high``: the
quantiles 0.1, 0.5 and 0.9."""

SEARCH: Weights = {
    "one": (3.118, 4.217, 4.02), "log start noise": (0, 0.111, 0.073), "log budget left": (0.196, 0.084, 0.137),
    "log clip": (0.454, 0.378, 0.199), "log start": (0.459, 0.493, 0.342), "log proof": (-0.03, 0.021, -0.026),
    "log loss": (0.212, 0.087, 0.138), "gain": (-0.415, -0.315, -0.696), "doubt": (-0.463, -1.356, -0.939),
    "none is better": (-0.933, -0.538, -0.491), "log rounds": (-0.079, -0.145, -0.126),
}
COMPARISON: Weights = {
    "one": (-1.058, -0.282, 0.678), "log start noise": (0.006, 0.107, 0.045), "log budget left": (0.04, 0.1, 0.173),
    "log compared": (-0.169, -0.113, -0.081), "log pair": (0.699, 0.739, 0.591), "pairs": (0.039, 0.016, -0.029),
    "undecided": (0.408, 0.846, 0.556), "better": (0.301, 0.544, 0.435), "exact": (-0.029, 0.107, 0.022),
    "settled": (0.18, -0.222, -0.34), "gain": (-0.905, -1.43, -1.202), "doubt": (6.729, 12.282, 11.946),
    "log width": (0.287, 0.218, 0.178), "hope": (0.842, 0.782, 0.27), "first pairs": (-0.374, 0.238, 0.034),
    "open flags": (0.187, 0.202, 0.093), "doubtful flags": (-0.095, -0.06, 0.033),
}


def time_left(screen: Screen, history: History) -> TimeLeft | None:
    """The time that the default strategy will still take; None before the current flags were timed, and where it has
    nothing to compare."""
    view = View(history, screen.space, screen.profile, screen.objective, screen.surface)
    known = facts(screen, view)
    if known is None:
        return None
    found = COMPARISON if confirmation_begun(view) else SEARCH
    logs = [sum(value * found[name][place] for name, value in known.items()) for place in range(3)]
    low, likely, high = sorted(min(view.history.spent * math.exp(log), max(0.0, view.seconds_left)) for log in logs)
    return TimeLeft(low, likely, high)


def facts(screen: Screen, view: View) -> dict[str, float] | None:
    """What the weights are for: the facts of the search, or of the comparison once it has begun; times are logarithms
    of their share of what was measured so far, so that a machine twice as slow has the same facts."""
    measured = view.seconds_measured
    if not view.tried.get(view.space.baseline) or measured <= 0.0:
        return None
    sd, variance, _ = clip_noise(view.scored)
    starts = math.log(noise_posterior(view.scored, sd, variance).median)
    budget = math.log(max(view.seconds_left, 1.0) / measured)
    common = {"one": 1.0, "log start noise": starts, "log budget left": budget}
    own = _of_comparison(screen, view) if confirmation_begun(view) else _of_search(view)
    return None if own is None else {**common, **own}


def _of_search(view: View) -> dict[str, float]:
    now, measured = contenders(view), view.seconds_measured
    best, base = now.names[now.best], view.space.baseline
    gain, doubt = view.posterior.gain(base, best)
    return {
        "log clip": math.log(view.round_cost(base) / measured),
        "log start": math.log(max(view.launch_cost(), 0.1) / measured),
        "log proof": math.log(proof_cost(view, best) / measured),
        "log loss": math.log(expected_loss(now, view.profile.decide.min_gain) + 1e-4),
        "gain": min(gain, 1.0), "doubt": min(doubt, 0.5), "none is better": float(best == base),
        "log rounds": math.log(sum(view.tried.values())),
    }


def _of_comparison(screen: Screen, view: View) -> dict[str, float] | None:
    measured, base, rule = view.seconds_measured, view.space.baseline, view.profile.decide
    rival = set_to_confirm(view, screen.neutral)
    if rival is None:
        return None
    confirming = [one for one in view.history.samples if one.purpose == "confirm"]
    block = max((one.block for one in confirming if one.block is not None), default=0)
    cost = block_cost(view, rival, clips_a_side(view, rival, block))
    gain, doubt = view.posterior.gain(base, rival)
    result = confirmation_result(view.history, view.space, view.scored, rival, rule)
    arms = flag_arms(view, rival, screen.flat_surface.posterior(view.rounds))
    several = view.objective == "speed" and len(arms) > 1
    is_open, doubtful = (sum(one.open for one in arms) if several else 0,
                         sum(one.open and not one.sure for one in arms) if several else 0)
    better, exact = result is not None and result.answer == "better", result is not None and is_precise(result, rule)
    pairs = len(result.pairs) if result is not None else 0
    return {
        "log compared": math.log(0.02 + max(0.0, measured - _searched(view.history)) / measured),
        "log pair": math.log(cost / measured),
        "pairs": float(pairs), "undecided": float(pairs > 0 and not better and result.answer == "not sure"
                                                  if result is not None else 0.0),
        "better": float(better), "exact": float(better and exact), "settled": float(better and exact and not is_open),
        "gain": min(max(gain, -0.5), 1.0), "doubt": min(doubt, 0.5),
        "log width": math.log(result.half_width) if result is not None else 0.0,
        "hope": result.chance(math.log1p(rule.min_gain)) if result is not None else chance_above(
            gain, doubt, math.log1p(rule.min_gain)),
        "first pairs": float(result is None),
        "open flags": float(is_open), "doubtful flags": float(doubtful),
    }


def _searched(history: History) -> float:
    """Seconds of the clips and starts before the comparison."""
    before = before_confirmation(history)
    first = next((one.launch for one in history.samples[len(before.samples):]), len(history.launches))
    return (sum(one.cost for one in before.samples)
            + sum(one.startup for one in history.launches if one.number < first))
