"""A web UI whose clips and starts only take their time, scaled down; what is recorded is as on a drawn surface.

Everything else is what `tune` runs: the study on disk, Optuna's storage, asking and telling, the verdict.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.decide import verdict as decide
from autotune.model import codec
from autotune.model.flagset import Candidate
from autotune.model.study import Launch, Proposal, Sample, SampleState, Verdict
from autotune.search.strategy import SearchQuestion
from autotune.store.places import Places
from autotune.store.studies import Study, open_study
from autotune.tune import optuna_search
from autotune.tune.loop import TuneRun, ask_and_tell
from autotune.tune.progress import Progress
from autotune.tune.stopwatch import Budget, Stopwatch
from autotune.workload import profile as profiles
from benchmarks.surfaces import Drawn
from benchmarks.virtual import Process

KEY = "0123456789abcdef"


@dataclass
class WaitingDriver:
    """Carries proposals out by waiting. ``scale``: seconds to wait for each second that it would take; ``each``: is
    called after each clip and start that was recorded."""

    surface: Drawn
    study: Study
    rng: random.Random
    scale: float = 0.0
    each: Callable[[], None] = lambda: None
    now: float = 0.0
    live: Process | None = None
    launch: int = -1
    key: str = ""
    cold_for: tuple[str, int | None] | None = None
    warmed: set[str] = field(default_factory=set)

    @property
    def live_launch(self) -> int | None:
        """See session.tune.Carrier."""
        return self.launch if self.live is not None else None

    def give_way(self) -> None:
        """See session.tune.Carrier."""

    def carry_out(self, proposal: Proposal) -> None:
        """See session.tune.Carrier."""
        candidate = self.surface.space[proposal.candidate]
        cold = proposal.fresh
        serves = self.live is not None and (
            self.cold_for == (candidate.id, proposal.block) if cold else self.key == candidate.launch_key)
        if not serves and not self._start(candidate, proposal):
            return
        workloads = range(len(self.surface.profile.workloads))
        first = 1 + max((one.round for one in self.study.samples if one.candidate == candidate.id), default=-1)
        if candidate.id not in self.warmed:
            self.warmed.add(candidate.id)
            if not all(self._clip(candidate, proposal, n, first, "warmup") for n in workloads):
                return
        for number in range(first, first + proposal.rounds):
            if not all(self._clip(candidate, proposal, n, number, "ok") for n in workloads):
                return

    def _wait(self, seconds: float) -> None:
        self.now += seconds
        if self.scale:
            time.sleep(seconds * self.scale)

    def _start(self, candidate: Candidate, proposal: Proposal) -> bool:
        process = self.surface.process(candidate, self.rng)
        self._wait(process.startup)
        self.launch = len(self.study.launches)
        self.study.add_launch(Launch(self.launch, candidate.id, candidate.launch_key, proposal.fresh, process.startup,
                                     process.failure))
        self.each()
        self.live = process if process.failure is None else None
        self.key, self.warmed = candidate.launch_key, set()
        self.cold_for = (candidate.id, proposal.block) if proposal.fresh else None
        return self.live is not None

    def _clip(self, candidate: Candidate, proposal: Proposal, workload: int, number: int, state: SampleState) -> bool:
        assert self.live is not None
        clip = self.live.clip(candidate, workload, self.now, state == "warmup")
        self._wait(clip.seconds)
        cold = self.cold_for is not None and self.cold_for[0] == candidate.id
        self.study.add_sample(Sample(
            len(self.study.samples), candidate.id, proposal.purpose, self.launch, cold, workload, number,
            state if clip.failure is None else "failed", None if clip.failure else clip.seconds, clip.seconds,
            clip.failure, "", clip.memory, proposal.block))
        self.each()
        if clip.failure is not None:
            self.live = None
        return clip.failure is None


def open_waiting(state: Path, surface: Drawn, key: str = KEY, fresh: bool = False) -> Study:
    """The study of a surface in a state folder."""
    head: dict[str, Any] = {
        "profile": profiles.to_json(surface.profile), "objective": "speed", "space": codec.dump(surface.space),
        "created": "2026-01-01T00:00:00+00:00", "gpu": "drawn", "stand_in": True,
        "webui": {"flavour": "reference", "version": None, "root": str(state)}}
    return open_study(state / "studies", key, head, fresh)


def tuned(state: Path, surface: Drawn, seed: int, *, storage: str | None = None, sampler: str = "screen",
          budget: float = 3600.0, scale: float = 0.0, each: Callable[[], None] = lambda: None) -> tuple[Study, Verdict]:
    """One tune from its beginning, or from where it was killed, to its verdict."""
    study = open_waiting(state, surface)
    driver = WaitingDriver(surface, study, random.Random(f"{seed} {len(study.samples)}"), scale, each)
    watch = Stopwatch((lambda: time.monotonic() / scale) if scale else lambda: driver.now)
    asked = SearchQuestion(surface.space, surface.profile, "speed", sampler, seed, None,
                           f"autotune-{KEY}" if storage else None)
    kept = Budget(budget, watch, study.spent())
    with (optuna_search.storage(Places(state), storage, sampler) as held,
          optuna_search.OptunaSearch(held, study, asked, lambda _: None) as search):
        ask_and_tell(driver, TuneRun(study, search, kept, Progress()), scale)
        history = study.history(budget, study.spent(), None)
        verdict = decide(history, surface.space, surface.profile, "speed")
        search.conclude(verdict)
    return study, verdict
