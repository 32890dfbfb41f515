"""Short clips: the search renders fewer steps and predicts the seconds of a whole clip. Pure.

It does so only while whole clips agree with what was predicted. The seconds of a clip grow with its steps from a fixed
part (text, VAE, encoding). On the H200 recordings it is 0.76 s of 4.9 to 13.8 s for every attention class, and 0.85 to
0.87 s with `--no-half-vae` or `--opt-channelslast` (a1111-h200.jsonl). So the fixed part of the current flags, found
from one whole and one short clip of theirs, serves for all sets. Where that of a set differs by d seconds, its whole
clip is predicted wrong by d times (whole steps / short steps - 1): a decision therefore rests on whole clips alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from autotune.measure import clip_rules
from autotune.model.study import Proposal, Sample
from autotune.model.workload import Workload

LEAST_STEPS = 4
"""Fewest steps of a short clip: twice those of a warm-up clip."""
SAVES = 0.25
"""Share of a whole clip's seconds that a short one must save, else the doubt is not worth it."""
MOST_CHECKS = 3
"""How many sets beside the current flags are rendered both ways to find out whether predictions hold."""
FIXED = 0.12
"""Share of the current flags' clip that does not grow with steps, as one opinion among those measured (0.11 to 0.16
on the H200)."""
PURPOSES = ("screen", "race")
"""Purposes of proposals that short clips serve."""
MOST_FIXED = 0.5
"""Largest share of a short clip's seconds that is taken as fixed (0.20 to 0.28 on the H200). The fixed part of a set
many times faster than the current flags, or without their --medvram, is smaller than theirs: with theirs its whole
clip would be predicted shorter than its short one, or below zero."""


@dataclass(frozen=True, slots=True)
class ShortClip:
    """A short clip of ``steps`` instead of ``whole`` steps; ``fixed``: seconds that do not grow with steps."""

    steps: int
    whole: int
    fixed: float

    def whole_seconds(self, seconds: float) -> float:
        """Predicts the seconds of the whole clip from those of the short one; always more."""
        fixed = min(self.fixed, MOST_FIXED * seconds)
        return fixed + (seconds - fixed) * self.whole / self.steps

    def short_seconds(self, seconds: float) -> float:
        """Seconds of the short clip from those of the whole one."""
        most = seconds / (MOST_FIXED + (1.0 - MOST_FIXED) * self.whole / self.steps)
        return min(most, self.fixed + (seconds - self.fixed) * self.steps / self.whole)


def short_steps(workload: Workload) -> int | None:
    """Steps of a short clip of this workload; None where it is short already, or has to stay as it is."""
    steps = workload.steps // 2
    return steps if steps >= LEAST_STEPS and not workload.is_workflow else None


def _short_clip_of(samples: Sequence[Sample], index: int, workload: Workload, baseline: str) -> ShortClip | None:
    """The short clip of a workload, with what is fixed in it, trusted or not.

    None before the current flags were rendered both ways, or when a short clip of theirs saves too little. The fixed
    part is the median over the sets that were rendered both ways and FIXED of the current flags' clip, so that one
    stalled clip does little harm.
    """
    steps = short_steps(workload)
    found = _seconds_both_ways(samples, index)
    if steps is None or baseline not in found:
        return None
    short, whole = found[baseline]
    if short > (1.0 - SAVES) * whole:
        return None
    fixed = [clip_rules.fixed_seconds((steps, less), (workload.steps, more)) for less, more in found.values()]
    return ShortClip(steps, workload.steps, median([FIXED * whole, *(one for one in fixed if one is not None)]))


def short_clip(samples: Sequence[Sample], index: int, workload: Workload, baseline: str) -> ShortClip | None:
    """How to render the search's next clip of a workload (``index``: its place in the profile); None: whole.

    Only after another set was predicted right within ``clip_rules.PREDICTION_ERROR``, and while more were predicted
    right than wrong.
    """
    short = _short_clip_of(samples, index, workload, baseline)
    if short is None:
        return None
    right = [abs(short.whole_seconds(less) / more - 1.0) <= clip_rules.PREDICTION_ERROR
             for name, (less, more) in _seconds_both_ways(samples, index).items() if name != baseline]
    return short if 2 * sum(right) > len(right) else None


def check_due(samples: Sequence[Sample], index: int, workload: Workload, baseline: str, proposal: Proposal) -> bool:
    """Whether the set just rendered whole is to be rendered short as well, to check predictions.

    The current flags first, then up to MOST_CHECKS other sets, until short clips are trusted or found wrong.
    """
    if proposal.purpose not in PURPOSES or proposal.fresh or short_steps(workload) is None:
        return False
    last = next((s for s in reversed(samples) if s.candidate == proposal.candidate and s.workload == index), None)
    if last is not None and last.state in ("too_slow", "discarded"):
        return False  # there is no whole clip that a short one could be compared with
    both = _seconds_both_ways(samples, index)
    if baseline not in both:
        return proposal.candidate == baseline and not _rendered_short(samples, index, baseline)
    if _rendered_short(samples, index, proposal.candidate) or len(both) > MOST_CHECKS:
        return False
    known = _short_clip_of(samples, index, workload, baseline)
    return known is not None and short_clip(samples, index, workload, baseline) is None


def _rendered_short(samples: Sequence[Sample], index: int, candidate: str) -> bool:
    return any(s.state == "check" and s.purpose != "confirm" and (s.candidate, s.workload) == (candidate, index)
               for s in samples)


def _seconds_both_ways(samples: Sequence[Sample], index: int) -> dict[str, tuple[float, float]]:
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
