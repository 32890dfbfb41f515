"""GPU memory by process on Windows: names of instances, the array as the C compiler lays it out, what is absent."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.agent.situation import memory_of_others
from autotune.machine import windows_gpu_memory
from autotune.machine.nvml import Nvml
from autotune.machine.windows_gpu_memory import GpuCounters, ProcessGpuMemory, moved_out, on_card, parse_instance
from autotune.measure.gpu import SPILL, GpuObserver, MainMemory
from tests import nvml_fake, pdh_fake

CARD, DISPLAY = "luid_0x00000000_0x0000C4D2_phys_0", "luid_0x00000000_0x0000AB01_phys_0"
CARD_LUID = 0xC4D2
OURS, DWM, GAME = 4001, 1212, 77


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> pdh_fake.Fake:
    try:
        return pdh_fake.build(tmp_path_factory.mktemp("pdh"))
    except pdh_fake.NoCompiler as fault:
        pytest.skip(str(fault))


@pytest.fixture
def pdh(built: pdh_fake.Fake, monkeypatch: pytest.MonkeyPatch) -> pdh_fake.Fake:
    monkeypatch.setenv(pdh_fake.STATE_VARIABLE, str(built.state))
    built.say({})
    return built


class Clock:
    """Each look comes a minute after the last one."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 60.0
        return self.now


@pytest.fixture
def wddm(pdh: pdh_fake.Fake, fake: nvml_fake.Fake) -> Iterator[Nvml]:
    """NVML as under WDDM, which lists processes without their memory."""
    fake.set(0, compute=f"{OURS}:-", drawing=f"{DWM}:- {GAME}:-", used=6000)
    with Nvml(GpuCounters(pdh.library, Clock())) as nvml:
        yield nvml


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 3),
       st.sampled_from(["", "#1", "#23"]), st.booleans())
def test_the_name_of_an_instance(pid: int, high: int, low: int, phys: int, twin: str, lower: bool) -> None:
    name = f"pid_{pid}_luid_0x{high:08X}_0x{low:08X}_phys_{phys}{twin}"
    assert parse_instance(name.lower() if lower else name) == (pid, high << 32 | low)


@pytest.mark.parametrize("name", [
    "", "_Total", "pid_1234", "pid__luid_0x0_0x1_phys_0", f"pid_-4_{CARD}", f"xpid_4_{CARD}", f"pid_4_{CARD}_eng_0",
    CARD, "pid_4_luid_0x00000000_0x0000C4D2_phys_", "pid_4_luid_0x000000000_0x0000C4D2_phys_0",
])
def test_other_names_are_no_process(name: str) -> None:
    assert parse_instance(name) is None


@given(st.text())
def test_any_name_is_read_or_left(name: str) -> None:
    found = parse_instance(name)
    assert found is None or name.lower().startswith("pid_")


def test_the_array_is_read_as_c_lays_it_out(pdh: pdh_fake.Fake) -> None:
    pdh.say({f"pid_{OURS}_{CARD}": (5000, 4800, 300), f"pid_{OURS}_{DISPLAY}": (20, 900, 60),
             f"pid_{DWM}_{CARD}": (14013, 312, 40), "_Total": (9, 9, 9)})
    counters = GpuCounters(pdh.library, Clock())
    before, found = pdh.opened(), counters.read()
    assert found is not None and not counters.problem and pdh.opened() == before + 1
    assert found[(OURS, CARD_LUID)] == ProcessGpuMemory(4800, 300) and len(found) == 3
    assert on_card(found) == {OURS: 4800, DWM: 312}
    assert moved_out(found, {OURS}) == 300 and moved_out(found, {DWM, OURS}) == 340 and moved_out(found, {5}) is None
    counters.close()
    assert pdh.opened() == before


@given(st.dictionaries(st.integers(1, 99999), st.tuples(*[st.integers(0, 2**34)] * 3), max_size=60))
def test_any_table_comes_back_whole(built: pdh_fake.Fake, table: dict[int, tuple[int, int, int]]) -> None:
    os.environ[pdh_fake.STATE_VARIABLE] = str(built.state)
    built.say({f"pid_{pid}_{CARD}": sizes for pid, sizes in table.items()})
    counters = GpuCounters(built.library, Clock())
    try:
        expected = {(pid, CARD_LUID): ProcessGpuMemory(min(sizes[:2]), sizes[2]) for pid, sizes in table.items()}
        assert counters.read() == (expected or None)
        assert bool(counters.problem) is not bool(expected)
    finally:
        counters.close()
        del os.environ[pdh_fake.STATE_VARIABLE]


def test_processes_that_begin_between_the_two_questions(pdh: pdh_fake.Fake) -> None:
    pdh.say({f"pid_{OURS}_{CARD}": (5000, 5000, 0)}, grow=2)
    found = GpuCounters(pdh.library, Clock()).read()
    assert found is not None and found[(OURS, CARD_LUID)].card == 5000


