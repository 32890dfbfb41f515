"""A budget is a promise: whatever a web UI does, a run ends within it, one usual clip and a stop.

The driver, the strategy, the limits and the records are the real ones; only the web UI and the clock are virtual, so
that hours pass in milliseconds. That a real clip and a real start end at the limits given here is tested where those
are (tests/measure/test_clip.py, tests/trial/test_server.py).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autotune import measure, search, trial
from autotune.decide.rounds import rounds
from autotune.model.flagset import Space
from autotune.model.study import Failure, Proposal
from autotune.model.workload import DecideSpec, Profile, SearchSpec, Workload
from autotune.store.running_set import RunningSet, this_boot
from autotune.store.studies import Study, open_study
from autotune.tune.driver import Driver
from autotune.tune.progress import Progress
from autotune.tune.stopwatch import Budget, Stopwatch
from autotune.tune.study_setup import StudySetup
from autotune.webui.a1111.flags import space as spaces
from autotune.webui.a1111.webui import A1111
from tests.flags.machines import machine

pytestmark = pytest.mark.slow

STOP = 6.0
"""Seconds of a stop: SIGTERM, SIGINT, SIGKILL, and memory that comes back."""
SEARCH = SearchSpec((("attention", ("sdp", "split", "v1")), ("channelslast", ("false", "true"))))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class WebUI:
    """A web UI in virtual time. ``faults``: name -> number, as the reference web UI's; ``start`` and ``clip``: seconds;
    ``overhead``: share of a clip that does not grow with its steps."""

    clock: Clock
    start: float
    clip: float
    faults: dict[str, float]
    overhead: float = 0.1
    jobs: int = 0
    starts: int = 0

    @property
    def usual(self) -> float:
        """Seconds of a whole clip that nothing hinders but memory that spills."""
        return self.clip * (8.0 if "spill" in self.faults else 1.0)

    def begin(self, plan: trial.LaunchPlan, say: Callable[[str], None], cancel: object = None) -> Any:
        self.starts, self.jobs = self.starts + 1, 0
        installing = min(self.faults.get("install", 0.0) if self.starts == 1 else 0.0, plan.install_limit)
        if installing:
            say(f"installs, up to {plan.install_limit}")
        seconds = self.start + self.faults.get("start_slow", 0.0)
        limit = plan.start_limit
        self.clock.now += installing + min(seconds, limit)
        if "start_crash" in self.faults or seconds > limit:
            self.clock.now += STOP
            failure: Failure = "hang" if seconds > limit else "startup"
            raise trial.LaunchFailed("it did not start", "", failure=failure, log_tail=(), exit_code=None,
                                      startup=installing + min(seconds, limit) + STOP, installing=installing)
        log = SimpleNamespace(installing=lambda: installing, spoiled="")
        return SimpleNamespace(
            startup=installing + seconds, log=log, warnings=(), client=SimpleNamespace(memory=None), alive=lambda: True,
            log_tail=tuple, descendants=list, stop=self.stop, wait_ended=self.wait)

    def stop(self) -> Any:
        self.clock.now += STOP
        return SimpleNamespace(traces=())

    def wait(self, seconds: float) -> bool:
        self.clock.now += seconds
        return False

    def render(self, workload: Workload, limits: measure.ClipLimits) -> measure.ClipResult:
        time_limit, left, best = limits.hang, limits.left, limits.best
        self.jobs += 1
        share = self.overhead + (1.0 - self.overhead) * workload.steps / 20.0
        seconds = self.usual * share
        fault = next((n for n in ("hang", "oom", "cuda_error", "nan") if self.faults.get(n) in (self.jobs, 0)), None)
        if fault == "hang":
            seconds = math.inf
        ends = min(seconds, time_limit, left, math.inf if best is None else best * 1.5)
        self.clock.now += ends
        if ends == seconds and fault is None:
            return measure.ClipResult(seconds, seconds, gif=None)
        if best is not None and ends == best * 1.5:
            return measure.ClipResult(None, ends, too_slow=True, at_least=ends)
        if ends == seconds:
            return measure.ClipResult(None, ends, failure=fault, restart=True)  # type: ignore[arg-type]
        failure: Failure = "hang" if ends == time_limit else "interrupted"
        return measure.ClipResult(None, ends, failure=failure, detail="ended", restart=True)


class Said(Progress):
    """Keeps the lines that are said."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def say(self, text: str) -> None:
        self.lines.append(text)


class VirtualDriver(Driver):
    """The driver, but nothing is asked over HTTP."""

    def _switch(self, live: Any, candidate: Any) -> str | None:
        return None


@dataclass
class Run:
    wall: float
    study: Study
    said: list[str]
    space: Space
    profile: Profile


