"""One clip measured, over real HTTP against servers that answer, hang, break and die."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import psutil
import pytest

from autotune import measure
from autotune.measure import clip_rules
from autotune.measure.observations import Observations
from autotune.measure.observers import Observer, ObserverThread, RamObserver, TorchObserver, merged
from autotune.model.api import ApiProblem, Memory
from autotune.model.workload import Workload
from autotune.webui.a1111.client import Client
from tests.measure.rendered import rendered
from tests.trial import badserver
from tests.trial.badserver import Handler, answers, reply, serving
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

measure_clip = import_module("autotune.measure.clip")
CLIP = Workload(64, 64, 4, 2)
GOOD = {"images": [base64.b64encode(b"GIF89a;").decode()], "parameters": {},
        "info": json.dumps({"infotexts": ['x, AnimateDiff: "model: y"']})}


@contextmanager
def client(handler: Handler) -> Iterator[Client]:
    with serving(handler) as port:
        yield Client(f"http://127.0.0.1:{port}")


def slow_until_interrupted(seconds: float) -> Handler:
    """A job that takes ``seconds`` unless /interrupt comes."""
    interrupted = threading.Event()

    def handler(connection: socket.socket, request: bytes, stop: threading.Event) -> None:
        if b"/interrupt" in request.split(b"\r\n")[0]:
            interrupted.set()
            reply(connection, b"{}")
            return
        wait_for(lambda: interrupted.is_set() or stop.is_set(), seconds, period=0.02)
        reply(connection, json.dumps(GOOD).encode())

    return handler


def test_a_clip_is_measured() -> None:
    with client(answers(GOOD, more="X-Process-Time: 0.01\r\n")) as api:
        result = rendered(api, CLIP, 1)
    assert result.ok and result.gif == b"GIF89a;" and result.failure is None and not result.restart
    assert result.seconds is not None and 0 < result.seconds <= result.cost and result.process_time == 0.01


def failed(status: str, body: object, log: tuple[str, ...] = ()) -> measure.ClipResult:
    with client(answers(body, status)) as api:
        return rendered(api, CLIP, 1, log_tail=lambda: log)


@pytest.mark.parametrize(("status", "body", "failure"), [
    ("500 X", {"error": "OutOfMemoryError", "detail": "", "errors": "CUDA out of memory."}, "oom"),
    ("500 X", {"error": "NansException", "errors": "A tensor with NaNs was produced in VAE."}, "nan"),
    ("500 X", {"error": "RuntimeError", "errors": "CUDA error: device-side assert triggered"}, "cuda_error"),
    ("500 X", {"error": "IndexError", "errors": "index 4 is out of bounds"}, "invalid_output"),
    ("422 X", {"error": "HTTPException", "detail": "Script 'AnimateDiff' not found"}, "not_animated"),
    ("500 X", b"Internal Server Error", "invalid_output"),
    ("302 X", {}, "invalid_output"),
    ("200 OK", b"<html>", "invalid_output"),
    ("200 OK", {"images": []}, "invalid_output"),
    ("200 OK", {**GOOD, "info": "{}"}, "not_animated"),
])
def test_what_is_no_clip_is_named(status: str, body: object, failure: str) -> None:
    result = failed(status, body)
    assert result.failure == failure
    assert result.detail and not result.ok
    assert result.restart is (status != "200 OK" or isinstance(body, bytes))


@pytest.mark.parametrize("jump", [-86400.0, 3600.0])
def test_a_wall_clock_that_is_set_meanwhile_changes_nothing(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, and the web UI's own, from which it takes X-Process-Time."""
    real, begun = time.time, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: real() + (jump if time.monotonic() - begun > 0.1 else 0.0))
    ready = threading.Event()
    threading.Timer(0.3, ready.set).start()

    def handler(connection: socket.socket, request: bytes, _stop: threading.Event) -> None:
        ready.wait(10)
        reply(connection, json.dumps(GOOD).encode(), more=f"X-Process-Time: {0.3 + jump}\r\n")

    with client(handler) as api:
        result = rendered(api, CLIP, 1, hang=60.0, best=50.0, observers=[RamObserver(lambda: [])])
    assert result.ok and result.seconds is not None and 0.0 < result.seconds < 30.0


@pytest.mark.slow
def test_a_broken_connection_is_a_crash_only_when_the_process_died_with_it() -> None:
    dying = iter([True])  # alive at one more look, dead from then on
    with client(badserver.half) as api:
        found = rendered(api, CLIP, 1)
        assert (found.failure, found.restart) == ("invalid_output", True) and "broke" in found.detail
        assert rendered(api, CLIP, 1, alive=lambda: next(dying, False)).failure == "crash"
        log = ("RuntimeError: CUDA error: an illegal memory access was encountered",)
        assert rendered(api, CLIP, 1, log_tail=lambda: log).failure == "cuda_error"


