"""Which set to measure next: strategies behind one small face."""

from autotune.search.strategies import NAMES, PURE, make
from autotune.search.strategy import Prior, Strategy

__all__ = ["NAMES", "PURE", "Prior", "Strategy", "make"]
