"""Clips with fewer steps in the search, told forward to whole ones, and only while whole clips agree. Pure.

Time is affine in steps: text, VAE and encoding take the same seconds whatever the steps are. On the H200 recordings
that fixed part is 0.76 s of 4.9 to 13.8 s for every attention class, and 0.85 to 0.87 s with `--no-half-vae` or
`--opt-channelslast` (a1111-h200.jsonl), so the current flags' fixed part serves for all sets: it is found from one
whole and one short clip of theirs. A set whose fixed part differs by d is told wrong by d times the factor less one,
which is why a decision rests on whole clips alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from autotune.measure import clip_rules
from autotune.model.study import Proposal, Sample
from autotune.model.workload import Workload

LEAST_STEPS = 4
"""A short clip has at least so many steps, twice a warm-up clip's."""
SAVES = 0.25
"""A short clip must save this share of a whole one, else the doubt is not worth it."""
MOST_CHECKS = 3
"""Other sets that are rendered both ways until most of them agree with what was told."""
FIXED = 0.12
"""Share of the current flags' clip that does not grow with steps, as one opinion among those measured (0.11 to 0.16 on
the H200)."""
PURPOSES = ("screen", "race")


MOST_FIXED = 0.5
"""Largest share of a short clip that is taken for fixed (0.20 to 0.28 on the H200). A set many times faster than the
current flags, or without their --medvram, has less that is fixed than they: by theirs its whole clip could come out
shorter than its short one, or below zero."""


@dataclass(frozen=True, slots=True)
class Shorter:
    """A short clip of ``steps`` instead of ``whole`` steps; ``fixed``: seconds that do not grow with steps."""

    steps: int
    whole: int
    fixed: float

    def grow(self, seconds: float) -> float:
        """Seconds of the whole clip from those of the short one; always more."""
        fixed = min(self.fixed, MOST_FIXED * seconds)
        return fixed + (seconds - fixed) * self.whole / self.steps

    def shrink(self, seconds: float) -> float:
        """Seconds of the short clip from those of the whole one."""
        most = seconds / (MOST_FIXED + (1.0 - MOST_FIXED) * self.whole / self.steps)
        return min(most, self.fixed + (seconds - self.fixed) * self.steps / self.whole)


def short_steps(workload: Workload) -> int | None:
    """Steps of a short clip of this workload, None where it is short already."""
    steps = workload.steps // 2
    return steps if steps >= LEAST_STEPS else None


def line(samples: Sequence[Sample], index: int, workload: Workload, baseline: str) -> Shorter | None:
    """How to tell whole clips of a workload from short ones; None before the current flags were rendered both ways,
    or when a short clip of theirs saves too little.

    The fixed part is the median over the sets that were rendered both ways and FIXED of the current flags' clip: one
    clip that stalled then does not bend the line.
    """
    steps = short_steps(workload)
    found = _both(samples, index)
    if steps is None or baseline not in found:
        return None
    short, whole = found[baseline]
    if short > (1.0 - SAVES) * whole:
        return None
    fixed = [clip_rules.affine((steps, less), (workload.steps, more)) for less, more in found.values()]
    return Shorter(steps, workload.steps, median([FIXED * whole, *(one.fixed for one in fixed if one)]))


def misses(samples: Sequence[Sample], index: int, told: Shorter, baseline: str) -> list[float]:
    """By what share of the whole clip each other set that was rendered both ways in one process was told wrong."""
    return [told.grow(short) / whole - 1.0
            for name, (short, whole) in _both(samples, index).items() if name != baseline]


def shorter(samples: Sequence[Sample], index: int, workload: Workload, baseline: str) -> Shorter | None:
    """How to render the search's next clip of a workload with fewer steps; None: whole.

    Only after another set was told right within ``clip_rules.AGREES``, and while more were told right than wrong.
    """
    told = line(samples, index, workload, baseline)
    if told is None:
        return None
    good = [abs(miss) <= clip_rules.AGREES for miss in misses(samples, index, told, baseline)]
    return told if 2 * sum(good) > len(good) else None


def check_due(samples: Sequence[Sample], index: int, workload: Workload, baseline: str, proposal: Proposal) -> bool:
    """Whether the set just rendered whole is to be rendered short as well: the current flags first, then up to
    MOST_CHECKS others, until short clips are trusted or have been found wanting."""
    if proposal.purpose not in PURPOSES or proposal.fresh or short_steps(workload) is None:
        return False
    last = next((s for s in reversed(samples) if s.candidate == proposal.candidate and s.workload == index), None)
    if last is not None and last.state in ("too_slow", "discarded"):
        return False  # there is no whole clip that a short one could be compared with
    both = _both(samples, index)
    if baseline not in both:
        return proposal.candidate == baseline and not _asked(samples, index, baseline)
    told = line(samples, index, workload, baseline)
    if told is None or _asked(samples, index, proposal.candidate):
        return False
    return len(both) <= MOST_CHECKS and shorter(samples, index, workload, baseline) is None


def _asked(samples: Sequence[Sample], index: int, candidate: str) -> bool:
    return any(s.state == "check" and s.purpose != "confirm" and (s.candidate, s.workload) == (candidate, index)
               for s in samples)


def _both(samples: Sequence[Sample], index: int) -> dict[str, tuple[float, float]]:
    """(seconds short, seconds whole) of each set that was rendered both ways in one process, medians."""
    short: dict[tuple[str, int], list[float]] = {}
    whole: dict[tuple[str, int], list[float]] = {}
    for one in samples:
        if one.workload != index or one.seconds is None:
            continue
        if one.state == "check" and one.purpose != "confirm":
            short.setdefault((one.candidate, one.launch), []).append(one.seconds)
        elif one.state == "ok" and one.steps is None:
            whole.setdefault((one.candidate, one.launch), []).append(one.seconds)
    return {key[0]: (median(times), median(whole[key])) for key, times in short.items() if key in whole}
