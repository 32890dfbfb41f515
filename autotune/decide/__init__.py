"""The decision on a study: is a set of flags better, by how much, and is that sure? No process, no clock, no disk."""

from autotune.decide.objectives import OBJECTIVES, pareto, pareto_front
from autotune.decide.verdict import verdict

__all__ = ["OBJECTIVES", "pareto", "pareto_front", "verdict"]
