"""What a study records and asks: samples, launches, proposals, and the history that a strategy and a verdict read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from autotune.model.bounds import ClipSeconds, Count, Decibels, Joules, Mebibytes, Process, Seconds, Similarity

Purpose = Literal["screen", "race", "confirm", "ablate", "drift"]
SampleState = Literal["ok", "warmup", "check", "failed", "discarded", "too_slow"]
Failure = Literal[
    "oom", "spilled", "invalid_output", "not_animated", "nan", "cuda_error",
    "crash", "machine_down", "hang", "startup", "bad_flag", "port", "interrupted",
]


@dataclass(frozen=True, slots=True)
class Sample:
    """One clip, written to disk the moment it exists.

    ``seconds``: wall time of the finished clip, end to end, None if it failed; for a clip that was given up as too slow
    (state "too_slow") the least that it would have taken. ``cost``: seconds of the session that this clip took, failed
    or not. ``memory_peak`` in MiB, None where it is not known.

    ``launch``: number of the process that rendered it; ``cold``: that process was started with exactly this set's words
    (else it was switched live). ``round``: the clips of one round cover all workloads. ``block``: the pair of the
    comparison that it belongs to (one cold launch a side), None elsewhere.

    ``ssim`` and ``psnr`` compare its frames with the baseline's at equal seed. ``energy`` in joules. ``torch_active``
    and ``torch_reserved``: torch's own peaks in MiB, of all that its process rendered up to this clip's end; None where
    there is no CUDA.

    ``steps``: number of steps where it is not the workload's. ``seconds`` of such a short clip is the predicted time of
    a whole one (see measure/short_clips.py), ``rendered`` its own time; a clip of state "check" was rendered short
    beside a whole one, and its ``seconds`` are its own.

    ``trial``: number of the proposal, in the count of the worker that measured it; ``worker``: that worker where
    several work on one study, "" for this one; ``origin``: the sample's number in that worker's own record.
    """

    number: Count
    candidate: str
    purpose: Purpose
    launch: Process
    cold: bool
    workload: Count
    round: Count
    state: SampleState
    seconds: ClipSeconds | None
    cost: Seconds
    failure: Failure | None = None
    detail: str = ""
    memory_peak: Mebibytes | None = None
    block: Count | None = None
    ssim: Similarity | None = None
    psnr: Decibels | None = None
    energy: Joules | None = None
    steps: Count | None = None
    rendered: ClipSeconds | None = None
    torch_active: Mebibytes | None = None
    torch_reserved: Mebibytes | None = None
    trial: Count | None = None
    worker: str = ""
    origin: Count | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of the web UI. ``startup``: seconds to ready (or to failure); ``failure``: why it was never ready;
    ``installing``: further seconds, not part of ``startup``, in which it installed packages once; ``trial``, ``worker``
    and ``origin``: see Sample."""

    number: Count
    candidate: str
    launch_key: str
    cold: bool
    startup: Seconds
    failure: Failure | None = None
    detail: str = ""
    installing: float | None = None
    trial: Count | None = None
    worker: str = ""
    origin: Count | None = None


@dataclass(frozen=True, slots=True)
class History:
    """All that happened in a study so far, in order, and what is left of its budget (seconds)."""

    samples: tuple[Sample, ...] = ()
    launches: tuple[Launch, ...] = ()
    spent: float = 0.0
    budget: float = 600.0
    live_launch: int | None = None
    """Number of the process that is running now; None if the next clip needs a launch."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to measure next: ``rounds`` rounds of one candidate.

    ``fresh``: needs a cold launch with exactly its words; otherwise the live process is switched when its launch key
    allows, and a process of that launch key is started when not. ``block``: see Sample. ``steps``: clips with more
    steps than the profile's, which only check the speedup predicted for such clips (state "check").
    """

    candidate: str
    purpose: Purpose
    rounds: int
    fresh: bool = False
    block: int | None = None
    why: str = ""
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence bounds."""

    estimate: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class MeasuredSet:
    """A set in a verdict, as it was measured. ``median``, ``low``, ``high``: seconds of the first workload's confirm
    clips; ``memory_peak`` in MiB. ``torch_active``, ``torch_reserved``: torch's own peaks (MiB) in processes that
    rendered nothing else."""

    candidate: str
    median: float
    low: float
    high: float
    memory_peak: float | None
    launches: int
    samples: int
    torch_active: float | None = None
    torch_reserved: float | None = None


@dataclass(frozen=True, slots=True)
class Ablation:
    """Effect of one flag of the winner: time without it over time with it (1.03 = it gains 3 %).

    ``measured``: by ``pairs`` fresh pairs of the set with and without it; else it is what a model of all clips expects,
    and never ``significant``.
    """

    flag: str
    effect: float
    low: float
    high: float
    significant: bool
    measured: bool = False
    pairs: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on a history. ``sure`` is False when the budget ended before the question was settled."""

    decision: Literal["apply", "keep"]
    reason: str
    sure: bool
    baseline: MeasuredSet | None
    winner: MeasuredSet | None
    speedup: Interval | None
    memory_saving: float | None
    ablation: tuple[Ablation, ...] = field(default=())
