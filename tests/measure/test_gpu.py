"""The GPU observer through the real pynvml on the fake NVML library: memory, heat, power, strangers, failures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.machine.nvml import Nvml
from autotune.measure import clip_rules
from autotune.measure.gpu import GpuObserver
from autotune.measure.observers import ObserverThread
from autotune.trial import wait_for_gpu_memory
from autotune.trial.gpu_memory import memory_in_use
from tests import nvml_fake

OURS, CHILD, OTHER = 4001, 4002, 77


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nvml")
    try:
        return nvml_fake.build(folder).library
    except nvml_fake.NoCompiler as fault:
        pytest.skip(str(fault))


@pytest.fixture
def fake(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nvml_fake.Fake:
    made = nvml_fake.Fake(library, tmp_path / "state.txt")
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    made.load()
    return made


@pytest.fixture
def nvml(fake: nvml_fake.Fake) -> Iterator[Nvml]:
    assert fake.state.is_file()
    with Nvml() as session:
        assert session.works
        yield session


def test_memory_of_our_tree_and_power(fake: nvml_fake.Fake, nvml: Nvml) -> None:
    fake.set(1, used=5000, compute=f"{OURS}:3000 {OTHER}:400", power=200_000)
    observer = GpuObserver(nvml, 1, lambda: {OURS, CHILD})
    observer.before()
    fake.set(1, used=9000, compute=f"{OURS}:6000 {CHILD}:500 {OTHER}:400", power=300_000, temperature=70,
             energy=1_600_000)
    for second in range(1, 11):
        observer.observe(float(second))
    fake.set(1, used=5000, compute=f"{OURS}:3000 {OTHER}:400")
    observer.after()
    seen = observer.seen()
    assert seen.memory_peak == 6500 and seen.memory_full == pytest.approx(9000 / 24576)
    assert seen.energy == pytest.approx(600.0)  # the card's own counter, J
    assert seen.temperature == 70 and seen.clock_low == seen.clock_high == 1695
    assert not seen.throttled and not seen.foreign and not seen.lost
    assert clip_rules.why_discarded(seen, 10.0, 9.9) is None


def test_without_an_energy_counter_power_is_added_up(fake: nvml_fake.Fake, nvml: Nvml) -> None:
    fake.set(0, energy=None, power=100_000)
    observer = GpuObserver(nvml, 0, lambda: {OURS})
    observer.before()
    for second in (1.0, 2.0):
        observer.observe(second)
    fake.set(0, power=300_000)
    observer.observe(3.0)
    observer.after()
    assert observer.seen().energy == pytest.approx(100 + 100 + 200)


def test_a_stranger_on_the_card_spoils_a_clip(fake: nvml_fake.Fake, nvml: Nvml) -> None:
    fake.set(0, compute=f"{OURS}:3000 {OTHER}:400", drawing="99:700")
    observer = GpuObserver(nvml, 0, lambda: {OURS})
    observer.before()
    observer.observe(0.1)
    assert observer.seen().foreign == ()  # who was there before and does not grow is the desktop
    fake.set(0, compute=f"{OURS}:3000 {OTHER}:400 88:1500", drawing="99:700")
    for step in range(10):
        observer.observe(0.2 + step / 10)
    seen = observer.seen()
    assert seen.foreign == (88,) and "pid 88" in (clip_rules.why_discarded(seen, 1.0, 1.0) or "")


def test_a_younger_child_of_ours_is_no_stranger(fake: nvml_fake.Fake, nvml: Nvml) -> None:
    pids = {OURS}
    fake.set(0, compute=f"{OURS}:3000")
    observer = GpuObserver(nvml, 0, lambda: set(pids))
    observer.before()
    pids.add(CHILD)
    fake.set(0, compute=f"{OURS}:3000 {CHILD}:900")
    for step in range(10):
        observer.observe(step / 10)
    assert observer.seen().foreign == ()


@pytest.mark.parametrize(("mask", "reasons"), [
    (0x20, ("sw_thermal",)), (0x48, ("hw_slowdown", "hw_thermal")), (0x80, ("hw_power_brake",)), (0x4, ()), (0x1, ()),
])
def test_throttling(fake: nvml_fake.Fake, nvml: Nvml, mask: int, reasons: tuple[str, ...]) -> None:
    fake.set(0, throttle=mask)
    observer = GpuObserver(nvml, 0, lambda: {OURS})
    observer.before()
    assert observer.seen().throttled == reasons


def test_a_card_that_fell_to_a_low_clock_spoils_a_clip(fake: nvml_fake.Fake, nvml: Nvml) -> None:
    observer = GpuObserver(nvml, 0, lambda: {OURS})
    observer.before()
    fake.set(0, sm=900)
    for number in range(6):
        observer.observe(0.1 * number)
    observer.after()
    seen = observer.seen()
    assert seen.clock_low == 900
    why = clip_rules.why_discarded(seen, 5.0, 5.0, [1695, 1695, 1680])
    assert why == "the card ran at 900 MHz, usually at 1695 MHz"
    assert clip_rules.why_discarded(seen, 5.0, 5.0, [905, 900, 910]) is None


def test_where_nvml_never_lists_ours_the_process_table_is_seldom_searched(
    fake: nvml_fake.Fake, nvml: Nvml
) -> None:
    searches: list[int] = []
    fake.set(0, compute=f"{OTHER}:400")
    observer = GpuObserver(nvml, 0, lambda: searches.append(1) or {OURS})  # type: ignore[func-returns-value]
    observer.before()
    for number in range(100):
        observer.observe(0.1 * number)
    assert len(searches) <= 6  # one before the clip, then one in two seconds


def test_where_processes_are_not_told_memory_is_the_devices_growth(fake: nvml_fake.Fake, nvml: Nvml) -> None:
    fake.set(0, used=600, compute=f"{OURS}:- {OTHER}:-")
    observer = GpuObserver(nvml, 0, lambda: {OURS}, idle=600.0)
    observer.before()
    fake.set(0, used=5600)
    observer.observe(0.1)
    assert observer.seen().memory_peak == 5000
    blind = GpuObserver(nvml, 0, lambda: {OURS})
    blind.before()
    assert blind.seen().memory_peak is None


def test_in_a_container_with_other_pids_no_one_is_a_stranger(fake: nvml_fake.Fake, nvml: Nvml) -> None:
    fake.set(0, used=600, compute="900001:5000")
    observer = GpuObserver(nvml, 0, lambda: {OURS}, idle=600.0)
    observer.before()
    fake.set(0, used=6600, compute="900001:9000 900002:3000")
    for step in range(10):
        observer.observe(step / 10)
    assert observer.seen().foreign == () and observer.seen().memory_peak == 6000


@pytest.mark.parametrize("how", ["lose", "vanish", "memory", "all"])
def test_nvml_that_goes_away_is_survived_and_named(fake: nvml_fake.Fake, nvml: Nvml, how: str) -> None:
    observer = GpuObserver(nvml, 0, lambda: {OURS}, idle=600.0)
    with ObserverThread([observer], period=0.05) as sampler:
        observer.observe(0.0)
        if how == "lose":
            fake.lose()
        elif how == "vanish":
            fake.vanish()
        else:
            fake.fail("nvmlDeviceGetMemoryInfo")
        if how == "all":
            for call in ("PowerUsage", "Temperature", "ClockInfo", "CurrentClocksThrottleReasons",
                         "ComputeRunningProcesses", "GraphicsRunningProcesses", "TotalEnergyConsumption"):
                fake.fail(f"nvmlDeviceGet{call}")
        for step in range(10):
            observer.observe(step / 10)
    seen = sampler.seen()
    assert seen.lost and nvml.warnings and clip_rules.why_discarded(seen, 1.0, 1.0) is None


def test_memory_is_waited_for_until_it_is_back(fake: nvml_fake.Fake, nvml: Nvml) -> None:
    before = memory_in_use(nvml)
    assert before == {0: 600.0, 1: 600.0}
    fake.set(0, used=9000)

    def give_back(_: float) -> None:
        fake.set(0, used=max(600, int(nvml.memory_used(0) or 0) - 3000))

    back, _waited = wait_for_gpu_memory(nvml, before, sleep=give_back)
    assert back and nvml.memory_used(0) == 600.0
    fake.lose()
    assert wait_for_gpu_memory(nvml, before)[0] is True


def test_no_nvml_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAKE_NVML_STATE", raising=False)
    with Nvml() as session:
        if session.count():
            pytest.skip("a real GPU is here")
        observer = GpuObserver(session, 0, lambda: {os.getpid()})
        with ObserverThread([observer]) as sampler:
            pass
        assert sampler.seen().memory_peak is None and not sampler.seen().lost and sampler.full_now() is None
