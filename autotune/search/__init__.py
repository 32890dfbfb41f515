"""Which set to measure next: strategies behind one small face."""

from autotune.search.strategies import PURE_STRATEGIES, STRATEGY_NAMES, make_strategy
from autotune.search.strategy import Prior, Strategy

__all__ = ["PURE_STRATEGIES", "STRATEGY_NAMES", "Prior", "Strategy", "make_strategy"]
