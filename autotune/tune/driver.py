"""Carries out proposals: the right process, the right set in effect, clips measured, all of it recorded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from autotune import measure, trial
from autotune.flags.words import replace as replace_words
from autotune.install import idle, which_gpu
from autotune.measure import fidelity
from autotune.measure.gpu import GpuObserver, MainMemory
from autotune.measure.observations import NOTHING, Observations
from autotune.measure.observers import Observer, RamObserver, TorchObserver
from autotune.model.api import ApiProblem
from autotune.model.errors import AutotuneError
from autotune.model.failures import without_prompts
from autotune.model.flagset import NONE_TUNED, Candidate, FlagSet
from autotune.model.study import Failure, Launch, Proposal, Sample, SampleState
from autotune.model.workload import Workload
from autotune.secrets.mask import masked_words
from autotune.store import running_set
from autotune.store.journal import require_space
from autotune.store.studies import Study
from autotune.trial import gpu_memory, inventory
from autotune.tune import time_limits
from autotune.tune.give_way import GiveWay, OwnWork
from autotune.tune.reference_clip import Reference
from autotune.tune.stopwatch import Budget
from autotune.tune.study_setup import StudySetup
from autotune.workload import clip

if TYPE_CHECKING:
    from autotune.machine.nvml import Nvml

SEED = 20_240_301
"""All clips use one seed, so that their frames can be compared."""
CLOCKS_KEPT = 9
"""Clips whose lowest clock says what is usual; the discarded ones among them, so that a card that settles
lower for good becomes the usual."""
EFFECT_LIMIT = 5.0
"""Seconds until the log must show a switched set; a switch takes 0.03 s (a1111-h200 recordings)."""
BEFORE = -1
"""Number of the process of a sample that no process of this study rendered."""
MIN_SSIM = 0.8
"""Frames less like the current flags' than this are another picture, not the same one computed otherwise."""


@dataclass(frozen=True)
class _ClipTask:
    """One clip that is to be rendered: of which set and workload, in which round, with how many steps.

    ``state``: what a good clip is recorded as. ``shorter``: it is rendered with fewer steps, and recorded is what that
    says of a whole clip.
    """

    candidate: Candidate
    proposal: Proposal
    index: int
    workload: Workload
    round: int
    state: SampleState = "ok"
    shorter: fidelity.Shorter | None = None

    @property
    def phase(self) -> Literal["warmup", "measuring"]:
        """What its time counts as."""
        return "warmup" if self.state == "warmup" else "measuring"


@dataclass(frozen=True)
class _ClipOutcome:
    """How it went: see ``Sample``. ``likeness``: SSIM and PSNR to the frames of the current flags."""

    state: SampleState
    failure: Failure | None = None
    detail: str = ""
    seconds: float | None = None
    cost: float = 0.0
    seen: Observations = NOTHING
    likeness: tuple[float, float] | None = None
    rendered: float | None = None
    steps: int | None = None


@dataclass
class _Live:
    """The process that is up."""

    server: trial.Server
    launch: int
    key: str
    cold_start_of: tuple[str, int | None] | None
    screening: bool
    now: str
    observers: tuple[Observer, ...]
    warmed: set[str] = field(default_factory=set)


