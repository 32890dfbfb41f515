"""Search strategies besides the default one: every set, sets at random, and Optuna's samplers; all end in the same
confirmation."""

from __future__ import annotations

import importlib.util
import random
from typing import TYPE_CHECKING

from autotune.decide.ablation import flat_surface
from autotune.decide.assumptions import RULES
from autotune.decide.memory_assumptions import surface_for
from autotune.model.errors import UsageProblem
from autotune.model.flagset import Space
from autotune.model.study import History, Proposal
from autotune.model.workload import Profile
from autotune.search.confirm import confirmation_begun, is_finished, set_to_confirm
from autotune.search.more_steps_check import next_steps_check
from autotune.search.needed_flags import next_confirmation
from autotune.search.pairs import block_cost, clips_a_side
from autotune.search.view import View

if TYPE_CHECKING:
    import optuna

SEARCH_TRIALS = 30
"""Sets that the strategies random, tpe and gp measure before confirmation."""
NO_LAUNCH_CAP = 100_000
"""These strategies do not count launches; only the budget ends them."""


def exhaustive_order(space: Space) -> tuple[str, ...]:
    """All sets but the baseline, grouped by launch key, the baseline's own key first."""
    home = space[space.baseline].launch_key
    others = [c for c in space.candidates if c.id != space.baseline]
    return tuple(c.id for c in sorted(others, key=lambda c: (c.launch_key != home, c.launch_key)))


def require_torch() -> None:
    """Raises UsageProblem where torch is missing, which Optuna's GP sampler needs."""
    if importlib.util.find_spec("torch") is None:
        raise UsageProblem("sampler gp needs torch", "pip install torch, or use --sampler tpe")


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
                return Proposal(base, "screen", 1, why="the current flags, as the yardstick")
            name = self.pick(view)
            reserve = RULES.min_blocks * block_cost(view, base, clips_a_side(view))
            if name is not None and view.cost(name, 1) + reserve <= view.seconds_left:
                return Proposal(name, "screen", 1, why="next of this strategy")
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


class OptunaStrategy(ConfirmingStrategy):
    """The strategies ``tpe`` and ``gp``: an Optuna sampler chooses, and learns from the history.

    The Optuna study is rebuilt from the history at each step, so that the answer depends on nothing else.
    """

    def __init__(self, space: Space, profile: Profile, objective: str, name: str, seed: int) -> None:
        super().__init__(space, profile, objective)
        self.name = name
        self.seed = seed
        self.by_levels = {c.levels: c.id for c in space.candidates}
        self.fallback = random_order(space, seed)
        if name == "gp":
            require_torch()

    def pick(self, view: View) -> str | None:
        """The set that the sampler asks for; if that was measured or left out, the next one in a random order."""
        import optuna

        if len(view.tried) > SEARCH_TRIALS:
            return None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=self._sampler(len(view.rounds)))
        distributions: dict[str, optuna.distributions.BaseDistribution] = {
            d.name: optuna.distributions.CategoricalDistribution(d.levels) for d in self.space.dimensions}
        for one in view.scored:
            study.add_trial(optuna.trial.create_trial(
                params=dict(self.space[one.candidate].levels), distributions=distributions, value=one.score))
        for name in view.failures.dropped:
            study.add_trial(optuna.trial.create_trial(
                state=optuna.trial.TrialState.FAIL, params=dict(self.space[name].levels),
                distributions=distributions))
        params = study.ask(distributions).params
        asked = self.by_levels.get(tuple((d.name, params[d.name]) for d in self.space.dimensions))
        if asked is not None and not view.tried.get(asked) and asked not in view.barred:
            return asked
        return next((n for n in self.fallback if not view.tried.get(n) and n not in view.barred), None)

    def _sampler(self, step: int) -> optuna.samplers.BaseSampler:
        import optuna

        if self.name == "tpe":
            return optuna.samplers.TPESampler(seed=self.seed + step, n_startup_trials=8)
        return optuna.samplers.GPSampler(seed=self.seed + step, n_startup_trials=8, deterministic_objective=False)
