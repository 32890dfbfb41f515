"""An Optuna study's trials as a history: what was measured, in which process, and what that cost.

A trial that autotune itself recorded holds its clips and starts whole, as user attributes ``samples`` and ``launches``.
For any other trial the value is the seconds of one clip, and user attributes may add: ``startup`` (seconds of the start
that the trial began with), ``cost`` (seconds that it took without that start, else its duration, or its value where
that is more: nobody ran it), ``launch`` (number of the process, else the same as long as one process can serve),
``memory_peak`` (MiB), ``failure``. ``purpose``, ``block`` and ``fresh`` are written by the sampler that asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from autotune.model import codec
from autotune.model.codec import InvalidRecord
from autotune.model.flagset import Space
from autotune.model.study import Failure, Launch, Purpose, Sample

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

SAMPLES, LAUNCHES, SET, WORKER = "samples", "launches", "set", "worker"
PURPOSE, BLOCK, FRESH, WHY, RIVAL = "purpose", "block", "fresh", "why", "rival"
"""Names of user attributes."""
SetOfParams = Callable[[Mapping[str, Any]], "str | None"]
"""Finds the set with a trial's parameters, None if it is not in the space."""


@dataclass
class TrialHistory:
    """What trials say together. ``live``: number of the process that the last trial left running; ``waiting``: (set,
    purpose) of trials that run and have no result yet."""

    samples: list[Sample] = field(default_factory=list)
    launches: list[Launch] = field(default_factory=list)
    live: int | None = None
    waiting: list[tuple[str, str]] = field(default_factory=list)


def read_trials(trials: Sequence[FrozenTrial], space: Space, named: SetOfParams) -> TrialHistory:
    """All samples and launches of these trials, in the order of their numbers; processes and clips are numbered
    anew."""
    reader = _Reader(space)
    for trial in sorted(trials, key=lambda one: one.number):
        name = str(trial.user_attrs[SET]) if SET in trial.user_attrs else named(trial.params)
        if name is None or all(one.id != name for one in space.candidates):
            continue
        if SAMPLES in trial.user_attrs or LAUNCHES in trial.user_attrs:
            reader.recorded(trial)
        elif trial.state.is_finished():
            reader.plain(trial, name)
        if not trial.state.is_finished() and not trial.user_attrs.get(SAMPLES):
            reader.found.waiting.append((name, str(trial.user_attrs.get(PURPOSE, "screen"))))
    return reader.found


def recorded_rows(trial: FrozenTrial) -> tuple[list[Launch], list[Sample]]:
    """Starts and clips that autotune wrote into a trial; invalid ones are left out: another version may have written
    them."""
    launches: list[Launch] = []
    samples: list[Sample] = []
    for row in trial.user_attrs.get(LAUNCHES, ()):
        with suppress(InvalidRecord):
            launches.append(codec.load(Launch, row))
    for row in trial.user_attrs.get(SAMPLES, ()):
        with suppress(InvalidRecord, TypeError):
            samples.append(codec.load(Sample, {"seconds": None, **row}))
    return launches, samples


class _Reader:
    """Collects the history, trial by trial."""
    def __init__(self, space: Space) -> None:
        self.space = space
        self.found = TrialHistory()
        self._known: dict[tuple[str, int], int] = {}
        self._cold: tuple[str, Any] | None = None

    def recorded(self, trial: FrozenTrial) -> None:
        """Adds a trial that holds its clips and starts."""
        worker = str(trial.user_attrs.get(WORKER, ""))
        launches, samples = recorded_rows(trial)
        for launch in launches:
            self._known[worker, launch.number] = self._begin(launch)
        for sample in samples:
            place = self._known.get((worker, sample.launch), sample.launch if sample.launch < 0 else None)
            if place is not None:
                self.found.samples.append(replace(sample, number=len(self.found.samples), launch=place))

    def plain(self, trial: FrozenTrial, name: str) -> None:
        """Adds a trial of which only its parameters, value and duration need be known."""
        state, attrs = trial.state.name, trial.user_attrs
        seconds = trial.value if state == "COMPLETE" else trial.intermediate_values.get(trial.last_step or 0)
        if state == "PRUNED" and seconds is None:
            return
        took = trial.duration.total_seconds() if trial.duration is not None else 0.0
        fresh, block = bool(attrs.get(FRESH)), _whole_number(attrs.get(BLOCK))
        new, launch = self._process(name, fresh, block, attrs)
        startup = _number_or(attrs.get("startup"), max(0.0, took - (seconds or took)) if new else 0.0)
        if new:
            launch = self._begin(Launch(0, name, self.space[name].launch_key, fresh, startup))
        failure = attrs.get("failure")
        self.found.samples.append(Sample(
            number=len(self.found.samples), candidate=name, purpose=_purpose(attrs.get(PURPOSE)), launch=launch,
            cold=fresh, workload=0, round=trial.number,
            state={"COMPLETE": "ok", "PRUNED": "too_slow"}.get(state, "failed"),  # type: ignore[arg-type]
            seconds=seconds if state != "FAIL" else None,
            cost=_number_or(attrs.get("cost"), max(seconds or 0.0, took - startup)),
            failure=None if state != "FAIL" else failure if failure in get_args(Failure) else "crash",
            memory_peak=_number_or(attrs.get("memory_peak"), 0.0) or None, block=block))
        if state == "FAIL":
            self.found.live = None

    def _process(self, name: str, fresh: bool, block: int | None, attrs: Mapping[str, Any]) -> tuple[bool, int]:
        """(whether the trial begins a process, number of the process if not)."""
        given = _whole_number(attrs.get("launch"))
        if given is not None:
            known = self._known.get(("", given))
            self._known.setdefault(("", given), len(self.found.launches))
            return known is None, known or 0
        live = self.found.live
        new = live is None or (self._cold != (name, block) if fresh else
                               self.found.launches[live].launch_key != self.space[name].launch_key)
        if new:
            self._cold = (name, block) if fresh else None
        return new, live or 0

    def _begin(self, launch: Launch) -> int:
        """Adds a start and returns its number."""
        number = len(self.found.launches)
        self.found.launches.append(replace(launch, number=number))
        self.found.live = number if launch.failure is None else None
        return number


def _number_or(value: object, otherwise: float) -> float:
    """The value as a float, ``otherwise`` where it is no number of at least 0."""
    return float(value) if isinstance(value, (int, float)) and value >= 0.0 else otherwise


def _whole_number(value: object) -> int | None:
    """The value where it is a whole number of at least 0, else None."""
    return value if isinstance(value, int) and value >= 0 else None


def _purpose(value: object) -> Purpose:
    """The purpose of that name, "screen" where there is none."""
    return value if value in get_args(Purpose) else "screen"  # type: ignore[return-value]
