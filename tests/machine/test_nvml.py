"""The real pynvml on the fake library: what it says, what fails, what disappears."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from autotune.machine import nvml as module
from autotune.machine.nvml import Nvml
from tests.nvml_fake import GPU_IS_LOST, NO_PERMISSION, UNINITIALIZED, Fake

READINGS = (
    "memory_used", "memory_total", "process_memory", "clocks", "temperature", "power", "power_limit",
    "energy", "utilisation", "throttle_reasons", "name", "uuid", "compute_capability",
)


def child(code: str, **environment: str) -> str:
    """Runs Python code in a process of its own, which loads NVML as any program does."""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_gpus(fake: Fake) -> None:
    fake.set(1, name="NVIDIA H200", capability="9 0", total=143771, limit=700_000)
    with Nvml() as nvml:
        one, two = nvml.gpus()
        assert nvml.warnings == []
    assert (one.name, one.compute_capability, one.memory_total) == ("NVIDIA GeForce RTX 3090", "8.6", 24576.0)
    assert (two.index, two.name, two.compute_capability, two.power_limit) == (1, "NVIDIA H200", "9.0", 700.0)
    assert one.uuid != two.uuid
    assert (one.driver_version, one.cuda_driver_version) == ("550.54.14", "12.4")
    assert one.clocks == {"graphics": 1695, "sm": 1695, "memory": 9751, "video": 1500}
    assert (one.temperature, one.memory_used, one.throttle_reasons) == (41, 600.0, ())


def test_the_system_finds_it_as_it_finds_the_real_one(fake: Fake) -> None:
    code = "from autotune.machine.nvml import *\nwith Nvml() as n: print(may_be_present(), [g.name for g in n.gpus()])"
    assert child(code) == "True ['NVIDIA GeForce RTX 3090', 'NVIDIA GeForce RTX 3090']\n"


def test_the_driver_version_comes_from_a_file(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "driver").write_text("536.40\n")
    fake.system(driver_file=tmp_path / "driver")
    with Nvml() as nvml:
        assert nvml.driver_version() == "536.40"
        (tmp_path / "driver").write_text("537.13\n")
        assert nvml.driver_version() == "537.13"


def test_readings_change_while_it_runs(fake: Fake) -> None:
    with Nvml() as nvml:
        nvml.memory_used(0)
        fake.set(0, used=1000, step=250)
        readings = [nvml.memory_used(0) or 0.0 for _ in range(4)]
        steps = {later - earlier for earlier, later in pairwise(readings)}
        assert steps == {250.0}
        fake.set(0, step=None, throttle=0x4 | 0x20 | 0x1, temperature=88, power=349_500, sm=1200)
        assert nvml.throttle_reasons(0) == ("gpu_idle", "sw_power_cap", "sw_thermal")
        assert nvml.throttle_reasons(1) == ()
        assert (nvml.temperature(0), nvml.power(0), nvml.clocks(0)["sm"]) == (88, 349.5, 1200)
        fake.set(0, energy=5_000, energy_step=2_000)
        first, second = nvml.energy(0), nvml.energy(0)
        assert first is not None and second is not None and second - first == 2.0


def test_memory_by_process(fake: Fake) -> None:
    with Nvml() as nvml:
        assert nvml.process_memory(0) == {}
        fake.set(0, compute="100:4000 200:50 300:-", drawing="100:20 400:7")
        assert nvml.process_memory(0) == {100: 4000.0, 200: 50.0, 300: None, 400: 7.0}
        fake.fail("nvmlDeviceGetGraphicsRunningProcesses", NO_PERMISSION)
        assert nvml.process_memory(0) == {100: 4000.0, 200: 50.0, 300: None}
        fake.fail("nvmlDeviceGetComputeRunningProcesses", NO_PERMISSION)
        assert nvml.process_memory(0) is None


def test_more_processes_than_pynvml_first_makes_room_for(fake: Fake) -> None:
    fake.set(0, compute=" ".join(f"{pid}:{pid}" for pid in range(1, 41)))
    with Nvml() as nvml:
        assert nvml.process_memory(0) == {pid: float(pid) for pid in range(1, 41)}


@pytest.mark.parametrize("reading", READINGS)
def test_an_unsupported_reading_is_none_without_a_warning(fake: Fake, reading: str) -> None:
    gone = {"memory_total": "total", "memory_used": "total", "compute_capability": "capability", "power_limit": "limit"}
    keys = {"clocks": ("graphics", "sm", "memory", "video"), "throttle_reasons": ("throttle",), "process_memory": ()}
    for key in keys.get(reading, (gone.get(reading, reading),)):
        fake.set(0, **{key: None})
    with Nvml() as nvml:
        assert getattr(nvml, reading)(0) in (None, {})
        assert nvml.warnings == []


@pytest.mark.parametrize("code", [UNINITIALIZED, GPU_IS_LOST, 999])
@pytest.mark.parametrize("reading", READINGS)
def test_a_library_that_disappears_while_running(fake: Fake, reading: str, code: int) -> None:
    with Nvml() as nvml:
        assert getattr(nvml, reading)(0) is not None
        fake.lose(code)
        assert getattr(nvml, reading)(0) in (None, {})
        assert nvml.warnings and len(nvml.warnings) <= 2
        assert nvml.gpus() == ()
        fake.heal()
        assert getattr(nvml, reading)(0) is not None


def test_half_of_the_calls_fail(fake: Fake) -> None:
    for function in ("Temperature", "PowerUsage", "Name", "CudaComputeCapability", "ClockInfo"):
        fake.fail(f"nvmlDeviceGet{function}")
    with Nvml() as nvml:
        one, two = nvml.gpus()
        assert (one.name, one.temperature, one.compute_capability, one.clocks) == ("unknown", None, None, {})
        assert one.memory_total == 24576.0 and two.uuid.endswith("444444444444")
        assert len(nvml.warnings) == 4  # each fault once, however often it happens
        assert all("Unknown Error" in line for line in nvml.warnings)


def test_failing_half_way_through_the_list(fake: Fake) -> None:
    """The first readings work, later ones do not: in a process of its own, whose calls start at zero."""
    fake.fail("nvmlDeviceGetMemoryInfo", GPU_IS_LOST, after=2)
    code = ("from autotune.machine.nvml import *\n"
            "with Nvml() as n: print([g.memory_total for g in n.gpus()], n.warnings)")
    assert child(code) == "[24576.0, None] ['NVML: DeviceGetMemoryInfo failed: GPU is lost']\n"


def test_init_that_fails_is_a_warning(fake: Fake) -> None:
    fake.fail("nvmlInit", 18)
    with Nvml() as nvml:
        assert not nvml.works and nvml.gpus() == () and nvml.driver_version() is None
        assert len(nvml.warnings) == 1 and "does not start" in nvml.warnings[0] and "mismatch" in nvml.warnings[0]


def test_a_driver_that_is_not_loaded(fake: Fake) -> None:
    fake.vanish()
    with Nvml() as nvml:
        assert nvml.gpus() == () and "Driver Not Loaded" in nvml.warnings[0]


def test_no_library_at_all(tmp_path: Path) -> None:
    code = "from autotune.machine.nvml import *\nwith Nvml() as n: print(n.gpus(), n.memory_used(0), n.warnings)"
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has an NVIDIA driver")
    said = child(code, LD_LIBRARY_PATH=str(tmp_path))
    assert said == "() None ['no NVIDIA driver library (NVML) here, so no GPU is seen']\n"


def test_a_library_that_is_not_one(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("by library path, on Linux")
    (tmp_path / "libnvidia-ml.so.1").write_text("not an ELF file")
    code = "from autotune.machine.nvml import *\nwith Nvml() as n: print(n.gpus(), len(n.warnings))"
    assert child(code, LD_LIBRARY_PATH=str(tmp_path)) == "() 1\n"


def test_likely_looks_at_paths_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}{os.pathsep}")
    marks = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
    assert module.may_be_present() == any(map(os.path.exists, marks))
    (tmp_path / "libnvidia-ml.so.1").write_text("")
    assert module.may_be_present()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not module.may_be_present()
