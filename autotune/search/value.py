"""What a measurement is worth: knowledge gradient per second, launches counted.

The expected drop of the best set's posterior mean after r more rounds of a set, divided by what they cost
(Frazier, Powell and Dayanik 2009, INFORMS J. Computing 21:599, for correlated beliefs; several r at a time, as one
noisy clip alone may be worth nothing: Frazier and Powell 2010, Decision Analysis 7:378).
"""

from __future__ import annotations

from dataclasses import dataclass

from autotune.decide import noise
from autotune.decide.surface import clip_variance
from autotune.search.view import View

REPEATS = (1, 2, 4)
"""Numbers of rounds that are weighed against each other."""
ENOUGH = 5
"""Rounds of one set in one process after which more would only measure that process."""
CONTENDERS = 40
"""Sets with the best optimistic scores that are weighed; the rest are surely worse."""


@dataclass(frozen=True, slots=True)
class Worth:
    """``gain``: expected drop of log score; ``cost`` seconds; ``rounds`` to take."""

    candidate: str
    rounds: int
    gain: float
    cost: float


def worths(view: View, allowed: frozenset[str]) -> list[Worth]:
    """The worth of measuring each plausible set, best gain per second first. ``allowed``: sets that may be
    proposed; all sets that are not barred may turn out best."""
    import numpy as np

    posterior = view.posterior
    names = [c.id for c in view.space.candidates if c.id not in view.barred]
    places = np.array([posterior.index[name] for name in names])
    mean = posterior.mean[places]
    cov = posterior.cov[np.ix_(places, places)]
    variance = np.diag(cov)
    order = np.argsort(mean - 2.0 * np.sqrt(np.maximum(variance - variance.min(), 0.0)), kind="stable")[:CONTENDERS]
    names = [names[i] for i in order]
    mean, cov = mean[order], cov[np.ix_(order, order)]
    best = float(mean.min())
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    weights = weights / weights.sum()
    done = _rounds_here(view)
    found: list[Worth] = []
    for i, name in enumerate(names):
        if name not in allowed or done.get(name, 0) >= ENOUGH:
            continue
        options: list[Worth] = []
        for count in REPEATS:
            spread = cov[:, i] / np.sqrt(cov[i, i] + _noise(view, done.get(name, 0), count))
            outcome = (mean[:, None] + spread[:, None] * nodes[None, :]).min(axis=0)
            gain = best - float(outcome @ weights)
            options.append(Worth(name, count, gain, max(view.cost(name, count), 1e-6)))
        found.append(max(options, key=lambda one: one.gain / one.cost))
    found.sort(key=lambda one: (-one.gain / one.cost, one.candidate))
    return found


def _rounds_here(view: View) -> dict[str, int]:
    """Rounds that each set has in the live process."""
    found: dict[str, int] = {}
    for one in view.scored:
        if one.launch == view.history.live_launch:
            found[one.candidate] = found.get(one.candidate, 0) + 1
    return found


def _noise(view: View, done: int, count: int) -> float:
    """Variance of what ``count`` more rounds tell: more clips in a process where the set already has ``done``
    average the clip noise but not the process's own shift."""
    sd = view.posterior.sd
    if done == 0:
        return noise.BETWEEN_SD**2 + clip_variance(sd, count)
    own = 0.5 * noise.BETWEEN_SD**2
    before, after = own + clip_variance(sd, done), own + clip_variance(sd, done + count)
    return 1.0 / (1.0 / after - 1.0 / before)