class Driver:
    """Owns at most one web UI process at a time. Use as a context manager."""

    def __init__(
        self, setup: StudySetup, study: Study, budget: Budget, nvml: Nvml, say: Callable[[str], None]
    ) -> None:
        self._setup = setup
        self._study = study
        self._budget = budget
        self._watch = budget.watch
        self._nvml = nvml
        self._say = say
        self._live: _Live | None = None
        self._card = which_gpu.of_machine(setup.machine)
        # Of other cards nothing is waited for: what works there is not ours.
        self._idle_memory = {index: used for index, used in gpu_memory.level(nvml).items() if index == self._card}
        self._main_memory = MainMemory()
        self._reference = Reference(study.folder, setup.profile)
        self._clocks: deque[int] = deque(maxlen=CLOCKS_KEPT)
        root = setup.machine.webui.root
        self._way = GiveWay(root, idle.holds_gpu(setup.machine), self._hand_back)
        self._own_work = OwnWork(root)

    def __enter__(self) -> Driver:
        self._way.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._way.stop()
        self.close()

    def _hand_back(self) -> None:
        """Ends the process at once, from any thread: the user's web UI wants the machine."""
        live = self._live
        if live is not None:
            live.server.stop(now=True)

    def give_way(self) -> None:
        """Waits while the user's web UI has the machine, at most until the budget ends; else returns at once."""
        if not self._way.taken.is_set():
            return
        self._say(f"paused, the machine is yours: {self._way.why}")
        self.close()
        with self._watch.on("waiting"):
            free = self._way.wait_free(max(1.0, self._budget.left()))
        self._say("going on" if free else "the budget ended while your web UI had the machine")

    @property
    def live_launch(self) -> int | None:
        """Number of the process that is up, None if there is none."""
        if self._live is not None and not self._live.server.alive():
            self.close()
        return self._live.launch if self._live else None

    def close(self) -> None:
        """Ends the process and waits until its GPU memory is back."""
        live, self._live = self._live, None
        if live is not None:
            with self._watch.on("waiting"):
                traces = live.server.stop().traces
                self._setup.in_flight.end()
                if not self._way.taken.is_set():  # else what is in use is not ours
                    limit = time_limits.settle_limit(self._budget.left())
                    trial.wait_for_gpu_memory(self._nvml, self._idle_memory, limit=limit)
            self._warn(inventory.warnings_of(traces, self._setup.run_root))

    def carry_out(self, proposal: Proposal) -> None:
        """Measures what is proposed, as far as the budget goes. Failures are recorded, not raised; the process then
        starts anew."""
        candidate = self._setup.space[proposal.candidate]
        live = self._ensure(candidate, proposal)
        if live is None or not self._in_effect(live, candidate, proposal):
            return
        first = 1 + max((s.round for s in self._study.samples if s.candidate == candidate.id), default=-1)
        if candidate.id not in live.warmed and not self._warm_up(live, candidate, proposal, first):
            return
        for number in range(first, first + proposal.rounds):
            for index, workload in enumerate(self._setup.profile.workloads):
                if not self._timed(live, _ClipTask(candidate, proposal, index, workload, number)):
                    return
            if self._study.samples[-1].state == "too_slow":
                return

    def _timed(self, live: _Live, task: _ClipTask) -> bool:
        """One clip that counts; in the search with fewer steps where that is trusted, and where it is due a short one
        beside the whole one to find that out. False when the process must not be used any more."""
        samples, baseline = self._study.samples, self._setup.space.baseline
        index, workload, proposal = task.index, task.workload, task.proposal
        if proposal.steps is not None:
            more = replace(workload, steps=proposal.steps)
            enough = workload.steps >= proposal.steps or self._budget.left() <= 0.0
            return enough or self._clip(live, replace(task, workload=more, state="check"))
        shorter = None
        if proposal.purpose in fidelity.PURPOSES and not proposal.fresh:
            shorter = fidelity.shorter(samples, index, workload, baseline)
        steps = shorter.steps if shorter else workload.steps
        whole = replace(task, workload=replace(workload, steps=steps), shorter=shorter)
        if self._budget.left() <= 0.0 or not self._clip(live, whole):
            return False
        fewer = fidelity.short_steps(workload)
        if shorter or fewer is None or not fidelity.check_due(samples, index, workload, baseline, proposal):
            return True
        short = replace(task, workload=replace(workload, steps=fewer), state="check")
        return self._budget.left() > 0.0 and self._clip(live, short)

    def _warm_up(self, live: _Live, candidate: Candidate, proposal: Proposal, number: int) -> bool:
        """Short clips of each workload until the set is warm in this process; False when one of them failed."""
        samples, budget = self._study.samples, self._budget.seconds
        for index, workload in enumerate(self._setup.profile.workloads):
            short = replace(workload, steps=min(workload.steps, time_limits.WARMUP_STEPS))
            while time_limits.another_warmup(samples, live.launch, candidate.id, index, budget):
                if self._budget.left() <= 0.0:
                    return False
                if not self._clip(live, _ClipTask(candidate, proposal, index, short, number, "warmup")):
                    return False
        live.warmed.add(candidate.id)
        return True

    def _ensure(self, candidate: Candidate, proposal: Proposal) -> _Live | None:
        """The process to measure in: the live one where it serves, else a new one."""
        live = self._live
        if live is not None and live.server.alive() and self._serves(live, candidate, proposal):
            return live
        self.close()
        return self._launch(candidate, proposal) if self._budget.left() > 0.0 else None

    def _serves(self, live: _Live, candidate: Candidate, proposal: Proposal) -> bool:
        if proposal.fresh:
            return live.cold_start_of == (candidate.id, proposal.block)
        if live.key != candidate.launch_key:
            return False
        return candidate.id == live.now or self._setup.webui.switch_of(candidate, live.screening) is not None

    def _plan(self, candidate: Candidate, cold: bool, start_limit: float) -> trial.LaunchPlan:
        """What a start of this set is asked to do; ``cold``: with exactly its words, else with those that let it be
        switched to."""
        setup = self._setup
        managed, settings = setup.webui.process_for(candidate, setup.space, cold)
        words = replace_words(
            setup.machine.webui.flags, FlagSet(managed), setup.webui.catalogue(setup.machine.webui.root),
            [dimension.name for dimension in setup.space.dimensions])
        python = setup.machine.webui.python
        assert python is not None, "the probe refuses an install without interpreter"
        return trial.LaunchPlan(
            root=setup.machine.webui.root,
            python=python,
            words=words,
            run_root=setup.run_root,
            settings=tuple(settings.items()),
            launch_file=setup.launch_file,
            start_limit=start_limit,
            install_limit=time_limits.install_limit(self._study.launches),
            in_flight=setup.in_flight.path,
        )

    def _launch(self, candidate: Candidate, proposal: Proposal) -> _Live | None:
        webui, number = self._setup.webui, len(self._study.launches)
        cold = proposal.fresh or webui.switch_of(candidate, True) is None
        limits = time_limits.start_limits(self._study.launches, self._budget.left())
        plan = self._plan(candidate, cold, limits.first)
        self._say(f"starting the web UI with {' '.join(masked_words(webui.trial_words(plan.words))) or 'no flag'}")
        self._setup.in_flight.begin(candidate.id, candidate.flags.words, "tune")
        try:
            with self._watch.on("startup"):
                started = trial.start(plan, say=self._say, cancel=self._way.taken)
        except AutotuneError as failed:
            self._setup.in_flight.end()
            if isinstance(failed, trial.Cancelled):
                return None  # not the set's fault, and nothing of it is left
            if not isinstance(failed, trial.LaunchFailed):
                raise
            self._not_started(Launch(number, candidate.id, candidate.launch_key, cold, failed.startup), failed, limits)
            return None
        installing = started.log.installing()
        self._record_launch(
            Launch(number, candidate.id, candidate.launch_key, cold, started.startup - installing), installing)
        self._warn(started.warnings)
        held = (candidate.id, proposal.block) if proposal.fresh else None
        observers = self._observers(started)
        self._live = _Live(started, number, candidate.launch_key, held, not cold, candidate.id, observers)
        if self._way.taken.is_set():
            self._hand_back()
            return None
        return self._live

    def _warn(self, warnings: Sequence[str]) -> None:
        """Tells once, and keeps for the document, what could not be done as the owner's own start does it."""
        told = list(self._study.head.get("warnings", ()))
        new = [line for line in dict.fromkeys(warnings) if line not in told]
        for line in new:
            self._say(f"  warning: {line}")
        if new:
            self._study.set_head(warnings=[*told, *new])

    def _observers(self, started: trial.Server) -> tuple[Observer, ...]:
        """Memory on the GPU that the web UI uses; in main memory where there is none."""
        if self._setup.machine.gpus and self._setup.machine.runtime.device == "cuda":
            idle = self._idle_memory.get(self._card)
            gpu = GpuObserver(self._nvml, self._card, lambda: [one.pid for one in started.descendants()], idle,
                              self._main_memory)
            return (gpu, TorchObserver(started.client.memory), self._own_work)
        return (RamObserver(started.descendants), TorchObserver(started.client.memory), self._own_work)

    def _not_started(self, launch: Launch, failed: trial.LaunchFailed, limits: time_limits.Limits) -> None:
        """Records and tells why a start failed; one that the budget ended is no failure of its set."""
        words = without_prompts(failed.log_tail)
        failure, said = failed.failure, failed.message
        if failure == "hang" and failed.startup - failed.installing < min(limits.hang, limits.surely):
            failure, said = "interrupted", f"the budget ended after {failed.startup:.0f} s of this start"
        elif failure == "hang":
            said += f" ({limits.known})"
        startup = failed.startup - failed.installing
        self._record_launch(replace(launch, startup=startup, failure=failure, detail=said), failed.installing)
        self._say(f"  it did not start: {failure}: {said}")
        if words and failure != "interrupted":
            self._say(f"  its last words are in {self._study.save_log(f'start-{launch.number}', words)}")

    def _record_launch(self, launch: Launch, installing: float) -> None:
        """Records a start; ``installing``: seconds of it that are not the budget's."""
        self._budget.excuse(installing)
        self._study.add_launch(replace(launch, installing=installing or None))
        self._study.set_cost(self._watch.seconds())

    def _in_effect(self, live: _Live, candidate: Candidate, proposal: Proposal) -> bool:
        """Switches where needed and looks whether the set really acts (guarantee 6)."""
        failure: Failure = "bad_flag"
        try:
            with self._watch.on("waiting"):
                problem = self._switch(live, candidate)
        except ApiProblem as fault:
            problem = f"the web UI could not be asked: {fault}"
            failure = "hang" if fault.kind == "timeout" else "invalid_output" if live.server.alive() else "crash"
        if problem is None:
            live.now = candidate.id
            return True
        if self._way.taken.is_set():
            return False
        nothing = _ClipTask(candidate, proposal, 0, self._setup.profile.workloads[0], 0)
        self._add(live, nothing, _ClipOutcome("failed", failure, problem))
        self._say(f"  {failure}: {problem}")
        self.close()
        return False

    def _switch(self, live: _Live, candidate: Candidate) -> str | None:
        """None when the set is in effect, else what is not. Raises ApiProblem."""
        client, webui = live.server.client, self._setup.webui
        if live.now != candidate.id:
            self._setup.in_flight.begin(candidate.id, candidate.flags.words, "tune")
            switch = webui.switch_of(candidate, live.screening)
            assert switch is not None, "a process that cannot be switched to a set does not serve it"
            client.set_options(switch, time_limits.switch_limit(self._budget.left()))
        deadline = time.monotonic() + EFFECT_LIMIT
        while True:
            reported = client.reported(live.server.attention_logged())
            wrong = webui.mismatches(candidate.effective, reported, self._setup.machine)
            if not wrong or time.monotonic() > deadline:
                return "; ".join(wrong) or None
            live.server.wait_ended(0.05)

    def _clip(self, live: _Live, task: _ClipTask) -> bool:
        """Renders, checks and records one clip; False when the process must not be used any more."""
        with self._watch.on(task.phase):
            result = self._render(live, task)
        if self._way.taken.is_set() and result.seconds is None:
            return False  # cut short, and repeated when the machine is ours again
        failure, detail, likeness = result.failure, result.detail, None
        if failure is None and live.server.log.spoiled:
            failure, detail = "nan", live.server.log.spoiled
        if failure is None and result.gif is not None:
            with self._watch.on(task.phase):
                failure, detail, likeness = self._look_at(result.gif, task)
        if failure:
            require_space(self._setup.run_root)
        state = task.state
        if state != "warmup" and (result.discard or result.too_slow):
            state = "discarded" if result.discard else "too_slow"
        seconds, shorter = result.at_least if result.too_slow else result.seconds, task.shorter
        whole = shorter.grow(seconds) if shorter and seconds is not None else seconds
        usual = self._setup.profile.workloads[task.index].steps
        self._add(live, task, _ClipOutcome(
            state="failed" if failure else state,
            failure=failure,
            detail=detail or result.discard or "",
            seconds=None if failure else whole,
            rendered=seconds if shorter and not failure else None,
            steps=None if task.workload.steps == usual else task.workload.steps,
            cost=result.cost,
            seen=result.seen,
            likeness=likeness,
        ))
        if failure or result.too_slow:
            self._say(f"  {failure or 'too slow'}: {detail}")
        elif state == "discarded":
            pause = min(time_limits.pause_after(self._study.samples), max(0.0, self._budget.left()))
            self._say(f"  does not count: {detail or result.discard}; going on in {pause:.0f} s")
            with self._watch.on("waiting"):
                live.server.wait_ended(pause)
        if failure and result.restart:
            self._study.save_log(f"clip-{len(self._study.samples) - 1}", without_prompts(live.server.log_tail()))
        if result.restart or failure not in (None, "interrupted"):
            self.close()
        return failure is None and not self._way.taken.is_set()

    def _render(self, live: _Live, task: _ClipTask) -> measure.ClipResult:
        """One clip, within the limits that the study's earlier clips set."""
        samples, timed, index = self._study.samples, task.state == "ok", task.index
        asked = (samples, task.proposal, index, self._setup.space.baseline)
        best = time_limits.seconds_to_beat(*asked) if timed else None
        family = time_limits.comparable_seconds(*asked) if timed else ()
        if task.shorter is not None:
            best = None if best is None else task.shorter.shrink(best)
            family = tuple(map(task.shorter.shrink, family))
        first = all(sample.launch != live.launch for sample in samples)
        limits = time_limits.clip_limits(samples, index, task.workload, first, self._budget.left())
        process = measure.ClipProcess(
            live.server.client, live.observers, live.server.alive, live.server.log_tail, self._way.taken)
        result = measure.clip(
            process, measure.ClipJob(task.workload, SEED, self._setup.motion_module),
            measure.ClipLimits(
                hang=limits.hang, left=limits.ends, best=best, family=family,
                slow=time_limits.slow_factor(self._setup.profile.workloads, index),
                usual_clocks=() if task.state == "warmup" else tuple(self._clocks)))
        ended = result.failure == "interrupted" and result.restart
        if result.failure == "hang" or (ended and result.cost >= limits.surely):
            why = f"no answer within {result.cost:.0f} s ({limits.known})"
            result = replace(result, failure="hang", detail=why)
        if result.seen.lost:
            self._warn(("NVML went away while a clip was rendered: memory, heat and clocks of the card are unknown "
                        "since then",))
        if task.state != "warmup" and result.seconds is not None and result.seen.clock_low is not None:
            self._clocks.append(result.seen.clock_low)
        return replace(result, discard=result.discard or self._way.why) if self._way.taken.is_set() else result

    def _look_at(
        self, gif: bytes, task: _ClipTask
    ) -> tuple[Failure | None, str, tuple[float, float] | None]:
        """(failure, why, likeness to the current flags' frames) of a clip's pixels."""
        frames = clip.check_clip(gif, task.workload)
        if isinstance(frames, clip.ClipRefusal):
            return ("invalid_output" if frames.animated else "not_animated"), frames.detail, None
        if task.state == "warmup":  # rendered with too few steps to be a picture
            return None, "", None
        baseline = task.candidate.id == self._setup.space.baseline
        likeness = self._reference.likeness(task.index, task.workload, baseline, gif, frames)
        if likeness is not None and likeness[0] < MIN_SSIM:
            why = f"the frames are not those of the current flags: SSIM {likeness[0]:.2f}"
            return "invalid_output", why, likeness
        return None, "", likeness

    def bar(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Records that sets must not be tried again, because the machine went down while they ran."""
        known = {one.candidate for one in self._study.samples if one.failure == "machine_down"}
        for entry in entries:
            name = str(entry["candidate"])
            if name in known or all(one.id != name for one in self._setup.space.candidates):
                continue
            self._study.add_sample(Sample(
                number=len(self._study.samples), candidate=name, purpose="screen", launch=BEFORE, cold=False,
                workload=0, round=0, state="failed", seconds=None, cost=0.0, failure="machine_down",
                detail=running_set.why_not_tried(dict(entry))))
            flags = " ".join(self._setup.space[name].flags.words) or NONE_TUNED
            self._say(f"{flags}: {running_set.why_not_tried(dict(entry))}; not tried again, --fresh does")

    def _add(self, live: _Live, task: _ClipTask, went: _ClipOutcome) -> None:
        """Records one clip."""
        seen, proposal = went.seen, task.proposal
        ssim, psnr = went.likeness or (None, None)
        self._study.add_sample(Sample(
            number=len(self._study.samples), candidate=task.candidate.id, purpose=proposal.purpose,
            launch=live.launch, cold=live.cold_start_of is not None and live.cold_start_of[0] == task.candidate.id,
            workload=task.index, round=task.round, state=went.state,
            seconds=went.seconds, cost=went.cost, failure=went.failure, detail=went.detail,
            memory_peak=seen.memory_peak, block=proposal.block, energy=seen.energy, ssim=ssim, psnr=psnr,
            steps=went.steps, rendered=went.rendered, torch_active=seen.torch_active,
            torch_reserved=seen.torch_reserved,
        ))
        self._study.set_cost(self._watch.seconds())
