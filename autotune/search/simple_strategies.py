"""Search strategies besides the default one: every set, and sets at random; both end in the same confirmation."""

from __future__ import annotations

import random

from autotune.decide.ablation import flat_surface
from autotune.decide.assumptions import RULES
from autotune.decide.memory_assumptions import surface_for
from autotune.language.translate import _
from autotune.model.flagset import Space
from autotune.model.study import History, Proposal
from autotune.model.workload import Profile
from autotune.search.confirm import confirmation_begun, is_finished, set_to_confirm
from autotune.search.more_steps_check import next_steps_check
from autotune.search.needed_flags import next_confirmation
from autotune.search.pairs import block_cost, clips_a_side
from autotune.search.view import View

SEARCH_TRIALS = 30
"""Sets that random and a user's sampler measure before confirmation."""
NO_LAUNCH_CAP = 100_000
"""These strategies do not count launches; only the budget ends them."""


def exhaustive_order(space: Space) -> tuple[str, ...]:
    """All sets but the baseline, grouped by launch key, the baseline's own key first."""
    home = space[space.baseline].launch_key
    others = [c for c in space.candidates if c.id != space.baseline]
    return tuple(c.id for c in sorted(others, key=lambda c: (c.launch_key != home, c.launch_key)))


def random_order(space: Space, seed: int) -> tuple[str, ...]:
    """All sets but the baseline in an order that the seed gives."""
    names = [c.id for c in space.candidates if c.id != space.baseline]
    random.Random(seed).shuffle(names)
    return tuple(names)


class ConfirmingStrategy:
    """Base of these strategies: the baseline first, then one round for each set that ``pick`` names, then
    confirmation."""

    def __init__(self, space: Space, profile: Profile, objective: str) -> None:
        self.space = space
        self.profile = profile
        self.objective = objective
        self.surface, self.flat_surface = surface_for(space, objective), flat_surface(space)

    def next(self, history: History) -> Proposal | None:
        """See Strategy."""
        view = View(history, self.space, self.profile, self.objective, self.surface, NO_LAUNCH_CAP)
        if is_finished(view):
            return None
        if not confirmation_begun(view):
            base = self.space.baseline
            if not view.tried.get(base):
                return Proposal(base, "screen", 1, why=_("the current flags, as the yardstick"))
            name = self.pick(view)
            reserve = RULES.min_blocks * block_cost(view, base, clips_a_side(view))
            if name is not None and view.cost(name, 1) + reserve <= view.seconds_left:
                return Proposal(name, "screen", 1, why=_("next of this strategy"))
        winner = set_to_confirm(view, self.surface)
        if winner is None:
            return None
        return next_confirmation(view, winner, self.flat_surface) or next_steps_check(view, winner)

    def pick(self, view: View) -> str | None:
        """The next set to measure, None when there are enough."""
        raise NotImplementedError


class ListStrategy(ConfirmingStrategy):
    """The strategies ``exhaustive`` and ``random``: sets in a given order."""

    def __init__(self, space: Space, profile: Profile, objective: str, order: tuple[str, ...]) -> None:
        super().__init__(space, profile, objective)
        self.order = order

    def pick(self, view: View) -> str | None:
        """The first set of the list that has no round yet and did not fail."""
        return next((n for n in self.order if not view.tried.get(n) and n not in view.barred), None)
