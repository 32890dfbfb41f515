"""Renders and measures one clip, and ends it when it takes too long."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from autotune.language.translate import _
from autotune.measure import clip_rules
from autotune.measure.failures import Classified, Evidence, judge
from autotune.measure.observations import Observations
from autotune.measure.observers import Observer, ObserverThread
from autotune.model.api import ApiProblem, Rendered
from autotune.model.study import Failure
from autotune.model.workload import Workload
from autotune.webui.face import WebUIClient

CHECK_PERIOD = 0.1
"""Seconds between checks of the request: a dead server, an interruption or a hang is noticed this fast."""
TOO_SLOW = 1.5
"""Times the seconds of the best set after which a clip is given up: it cannot win."""
INTERRUPT_LIMIT = 15.0
"""Seconds that an interrupted job is given to answer. One given up as too slow may take until its time limit: it goes
on to the end of a step, and the VAE still decodes."""

Ending = Literal["done", "died", "interrupted", "too_slow", "hang", "out_of_time"]


@dataclass(frozen=True, slots=True)
class ClipJob:
    """What to render; ``motion_module`` None: the web UI's own choice."""

    workload: Workload
    seed: int
    motion_module: str | None = None


@dataclass(frozen=True, slots=True)
class ClipProcess:
    """The web UI process that renders. ``alive``: whether it runs. ``log_tail``: the last lines of its output, read
    when something failed. ``cancel``: set it to interrupt (failure "interrupted"). ``failure``: tells the class of a
    failed clip, see ``WebUI.failure``."""

    client: WebUIClient
    observers: Sequence[Observer] = ()
    alive: Callable[[], bool] = lambda: True
    log_tail: Callable[[], Sequence[str]] = tuple
    cancel: threading.Event | None = None
    failure: Callable[[Evidence], Classified | None] = judge


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """How long a clip may take, in seconds, and what it is compared with.

    After ``hang`` it counts as hung, also if it was given up as too slow and did not end. ``left``: until the budget
    ends, which is no fault of the clip ("interrupted"). ``best``: seconds of the best set so far; a clip slower than
    ``slow`` times that is interrupted. While GPU memory is full it may go on longer, so that "spilled" can be told.
    ``family``: seconds of clips of this workload by other sets, to tell the same (``best`` when there are none).
    ``usual_clocks``: lowest SM clocks of earlier clips in MHz; a clip far below them is discarded.
    """

    hang: float = 600.0
    left: float = math.inf
    best: float | None = None
    slow: float = TOO_SLOW
    family: Sequence[float] = ()
    usual_clocks: Sequence[int] = ()

    @property
    def comparable(self) -> tuple[float, ...]:
        """Seconds of the clips that this one is compared with."""
        return tuple(self.family) or ((self.best,) if self.best is not None else ())


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What came of one clip.

    ``seconds``: wall time of the finished clip from request to last byte, None unless it finished;
    ``cost``: seconds all of it took, failed or not; ``gif``: the answer's first file, whatever it is; ``seed``: see
    ``Rendered``;
    ``process_time``: the server's own time, seconds; ``failure`` and ``detail``: why it is no clip, before
    its pixels were looked at (``workload.clip.check_clip`` does that). ``too_slow``: given up because it was
    already slower than allowed; the true time is then at least ``at_least`` seconds, and it is no failure.
    ``discard``: why its time must not count although it finished (see ``clip_rules``); to be repeated.
    ``restart``: the process must not render another clip (after an error its state is not to be trusted).
    """

    seconds: float | None
    cost: float
    gif: bytes | None = field(default=None, repr=False)
    infotext: str = ""
    seed: int | None = None
    process_time: float | None = None
    failure: Failure | None = None
    detail: str = ""
    too_slow: bool = False
    at_least: float | None = None
    discard: str | None = None
    restart: bool = False
    seen: Observations = field(default_factory=Observations)

    @property
    def ok(self) -> bool:
        """Whether it finished and its time may count."""
        return self.failure is None and not self.too_slow and self.discard is None

    @property
    def memory_peak(self) -> float | None:
        """Peak of memory in MiB, see Observations."""
        return self.seen.memory_peak

    @property
    def energy(self) -> float | None:
        """Energy of the clip in joules."""
        return self.seen.energy


def clip(process: ClipProcess, job: ClipJob, limits: ClipLimits | None = None) -> ClipResult:
    """Renders and measures one clip. Raises nothing that a web UI can cause.

    A job that somebody else interrupted is answered with status 200 and what there is of it, so after each clip the
    web UI is asked whether it was interrupted.
    """
    limits = limits or ClipLimits()
    give_up = threading.Event()
    with ObserverThread(process.observers) as observing:
        start = time.perf_counter()
        pool = ThreadPoolExecutor(1, thread_name_prefix="clip")
        try:
            future = pool.submit(
                process.client.render, job.workload, job.seed, motion_module=job.motion_module,
                limit=min(limits.hang, limits.left) + INTERRUPT_LIMIT, cancel=give_up)
            ending = _wait_for_end(process, future, start, limits, _TimeAllowed(limits, observing))
            watched = time.perf_counter() - start
            ending = _end_in_order(ending, process, future, limits.hang - watched, max(0.0, limits.left - watched))
        finally:
            give_up.set()
            pool.shutdown(wait=False)
        cost = time.perf_counter() - start
    seen = observing.seen()
    if ending == "too_slow" and limits.best is not None:
        return _given_up(watched, cost, limits.best, limits, seen)
    if ending != "done":
        return _unfinished(ending, cost, seen, process)
    problem = future.exception()
    if isinstance(problem, ApiProblem):
        return _no_clip(problem, cost, seen, process)
    rendered = future.result()  # any other exception is a fault of this program, and is raised
    if _somebody_interrupted(process.client):
        return ClipResult(None, cost, failure="interrupted", detail=_("somebody interrupted the job"), seen=seen)
    return _finished(rendered, cost, seen, limits)


class _TimeAllowed:
    """How long a clip may take: ``slow`` times the best; far longer where GPU memory is full at that moment."""

    def __init__(self, limits: ClipLimits, observing: ObserverThread) -> None:
        self._limit = limits.best * limits.slow if limits.best is not None else None
        self._far = median(limits.comparable) * clip_rules.FAR * 1.05 if limits.best is not None else None
        self._sampler = observing
        self._memory_asked = False

    def is_over(self, elapsed: float) -> bool:
        """Whether the clip has had its time; ``elapsed`` in seconds."""
        if self._limit is None or self._far is None or elapsed <= self._limit:
            return False
        if not self._memory_asked:
            self._memory_asked = True
            if (self._sampler.full_now() or 0.0) >= clip_rules.FULL:
                self._limit = max(self._limit, self._far)
                return elapsed > self._limit
        return True


def _wait_for_end(
    process: ClipProcess, future: Future[Rendered], start: float, limits: ClipLimits, allowed: _TimeAllowed
) -> Ending:
    """Waits until the request ends, or until there is a reason to give it up."""
    while True:
        try:
            future.exception(timeout=CHECK_PERIOD)
        except NotYet:
            pass
        else:
            return "done"
        elapsed = time.perf_counter() - start
        if process.cancel is not None and process.cancel.is_set():
            return "interrupted"
        if not process.alive():
            return "died"
        if elapsed > limits.hang:
            return "hang"
        if elapsed > limits.left:
            return "out_of_time"
        if allowed.is_over(elapsed):
            return "too_slow"


def _end_in_order(
    ending: Ending, process: ClipProcess, future: Future[Rendered], patience: float, rest: float
) -> Ending:
    """Waits for a job that is given up to end, so that the process can render on. ``rest``: seconds of the budget;
    ``patience``: seconds until the job counts as hung."""
    if ending == "interrupted":
        _interrupt(process, future, min(INTERRUPT_LIMIT, rest))
    elif ending == "too_slow":
        ending = _interrupt(process, future, min(max(INTERRUPT_LIMIT, patience), rest))
        if ending == "hang" and rest < patience:
            return "out_of_time"
    return ending


def _interrupt(process: ClipProcess, future: Future[Rendered], patience: float) -> Ending:
    """Asks the job to end and waits until it has, so that the next clip does not queue behind it.

    "hang" when it has not within ``patience`` seconds, "died" when the process ended instead.
    """
    until = time.perf_counter() + patience
    try:
        process.client.interrupt(limit=min(5.0, patience + CHECK_PERIOD))
    except ApiProblem:
        until = min(until, time.perf_counter() + INTERRUPT_LIMIT)
    while not future.done() and process.alive() and time.perf_counter() < until:
        time.sleep(CHECK_PERIOD)
    if not process.alive():
        return "died"
    return "too_slow" if future.done() else "hang"


def _given_up(
    watched: float, cost: float, best: float, limits: ClipLimits, seen: Observations
) -> ClipResult:
    """The result of a clip that took too long: too slow, or spilled where GPU memory was full."""
    if clip_rules.spilled(seen, watched, limits.comparable):
        why = _("{memory}, and not done after {watched:.1f} s where {best:.1f} s is the best").format(
            memory=_memory_in_words(seen), watched=watched, best=best)
        return ClipResult(None, cost, failure="spilled", restart=True, seen=seen, detail=why)
    return ClipResult(
        None, cost, too_slow=True, at_least=best * limits.slow, seen=seen,
        detail=_("given up after {watched:.1f} s, {times:.1f} times the best, noise allowed for").format(
            watched=watched, times=watched / best))


def _memory_in_words(seen: Observations) -> str:
    if not seen.spilled:
        return _("memory full")
    return _("{size:.0f} MiB of GPU memory were moved into main memory").format(size=seen.spilled)


def _somebody_interrupted(client: WebUIClient) -> bool:
    """Whether the last job was interrupted, which the web UI tells until its next; no usable answer counts as no."""
    try:
        return client.was_interrupted()
    except ApiProblem:
        return False


def _unfinished(ending: Ending, cost: float, seen: Observations, process: ClipProcess) -> ClipResult:
    if ending == "out_of_time":
        why = _("the budget ended after {seconds:.1f} s of this clip").format(seconds=cost)
        return ClipResult(None, cost, failure="interrupted", detail=why, restart=True, seen=seen)
    found = process.failure(Evidence(log_tail=tuple(process.log_tail()), died=ending == "died",
                                     timed_out=ending == "hang", interrupted=ending == "interrupted"))
    assert found is not None
    return ClipResult(None, cost, failure=found.failure, detail=found.why, restart=True, seen=seen)


def _no_clip(problem: ApiProblem, cost: float, seen: Observations, process: ClipProcess) -> ClipResult:
    """The result where the API answered no clip. After that the process is not to be trusted (docs/webuis.md)."""
    log = tuple(process.log_tail())
    body = f"{problem.error}: {problem.excerpt}" if problem.error else problem.excerpt
    gone = problem.kind in ("closed", "unreachable")
    # The end of the connection is seen before the end of the process.
    until = time.perf_counter() + 1.0
    while gone and process.alive() and time.perf_counter() < until:
        time.sleep(CHECK_PERIOD)
    broke = gone and process.alive()
    found = process.failure(Evidence(http_status=problem.status, body=body, log_tail=log, died=gone and not broke,
                                     broke=broke, timed_out=problem.kind == "timeout"))
    failure: Failure = found.failure if found is not None else "invalid_output"
    why = problem.message
    if found is not None and (problem.kind == "status" or failure != "invalid_output"):
        why = found.why
    elif problem.kind == "not_json" and problem.excerpt:
        why = f"{problem.message}: {problem.excerpt}"
    return ClipResult(None, cost, failure=failure, detail=why, restart=True, seen=seen)


def _finished(rendered: Rendered, cost: float, seen: Observations, limits: ClipLimits) -> ClipResult:
    gif = rendered.images[0] if rendered.images else None
    failure: Failure | None = None
    detail = ""
    if gif is None:
        failure, detail = "invalid_output", _("the answer holds no image")
    elif rendered.lacks:
        failure, detail = "not_animated", rendered.lacks
    elif clip_rules.spilled(seen, rendered.seconds, limits.comparable):
        failure, detail = "spilled", _("{memory}, and {seconds:.1f} s is far outside its kind").format(
            memory=_memory_in_words(seen), seconds=rendered.seconds)
    discard = None
    if failure is None:
        discard = clip_rules.why_discarded(seen, rendered.seconds, rendered.process_time, limits.usual_clocks)
    return ClipResult(
        rendered.seconds, cost, gif=gif, infotext=rendered.infotext, seed=rendered.seed,
        process_time=rendered.process_time, failure=failure, detail=detail or (discard or ""), discard=discard,
        restart=failure == "spilled", seen=seen)
