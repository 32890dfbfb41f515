"""Carries out proposals: starts the web UI, puts the set in effect, measures clips, and records all of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from autotune import measure, trial
from autotune.flags.words import replace as replace_words
from autotune.install import idle, which_gpu
from autotune.language.translate import _
from autotune.measure import short_clips
from autotune.measure.gpu import GpuObserver, MainMemory
from autotune.measure.observers import Observer, RamObserver, TorchObserver
from autotune.model.api import ApiProblem
from autotune.model.errors import AutotuneError
from autotune.model.failures import without_prompts
from autotune.model.flagset import NONE_TUNED, Candidate, FlagSet
from autotune.model.study import Failure, Launch, Proposal, Sample
from autotune.secrets.mask import masked_words
from autotune.store import running_set
from autotune.store.journal import require_space
from autotune.store.studies import Study
from autotune.trial import gpu_memory, written_files
from autotune.tune import compared_clips, time_limits
from autotune.tune.clip_task import ClipOutcome, ClipTask
from autotune.tune.give_way import GiveWay, UserWebUIObserver
from autotune.tune.progress import Progress, Step
from autotune.tune.reference_clip import ReferenceClips, ReferenceKey
from autotune.tune.stopwatch import Budget
from autotune.tune.study_setup import StudySetup
from autotune.workload import clip

if TYPE_CHECKING:
    from autotune.machine.nvml import Nvml

CLOCKS_KEPT = 9
"""How many of the last clips say what GPU clock is usual. Discarded ones are among them, so that a clock that stays
lower for good becomes the usual one."""
EFFECT_LIMIT = 5.0
"""Seconds until the log must show that a switch is in effect; it takes 0.03 s in the recordings (a1111-h200)."""
NO_PROCESS = -1
"""Launch number of a sample that no process of this study rendered."""
MIN_SSIM = 0.8
"""SSIM to the current flags' frames below which a clip shows another picture, and is invalid."""


@dataclass
class _Process:
    """The running web UI process.

    ``launch``: its number; ``cold_start_of``: the set and pair whose fresh start this is, None where none was asked
    for; ``screening``: it was started so that all sets of its ``launch_key`` can be switched to; ``in_effect``: the
    set that is in effect now; ``warmed``: sets that had their warm-up clips in it.
    """

    server: trial.Server
    launch: int
    launch_key: str
    cold_start_of: tuple[str, int | None] | None
    screening: bool
    in_effect: str
    observers: tuple[Observer, ...]
    warmed: set[str] = field(default_factory=set)


