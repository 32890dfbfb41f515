"""The decision part of a tune's document, read the same way by the page and by the terminal.

On "keep" the document's ``winner`` is the current set itself; the best set that was confirmed against it,
with what was measured, is ``challenger``.
"""

from __future__ import annotations

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
