"""How much starts of one set differ on this machine: a prior, and what the study's own starts say.

Clips of one process share what its start happened to get: memory layout, chosen kernels, clocks. Half of that variance
is assumed to be the process's own, which all sets in it share, and half each set's in it. How large it is differs from
machine to machine by a factor of ten and decides how many starts a comparison needs; so it is not one figure but a
distribution, and every set that was started more than once, in the search or in the comparison, updates it (restricted
likelihood: Patterson and Thompson 1971, Biometrika 58:545; averaging over an unknown variance gives the tails of
Student's t and, where little was seen, heavier ones: Gelman 2006, Bayesian Analysis 1:515).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from autotune.decide import noise
from autotune.decide.assumptions import CLIPS, NOISE
from autotune.decide.rounds import Round

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class StartNoise:
    """Possible standard deviations of log seconds between starts (``sd``), and how likely each is (``weight``)."""

    sd: Array
    weight: Array

    @property
    def median(self) -> float:
        """The standard deviation that is as likely too small as too large."""
        import numpy as np

        return float(np.exp(np.interp(0.5, np.cumsum(self.weight) - 0.5 * self.weight, np.log(self.sd))))


@lru_cache(maxsize=1)
def noise_prior() -> StartNoise:
    """The start noise before any start was seen: partly that of the recorded machines, mostly anything within
    reason."""
    import numpy as np

    sd = np.geomspace(NOISE.least_start_sd, NOISE.most_start_sd, NOISE.start_sd_steps)
    usual = np.exp(-0.5 * (np.log(sd / NOISE.between_sd) / NOISE.start_sd_spread) ** 2)
    weight = (1.0 - NOISE.unlike_recorded) * usual / usual.sum() + NOISE.unlike_recorded / len(sd)
    return StartNoise(sd, weight)


def noise_posterior(rounds: Iterable[Round], sd: float, clip_variance: float) -> StartNoise:
    """The start noise after these rounds; ``sd`` and ``clip_variance``: of one clip within a process."""
    import numpy as np

    groups: dict[tuple[str, bool], dict[int, list[float]]] = {}
    for one in rounds:
        groups.setdefault((one.candidate, one.short), {}).setdefault(one.launch, []).append(one.score)
    rows = [(number, launch, scores) for number, starts in enumerate(groups.values()) if len(starts) > 1
            for launch, scores in starts.items()]
    prior = noise_prior()
    if not rows:
        return prior
    score = np.array([noise.robust_mean(scores, sd) for _, _, scores in rows])
    launch = np.array([number for _, number, _ in rows])
    which = np.array([number for number, _, _ in rows])
    design = (which[:, None] == np.unique(which)[None, :]).astype(float)
    alike = 0.5 * (np.eye(len(rows)) + (launch[:, None] == launch[None, :]))
    clips = np.diag([clip_variance / len(scores) + (CLIPS.stall_sd / len(scores)) ** 2 / len(scores)
                     for _, _, scores in rows])
    inverse = np.linalg.inv(prior.sd[:, None, None] ** 2 * alike + clips)
    lifted = inverse @ design
    inner = design.T @ lifted
    fitted = lifted.transpose(0, 2, 1) @ score
    rest = np.einsum("i,gij,j->g", score, inverse, score) - np.einsum(
        "gi,gi->g", fitted, np.linalg.solve(inner, fitted[..., None])[..., 0])
    log = 0.5 * (np.linalg.slogdet(inverse)[1] - np.linalg.slogdet(inner)[1] - rest)
    weight = prior.weight * np.exp(log - log.max())
    return StartNoise(prior.sd, weight / weight.sum())
