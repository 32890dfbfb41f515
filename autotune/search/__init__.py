"""The search: which set of flags to measure next, given what was measured so far."""

from autotune.search.strategies import PURE_STRATEGIES, STRATEGY_NAMES, make_strategy
from autotune.search.strategy import Prior, Strategy

__all__ = ["PURE_STRATEGIES", "STRATEGY_NAMES", "Prior", "Strategy", "make_strategy"]
