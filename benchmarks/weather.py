"""How fast a machine is at each moment of a session, whatever is rendered: drift, slow swings, heat, boost clocks."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

DAY = 86_400.0


@dataclass(frozen=True)
class Weather:
    """Log seconds that every clip takes more at a time of the session.

    ``drift``: per hour, for good. ``swing``, ``period``, ``phase``: a slow sine wave, such as a room's temperature.
    ``heat``, ``settle``: a process begins on a card that cooled while it loaded, so that its first clips take
    ``heat`` less; this wears off in ``settle`` seconds. ``gap``: the machine switches between two speeds that far
    apart, staying ``fast`` and ``slow`` seconds in the mean (exponential); ``seed`` draws when it switches.
    """

    drift: float = 0.0
    swing: float = 0.0
    period: float = 1800.0
    phase: float = 0.0
    heat: float = 0.0
    settle: float = 60.0
    gap: float = 0.0
    fast: float = 300.0
    slow: float = 300.0
    seed: int = 0

    def at(self, now: float, running: float) -> float:
        """``now``: seconds since the session began; ``running``: since the process rendered its first clip."""
        log = self.drift * now / 3600.0 + self.swing * math.sin(2.0 * math.pi * now / self.period + self.phase)
        if self.heat:
            log -= self.heat * math.exp(-running / self.settle)
        if self.gap:
            log += self.gap * (bisect_right(switches(self.seed, self.fast, self.slow), now % DAY) % 2)
        return log


@lru_cache(maxsize=64)
def switches(seed: int, fast: float, slow: float) -> tuple[float, ...]:
    """When a machine switches between its two speeds within a day: to the slow one, to the fast one, and so on."""
    rng = random.Random(f"regimes {seed}")
    found = [0.0] if rng.random() < slow / (fast + slow) else []
    now = 0.0
    while now < DAY:
        now += rng.expovariate(1.0 / (slow if len(found) % 2 else fast))
        found.append(now)
    return tuple(found)
