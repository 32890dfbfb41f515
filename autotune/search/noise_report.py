"""How noisy this machine turns out to be, in words for the screen: once when it is known and again when it changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autotune.decide import start_noise
from autotune.decide.assumptions import RULES
from autotune.decide.compare import clip_noise, pairs_needed
from autotune.decide.rounds import Round
from autotune.language.translate import _
from autotune.model.workload import DecideSpec

REPEATED_STARTS = 3
"""Starts beyond the first of their set after which the deviation between starts is reported."""
CHANGE_FACTOR = 1.5
"""Factor by which it must have changed to be reported again."""
EXAMPLE_GAIN = 0.05
"""The gain (share) for which the number of pairs is named."""
CLIPS_A_SIDE = 2
"""Clips a side in such a pair."""


@dataclass(frozen=True, slots=True)
class NoiseReport:
    """Standard deviations of log seconds between starts and between clips of one start; ``pairs``: how many a gain of
    EXAMPLE_GAIN needs, None when more than are made."""

    start_sd: float
    clip_sd: float
    pairs: int | None

    @property
    def words(self) -> str:
        """The report as a sentence."""
        need = (_("about {count} pairs").format(count=self.pairs) if self.pairs else
                _("more than {count} pairs").format(count=RULES.max_blocks))
        return _("starts differ by {starts} here, clips of one by {clips}; a {gain:.0f} % gain needs {pairs}").format(
            starts=_percent(self.start_sd), clips=_percent(self.clip_sd), gain=100 * EXAMPLE_GAIN, pairs=need)


def noise_report(rounds: tuple[Round, ...], rule: DecideSpec, shared: bool) -> NoiseReport | None:
    """The noise that these rounds show, None while too few starts were repeated; ``shared``: both sides of a pair are
    rendered in one process."""
    processes = {(one.candidate, one.launch) for one in rounds}
    if len(processes) - len({name for name, _ in processes}) < REPEATED_STARTS:
        return None
    sd, variance, _ = clip_noise(rounds)
    between = start_noise.noise_posterior(rounds, sd, variance).median
    block = (1.0 if shared else 2.0) * between**2 + 2.0 * variance / CLIPS_A_SIDE
    return NoiseReport(between, variance**0.5, pairs_needed(EXAMPLE_GAIN, block, replace(rule, precision=1.0), shared,
                                                            RULES.max_blocks))


def noise_news(before: tuple[Round, ...], now: tuple[Round, ...], rule: DecideSpec, shared: bool) -> str:
    """What there is to report ``now`` that was not reported with the rounds ``before``; empty when nothing is new."""
    fresh = noise_report(now, rule, shared)
    if fresh is None:
        return ""
    old = noise_report(before, rule, shared)
    if old is not None and 1.0 / CHANGE_FACTOR < fresh.start_sd / old.start_sd < CHANGE_FACTOR:
        return ""
    return fresh.words


def _percent(sd: float) -> str:
    return f"{100 * sd:.0f} %" if sd >= 0.02 else f"{100 * sd:.1f} %"
