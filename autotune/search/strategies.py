"""Search strategies by name."""

from __future__ import annotations

from autotune.decide import objectives
from autotune.language.translate import _
from autotune.model.errors import UsageProblem
from autotune.model.flagset import Space
from autotune.model.workload import Profile
from autotune.search.screen import Screen
from autotune.search.simple_strategies import SEARCH_TRIALS, ListStrategy, exhaustive_order, random_order
from autotune.search.strategy import Prior, Strategy

PURE_STRATEGIES = ("screen", "random", "exhaustive")
"""Strategies whose answer follows from the history alone."""
STRATEGY_NAMES = (*PURE_STRATEGIES, "tpe", "gp")
"""These, and the samplers of Optuna's that have a name of their own (search/user_sampler.py)."""


def make_strategy(name: str, space: Space, profile: Profile, objective: str, seed: int,
                  prior: Prior | None = None) -> Strategy:
    """The pure strategy of that name for a space.

    ``objective``: speed, vram or balanced. ``seed``: of ``random``; the others draw no random numbers. ``prior``: what
    is tried first. Raises UsageProblem for an unknown name or objective.
    """
    objectives.require_objective(objective)
    if name == "screen":
        return Screen(space, profile, objective, prior)
    if name == "exhaustive":
        return ListStrategy(space, profile, objective, exhaustive_order(space))
    if name == "random":
        return ListStrategy(space, profile, objective, random_order(space, seed)[:SEARCH_TRIALS])
    raise UsageProblem(_("unknown strategy {name!r}").format(name=name),
                       _("one of {values}").format(values=", ".join(PURE_STRATEGIES)))
