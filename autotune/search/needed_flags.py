"""The end of a search beyond "better or not": which of the winner's flags are needed.

Blocks of the confirmation have further arms: the winner without one of its flags. An arm that a process of the block
can be switched to is rendered there for a warm-up and a clip or two; one that needs a start of its own gets it in the
same block, so that baseline, winner and winner-without are compared within minutes of each other, and the set without
the flag has pairs with the baseline too. Flags that are still in doubt then get pairs of their own, the most doubtful
first, while the budget lasts. A flag that was measured and not shown to help is dropped
(``finalist.without_idle_flags``), and the comparison goes on with the set without it until that is settled.

How often this errs: a set is adopted only when its own fresh pairs with the baseline show it better, and only after the
larger set was (fixed sequence: Maurer, Hothorn and Lehmacher 1995; Westfall and Krishen 2001, J. Stat. Plan. Inference
99:25), so dropping flags never adds to the false adoptions of one comparison. An idle flag is kept only if it got into
the winner and was then shown to help, by clips that mostly did not choose it.
"""

from __future__ import annotations

from dataclasses import dataclass

from autotune.decide.ablation import differing_dimensions, flag_pairs, measured_effects, without_flag
from autotune.decide.assumptions import RULES
from autotune.decide.compare import (
    FRESH_PURPOSES,
    ONLY_AT_START,
    can_share_process,
    chance_above,
    confirmation_result,
    was_started_cold,
)
from autotune.decide.finalist import chance_to_help, is_shown_to_help, without_idle_flags
from autotune.decide.surface import Posterior, Surface
from autotune.language.translate import _
from autotune.model.flagset import Candidate
from autotune.model.study import Proposal
from autotune.search.confirm import next_comparison
from autotune.search.pairs import block_cost, clips_a_side, proof_cost
from autotune.search.thresholds import THRESHOLDS
from autotune.search.view import View

FIRST_FLAG_BLOCK = 100
"""Pairs of a flag's own are numbered from here on, to distinguish them from pairs of the confirmation."""


@dataclass(frozen=True, slots=True)
class FlagArm:
    """The winner without one flag (``reduced``). ``chance`` that the flag helps, fresh ``pairs`` so far, ``shown`` to
    help; ``live``: a process of the winner can be switched to it; ``simpler``: it needs a flag less."""

    reduced: Candidate
    chance: float
    pairs: int
    shown: bool
    live: bool
    simpler: bool

    @property
    def sure(self) -> bool:
        """Whether more pairs will change nothing but the figure of how much the flag does."""
        return self.shown and (self.chance >= THRESHOLDS.flag_surely_helps or not self.simpler)

    @property
    def open(self) -> bool:
        """Whether another pair is useful: not measured yet, or neither shown to help nor hopeless."""
        if self.pairs < RULES.min_blocks:
            return True
        return not self.shown and self.chance > THRESHOLDS.flag_hopeless and self.pairs < RULES.most_flag_pairs


def next_confirmation(view: View, winner: str, flat: Surface) -> Proposal | None:
    """The next part of the confirmation of ``winner`` and of the comparison of its flags; None when all is settled, or
    nothing more is possible. ``flat``: a model that expects no level to help."""
    asked = next_comparison(view, winner)
    several = len(differing_dimensions(view.space, view.space[winner])) > 1
    if view.objective != "speed" or not several or winner in view.barred:
        return asked
    posterior = flat.posterior(view.rounds)
    arms = flag_arms(view, winner, posterior)
    result = confirmation_result(view.history, view.space, view.scored, winner, view.profile.decide)
    proven = result is not None and result.answer == "better"
    ample = proven or view.seconds_left >= THRESHOLDS.proofs_left_for_flags * proof_cost(view, winner)
    passing = _further_arm(view, winner, arms, asked) if ample else None
    begun = asked is not None and any(s.block == asked.block and s.purpose == "confirm" for s in view.history.samples)
    if passing is not None or result is None or result.answer != "better" or begun:
        return passing or asked
    # Sure that it is better: what of it is needed comes before how much it is.
    return _after_confirmation(view, winner, arms, posterior, asked)


def flag_arms(view: View, winner: str, posterior: Posterior) -> list[FlagArm]:
    """The winner without each of its flags, the most doubtful flag first."""
    space, whole = view.space, view.space[winner]
    known = measured_effects(space, whole, view.rounds, view.profile.decide.confidence)
    found = []
    for dimension in differing_dimensions(space, whole):
        reduced = without_flag(space, whole, dimension)
        if reduced is None or reduced.id in view.barred:
            continue
        pairs = len(flag_pairs(view.rounds, winner, reduced.id))
        proven = is_shown_to_help(posterior, whole, reduced, known.get(dimension))
        found.append(FlagArm(reduced, chance_to_help(posterior, whole, reduced), pairs, proven,
                             reduced.launch_key == whole.launch_key, reduced.simplicity < whole.simplicity))
    return sorted(found, key=lambda arm: (arm.chance, arm.reduced.id))


def _is_worth_start(view: View, arm: FlagArm, count: int, sides: int) -> bool:
    """Whether a start for this arm is worth its time: a flag that surely helps is measured only where that takes a
    small share of it."""
    if not arm.sure:
        return True
    cost = sides * (RULES.min_blocks - arm.pairs) * view.cost(arm.reduced.id, count, fresh=True)
    return cost <= THRESHOLDS.flag_time_share * view.seconds_measured


