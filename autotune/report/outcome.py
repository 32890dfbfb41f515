"""The decision part of a tune's document, read the same way by the page and by the terminal.

On "keep" the document's ``winner`` is the current set itself; the best set that was confirmed against it,
with what was measured, is ``challenger``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autotune.language.translate import _
from autotune.report import labels

SetResult = Mapping[str, Any]
"""What a document says of one set: "flags", "settings", "effective", "seconds" {median, low, high}, "memory_peak"."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tune decided.

    ``baseline``: the current set; ``other``: the tuned one or, where the current set stays, its best rival; ``saving``:
    MiB of peak memory that ``other`` needs less.
    """

    changes: bool
    reason: str
    baseline: SetResult | None
    other: SetResult | None
    speedup: Mapping[str, Any] | None
    saving: float | None

    @property
    def name(self) -> str:
        """What the other side is called."""
        return _("tuned") if self.changes else _("best rival")

    @property
    def measured(self) -> bool:
        """True where the current set was measured at all."""
        return self.baseline is not None and median(self.baseline) is not None


def outcome(tune: Mapping[str, Any]) -> Outcome:
    """The outcome in a document of ``tune``."""
    changes = tune.get("decision") == "apply"
    baseline, winner, challenger = tune.get("baseline"), tune.get("winner"), tune.get("challenger")
    speedup, saving = tune.get("speedup"), tune.get("memory_saving")
    if not changes:
        speedup = challenger.get("speedup") if challenger else None
        saving = challenger.get("memory_saving") if challenger else None
    other = winner if changes else challenger
    return Outcome(changes, str(tune.get("reason") or ""), baseline, other, speedup, saving)


def side_id(side: SetResult | None) -> str:
    """The candidate's id of a side or trial of a document, as samples carry it; empty text for none."""
    if not side:
        return ""
    return str(side.get("candidate") or labels.identity(side.get("effective")))


def median(side: SetResult) -> float | None:
    """Median seconds of a side; None where nothing was measured."""
    span = side.get("seconds") or {}
    value = span.get("median")
    return None if value is None else float(value)


def bounds(side: SetResult) -> tuple[float, float] | None:
    """Low and high seconds of a side; None where there is no interval."""
    span = side.get("seconds") or {}
    low, high = span.get("low"), span.get("high")
    return None if low is None or high is None else (float(low), float(high))


def medians_differ(found: Outcome) -> bool:
    """Whether the two median times make a factor that is farther from the speed than the speed's interval is wide, so
    that a reader sees figures that contradict each other."""
    now, then = (median(side) if side else None for side in (found.baseline, found.other))
    if not found.speedup or not now or not then:
        return False
    estimate, low, high = (float(found.speedup[key]) for key in ("estimate", "low", "high"))
    return min(estimate, low) > 0 and abs(math.log(now / then / estimate)) > math.log(high / low)


def why_medians_differ(found: Outcome, several: bool) -> str:
    """A sentence or two where ``medians_differ``, else empty. ``several``: the profile has several workloads, of which
    the times tell the first."""
    if not medians_differ(found):
        return ""
    if several:
        return _("The two times of a clip do not give this speed: they are of the profile's first clip alone, the "
                 "speed is of all its clips.")
    return _("The two times of a clip do not give this speed: each is a median of clips from different moments of the "
             "tune, and shifts when the machine grows slower or faster in between. The pairs decide: there both sets "
             "were rendered in turn, so that such a change falls out.")
