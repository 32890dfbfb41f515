"""Is it better, by how much, sure enough? Values in, verdict out: no process, no clock, no disk."""

from autotune.decide.objectives import OBJECTIVES, pareto, pareto_front
from autotune.decide.verdict import verdict

__all__ = ["OBJECTIVES", "pareto", "pareto_front", "verdict"]
