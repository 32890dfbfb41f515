"""How sure each look must be when data are looked at several times (group sequential boundaries).

Boundaries of Wang and Tsiatis (1987, Biometrics 43:193) with their shape 0.4, between Pocock's equal levels and O'Brien
and Fleming's late ones and nearer the former: a gain of a tenth is settled at the first look or the second, and the
last look stays nearly as sharp as a single one. The constant is found by the recursion of Armitage, McPherson and Rowe
(1969) for looks after 2, 3, … pairs. Intervals made with these levels are repeated confidence intervals (Jennison and
Turnbull 1989, JRSS B 51:305): they hold at whichever look one stops.
"""

from __future__ import annotations

from functools import lru_cache

from autotune.decide.assumptions import RULES


def _bound(constant: float, look: int, last: int) -> float:
    """Boundary on the standardised mean after ``look`` pairs."""
    return float(constant * (look / last) ** (RULES.boundary_shape - 0.5))


def _crossing(constant: float, first: int, last: int) -> float:
    """Chance, when there is no difference, that the standardised mean of k pairs leaves its boundary at some k in first
    … last."""
    import numpy as np
    from scipy.special import ndtr

    half = _bound(constant, first, last) * first**0.5
    grid = np.linspace(-half, half, 401)
    step = grid[1] - grid[0]
    density = np.exp(-(grid**2) / (2 * first)) / (2 * np.pi * first) ** 0.5
    stopped = 2.0 * float(ndtr(-_bound(constant, first, last)))
    for k in range(first + 1, last + 1):
        edge = _bound(constant, k, last) * k**0.5
        leave = ndtr(-(edge - grid)) + ndtr(-(edge + grid))
        stopped += float(np.sum(density * leave) * step)
        wider = np.linspace(-edge, edge, 401)
        kernel = np.exp(-((wider[:, None] - grid[None, :]) ** 2) / 2.0) / (2 * np.pi) ** 0.5
        density = kernel @ density * step
        grid, step = wider, wider[1] - wider[0]
    return stopped


@lru_cache(maxsize=64)
def _constant(confidence: float, first: int, last: int) -> float:
    """The constant of the boundaries with which all looks together err at most 1 - ``confidence``."""
    from scipy.optimize import brentq

    return float(brentq(lambda c: _crossing(c, first, last) - (1.0 - confidence), 0.05, 9.0, xtol=1e-6))


@lru_cache(maxsize=256)
def nominal_alpha(confidence: float, look: int, first: int, last: int) -> float:
    """Two-sided level for the look after ``look`` pairs, such that all looks after ``first`` … ``last`` pairs together
    err at most 1 - ``confidence`` when there is no difference."""
    from scipy.special import ndtr

    return 2.0 * float(ndtr(-_bound(_constant(confidence, first, last), look, last)))


@lru_cache(maxsize=512)
def t_bound(alpha: float, freedom: float) -> float:
    """Two-sided critical value of Student's t at level ``alpha`` with ``freedom`` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1.0 - alpha / 2.0))
