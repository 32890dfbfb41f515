"""Prior covariance of the sets of a space: one matrix for each way in which two sets may be alike.

The prior of a machine is a weighted sum of these matrices. Several sorts of machine are considered at once
(``hypotheses``): cards on which the attention classes are alike or not, flags that act by themselves or together,
starts that repeat or scatter. The samples say which of them this machine is.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.decide.assumptions import Assumptions, EffectAssumptions
from autotune.model.flagset import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MEAN_SD = 5.0
"""Log seconds. The mean of all sets is not known beforehand at all, so it gets a deviation this wide."""


@dataclass(frozen=True)
class CovarianceBases:
    """The matrices of a space. ``bases``: stacked, matrices x sets x sets; ``names``: one for each matrix;
    ``added_seconds``: which of them are effects in seconds, which count for more beside a faster attention class."""

    bases: Array
    names: tuple[str, ...]
    added_seconds: NDArray[np.bool_]


@dataclass(frozen=True)
class Hypothesis:
    """One sort of machine. ``log_chance``: log of its chance beforehand; ``variances``: of each base matrix;
    ``table_holds``: whether the table of expected effects holds for launch flags; ``start_sd``: deviation of log
    seconds between starts."""

    log_chance: float
    variances: Array
    table_holds: bool
    start_sd: float


def _equal_levels(column: list[str]) -> NDArray[np.bool_]:
    """Which sets have the same level (sets x sets)."""
    import numpy as np

    codes = np.unique(column, return_inverse=True)[1]
    same: NDArray[np.bool_] = codes[:, None] == codes[None, :]
    return same


def _level_correlation(column: list[str], same: NDArray[np.bool_], family: Mapping[str, str],
                       closeness: float) -> Array:
    """Correlation of a dimension's effects (sets x sets): 1 for equal levels, ``closeness`` within a family, else 0."""
    import numpy as np

    member = np.array([family.get(level, "") for level in column])
    kin = (member[:, None] == member[None, :]) & (member[:, None] != "") & ~same
    return np.asarray(same.astype(np.float64) + closeness * kin)


def _effect_correlation(sd: float, difference_sd: float) -> float:
    """Correlation of two effects of deviation ``sd`` whose difference has the deviation ``difference_sd``."""
    return max(0.0, 1.0 - 0.5 * (difference_sd / sd) ** 2)


def covariance_bases(space: Space, effects: EffectAssumptions) -> CovarianceBases:
    """The matrices of a space: the common mean, each dimension (attention twice: on a usual card and on a wild one),
    interactions of two dimensions, and each set's own rest."""
    import numpy as np

    levels = [dict(c.levels) for c in space.candidates]
    columns = {d.name: [level.get(d.name, "") for level in levels] for d in space.dimensions}
    size = len(levels)
    found: list[tuple[str, Array]] = [("level", np.ones((size, size)))]
    for name, column in columns.items():
        same = _equal_levels(column)
        if name == "attention":
            calm = _effect_correlation(effects.effect_sd["attention"], effects.family_sd["fused"])
            wild = _effect_correlation(effects.wild_effect_sd["attention"], effects.wild_family_sd["fused"])
            found.append(("attention", _level_correlation(column, same, effects.family, calm)))
            found.append(("attention wild", _level_correlation(column, same, effects.family, wild)))
        else:
            found.append((name, same.astype(np.float64)))
    pairs = np.zeros((size, size))
    for one, other in itertools.combinations(columns.values(), 2):
        pairs += _equal_levels(one) & _equal_levels(other)
    found += [("pairs", pairs), ("rest", np.eye(size))]
    names = tuple(name for name, _ in found)
    bound = {*effects.multiplies, "attention wild", "level", "pairs", "rest"}
    return CovarianceBases(np.stack([matrix for _, matrix in found]), names,
                           np.array([name not in bound for name in names]))


def hypotheses(names: tuple[str, ...], assumed: Assumptions, doubt: float) -> tuple[Hypothesis, ...]:
    """Every sort of machine that is considered. ``names``: of the base matrices; ``doubt``: factor on the effects'
    deviations, below 1 where an earlier study of this very machine says what to expect."""
    import numpy as np

    effects = assumed.effects
    cards = ((1.0 - effects.wild_chance, False), (effects.wild_chance, True))
    flags = ((1.0 - effects.odd_chance, None), (effects.odd_chance, effects.odd_sd))
    found = []
    for (card, wild), (flag, launch_sd), (tied, pair_sd, rest_sd), (start, between) in itertools.product(
            cards, flags, effects.interaction_sorts, assumed.noise.start_sorts):
        sds = {"level": MEAN_SD, "pairs": pair_sd, "rest": rest_sd}
        for name in names:
            if name == "attention wild":
                sds[name] = effects.wild_effect_sd["attention"] if wild else 0.0
            elif name == "attention":
                sds[name] = 0.0 if wild else doubt * effects.effect_sd[name]
            elif name not in sds:
                usual = doubt * effects.effect_sd.get(name, effects.other_sd)
                sds[name] = usual if launch_sd is None else max(usual, launch_sd)
        found.append(Hypothesis(float(np.log(card * flag * tied * start)),
                                np.array([sds[name] ** 2 for name in names]), launch_sd is None, between))
    return tuple(found)
