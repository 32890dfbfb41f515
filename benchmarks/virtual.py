"""A web UI in virtual time: executes a strategy's proposals on a surface as a session does on a real one."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Protocol

from autotune.model.flagset import Candidate, Space
from autotune.model.study import Failure, History, Launch, Proposal, Sample
from autotune.model.workload import Profile
from autotune.search.strategy import Strategy


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

    def clip(self, candidate: Candidate, workload: int, now: float) -> Clip:
        """Renders one clip at virtual time ``now``; the first of a process is slower."""
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

    ``wasted``: seconds spent on clips and starts that failed.
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
    warm: bool = False

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
            self.execute(proposal)
        raise RuntimeError(f"the strategy asked {limit} times without coming to an end")

    def execute(self, proposal: Proposal) -> None:
        """Carries out one proposal: a start if one is needed, its warm-up clip, its rounds."""
        candidate = self.surface.space[proposal.candidate]
        if (self.live is None or proposal.fresh or self.live_key != candidate.launch_key) and not self._start(
                candidate, proposal):
            return
        for number in range(proposal.rounds):
            for workload in range(len(self.surface.profile.workloads)):
                if not self._clip(candidate, proposal, workload, number, "ok"):
                    return

    def _start(self, candidate: Candidate, proposal: Proposal) -> bool:
        process = self.surface.process(candidate, self.rng)
        cold = proposal.fresh
        self.launches.append(Launch(len(self.launches), candidate.id, candidate.launch_key, cold,
                                    process.startup, process.failure))
        self.now += process.startup
        self.live, self.live_key = process, candidate.launch_key
        if process.failure is not None:
            self.wasted += process.startup
            self.live = None
            return False
        return self._clip(candidate, proposal, 0, 0, "warmup")

    def _clip(self, candidate: Candidate, proposal: Proposal, workload: int, number: int, state: str) -> bool:
        assert self.live is not None
        clip = self.live.clip(candidate, workload, self.now)
        self.now += clip.seconds
        failed = clip.failure is not None
        last = self.launches[-1]
        self.samples.append(Sample(
            len(self.samples), candidate.id, proposal.purpose, last.number,
            last.cold and last.candidate == candidate.id, workload, number,
            "failed" if failed else ("warmup" if state == "warmup" else "ok"),
            None if failed else clip.seconds, clip.seconds, clip.failure, "", clip.memory, proposal.block))
        if failed:
            self.wasted += clip.seconds
            self.live = None
        return not failed


def regret(surface: Surface, chosen: str) -> float:
    """How much slower the chosen set truly is than the best one: 0.01 = 1 %."""
    best = min(surface.true_score(c.id) for c in surface.space.candidates)
    return math.exp(surface.true_score(chosen) - best) - 1.0
