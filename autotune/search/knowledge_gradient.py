"""What a measurement is worth: the knowledge gradient per second, starts counted.

The expected drop of the true score of the set that would be taken after some clips, divided by what they cost (Frazier,
Powell and Dayanik 2009, INFORMS J. Computing 21:599, for correlated beliefs). Clips come in batches: a start pays for
several sets, and one noisy clip alone may be worth nothing (Frazier and Powell 2010, Decision Analysis 7:378; Wu and
Frazier 2016, NIPS 29, for batches). A flag costs a little, so that ties go to the simpler set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from autotune.decide.surface import clip_mean_variance
from autotune.search.thresholds import THRESHOLDS
from autotune.search.view import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Indices = NDArray[np.int_]


@dataclass(frozen=True, slots=True)
class BatchWorth:
    """What a batch is worth. ``gain``: expected drop of log score by ``size`` sets with ``rounds`` rounds each,
    ``candidate`` first; ``cost`` of the batch in seconds."""

    candidate: str
    rounds: int
    gain: float
    cost: float
    size: int = 1


@dataclass(frozen=True)
class Contenders:
    """The sets that may still be best: their names, places in the space, posterior mean and covariance, and price of
    their flags; ``best``: the one that would be taken now, ``home``: the current one (both as places in ``names``)."""

    names: list[str]
    places: Indices
    mean: Array
    cov: Array
    price: Array
    best: int
    home: int


def contenders(view: View, also: frozenset[str] = frozenset()) -> Contenders:
    """The sets that may still be best; the baseline is always among them, and as many of ``also``, the best ones."""
    import numpy as np

    posterior, space = view.posterior, view.space
    base = space[space.baseline]
    runners = [c for c in space.candidates if c.id not in view.barred or c.id == space.baseline]
    places = np.array([posterior.index[c.id] for c in runners])
    price = THRESHOLDS.flag_price * np.array([len(c.differing_levels(base)) for c in runners])
    mean, variance = posterior.mean[places], np.diag(posterior.cov)[places]
    hope = mean + price - 2.0 * np.sqrt(np.maximum(variance - variance.min(), 0.0))
    ranked = [int(i) for i in np.argsort(hope, kind="stable")]
    named = [i for i in ranked if runners[i].id in also]
    order = list(dict.fromkeys((*ranked[:THRESHOLDS.most_contenders], *named[:THRESHOLDS.most_contenders])))
    home = next(i for i, c in enumerate(runners) if c.id == space.baseline)
    if home not in order:
        order.append(home)
    places, mean, price = places[order], mean[order], price[order]
    return Contenders([runners[i].id for i in order], places, mean, posterior.cov[np.ix_(places, places)], price,
                      int((mean + price).argmin()), order.index(home))


@lru_cache(maxsize=64)
def _draws(size: int, count: int) -> Array:
    """Fixed standard normal draws, count x size, in pairs of opposite sign."""
    import numpy as np

    half = np.random.default_rng(20_240_301 + size).standard_normal((count // 2, size))
    return np.concatenate([half, -half])


def expected_loss(race: Contenders, min_gain: float) -> float:
    """Expected log seconds that taking the best set now loses against knowing everything. Sets that are not faster than
    the current one by ``min_gain`` do not count: none of them would be adopted."""
    import numpy as np

    size = len(race.names)
    root = np.linalg.cholesky(race.cov + 1e-10 * np.eye(size))
    truth = race.mean[:, None] + root @ _draws(size, THRESHOLDS.loss_draws).T
    taken = (truth + race.price[:, None]).argmin(axis=0)
    there = truth[taken, np.arange(truth.shape[1])]
    counts = truth[race.home] - there >= math.log1p(min_gain)
    return float(((truth[race.best] - there) * counts).mean())


def _gains(now: Contenders, cross: Array, among: Array, least_gain: float) -> Array:
    """Expected drop of the true score of the set that would be taken, for several batches of clips of one size.

    ``cross``: batches x sets x clips; ``among``: batches x clips x clips, clip noise included; ``least_gain``: log gain
    over the current set from which a set counts at all.
    """
    import numpy as np

    root = np.linalg.cholesky(among)
    lever = np.linalg.solve(root, cross.transpose(0, 2, 1))
    outcome = now.mean[None, None, :] + _draws(among.shape[1], THRESHOLDS.gain_draws)[None] @ lever
    place = (outcome + now.price).argmin(axis=2)
    taken = np.take_along_axis(outcome, place[:, :, None], axis=2)[:, :, 0]
    counts = outcome[:, :, now.home] - taken >= least_gain
    found: Array = ((outcome[:, :, now.best] - taken) * counts).mean(axis=1)
    return found


def weigh_batches(view: View, race: Contenders, allowed: frozenset[str]) -> list[BatchWorth]:
    """The worth of every batch, best gain per second first. ``allowed``: sets that may be proposed; any contender may
    turn out best."""
    import numpy as np

    launch_key = {c.id: c.launch_key for c in view.space.candidates}
    keys: dict[str, list[int]] = {}
    for i in np.argsort(race.mean, kind="stable"):
        if race.names[i] in allowed:
            keys.setdefault(launch_key[race.names[i]], []).append(int(i))
    done = _rounds_in_process(view)
    found = _batch_worths(view, race, [members for key, members in keys.items() if key != view.live_key], None)
    here = [i for i in keys.get(view.live_key or "", ()) if done.get(race.names[i], 0) < THRESHOLDS.rounds_of_process]
    if here:
        found += _batch_worths(view, race, [here], view.history.live_launch)
    found.sort(key=lambda one: (-one.gain / one.cost, one.candidate, one.rounds))
    return found


def _batch_worths(view: View, race: Contenders, keys: list[list[int]], live: int | None) -> list[BatchWorth]:
    """All batches of THRESHOLDS.batches for each launch key's sets, in process ``live`` or (None) a new one."""
    import numpy as np

    cross, among = view.surface.next_clip_covariance(view.posterior, race.places, live, view.short_share < 1.0)
    cross = cross[race.places]
    price = [view.search_round_cost(name) for name in race.names]
    least = THRESHOLDS.counted_gain_share * math.log1p(view.profile.decide.min_gain)
    found: list[BatchWorth] = []
    for size, counts in THRESHOLDS.batches:
        if size == 1:
            most = THRESHOLDS.sets_of_new_process if live is None else None
            batches = [[i] for members in keys for i in members[:most]]
        else:
            batches = [members[:size] for members in keys if len(members) >= size]
        if not batches:
            continue
        where = np.array(batches)
        looks = cross[:, where].transpose(1, 0, 2)
        for count in counts:
            noise = clip_mean_variance(view.posterior.sd, count) * np.eye(size)
            gains = _gains(race, looks, among[where[:, :, None], where[:, None, :]] + noise, least)
            for batch, gain in zip(batches, gains, strict=True):
                first = race.names[batch[0]]
                rest = sum(count * price[i] + view.switch_cost for i in batch[1:])
                found.append(BatchWorth(first, count, float(gain), max(view.cost(first, count) + rest, 1e-6), size))
    return found


def _rounds_in_process(view: View) -> dict[str, int]:
    """Rounds that each set has in the live process."""
    found: dict[str, int] = {}
    for one in view.scored:
        if one.launch == view.history.live_launch:
            found[one.candidate] = found.get(one.candidate, 0) + 1
    return found