def test_a_dead_process_is_noticed_at_once() -> None:
    dead = threading.Event()
    threading.Timer(0.3, dead.set).start()
    with client(badserver.never) as api:
        begun = time.monotonic()
        result = rendered(api, CLIP, 1, alive=lambda: not dead.is_set())
        took = time.monotonic() - begun
    assert result.failure == "crash" and result.restart and took < 5.0  # within a second on an idle machine


def test_a_hang_ends_at_the_limit() -> None:
    with client(badserver.never) as api:
        result = rendered(api, CLIP, 1, hang=0.4)
    assert result.failure == "hang" and result.restart and result.cost >= 0.4


@pytest.mark.slow
def test_a_clip_ends_with_the_budget_and_is_not_to_blame() -> None:
    with client(badserver.never) as api:
        result = rendered(api, CLIP, 1, hang=600.0, left=0.4)
    assert result.failure == "interrupted" and result.restart and 0.4 <= result.cost < 15.0
    assert "the budget ended" in result.detail
    deaf = threading.Event()

    def handler(connection: socket.socket, request: bytes, stop: threading.Event) -> None:
        if b"/interrupt" in request.split(b"\r\n")[0]:
            reply(connection, b"{}")
        else:
            deaf.wait(30)

    try:
        with client(handler) as api:  # too slow, and it does not end when it is asked to
            result = rendered(api, CLIP, 1, hang=600.0, left=0.8, best=0.1)
    finally:
        deaf.set()
    assert result.failure == "interrupted" and result.restart and result.cost < 15.0


def test_an_interruption_ends_the_job() -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    with client(slow_until_interrupted(60)) as api:
        begun = time.monotonic()
        result = rendered(api, CLIP, 1, cancel=cancel)
        assert time.monotonic() - begun < 10.0
    assert result.failure == "interrupted" and result.seconds is None


def test_a_clip_far_slower_than_the_best_is_given_up() -> None:
    with client(slow_until_interrupted(60)) as api:
        result = rendered(api, CLIP, 1, best=0.2)
    assert result.too_slow and result.failure is None and not result.ok and not result.restart
    assert result.at_least == pytest.approx(0.3) and result.cost < 10.0


def ignores_interrupts(connection: socket.socket, request: bytes, stop: threading.Event) -> None:
    """A job without end; /interrupt is answered and changes nothing."""
    if b"/txt2img" in request.split(b"\r\n")[0]:
        stop.wait(60)
    else:
        reply(connection, b"{}")


def test_a_clip_given_up_that_never_ends_is_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_clip, "INTERRUPT_LIMIT", 0.1)
    with client(ignores_interrupts) as api:
        result = rendered(api, CLIP, 1, best=0.1, hang=0.6)
    assert result.failure == "hang" and result.restart and not result.too_slow and result.cost >= 0.6


def test_a_server_that_dies_when_its_clip_is_given_up_is_a_crash() -> None:
    dead = threading.Event()

    def dies(connection: socket.socket, request: bytes, stop: threading.Event) -> None:
        if b"/interrupt" in request.split(b"\r\n")[0]:
            dead.set()
        else:
            stop.wait(60)

    with client(dies) as api:
        result = rendered(api, CLIP, 1, best=0.1, alive=lambda: not dead.is_set())
    assert result.failure == "crash" and result.restart


@pytest.mark.parametrize("mark", ["interrupted", "skipped", "stopping_generation"])
def test_a_clip_that_somebody_interrupted_does_not_count(mark: str) -> None:
    """It answers 200 with a whole GIF of fewer steps, sooner than a clip takes: only the state tells."""
    def handler(connection: socket.socket, request: bytes, _stop: threading.Event) -> None:
        asked = request.split(b"\r\n")[0]
        state = {"job": "", "job_count": 0, "interrupted": False, mark: True}
        reply(connection, json.dumps({"state": state} if b"/progress" in asked else GOOD).encode())

    with client(handler) as api:
        result = rendered(api, CLIP, 1)
    assert result.failure == "interrupted" and result.seconds is None and result.gif is None
    assert not result.restart and not result.ok


class Full(Observer):
    """A card that is full."""

    def full_now(self) -> float | None:
        return 0.99

    def seen(self) -> Observations:
        return Observations(memory_full=0.99)


def test_a_slow_clip_on_a_full_card_is_watched_until_it_is_spilled() -> None:
    with client(slow_until_interrupted(60)) as api:
        result = rendered(api, CLIP, 1, best=0.2, observers=[Full()])
    assert result.failure == "spilled" and result.restart and result.cost >= 0.2 * clip_rules.FAR


