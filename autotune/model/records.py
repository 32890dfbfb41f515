"""The types of what is stored in a study's files, and the check that the parts of a study fit one another.

Keys that are not named here are ignored, so that a newer version's files stay readable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from autotune.language.translate import _
from autotune.model import codec
from autotune.model.bounds import Count, Decibels, Difference, Mebibytes, Ratio, Seconds, Share, Similarity
from autotune.model.clips import ClipPair
from autotune.model.codec import InvalidRecord
from autotune.model.flagset import SettingValue, Space
from autotune.model.machine import Fingerprint
from autotune.model.study import Failure, Launch, Sample
from autotune.model.workload import ProfileRecord

Objective = Literal["speed", "vram", "balanced"]


class WebUIRecord(TypedDict):
    """Which web UI was measured."""

    flavour: str
    version: str | None
    root: str


class StudyHead(TypedDict, total=False):
    """``study.json``: the question of a study. A check's has some of it."""

    id: str
    key: str
    created: str
    autotune: str
    profile: ProfileRecord
    objective: Objective
    strategy: str
    seed: int
    webui: WebUIRecord
    gpu: str
    memory_untold: str | None
    stand_in: bool
    fingerprint: Fingerprint
    space: Space
    budget: Seconds
    prior: dict[str, Any] | None
    warnings: list[str]
    imported: bool


@dataclass(frozen=True)
class StudyQuestion:
    """The part of a head that a verdict needs, or a report shows."""

    id: str
    profile: ProfileRecord
    objective: Objective
    space: Space
    webui: WebUIRecord
    gpu: str
    created: str
    stand_in: bool
    budget: Seconds | None = None


class _Flags(TypedDict):
    flags: list[str]
    settings: dict[str, SettingValue]


class _Times(TypedDict):
    median: Seconds
    low: Seconds
    high: Seconds


class IntervalRecord(TypedDict):
    """A measured quotient; ``confidence`` is None where nothing was measured."""

    estimate: Ratio
    low: Ratio
    high: Ratio
    confidence: Share | None


class _Memory(TypedDict, total=False):
    peak: Mebibytes | None
    torch_active: Mebibytes | None
    torch_reserved: Mebibytes | None


class _Measured(_Flags):
    effective: dict[str, str | bool]
    seconds: _Times | None
    memory_peak: Mebibytes | None
    launches: Count
    samples: Count


class _Side(_Measured, total=False):
    memory: _Memory


class _Challenger(_Side):
    speedup: IntervalRecord | None
    memory_saving: Difference | None


class _Image(TypedDict):
    valid: bool
    ssim: Similarity | None
    psnr: Decibels | None


class _Expected(TypedDict):
    flag: str
    effect: Ratio
    low: Ratio
    high: Ratio
    significant: bool


class _Effect(_Expected, total=False):
    measured: bool
    pairs: Count


class _Trial(_Flags):
    effective: dict[str, str | bool]
    seconds: Seconds | None
    state: str
    failure: Failure | None
    detail: str
    launch: Count | None
    samples: list[Seconds]


class _Point(_Flags):
    score: Ratio | None
    memory_peak: Mebibytes


class _Front(_Point, total=False):
    short: bool


class _Excluded(_Flags):
    reason: str


class _Print(TypedDict):
    id: str
    parts: dict[str, str]


class _AtSteps(TypedDict):
    workload: Count
    steps: Count
    speedup: IntervalRecord
    checked: bool
    measured: Ratio | None


class _Other(_Flags):
    expected_gain: Ratio
    sure: bool


class _OneWorkload(TypedDict):
    workload: Count
    speedup: IntervalRecord | None
    best_other: _Other | None


class _Unmeasured(TypedDict):
    flag: str
    dimension: str
    level: str
    expected: Ratio | None
    reason: str


class _Change(TypedDict):
    file: str
    diff: str
    refused: str | None
    hint: str


class _Verdict(TypedDict):
    decision: Literal["apply", "keep"]
    reason: str
    sure: bool
    baseline: _Side
    winner: _Side
    speedup: IntervalRecord
    challenger: _Challenger | None
    memory_saving: Difference | None
    image: _Image
    ablation: list[_Effect]
    fingerprint: _Print
    cost: dict[str, Seconds]


class TuneResult(_Verdict, total=False):
    """``result.json`` of a tune: its document."""

    study: str
    objective: Objective
    created: str
    webui: WebUIRecord
    gpu: str
    stand_in: bool
    memory_untold: str | None
    expected_from: str | None
    front: list[_Front]
    expected_at: list[_AtSteps]
    per_workload: list[_OneWorkload]
    unmeasured: list[_Unmeasured]
    trials: list[_Trial]
    excluded: list[_Excluded]
    launches: Count
    clips: Count
    change: _Change | None
    warnings: list[str]


class AgentStatus(TypedDict, total=False):
    """``status.json``: what the agent last wrote about itself."""

    running: bool
    pid: Annotated[int, Meta(ge=1, lt=1 << 31)] | None
    doing: str
    due: list[str]
    waiting: list[str]
    asked: float | None
    only_asked: bool
    webui: str
    problems: list[str]
    last: dict[str, Any]
    follow: str | None