def _further_arm(view: View, winner: str, arms: list[FlagArm], asked: Proposal | None) -> Proposal | None:
    """A further arm in the confirmation's current block: in the process that is up, before it is stopped, or in a start
    of its own once both sides were rendered. None while the winner is not likely to be adopted."""
    confirm = [s for s in view.history.samples if s.purpose == "confirm"]
    if not confirm or confirm[-1].block is None or confirm[-1].worker:
        return None  # a pair that another worker measured has no further arms from this card
    block, up = confirm[-1].block, confirm[-1].launch == view.history.live_launch
    mean, sd = view.posterior.gain(view.space.baseline, winner)
    if chance_above(mean, sd, 0.0) < RULES.helpful_chance:
        return None
    same = asked is not None and asked.block == block
    if up and asked is not None and same and (asked.candidate == confirm[-1].candidate
                                              or can_share_process(view.space, winner)):
        return None  # this process is not done
    seen = {s.candidate for s in view.history.samples if s.block == block and s.purpose in FRESH_PURPOSES}
    wanted = clips_a_side(view, winner, block)
    reserve = 0.0 if asked is None else 2.0 * block_cost(view, winner, 1)
    several = max(THRESHOLDS.fewest_clips + 1, wanted)
    left = [arm for arm in arms if arm.open and arm.reduced.id not in seen]
    for arm in left:
        count = wanted if arm.sure else several
        here = up and arm.reduced.launch_key == view.live_key and _can_be_switched_to(arm.reduced)
        if here and view.cost(arm.reduced.id, count) + reserve <= view.seconds_left:
            return Proposal(
                arm.reduced.id, "ablate", count, block=block,
                why=_("pair {number}: the best set without one flag, in the same process").format(number=block + 1))
    both = winner in seen and not same
    first = {s.candidate for s in confirm} == {winner, view.space.baseline}
    for arm in left if both and first else ():
        if _shown_by_switch(view, winner, arm) or not _is_worth_start(view, arm, several, 1) or view.launches_left <= 4:
            continue
        if view.cost(arm.reduced.id, several, fresh=True) + reserve <= view.seconds_left:
            return Proposal(arm.reduced.id, "ablate", several, fresh=True, block=block,
                            why=_("pair {number}: the best set without one flag, fresh start").format(number=block + 1))
    return None


def _can_be_switched_to(candidate: Candidate) -> bool:
    """Whether a process that was started for another set can be switched to this one: xformers must be there from the
    start."""
    return candidate.effective.attention != ONLY_AT_START


def _shown_by_switch(view: View, winner: str, arm: FlagArm) -> bool:
    """Whether a process of the confirmation can render this arm after a live switch."""
    keys = {view.space[winner].launch_key, view.space[view.space.baseline].launch_key}
    return arm.reduced.launch_key in keys and _can_be_switched_to(arm.reduced)


def _after_confirmation(view: View, winner: str, arms: list[FlagArm], posterior: Posterior,
                        asked: Proposal | None) -> Proposal | None:
    """Once the winner is proven better: pairs for flags that are in doubt, then the comparison of the winner without
    those that do not help, with at least one start of its own words. ``asked``: what else there is to measure of the
    winner itself."""
    space, rule = view.space, view.profile.decide
    first = all(s.candidate in (winner, space.baseline) for s in view.history.samples if s.purpose == "confirm")
    for arm in arms:
        wanted = arm.open and (first or arm.live) and not _skips_flag(view, arm)
        proposal = _flag_pair(view, winner, arm) if wanted else None
        if proposal is not None:
            return proposal
    known = measured_effects(space, space[winner], view.rounds, rule.confidence)
    reduced = without_idle_flags(space, space[winner], posterior, known, view.barred).id
    if reduced in (winner, space.baseline):
        return asked
    return next_comparison(view, reduced) or _cold_start_of(view, reduced)


def _skips_flag(view: View, arm: FlagArm) -> bool:
    """Whether the time that is left goes into proving the simpler set instead of telling whether the flag helps: pairs
    have not shown that it does, and there is no time for both."""
    doubtful = arm.pairs >= RULES.min_blocks and not arm.shown and arm.simpler
    return doubtful and view.seconds_left < proof_cost(view, arm.reduced.id)


def _cold_start_of(view: View, reduced: str) -> Proposal | None:
    """A start with exactly the words of the winner without its idle flags, where it was only switched to so far."""
    count = THRESHOLDS.fewest_clips + 1
    too_dear = not view.launches_left or view.cost(reduced, count, fresh=True) > view.seconds_left
    if too_dear or was_started_cold(view.history, reduced):
        return None
    block = max((FIRST_FLAG_BLOCK, *(s.block or 0 for s in view.history.samples))) + 1
    return Proposal(reduced, "ablate", count, fresh=True, block=block,
                    why=_("the best set less what did not help, a start of its own"))


def _flag_pair(view: View, winner: str, arm: FlagArm) -> Proposal | None:
    """The next side of a pair of the winner and one arm, None when there is no time for it."""
    fresh = [s for s in view.history.samples if s.purpose in FRESH_PURPOSES and s.block is not None]
    block = max((FIRST_FLAG_BLOCK, *(s.block or 0 for s in fresh)))
    there = {one.candidate for one in view.rounds if one.block == block}
    if len(there) == 1 and all(s.purpose == "ablate" for s in fresh if s.block == block):
        sides: tuple[str, ...] = (arm.reduced.id if winner in there else winner,)
    else:
        block += 1
        sides = (winner, arm.reduced.id) if block % 2 else (arm.reduced.id, winner)
    count = clips_a_side(view)
    cost = sum(view.cost(name, count, fresh=not arm.live) for name in sides)
    starts = 0 if arm.live else len(sides)
    if view.launches_left < starts or cost > view.seconds_left:
        return None
    if not arm.live and not _is_worth_start(view, arm, count, 2):
        return None
    why = _("does the best set need all its flags? {percent:.0f} % sure of one so far").format(percent=100 * arm.chance)
    return Proposal(sides[0], "ablate", count, fresh=not arm.live, block=block, why=why)
