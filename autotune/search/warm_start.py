"""Warm start: an earlier study of this or another machine as expectation for a new one. All of it is measured again."""

from __future__ import annotations

from collections.abc import Mapping

from autotune.decide import objectives
from autotune.decide.memory_assumptions import surface_for
from autotune.decide.rounds import rounds
from autotune.language.translate import _
from autotune.model.flagset import Space
from autotune.model.study import History
from autotune.model.workload import Profile
from autotune.search.strategy import Prior

SAME_MACHINE_DOUBT, OTHER_MACHINE_DOUBT = 0.75, 1.0
"""Share of the usual deviation of effects that is still expected after an earlier study of the same machine (with
another driver, torch or model)."""
MACHINE_PARTS = ("gpu", "gpu_memory", "webui_flavour")
"""Parts of the fingerprint whose change makes an earlier study one of another machine: other kernels, other limits."""


def remaining_doubt(before: Mapping[str, str], now: Mapping[str, str], imported: bool) -> float:
    """The share of doubt (see Prior) that an earlier study leaves, by its fingerprint's parts and those now.
    ``imported``: it came as a file."""
    moved = imported or any(before.get(part) != now.get(part) for part in MACHINE_PARTS)
    return OTHER_MACHINE_DOUBT if moved else SAME_MACHINE_DOUBT


def prior_from_study(history: History, space: Space, profile: Profile, doubt: float = SAME_MACHINE_DOUBT,
                     objective: str = "speed") -> Prior | None:
    """Expected effects of every level that the earlier study measured, relative to its baseline's level.

    ``space`` and ``profile`` are the earlier study's; effects are on the score of ``objective``. None when it holds no
    usable round of its baseline.
    """
    measured = objectives.score_rounds(rounds(history, profile), objective)
    if not any(one.candidate == space.baseline for one in measured):
        return None
    posterior = surface_for(space, objective).posterior(measured)
    base = space[space.baseline]
    seen = {level for one in measured for level in space[one.candidate].levels}
    found: dict[tuple[str, str], float] = {}
    for candidate in space.candidates:
        differing = candidate.differing_levels(base)
        if len(differing) == 1 and differing[0] in seen:
            found[differing[0]] = -posterior.gain(space.baseline, candidate.id)[0]
    for pair in base.levels:
        found.setdefault(pair, 0.0)
    effects = tuple((d, level, value) for (d, level), value in sorted(found.items()))
    return Prior(effects, _("an earlier study"), doubt)