def test_values_that_are_not_valid_are_left_out(pdh: pdh_fake.Fake) -> None:
    pdh.say({f"pid_{OURS}_{CARD}": (5000, 5000, 0)}, status=0xC0000BBA)
    assert GpuCounters(pdh.library, Clock()).read() is None


def test_a_reading_serves_for_a_while(pdh: pdh_fake.Fake) -> None:
    now = [0.0]
    counters = GpuCounters(pdh.library, lambda: now[0])
    pdh.say({f"pid_{OURS}_{CARD}": (100, 100, 0)})
    counters.read()
    pdh.say({f"pid_{OURS}_{CARD}": (900, 900, 0)})
    assert on_card(counters.read() or {}) == {OURS: 100}
    now[0] = windows_gpu_memory.READING_AGE
    assert on_card(counters.read() or {}) == {OURS: 900}


def test_a_windows_without_the_counters_is_said(pdh: pdh_fake.Fake) -> None:
    pdh.vanish()
    counters, before = GpuCounters(pdh.library, Clock()), pdh.opened()
    assert counters.read() is None and counters.problem == "this Windows has no such counters"
    assert pdh.opened() == before
    assert GpuCounters(object(), Clock()).read() is None  # a library that lacks the functions


def test_counters_that_go_and_come_back(pdh: pdh_fake.Fake) -> None:
    memory = {f"pid_{OURS}_{CARD}": (5000, 5000, 0)}
    pdh.say(memory)
    counters = GpuCounters(pdh.library, Clock())
    assert counters.read() is not None
    pdh.vanish()
    assert counters.read() is None and counters.problem
    pdh.say(memory)
    assert counters.read() is not None and not counters.problem


def test_this_systems_own_counters_are_there_or_said() -> None:
    """Linux and macOS have none, nor wine; a real Windows 10 with a GPU has."""
    counters = GpuCounters()
    found = counters.read()
    assert bool(found) is not bool(counters.problem)
    if sys.platform != "win32":
        assert counters.problem == "there are none on this system"
    counters.close()


def test_what_nvml_leaves_open_is_filled_in(pdh: pdh_fake.Fake, wddm: Nvml) -> None:
    pdh.say({f"pid_{OURS}_{CARD}": (5000, 4800, 300), f"pid_{DWM}_{CARD}": (14013, 312, 40)})
    assert wddm.process_memory(0) == {OURS: 4800, DWM: 312, GAME: None}
    assert wddm.memory_untold(0) is None


def test_where_nobody_tells_nothing_is_taken_for_nought(
    pdh: pdh_fake.Fake, wddm: Nvml, tmp_path: Path
) -> None:
    pdh.vanish()
    assert wddm.process_memory(0) == {OURS: None, DWM: None, GAME: None} and wddm.moved_out({OURS}) is None
    assert "no such counters" in (wddm.memory_untold(0) or "") and wddm.memory_untold(1) is None
    observer = GpuObserver(wddm, 0, lambda: {OURS}, idle=600.0)
    observer.before()
    assert observer.seen().spilled is None and observer.seen().memory_peak == 5400


@pytest.mark.parametrize(("sizes", "listed", "memory"), [
    ([], True, 0.0), ([], False, None), ([None, None], True, None), ([None, 300.0], True, 300.0),
    ([1.0, 2.0], True, 3.0),
])
def test_memory_of_others(sizes: list[float | None], listed: bool, memory: float | None) -> None:
    assert memory_of_others(sizes, listed) == memory


def test_memory_that_spills_is_seen_and_counts(pdh: pdh_fake.Fake, wddm: Nvml, fake: nvml_fake.Fake) -> None:
    main = MainMemory()
    pdh.say({f"pid_{OURS}_{CARD}": (5000, 4800, 150), f"pid_{OURS}_{DISPLAY}": (20, 20, 9000)})
    lean = GpuObserver(wddm, 0, lambda: {OURS}, main=main)
    lean.before()
    assert lean.seen().spilled is None and lean.seen().memory_peak == 4800
    # Another set's start: less on the card than before, as the driver moved it out.
    pdh.say({f"pid_{OURS}_{CARD}": (4700, 4700, 150 + SPILL + 1000)})
    greedy = GpuObserver(wddm, 0, lambda: {OURS}, main=main)
    greedy.before()
    assert greedy.seen().spilled == SPILL + 1000 and greedy.seen().memory_peak == 4700 + SPILL + 1000


def test_a_game_beside_a_clip_is_a_stranger(pdh: pdh_fake.Fake, wddm: Nvml) -> None:
    pdh.say({f"pid_{OURS}_{CARD}": (4000, 4000, 150), f"pid_{GAME}_{CARD}": (300, 300, 0)})
    observer = GpuObserver(wddm, 0, lambda: {OURS})
    observer.before()
    pdh.say({f"pid_{OURS}_{CARD}": (4000, 4000, 150), f"pid_{GAME}_{CARD}": (2300, 2300, 0)})
    for step in range(10):
        observer.observe(step / 10)
    assert observer.seen().foreign == (GAME,)