class Driver:
    """Carries out proposals in at most one web UI process at a time. Use as a context manager."""

    def __init__(
        self, setup: StudySetup, study: Study, budget: Budget, nvml: Nvml, progress: Progress
    ) -> None:
        self._setup = setup
        self._study = study
        self._budget = budget
        self._watch = budget.watch
        self._nvml = nvml
        self._progress, self._say = progress, progress.say
        self._clips = (0, 0)
        self._live: _Process | None = None
        self._card = which_gpu.of_machine(setup.machine)
        # Memory on other GPUs is not waited for: what uses it is not ours.
        used = gpu_memory.memory_in_use(nvml)
        self._idle_memory = {self._card: used[self._card]} if self._card in used else {}
        self._main_memory = MainMemory()
        self._reference = ReferenceClips(study.folder, setup.profile)
        self._clocks: deque[int] = deque(maxlen=CLOCKS_KEPT)
        root = setup.machine.webui.root
        self._user_watch = GiveWay(root, idle.holds_gpu(setup.machine), self._hand_back)
        self._user_webui = UserWebUIObserver(root)

    def __enter__(self) -> Driver:
        self._user_watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._user_watch.stop()
        self.close()

    def _hand_back(self) -> None:
        """Ends the process at once, from any thread, because the user's web UI has a job."""
        live = self._live
        if live is not None:
            live.server.stop(now=True)

    def give_way(self) -> None:
        """Waits while the user's web UI has the machine, at most until the budget is used up."""
        if not self._user_watch.taken.is_set():
            return
        self._say(_("paused, the machine is yours: {why}").format(why=self._user_watch.why))
        self.close()
        self._progress.began(Step("away"))
        with self._watch.on("waiting"):
            free = self._user_watch.wait_free(max(1.0, self._budget.left()))
        self._say(_("going on") if free else _("the budget ended while your web UI had the machine"))

    @property
    def live_launch(self) -> int | None:
        """Number of the launch whose process is running; None where none is."""
        if self._live is not None and not self._live.server.alive():
            self.close()
        return self._live.launch if self._live else None

    def close(self) -> None:
        """Ends the process and waits until its GPU memory is free again."""
        live, self._live = self._live, None
        if live is not None:
            self._progress.began(Step("stop"))
            with self._watch.on("waiting"):
                traces = live.server.stop().traces
                self._setup.in_flight.end()
                if not self._user_watch.taken.is_set():  # else what is in use is not ours
                    limit = time_limits.settle_limit(self._budget.left())
                    trial.wait_for_gpu_memory(self._nvml, self._idle_memory, limit=limit)
            self._warn(written_files.warnings_of(traces, self._setup.run_root))

    def carry_out(self, proposal: Proposal) -> None:
        """Measures what is proposed, as far as the budget allows. Failures are recorded, not raised."""
        candidate = self._setup.space[proposal.candidate]
        live = self._process_for(candidate, proposal)
        if live is None or not self._put_in_effect(live, candidate, proposal):
            return
        first = 1 + max((s.round for s in self._study.samples if s.candidate == candidate.id), default=-1)
        self._clips = (0, proposal.rounds * len(self._setup.profile.workloads))
        if candidate.id not in live.warmed and not self._warm_up(live, candidate, proposal, first):
            return
        for number in range(first, first + proposal.rounds):
            for index, workload in enumerate(self._setup.profile.workloads):
                if not self._timed_clip(live, ClipTask(candidate, proposal, index, workload, number)):
                    return
            if self._study.samples[-1].state == "too_slow":
                return

    def _timed_clip(self, live: _Process, task: ClipTask) -> bool:
        """Measures one clip that counts; False when the process must not be used any more.

        In the search it has fewer steps, where these are known to predict a whole clip; from time to time a short clip
        is rendered beside a whole one to check that.
        """
        samples, baseline = self._study.samples, self._setup.space.baseline
        index, workload, proposal = task.index, task.workload, task.proposal
        if proposal.steps is not None:
            more = replace(workload, steps=proposal.steps)
            enough = workload.is_workflow or workload.steps >= proposal.steps or self._budget.left() <= 0.0
            return enough or self._measure_clip(live, replace(task, workload=more, state="check"))
        short_clip = None
        if proposal.purpose in short_clips.PURPOSES and not proposal.fresh:
            short_clip = short_clips.short_clip(samples, index, workload, baseline)
        steps = short_clip.steps if short_clip else workload.steps
        whole = replace(task, workload=replace(workload, steps=steps), short_clip=short_clip)
        if self._budget.left() <= 0.0 or not self._measure_clip(live, whole):
            return False
        fewer = short_clips.short_steps(workload)
        if short_clip or fewer is None or not short_clips.check_due(samples, index, workload, baseline, proposal):
            return True
        short = replace(task, workload=replace(workload, steps=fewer), state="check")
        return self._budget.left() > 0.0 and self._measure_clip(live, short)

    def _warm_up(self, live: _Process, candidate: Candidate, proposal: Proposal, number: int) -> bool:
        """Short clips of each workload until the set is warm in this process; False when one of them failed."""
        samples, budget = self._study.samples, self._budget.seconds
        for index, workload in enumerate(self._setup.profile.workloads):
            short = workload if workload.is_workflow else replace(
                workload, steps=min(workload.steps, time_limits.WARMUP_STEPS))
            while time_limits.another_warmup(samples, live.launch, candidate.id, index, budget):
                if self._budget.left() <= 0.0:
                    return False
                if not self._measure_clip(live, ClipTask(candidate, proposal, index, short, number, "warmup")):
                    return False
        live.warmed.add(candidate.id)
        return True

    def _process_for(self, candidate: Candidate, proposal: Proposal) -> _Process | None:
        """The process to measure a set in: the running one where it serves, else a new one; None where none starts."""
        live = self._live
        if live is not None and live.server.alive() and self._serves(live, candidate, proposal):
            return live
        self.close()
        return self._launch(candidate, proposal) if self._budget.left() > 0.0 else None

    def _serves(self, live: _Process, candidate: Candidate, proposal: Proposal) -> bool:
        """Whether a set can be measured in the running process, perhaps after a switch of options."""
        if proposal.fresh:
            return live.cold_start_of == (candidate.id, proposal.block)
        if live.launch_key != candidate.launch_key:
            return False
        return candidate.id == live.in_effect or self._setup.webui.switch_of(candidate, live.screening) is not None

    def _launch_plan(self, candidate: Candidate, cold: bool, start_limit: float) -> trial.LaunchPlan:
        """How to start the web UI for a set: ``cold`` with exactly its words, else so that it can be switched to.

        ``start_limit`` in seconds.
        """
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
            in_flight=setup.in_flight.path)

    def _launch(self, candidate: Candidate, proposal: Proposal) -> _Process | None:
        """Starts the web UI for a set, and records the start; None when it failed or the user's web UI has a job."""
        webui, number = self._setup.webui, len(self._study.launches)
        cold = proposal.fresh or webui.switch_of(candidate, True) is None
        limits = time_limits.start_limits(self._study.launches, self._budget.left())
        plan = self._launch_plan(candidate, cold, limits.first)
        self._progress.began(Step("start", candidate.id, words=tuple(masked_words(webui.trial_words(plan.words)))))
        self._setup.in_flight.begin(candidate.id, candidate.flags.words, "tune")
        try:
            with self._watch.on("startup"):
                started = trial.start(plan, say=self._say, cancel=self._user_watch.taken)
        except AutotuneError as failed:
            self._setup.in_flight.end()
            if isinstance(failed, trial.Cancelled):
                return None  # the user's web UI needs the machine: no failure of the set
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
        self._live = _Process(started, number, candidate.launch_key, held, not cold, candidate.id, observers)
        if self._user_watch.taken.is_set():
            self._hand_back()
            return None
        return self._live

    def _warn(self, warnings: Sequence[str]) -> None:
        """Prints each warning once, and stores it in the study for the document."""
        known = list(self._study.head.get("warnings", ()))
        new = [line for line in dict.fromkeys(warnings) if line not in known]
        for line in new:
            self._say("  " + _("warning: {text}").format(text=line))
        if new:
            self._study.set_head(warnings=[*known, *new])

    def _observers(self, started: trial.Server) -> tuple[Observer, ...]:
        """What is observed during a clip: GPU memory, or main memory without a GPU; torch; the user's web UI."""
        if self._setup.machine.gpus and self._setup.machine.runtime.device == "cuda":
            idle = self._idle_memory.get(self._card)
            gpu = GpuObserver(self._nvml, self._card, lambda: [one.pid for one in started.descendants()], idle,
                              self._main_memory)
            return (gpu, TorchObserver(started.client.memory), self._user_webui)
        return (RamObserver(started.descendants), TorchObserver(started.client.memory), self._user_webui)

    def _not_started(self, launch: Launch, failed: trial.LaunchFailed, limits: time_limits.Limits) -> None:
        """Records and prints why a start failed; when the budget ended it, that is no failure of the set."""
        words = without_prompts(failed.log_tail)
        failure, detail = failed.failure, failed.message
        if failure == "hang" and failed.startup - failed.installing < min(limits.hang, limits.surely):
            failure = "interrupted"
            detail = _("the budget ended after {seconds:.0f} s of this start").format(seconds=failed.startup)
        elif failure == "hang":
            detail += f" ({limits.known})"
        startup = failed.startup - failed.installing
        self._record_launch(replace(launch, startup=startup, failure=failure, detail=detail), failed.installing)
        self._say("  " + _("it did not start: {failure}: {detail}").format(failure=failure, detail=detail))
        if words and failure != "interrupted":
            file = self._study.save_log(f"start-{launch.number}", words)
            self._say("  " + _("its last words are in {file}").format(file=file))

    def _record_launch(self, launch: Launch, installing: float) -> None:
        """Records a start; ``installing``: seconds of it for installing packages, which the budget does not pay."""
        self._budget.excuse(installing)
        self._study.add_launch(replace(launch, installing=installing or None))
        self._study.set_cost(self._watch.seconds())

    def _put_in_effect(self, live: _Process, candidate: Candidate, proposal: Proposal) -> bool:
        """Switches to the set where needed, and checks that it is really in effect (guarantee 6); False when not."""
        failure: Failure = "bad_flag"
        try:
            with self._watch.on("waiting"):
                problem = self._switch(live, candidate)
        except ApiProblem as fault:
            problem = _("the web UI could not be asked: {fault}").format(fault=fault)
            failure = "hang" if fault.kind == "timeout" else "invalid_output" if live.server.alive() else "crash"
        if problem is None:
            live.in_effect = candidate.id
            return True
        if self._user_watch.taken.is_set():
            return False
        nothing = ClipTask(candidate, proposal, 0, self._setup.profile.workloads[0], 0)
        self._add_sample(live, nothing, ClipOutcome("failed", failure, problem))
        self._say(f"  {failure}: {problem}")
        self.close()
        return False

    def _switch(self, live: _Process, candidate: Candidate) -> str | None:
        """Switches to the set. Returns a sentence when it is not in effect, else None. Raises ApiProblem."""
        client, webui = live.server.client, self._setup.webui
        if live.in_effect != candidate.id:
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

    def _measure_clip(self, live: _Process, task: ClipTask) -> bool:
        """Renders, checks and records one clip; False when the process must not be used any more."""
        self._progress.began(self._step(live, task))
        with self._watch.on(task.phase):
            result = self._render(live, task)
        if self._user_watch.taken.is_set() and result.seconds is None:
            return False  # it is repeated when the user's web UI is done
        failure, detail, likeness = result.failure, result.detail, None
        if failure is None and live.server.log.spoiled:
            failure, detail = live.server.log.spoiled_as, live.server.log.spoiled
        if failure is None and result.gif is not None:
            with self._watch.on(task.phase):
                failure, detail, likeness = self._judge_pixels(result.gif, result.seed, task)
        if failure:
            require_space(self._setup.run_root)
        state = task.state
        if state != "warmup" and (result.discard or result.too_slow):
            state = "discarded" if result.discard else "too_slow"
        seconds, short_clip = result.at_least if result.too_slow else result.seconds, task.short_clip
        whole = short_clip.whole_seconds(seconds) if short_clip and seconds is not None else seconds
        usual = self._setup.profile.workloads[task.index].steps
        self._add_sample(live, task, ClipOutcome(
            state="failed" if failure else state,
            failure=failure,
            detail=detail or result.discard or "",
            seconds=None if failure else whole,
            rendered=seconds if short_clip and not failure else None,
            steps=None if task.workload.steps == usual else task.workload.steps,
            cost=result.cost,
            seen=result.seen,
            likeness=likeness,
        ))
        if state == "ok" and task.proposal.purpose == "confirm" and result.gif is not None and not failure:
            with self._watch.on("waiting"):
                compared_clips.keep(self._study.folder, task.index, task.candidate.id, result.gif, result.seed)
        if failure or result.too_slow:
            what = failure or _("too slow")
            self._say(f"  {what}: {detail}")
        elif state == "discarded":
            pause = min(time_limits.pause_after(self._study.samples), max(0.0, self._budget.left()))
            self._say("  " + _("does not count: {why}; going on in {seconds:.0f} s").format(
                why=detail or result.discard, seconds=pause))
            self._progress.began(Step("pause", task.candidate.id, seconds=pause))
            with self._watch.on("waiting"):
                live.server.wait_ended(pause)
        if failure and result.restart:
            self._study.save_log(f"clip-{len(self._study.samples) - 1}", without_prompts(live.server.log_tail()))
        if result.restart or failure not in (None, "interrupted"):
            self.close()
        return failure is None and not self._user_watch.taken.is_set()

    def _step(self, live: _Process, task: ClipTask) -> Step:
        """What a clip is for, and which one of how many."""
        name = task.candidate.id
        if task.state == "warmup":
            done = sum(s.state == "warmup" and (s.launch, s.candidate) == (live.launch, name)
                       for s in self._study.samples)
            return Step("warmup", name, done + 1)
        if task.state == "check":
            return Step("check", name)
        self._clips = (self._clips[0] + 1, self._clips[1])
        return Step("clip", name, *self._clips)

    def _render(self, live: _Process, task: ClipTask) -> measure.ClipResult:
        """Renders one clip, within the limits that follow from the study's earlier clips."""
        samples, timed, index = self._study.samples, task.state == "ok", task.index
        asked = (samples, task.proposal, index, self._setup.space.baseline)
        best = time_limits.seconds_to_beat(*asked) if timed else None
        family = time_limits.comparable_seconds(*asked) if timed else ()
        if task.short_clip is not None:
            best = None if best is None else task.short_clip.short_seconds(best)
            family = tuple(map(task.short_clip.short_seconds, family))
        first = all(sample.launch != live.launch for sample in samples)
        limits = time_limits.clip_limits(samples, index, task.workload, first, self._budget.left())
        process = measure.ClipProcess(
            live.server.client, live.observers, live.server.alive, live.server.log_tail, self._user_watch.taken,
            self._setup.webui.failure)
        result = measure.clip(
            process, measure.ClipJob(task.workload, compared_clips.SEED, self._setup.motion_module),
            measure.ClipLimits(
                hang=limits.hang, left=limits.ends, best=best, family=family,
                slow=time_limits.slow_factor(self._setup.profile.workloads, index),
                usual_clocks=() if task.state == "warmup" else tuple(self._clocks)))
        ended = result.failure == "interrupted" and result.restart
        if result.failure == "hang" or (ended and result.cost >= limits.surely):
            why = _("no answer within {seconds:.0f} s ({known})").format(seconds=result.cost, known=limits.known)
            result = replace(result, failure="hang", detail=why)
        if result.seen.lost:
            self._warn((_("NVML went away while a clip was rendered: memory, heat and clocks of the card are unknown "
                         "since then"),))
        if task.state != "warmup" and result.seconds is not None and result.seen.clock_low is not None:
            self._clocks.append(result.seen.clock_low)
        if self._user_watch.taken.is_set():
            result = replace(result, discard=result.discard or self._user_watch.why)
        return result

    def _judge_pixels(
        self, gif: bytes, seed: int | None, task: ClipTask
    ) -> tuple[Failure | None, str, tuple[float, float] | None]:
        """(failure, why, SSIM and PSNR in dB to the current flags' frames of the same seed) of a clip's pixels."""
        frames = clip.check_clip(gif, task.workload)
        if isinstance(frames, clip.ClipRefusal):
            return ("invalid_output" if frames.animated else "not_animated"), frames.detail, None
        if task.state == "warmup" and not task.workload.is_workflow:  # too few steps for a picture
            return None, "", None
        baseline = task.candidate.id == self._setup.space.baseline
        reference = self._reference.of(ReferenceKey(task.index, task.workload, seed), baseline, gif, frames)
        if reference is None:
            return None, "", None
        other = clip.unlike(frames, reference)
        likeness = clip.compare_clips(frames, reference)
        if other is None and likeness[0] < MIN_SSIM:
            other = f"SSIM {likeness[0]:.2f}"
        if other is not None:
            why = _("the frames are not those of the current flags: {how}").format(how=other)
            return "invalid_output", why, likeness
        return None, "", likeness

    def rule_out(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Records as failed the sets that ran when the machine went down; they are not tried again unasked.

        ``entries``: see ``RunningSet.machine_down_sets``.
        """
        known = {one.candidate for one in self._study.samples if one.failure == "machine_down"}
        for entry in entries:
            name = str(entry["candidate"])
            if name in known or all(one.id != name for one in self._setup.space.candidates):
                continue
            self._study.add_sample(Sample(
                number=len(self._study.samples), candidate=name, purpose="screen", launch=NO_PROCESS, cold=False,
                workload=0, round=0, state="failed", seconds=None, cost=0.0, failure="machine_down",
                detail=running_set.why_not_tried(dict(entry))))
            flags = " ".join(self._setup.space[name].flags.words) or _(NONE_TUNED)
            self._say(_("{flags}: {why}; not tried again, --fresh does").format(
                flags=flags, why=running_set.why_not_tried(dict(entry))))

    def _add_sample(self, live: _Process, task: ClipTask, outcome: ClipOutcome) -> None:
        """Records one clip."""
        seen, proposal = outcome.seen, task.proposal
        ssim, psnr = outcome.likeness or (None, None)
        started = live.cold_start_of is not None and live.cold_start_of[0] == task.candidate.id
        # What cannot be switched to is what its process was started with.
        cold = started or self._setup.webui.switch_of(task.candidate, True) is None
        self._study.add_sample(Sample(
            number=len(self._study.samples), candidate=task.candidate.id, purpose=proposal.purpose,
            launch=live.launch, cold=cold, workload=task.index, round=task.round, state=outcome.state,
            seconds=outcome.seconds, cost=outcome.cost, failure=outcome.failure, detail=outcome.detail,
            memory_peak=seen.memory_peak, block=proposal.block, energy=seen.energy, ssim=ssim, psnr=psnr,
            steps=outcome.steps, rendered=outcome.rendered, torch_active=seen.torch_active,
            torch_reserved=seen.torch_reserved))
        self._study.set_cost(self._watch.seconds())
