"""What was not measured and why: each level of a dimension that no timed set had."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotune.decide import budget_advice, objectives
from autotune.decide.ablation import flag_words
from autotune.decide.assumptions import RULES
from autotune.decide.memory_assumptions import surface_for
from autotune.decide.rounds import failures, is_timed, rounds
from autotune.language.translate import _
from autotune.model.failures import meaning
from autotune.model.flagset import NONE_TUNED, Candidate, Space
from autotune.model.study import History
from autotune.model.workload import Profile

NO_DIFFERENCE = 0.0005
"""Log score below which an expected gain is called no difference."""


@dataclass(frozen=True, slots=True)
class UnmeasuredLevel:
    """A ``level`` of a ``dimension`` that no timed set had. ``flag``: what it adds to the chosen set, as the user would
    write it; ``expected``: the chosen set's time (or what the objective counts) over that of the nearest set with it,
    1.02 = 2 % better, None where nothing was measured to expect it from."""

    dimension: str
    level: str
    flag: str
    expected: float | None
    reason: str


def unmeasured_levels(history: History, space: Space, profile: Profile, objective: str,
                      chosen: str) -> tuple[UnmeasuredLevel, ...]:
    """The levels that no timed set had, in the space's order."""
    by_id = {one.id: one for one in space.candidates}
    seen = {pair for s in history.samples if is_timed(s) and s.candidate in by_id for pair in by_id[s.candidate].levels}
    used = objectives.score_rounds(rounds(history, profile), objective)
    posterior = surface_for(space, objective).posterior(used) if used else None
    dropped = failures(history, space).dropped
    found = []
    for dimension in space.dimensions:
        for level in dimension.levels:
            with_level = [one for one in space.candidates if (dimension.name, level) in one.levels]
            if not with_level or (dimension.name, level) in seen:
                continue
            nearest = min(with_level,
                          key=lambda one: (len(one.differing_levels(by_id[chosen])), one.simplicity, one.id))
            gain = posterior.gain(chosen, nearest.id)[0] if posterior is not None else None
            reason = _first_failure(history, by_id, with_level) or _why_untried(with_level, dropped) or _why_unwanted(
                history, space, profile, objective, gain)
            flag = flag_words(nearest, by_id[chosen], dimension.name)
            if flag.startswith("without "):  # the level's own name says more than the flag that it goes without
                flag = f"{dimension.name}={level}"
            found.append(UnmeasuredLevel(dimension.name, level, flag, None if gain is None else math.exp(gain), reason))
    return tuple(found)


def _first_failure(history: History, by_id: dict[str, Candidate], with_level: list[Candidate]) -> str | None:
    """The first failure of a set that had the level, in words; None where none failed."""
    names = {one.id for one in with_level}
    clips = [(s.candidate, s.failure) for s in history.samples if s.candidate in names and s.failure]
    starts = [(one.candidate, one.failure) for one in history.launches if one.candidate in names and one.failure]
    for name, failure in (*clips, *starts):
        flags = " ".join(by_id[name].flags.words) or _(NONE_TUNED)
        return _("{failure} with {flags}").format(failure=meaning(failure).title.lower(), flags=flags)
    return None


def _why_untried(with_level: list[Candidate], dropped: frozenset[str]) -> str | None:
    """The reason where all sets with the level were dropped because sets like them failed, else None."""
    if all(one.id in dropped for one in with_level):
        return _("not tried, as sets like it failed")
    return None


def _why_unwanted(history: History, space: Space, profile: Profile, objective: str, gain: float | None) -> str:
    """Why the search did not measure it: what was expected of it, or no time."""
    left = history.budget - history.spent
    if gain is None:
        return _("the budget ended before it") if left <= 0.0 else _("nothing was measured that would tell of it")
    if abs(gain) < NO_DIFFERENCE:
        expected = _("expected to make no difference")
    else:
        better, worse = (_("expected {percent:.1f} % faster"), _("expected {percent:.1f} % slower"))
        if objective != "speed":
            better, worse = (_("expected {percent:.1f} % better"), _("expected {percent:.1f} % worse"))
        expected = (better if gain > 0.0 else worse).format(percent=100.0 * math.expm1(abs(gain)))
    if gain < math.log1p(profile.decide.min_gain):
        return expected
    one = budget_advice.pair_seconds(history, space, space.baseline)
    # A look at it is only worth having with the pairs that would have to prove it.
    if left <= 0.0 or (one is not None and left < budget_advice.SPARE_FACTOR * RULES.min_blocks * one):
        return _("{expected}, but no budget was left for it").format(expected=expected)
    return _("{expected}, not worth another start").format(expected=expected)