class _What(TypedDict):
    at: str
    verb: str
    cause: str


class EventRecord(_What, total=False):
    """A line of the history."""

    study: str | None
    decision: str | None
    reason: str | None
    outcome: str | None
    result: str | None
    code: int | None
    message: str | None
    speedup: dict[str, Ratio | None] | Ratio | None
    checkpoint: str | None
    flags: list[str] | None
    settings: dict[str, SettingValue] | None
    cost: Seconds | None


@dataclass(frozen=True)
class StudyExport:
    """A study as one file."""

    schema: Literal[1]
    kind: Literal["autotune-study"]
    study: dict[str, Any]
    samples: Annotated[tuple[Sample, ...], Meta(max_length=1_000_000)]
    launches: Annotated[tuple[Launch, ...], Meta(max_length=100_000)]
    cost: dict[str, Seconds]
    result: dict[str, Any] | None = None
    clips: Annotated[tuple[ClipPair, ...], Meta(max_length=1000)] = ()


def check_study(head: Mapping[str, Any], samples: Sequence[Sample], launches: Sequence[Launch]) -> StudyQuestion:
    """The question of a study, once it is certain that its parts fit one another: every clip belongs to a known set,
    process and workload, and none is missing or there twice. Raises InvalidRecord."""
    codec.load(StudyHead, head)
    question = codec.load(StudyQuestion, head)
    _check_space(question.space)
    known = {candidate.id for candidate in question.space.candidates}
    for number, launch in enumerate(launches):
        _require(launch.number == number, f"launches[{number}]",
                 _("its number is {number}").format(number=launch.number))
        _require(launch.candidate in known, f"launches[{number}]",
                 _("no set is called {candidate!r}").format(candidate=launch.candidate))
    for number, sample in enumerate(samples):
        place = f"samples[{number}]"
        _require(sample.number == number, place, _("its number is {number}").format(number=sample.number))
        _require(sample.candidate in known, place,
                 _("no set is called {candidate!r}").format(candidate=sample.candidate))
        _require(sample.launch < len(launches), place, _("there is no launch {launch}").format(launch=sample.launch))
        _require(sample.workload < len(question.profile.workload), place,
                 _("there is no workload {workload}").format(workload=sample.workload))
        _require(sample.state != "ok" or sample.seconds is not None, place, _("a good clip took no time"))
        _require(sample.state == "failed" or sample.failure is None, place,
                 _("{state}, and failed").format(state=sample.state))
    return question


def check_result(
    found: Mapping[str, Any], space: Space, samples: Sequence[Sample], launches: Sequence[Launch]
) -> None:
    """Checks a result against its study: the set that it would write is one of the study's, and the clips that it
    counts exist.

    Raises InvalidRecord. A study may hold more clips than its result counts: it went on and was interrupted.
    """
    checked = codec.load(TuneResult, found)
    sides = {"baseline": checked["baseline"], "winner": checked["winner"], "challenger": checked["challenger"]}
    known = [(list(c.flags.words), dict(c.flags.settings)) for c in space.candidates]
    for name, side in sides.items():
        _require(side is None or (side["flags"], side["settings"]) in known, f"result.{name}",
                 _("not a set of its study"))
    adopts = checked["decision"] == "apply"
    _require(adopts or checked["winner"] == checked["baseline"], "result.winner", _("not the baseline, which is kept"))
    claimed = (checked.get("launches", 0), checked.get("clips", 0))
    recorded = (len(launches), sum(sample.seconds is not None for sample in samples))
    fewer = any(one < other for one, other in zip(recorded, claimed, strict=True))
    _require(not fewer, "result",
             _("it tells of {launches} launches and {clips} clips, "
               "{launches_found} and {clips_found} are there").format(
                 launches=claimed[0], clips=claimed[1], launches_found=recorded[0], clips_found=recorded[1]))


def _check_space(space: Space) -> None:
    """Raises InvalidRecord where a space is inconsistent."""
    ids = [candidate.id for candidate in space.candidates]
    _require(len(set(ids)) == len(ids), "study.space.candidates", _("a set stands twice"))
    _require(space.baseline in ids, "study.space.baseline", _("not one of the sets"))
    names = [dimension.name for dimension in space.dimensions]
    _require(len(set(names)) == len(names), "study.space.dimensions", _("a dimension stands twice"))
    levels = {dimension.name: dimension.levels for dimension in space.dimensions}
    for number, candidate in enumerate(space.candidates):
        fits = [name for name, _ in candidate.levels] == names
        fits = fits and all(level in levels[name] for name, level in candidate.levels)
        _require(fits, f"study.space.candidates[{number}].levels", _("they are not those of the dimensions"))


def _require(holds: bool, place: str, otherwise: str) -> None:
    if not holds:
        raise InvalidRecord(f"{place}: {otherwise}")