def test_a_finished_clip_on_a_full_card_far_outside_its_kind_is_spilled() -> None:
    with client(slow_until_interrupted(0.3)) as api:
        assert rendered(api, CLIP, 1, observers=[Full()], family=[0.01, 0.02]).failure == "spilled"
        assert rendered(api, CLIP, 1, observers=[Full()], family=[0.3, 0.4]).failure is None


class Hot(Observer):
    """A card that throttled."""

    def seen(self) -> Observations:
        return Observations(throttled=("hw_thermal",))


def test_a_throttled_clip_is_discarded() -> None:
    with client(answers(GOOD)) as api:
        result = rendered(api, CLIP, 1, observers=[Hot()])
    assert result.discard is not None and not result.ok and result.failure is None and result.seconds


class Clocked(Observer):
    """A card whose SM clock fell to ``low`` MHz."""

    def __init__(self, low: int) -> None:
        self._low = low

    def seen(self) -> Observations:
        return Observations(clock_low=self._low)


@pytest.mark.parametrize(("low", "counts"), [(900, False), (1650, True)])
def test_a_clip_at_the_wrong_clock_is_discarded(low: int, counts: bool) -> None:
    with client(answers(GOOD)) as api:
        result = rendered(api, CLIP, 1, observers=[Clocked(low)], usual_clocks=[1700, 1710, 1695])
    assert result.ok is counts and result.failure is None and result.seconds is not None
    assert counts or result.discard == "the card ran at 900 MHz, usually at 1700 MHz"


class Broken:
    """A client with a fault of its own, which is a fault of this program."""

    def render(self, *_: object, **__: object) -> None:
        raise ZeroDivisionError

    def interrupt(self, limit: float = 5.0) -> None:
        raise AssertionError(limit)


def test_a_fault_of_this_program_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        rendered(Broken(), CLIP, 1)  # type: ignore[arg-type]


def test_the_sampler_looks_while_a_block_runs_and_stops_after() -> None:
    class Count(Observer):
        def __init__(self) -> None:
            self.calls: list[str] = []
            self.seconds: list[float] = []
            self.thrice = threading.Event()

        def before(self) -> None:
            self.calls.append("before")

        def observe(self, seconds: float) -> None:
            self.calls.append("observe")
            self.seconds.append(seconds)
            if len(self.seconds) == 3:
                self.thrice.set()

        def after(self) -> None:
            self.calls.append("after")

    one = Count()
    with ObserverThread([one], period=0.05) as sampler:
        assert one.thrice.wait(20)
    assert one.calls[0] == "before" and one.calls[-1] == "after" and one.seconds == sorted(set(one.seconds))
    assert sampler.seen().looks == one.calls.count("observe") and sampler.seen().longest_pause >= 0.04


def test_the_process_table_is_read_ever_more_seldom() -> None:
    asked: list[float] = []

    def processes() -> list[psutil.Process]:
        asked.append(1.0)
        return [psutil.Process()]

    observer = RamObserver(processes)
    observer.before()
    for tenth in range(1, 600):
        observer.observe(tenth / 10.0)
    assert len(asked) == 6 and observer.seen().memory_peak


def test_main_memory_of_the_tree() -> None:
    observer = RamObserver(lambda: [psutil.Process()])
    with ObserverThread([observer], period=0.05) as sampler:
        ballast = bytearray(64 * 1024 * 1024)
        ballast[::4096] = b"x" * len(ballast[::4096])
        assert wait_for(lambda: sampler.seen().looks >= 2, 20, period=0.01)
    peak = sampler.seen().memory_peak
    assert peak is not None and peak >= len(ballast) / 1048576
    gone = RamObserver(lambda: [])
    with ObserverThread([gone]) as empty:
        pass
    assert empty.seen().memory_peak is None


def test_torch_memory_is_asked_after_the_clip_and_may_be_absent() -> None:
    def refuses() -> Memory:
        raise ApiProblem("timeout", "no answer")

    full = Memory(975.0, 1000.0, 900.0, 800.0, 0)
    for read, share in ((lambda: full, 0.975), (refuses, None)):
        observer = TorchObserver(read)
        with ObserverThread([observer]) as sampler:
            assert sampler.full_now() == share
        seen = sampler.seen()
        assert seen.memory_full == share
        assert (seen.torch_reserved, seen.torch_active) == ((900.0, 800.0) if share else (None, None))


def test_records_of_several_observers_become_one() -> None:
    together = merged([Observations(memory_peak=3.0), Observations(memory_peak=9.0, energy=5.0, throttled=("x",))])
    assert together == Observations(memory_peak=3.0, energy=5.0, throttled=("x",))
