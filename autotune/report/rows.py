"""A finished tune grouped for the page: a row for each set, the pairs of the confirmation, what the time went into.

Pure values: the document of ``tune`` and its samples in, small records out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from autotune.decide.compare import FRESH_PURPOSES
from autotune.language.translate import N_, _
from autotune.model.study import Launch, Sample
from autotune.report import labels, words
from autotune.report.outcome import Outcome, outcome, side_id

Role = Literal["baseline", "winner", "other"]

_COST_TEXTS = (
    ("measuring", N_("Measuring clips")),
    ("startup", N_("Starting the web UI")),
    ("warmup", N_("First clips of a process (not counted)")),
    ("waiting", N_("Waiting for a quiet GPU")),
    ("search", N_("Thinking and bookkeeping")),
)


@dataclass(frozen=True, slots=True)
class SetRow:
    """One effective set: its good clips, its failures as (class, message), and its flags and settings as text.

    ``tag``: "current", "tuned" or "best rival", empty for other sets.
    """

    candidate: str
    label: str
    role: Role
    tag: str
    flags: str
    clips: tuple[Sample, ...]
    failures: tuple[tuple[str, str], ...]

    def clips_of(self, workload: int) -> tuple[Sample, ...]:
        """Its good clips of one workload: whole ones where there are any."""
        mine = tuple(s for s in self.clips if s.workload == workload)
        return tuple(s for s in mine if s.rendered is None) or mine

    def is_shortened(self, workload: int) -> bool:
        """True where its seconds of a workload are computed from clips with fewer steps, as it has no whole clip."""
        mine = self.clips_of(workload)
        return bool(mine) and mine[0].rendered is not None

    def median(self, workload: int) -> float | None:
        """Median seconds of its good clips of one workload."""
        times = [s.seconds for s in self.clips_of(workload) if s.seconds is not None]
        return median(times) if times else None

    @property
    def memory_peak(self) -> float | None:
        """Highest peak of its clips, MiB; None where none was measured."""
        peaks = [s.memory_peak for s in self.clips if s.memory_peak is not None]
        return max(peaks) if peaks else None


@dataclass(frozen=True, slots=True)
class Pair:
    """One block of the confirmation: median seconds of the current and of the other set on one workload."""

    block: int
    baseline: float
    winner: float


@dataclass(frozen=True, slots=True)
class Story:
    """A tune as the page shows it. ``names``: a short label for each candidate."""

    document: Mapping[str, Any]
    rows: tuple[SetRow, ...]
    workloads: tuple[str, ...]
    samples: tuple[Sample, ...]
    launches: tuple[Launch, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def tune(self) -> Mapping[str, Any]:
        """The document of ``tune``: the part of that name, or all of it."""
        found: Mapping[str, Any] = self.document.get("tune") or self.document
        return found

    @property
    def outcome(self) -> Outcome:
        """The decision and its two sides."""
        return outcome(self.tune)

    def row(self, role: Role) -> SetRow | None:
        """The first row of that role."""
        return next((row for row in self.rows if row.role == role), None)


def story_of(document: Mapping[str, Any], samples: Sequence[Sample], launches: Sequence[Launch]) -> Story:
    """Groups one tune. The document is that of ``tune`` with its surroundings (see ``html.render``)."""
    tune = document.get("tune") or document
    flags = _flags_of_sets(tune)
    baseline = side_id(tune.get("baseline"))
    found = outcome(tune)
    winner = side_id(found.other)
    tags = {"baseline": _("current"), "winner": found.name}
    ids = list(dict.fromkeys([s.candidate for s in samples] + [x.candidate for x in launches]))
    names = labels.short(ids)
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.candidate].append(sample)
    rows = []
    for one in ids:
        role: Role = "baseline" if one == baseline else "winner" if one == winner else "other"
        starts = [x for x in launches if x.candidate == one]
        name = (one, names[one], flags.get(one, ""))
        rows.append(_row(name, (role, tags.get(role, "")), groups[one], starts))
    rows.sort(key=_order)
    return Story(document, tuple(rows), _workloads(document, samples), tuple(samples), tuple(launches), names)


def _flags_of_sets(tune: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in [tune.get("baseline"), tune.get("winner"), tune.get("challenger"), *tune.get("trials", ())]:
        if item:
            found.setdefault(side_id(item), words.flags(item.get("flags", ()), item.get("settings")))
    return found


def _row(
    name: tuple[str, str, str], role: tuple[Role, str], samples: Sequence[Sample], launches: Sequence[Launch]
) -> SetRow:
    good = tuple(s for s in samples if s.state == "ok" and s.seconds is not None)
    bad: list[tuple[str, str]] = [(s.failure or "crash", s.detail) for s in samples if s.state == "failed"]
    bad += [(x.failure, x.detail) for x in launches if x.failure]
    kinds = {name: next((text for other, text in bad if other == name and text), "") for name, _ in bad}
    return SetRow(name[0], name[1], role[0], role[1], name[2], good, tuple(kinds.items()))


def _order(row: SetRow) -> tuple[float, str]:
    times = [row.median(w) for w in sorted({s.workload for s in row.clips})]
    return (times[0] if times and times[0] is not None else float("inf"), row.candidate)


def _workloads(document: Mapping[str, Any], samples: Sequence[Sample]) -> tuple[str, ...]:
    """A line of text for each workload number that samples name, from the profile where it has them."""
    profile = document.get("profile")
    given = (profile.get("workloads") if isinstance(profile, Mapping) else None) or ()
    count = max([len(given), *(s.workload + 1 for s in samples)], default=0)
    return tuple(words.workload(given[i]) if i < len(given) else _("workload {number}").format(number=i + 1)
                 for i in range(count))


def pairs(story: Story, workload: int = 0) -> tuple[Pair, ...]:
    """The blocks of the confirmation in which both sets rendered a clip, in order."""
    baseline, winner = story.row("baseline"), story.row("winner")
    if baseline is None or winner is None:
        return ()
    sides: list[dict[int, list[float]]] = []
    for row in (baseline, winner):
        times: dict[int, list[float]] = defaultdict(list)
        for s in row.clips_of(workload):
            if s.purpose in FRESH_PURPOSES and s.block is not None and s.seconds is not None:
                times[s.block].append(s.seconds)
        sides.append(times)
    both = sorted(set(sides[0]) & set(sides[1]))
    return tuple(Pair(b, median(sides[0][b]), median(sides[1][b])) for b in both)


def cost_parts(tune: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """What a tune's wall time went into: (name, text, seconds); what is left over comes last."""
    given = tune.get("cost") or {}
    found = [(name, _(text), float(given.get(name) or 0.0)) for name, text in _COST_TEXTS]
    left = float(given.get("wall") or 0.0) - sum(value for _, _, value in found)
    if left > 0.005 * float(given.get("wall") or 0.0):
        found.append(("rest", _("Everything else"), left))
    return found
