"""A web UI in virtual time: executes a strategy's proposals on a surface as a session does on a real one."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from autotune.measure import short_clips
from autotune.model.flagset import Candidate, Space
from autotune.model.study import Failure, History, Launch, Proposal, Sample, SampleState
from autotune.model.workload import Profile

if TYPE_CHECKING:
    from autotune.search.strategy import Strategy


GIVING_UP = 2.1
"""Seconds until a clip that is given up has come to its end (1.9 to 3.6 on the H200, tunes-a1111-h200)."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip as a surface gives it. ``seconds``: its time, or how long it took to fail; memory in MiB."""

    seconds: float
    failure: Failure | None = None
    memory: float | None = None


class Process(Protocol):
    """One process of a web UI on a surface."""

    startup: float
    failure: Failure | None

    def clip(self, candidate: Candidate, workload: int, now: float, warmup: bool, steps: float = 1.0) -> Clip:
        """Renders one clip at virtual time ``now``; the first of a process is slower. ``warmup``: with few steps,
        as the first clip of each set in a process is, so that kernels are loaded before it is timed. ``steps``:
        share of the workload's steps that it is rendered with."""
        ...


class Surface(Protocol):
    """A machine to tune: its space, its profile and how long everything takes there."""

    @property
    def space(self) -> Space: ...

    @property
    def profile(self) -> Profile: ...

    def process(self, candidate: Candidate, rng: random.Random) -> Process:
        """Starts a process with this set's words."""
        ...

    def true_score(self, candidate: str) -> float:
        """Log seconds without noise; infinite for a set that cannot render."""
        ...


@dataclass
class Session:
    """A study in virtual time. ``run`` ends when the strategy has nothing more to ask or the budget is out.

    ``wasted``: seconds spent on clips and starts that failed. ``discard``: share of clips that a guard discards.
    ``short``: whether the search's clips may have fewer steps; a surface of recorded clips knows whole ones only.
    """

    surface: Surface
    rng: random.Random
    budget: float
    samples: list[Sample] = field(default_factory=list)
    launches: list[Launch] = field(default_factory=list)
    now: float = 0.0
    wasted: float = 0.0
    live: Process | None = None
    live_key: str = ""
    cold_for: tuple[str, int | None] | None = None
    warmed: set[str] = field(default_factory=set)
    discard: float = 0.0
    short: bool = False
    settled: float | None = None
    """When the verdict stood, where clips that only check what is said of longer ones followed it."""

    def history(self) -> History:
        """What a strategy sees now."""
        live = self.launches[-1].number if self.live is not None else None
        return History(tuple(self.samples), tuple(self.launches), self.now, self.budget, live)

    def run(self, strategy: Strategy, limit: int = 2000) -> History:
        """Runs to the end and returns the history. Raises RuntimeError if a strategy does not end."""
        for _ in range(limit):
            history = self.history()
            proposal = strategy.next(history)
            if proposal is None or self.now >= self.budget:
                return history
            if proposal.steps is not None and self.settled is None:
                self.settled = self.now
            self.execute(proposal)
        raise RuntimeError(f"the strategy asked {limit} times without coming to an end")

    def execute(self, proposal: Proposal) -> None:
        """Carries out one proposal: a start if one is needed, its warm-up clip, its rounds."""
        candidate = self.surface.space[proposal.candidate]
        if not self._serves(candidate, proposal) and not self._start(candidate, proposal):
            return
        workloads = range(len(self.surface.profile.workloads))
        if candidate.id not in self.warmed:
            for workload in workloads:
                if not self._warm_up(candidate, proposal, workload):
                    return
            self.warmed.add(candidate.id)
        for number in range(proposal.rounds):
            for workload in workloads:
                if not self._timed(candidate, proposal, workload, number):
                    return
            if self.samples[-1].state == "too_slow":
                return

    def _warm_up(self, candidate: Candidate, proposal: Proposal, workload: int) -> bool:
        return self._clip(candidate, proposal, workload, 0, "warmup")

    def _limit(self, proposal: Proposal, workload: int, short: short_clips.ShortClip | None) -> float:  # noqa: ARG002
        """Seconds after which a timed clip is given up as too slow."""
        return math.inf

    def _serves(self, candidate: Candidate, proposal: Proposal) -> bool:
        if self.live is None:
            return False
        if proposal.fresh:
            return self.cold_for == (candidate.id, proposal.block)
        return self.live_key == candidate.launch_key

    def _start(self, candidate: Candidate, proposal: Proposal) -> bool:
        process = self.surface.process(candidate, self.rng)
        self.launches.append(Launch(len(self.launches), candidate.id, candidate.launch_key, proposal.fresh,
                                    process.startup, process.failure))
        self.now += process.startup
        self.live, self.live_key, self.warmed = process, candidate.launch_key, set()
        self.cold_for = (candidate.id, proposal.block) if proposal.fresh else None
        if process.failure is not None:
            self.wasted += process.startup
            self.live = None
        return self.live is not None

    def _timed(self, candidate: Candidate, proposal: Proposal, workload: int, number: int) -> bool:
        """One clip that counts, with fewer steps where that is trusted, and a short one beside it where due."""
        if proposal.steps is not None:
            return self._clip(candidate, proposal, workload, number, "check", steps=proposal.steps)
        clip, baseline = self.surface.profile.workloads[workload], self.surface.space.baseline
        short = None
        if self.short and proposal.purpose in short_clips.PURPOSES and not proposal.fresh:
            short = short_clips.short_clip(self.samples, workload, clip, baseline)
        if not self._clip(candidate, proposal, workload, number, "ok", short):
            return False
        due = self.short and short is None and short_clips.check_due(self.samples, workload, clip, baseline, proposal)
        return not due or self._clip(candidate, proposal, workload, number, "check")

    def _clip(self, candidate: Candidate, proposal: Proposal, workload: int, number: int,
              state: SampleState, short: short_clips.ShortClip | None = None, steps: int | None = None) -> bool:
        assert self.live is not None
        whole = self.surface.profile.workloads[workload]
        steps = short.steps if short else steps or (short_clips.short_steps(whole) if state == "check" else None)
        share = 1.0 if steps is None else steps / whole.steps
        clip = self.live.clip(candidate, workload, self.now, state == "warmup", share)
        limit = self._limit(proposal, workload, short) if state == "ok" else math.inf
        cost = min(clip.seconds, limit + GIVING_UP)
        self.now += cost
        failed = clip.failure is not None
        if failed:
            state = "failed"
        elif clip.seconds > limit:
            state, clip = "too_slow", replace(clip, seconds=limit)
        elif state == "ok" and self.discard and self.rng.random() < self.discard:
            state = "discarded"
        cold = self.cold_for is not None and self.cold_for[0] == candidate.id
        seconds = short.whole_seconds(clip.seconds) if short else clip.seconds
        self.samples.append(Sample(
            len(self.samples), candidate.id, proposal.purpose, self.launches[-1].number, cold, workload, number,
            state, None if failed else seconds, cost, clip.failure, "", clip.memory, proposal.block,
            steps=steps, rendered=clip.seconds if short and not failed else None))
        if failed:
            self.wasted += cost
            self.live = None
        return not failed


def regret(surface: Surface, chosen: str) -> float:
    """How much slower the chosen set truly is than the best one: 0.01 = 1 %."""
    best = min(surface.true_score(c.id) for c in surface.space.candidates)
    return math.exp(surface.true_score(chosen) - best) - 1.0