@pytest.fixture
def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    of = machine(("--opt-split-attention-v1",))
    of = replace(of, gpus=(), runtime=replace(of.runtime, device="cpu"))
    space = spaces.build(of, SEARCH)
    numbers = itertools.count()

    def run(budget: float, webui: WebUI, workloads: int = 1, strategy: str = "screen", steps: int = 20,
            then: int | None = None) -> Run:
        clips = tuple(Workload(512, 512, 16, steps, weight=float(n + 1)) for n in range(workloads))
        profile = Profile("virtual", clips, SEARCH, DecideSpec())
        setup = StudySetup(of, space, profile, A1111(), None, tmp_path, None, RunningSet(tmp_path, this_boot()))
        study = open_study(tmp_path / "studies", f"{next(numbers):08x}", {"budget": budget}, True)
        monkeypatch.setattr(trial, "start", webui.begin)
        monkeypatch.setattr(measure, "clip", lambda _, job, limits: webui.render(job.workload, limits))
        said: list[str] = []
        kept = Budget(budget, Stopwatch(webui.clock), study.spent())
        asked = search.make_strategy(strategy, space, profile, "speed", 0, None)
        with VirtualDriver(setup, study, kept, SimpleNamespace(gpus=tuple), Said(said)) as driver:  # type: ignore[arg-type]
            setup.in_flight.record_machine_down()
            driver.rule_out(setup.in_flight.machine_down_sets())
            for _ in range(3000):
                proposal = asked.next(study.history(budget, kept.spent(), driver.live_launch))
                if proposal is None:
                    break
                driver.carry_out(proposal)
            else:
                raise AssertionError("it does not end")
            if then is not None:
                driver.carry_out(Proposal(space.baseline, "confirm", 1, steps=then))
        return Run(webui.clock.now, study, said, space, profile)

    yield run


FAULTS: list[dict[str, float]] = [
    {}, {"hang": 1}, {"hang": 2}, {"hang": 3}, {"hang": 4}, {"hang": 7}, {"hang": 0}, {"start_slow": 45},
    {"start_slow": 600}, {"start_slow": 1e9}, {"start_crash": 1}, {"oom": 2}, {"oom": 0}, {"cuda_error": 3},
    {"nan": 4}, {"spill": 1},
]


@pytest.mark.parametrize("faults", FAULTS, ids=str)
def test_a_run_ends_within_its_budget_one_usual_clip_and_a_stop(
    faults: dict[str, float], tune: Callable[..., Run]
) -> None:
    for number, (budget, strategy) in enumerate(
            itertools.product((20.0, 60.0, 180.0, 600.0, 3600.0), ("screen", "exhaustive", "random"))):
        draw = random.Random(number)
        webui = WebUI(Clock(), draw.uniform(3, 60), draw.choice((0.4, 3.0, 12.0, 45.0)), faults, draw.uniform(0, 0.8))
        run = tune(budget, webui, draw.choice((1, 1, 3)), strategy)
        assert run.wall <= budget + webui.usual + STOP + 1e-6, (budget, strategy, webui)


def test_a_web_ui_that_hangs_is_called_hung_within_the_budget(tune: Callable[..., Run]) -> None:
    """Three minutes, warm-ups of 2 s, then nothing: half an hour was waited for its first timed clip."""
    for hangs in (1, 2, 3, 4, 5):
        webui = WebUI(Clock(), 10.0, 12.0, {"hang": hangs})
        run = tune(180.0, webui)
        assert run.wall <= 180.0 + webui.usual + STOP
        lost = [one for one in run.study.samples if one.failure == "hang"]
        good = any(one.state == "ok" for one in run.study.samples)
        assert len(lost) == 2 or (lost and good), hangs  # there was time for one more try
        assert all(word in " ".join(run.said) for word in ("no answer within", "s ("))


def test_what_the_budget_ends_is_no_fault_of_the_set(tune: Callable[..., Run]) -> None:
    run = tune(35.0, WebUI(Clock(), 10.0, 500.0, {}))
    assert {one.failure for one in run.study.samples if one.state == "failed"} == {"interrupted"}
    run = tune(30.0, WebUI(Clock(), 100.0, 5.0, {}))
    assert [one.failure for one in run.study.launches] == ["interrupted"]
    assert "the budget ended" in run.study.launches[0].detail


@pytest.mark.parametrize("seconds", [30.0, 400.0, 5000.0])
def test_installing_has_its_own_limit_which_is_said(tune: Callable[..., Run], seconds: float) -> None:
    plain = tune(120.0, WebUI(Clock(), 10.0, 2.0, {}))
    webui = WebUI(Clock(), 10.0, 2.0, {"install": seconds})
    run = tune(120.0, webui)
    allowed = min(seconds, 900.0)
    assert run.wall <= 120.0 + allowed + webui.usual + STOP
    assert len(run.study.samples) == len(plain.study.samples)  # the budget is there for measuring
    assert any("installs" in line for line in run.said)
    assert run.study.cost()["wall"] - allowed <= run.study.spent() + 1e-3 <= 120.0 + webui.usual + STOP


def test_a_longer_clip_only_checks_and_never_outlasts_the_budget(tune: Callable[..., Run]) -> None:
    run = tune(3600.0, WebUI(Clock(), 10.0, 4.0, {}), 2, steps=8, then=20)
    before = tune(3600.0, WebUI(Clock(), 10.0, 4.0, {}), 2, steps=8)
    added = run.study.samples[len(before.study.samples):]
    assert [(one.state, one.steps, one.workload) for one in added if one.state != "warmup"] == [
        ("check", 20, 0), ("check", 20, 1)]
    assert rounds(run.study.history(0.0, 0.0, None), run.profile) == rounds(
        before.study.history(0.0, 0.0, None), before.profile)
    for budget in (30.0, 60.0, 120.0, 300.0):
        webui = WebUI(Clock(), 10.0, 4.0, {})
        assert tune(budget, webui, 2, steps=8, then=20).wall <= budget + webui.usual + STOP
