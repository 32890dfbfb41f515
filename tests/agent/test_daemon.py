"""The agent as a process: what it loads and costs while idle, that it ends, and that there is one."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from autotune.agent import daemon, service_files
from autotune.agent.daemon import LiveConfig
from autotune.agent.effects import RealEffects
from autotune.config import config as configuration
from autotune.model.errors import UsageProblem
from tests.agent.process import CONFIG, agent, command, status, tmpfs, touched
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("AUTOTUNE_IDLE_SECONDS", "4"))
FILES = int(os.environ.get("AUTOTUNE_WATCHED_FILES", "5000"))


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def wakes(process: psutil.Process) -> int:
    """Voluntary switches of all its threads: each is a wake-up that went to sleep again."""
    found = 0
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        text = (task / "status").read_text()
        found += int(text.split("voluntary_ctxt_switches:")[1].split()[0])
    return found


def resting(process: psutil.Process) -> Callable[[], bool]:
    """Has it neither computed nor woken since it was asked last?"""
    last: list[tuple[float, int]] = []

    def asked() -> bool:
        last.append((cpu(process), wakes(process)))
        return len(last) > 1 and last[-1] == last[-2]

    return asked


@pytest.mark.timeout(300 + 2 * SECONDS)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_idle_it_costs_next_to_nothing(webui: Path) -> None:
    """Ten minutes and 50,000 files with AUTOTUNE_IDLE_SECONDS=600 AUTOTUNE_WATCHED_FILES=50000."""
    models = webui / "models" / "Lora"
    for number in range(FILES):
        folder = models / str(number // 1000)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.safetensors").touch()
    with agent(webui) as process:
        seen = psutil.Process(process.pid)
        assert wait_for(resting(seen), 60, period=0.25)  # the first look is over
        before, woken, began = cpu(seen), wakes(seen), time.monotonic()
        time.sleep(SECONDS)
        wall = time.monotonic() - began
        # One look each five minutes costs about 0.03 s; a short run sees none, or a whole one.
        used, awake, held = cpu(seen) - before, wakes(seen) - woken, seen.memory_info().rss / 1048576
        print(f"{wall:.0f} s, {FILES} files: {held:.1f} MiB, {used / wall:.4%} of a core, {awake / wall:.3f} wakes/s")
        assert used <= 0.001 * max(wall, 60.0)
        assert awake <= wall
        assert held <= 45
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert "libcuda" not in maps
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    assert out.strip() == "[]"
    assert process.returncode == 0
    assert status(webui)["running"] is False


def test_one_agent_a_state_folder(webui: Path) -> None:
    with agent(webui) as process:
        second = subprocess.run(command(webui), capture_output=True, text=True, check=False, timeout=30)
        assert second.returncode == 1
        assert second.stderr.splitlines()[-1].startswith("6 ")
        assert str(process.pid) in second.stderr


@pytest.mark.parametrize("text", ["[agent]\npolicy = 'loud'\n", "= nonsense", "\x00", 'profile = "no such profile"\n'])
def test_a_second_agent_changes_nothing_whatever_its_configuration(webui: Path, text: str) -> None:
    with agent(webui) as process:
        files = {p: p.read_bytes() for p in (webui.parent / "state").rglob("*") if p.is_file()}
        other = webui.parent / "other.toml"
        other.write_text(text)
        words = [other.as_posix() if word.endswith("config.toml") else word for word in command(webui)]
        second = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
        assert second.stderr.splitlines()[-1].startswith("6 ")
        assert f"pid {process.pid}" in second.stderr
        assert {p: p.read_bytes() for p in (webui.parent / "state").rglob("*") if p.is_file()} == files


def test_killed_it_leaves_the_lock_to_the_next(webui: Path) -> None:
    with agent(webui) as process:
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait(10)
        assert status(webui)["running"] is True  # it could not say that it is gone
        (webui.parent / "state" / "daemon" / "status.json").unlink()
        with agent(webui) as second:
            assert status(webui)["pid"] == second.pid


def believed(journal: Path) -> list[str]:
    """What each change that it saw called for."""
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    return [one["action"] for one in events if one["event"] == "believed"]


def test_changes_are_seen_through_events_and_settle(webui: Path) -> None:
    extension = webui / "extensions" / "sd-webui-animatediff" / "model"
    journal = webui.parent / "state" / "daemon" / "journal.jsonl"
    config = webui.parent / "config.toml"
    # Outside the owner's hours nothing begins, so that only the watching is seen here.
    config.write_text(config.read_text() + 'days = ["mon"]\nhours = ["00:00-00:01"]\n')
    (module,) = extension.iterdir()
    with agent(webui):
        with (extension / "mm_sd15_v3.safetensors").open("wb") as file:
            for _ in range(6):
                file.write(b"x" * 65536)
                file.flush()
                time.sleep(0.4)
        assert wait_for(lambda: bool(status(webui).get("due")), 20), status(webui)
        (extension / "mm_sd15_v3.safetensors").replace(extension / "mm_sd15_v3_b.safetensors")
        assert wait_for(lambda: len(status(webui).get("due", [])) == 2, 20), status(webui)
        (extension / "mm_sd15_v3_b.safetensors").unlink()
        assert wait_for(lambda: len(status(webui).get("due", [])) == 3, 20), status(webui)
        module.touch()
        (extension / "other.safetensors").write_bytes(b"x" * 4096)  # merely added: nothing would render with it
        # A later change of another kind shows that it has looked again since.
        given, name = 'export COMMANDLINE_ARGS="--theme dark"\n', "webui-user.sh"
        if os.name == "nt":
            given, name = "set COMMANDLINE_ARGS=--theme dark\n", "webui-user.bat"
        (webui / name).write_text(given)
        assert wait_for(lambda: len(status(webui)["due"]) > 3, 30), status(webui)
        assert [one for one in status(webui)["due"][3:] if "kept_flags" not in one] == []
        if status(webui)["waiting"]:  # empty only in the first minute of a Monday
            assert "outside your hours" in status(webui)["waiting"]
    assert believed(journal)[:4] == ["nothing", "retune", "retune", "retune"] and len(believed(journal)) == 5


def test_the_configuration_is_read_again(webui: Path) -> None:
    config = webui.parent / "config.toml"
    with agent(webui):
        config.write_text(CONFIG + "nonsense = 1\n")
        assert wait_for(lambda: bool(status(webui)["problems"]), 20)
        (problem,) = status(webui)["problems"]
        assert f"{config}:9: when.nonsense: unknown key" in problem
        config.write_text(CONFIG.replace("[agent]\n", '[agent]\npolicy = "apply"\n'))
        assert wait_for(lambda: status(webui).get("policy") == "apply", 20)
        assert status(webui)["problems"] == []


def test_a_bad_configuration_at_the_start_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[agent]\npolicy = 'loud'\n")
    with pytest.raises(UsageProblem, match=r"c\.toml:2: agent\.policy"):
        LiveConfig(file)


def test_once_looks_and_ends(webui: Path) -> None:
    done = subprocess.run(command(webui, "--once"), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]")
    assert "the agent ends" in done.stderr
    log = (webui.parent / "state" / "daemon" / "agent.log").read_text(encoding="utf-8")
    assert "the agent begins" in log


def test_the_web_uis_folder_is_gone(webui: Path) -> None:
    with agent(webui):
        webui.rename(webui.with_name("elsewhere"))
        assert wait_for(lambda: bool(status(webui)["problems"]), 20)
        assert "is not a folder" in status(webui)["problems"][0]
        webui.with_name("elsewhere").rename(webui)
        (webui.parent / "config.toml").touch()
        assert wait_for(lambda: status(webui)["problems"] == [], 20)
        assert status(webui)["due"] == []


def test_a_full_disk_is_waited_out(webui: Path) -> None:
    with tmpfs(webui.parent / "state", "64k") as state:
        ballast = state / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)
        errors = webui.parent / "err"
        with errors.open("wb") as log:
            process = subprocess.Popen(command(webui), stdout=subprocess.DEVNULL, stderr=log)
        try:
            assert wait_for(lambda: b"the disk is full; trying again" in errors.read_bytes(), 20)
            assert process.poll() is None
            ballast.unlink()
            config = webui.parent / "config.toml"
            assert wait_for(lambda: touched(config) and status(webui).get("doing") == "watching", 20)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


def test_a_driver_change_is_seen_through_nvml(webui: Path) -> None:
    from tests import nvml_fake

    try:
        fake = nvml_fake.build(webui.parent)
    except nvml_fake.NoCompiler as why:
        pytest.skip(str(why))
    config = webui.parent / "config.toml"
    config.write_text(
        CONFIG.replace("[when]", "poll_seconds = 5\n[when]") + 'hours = ["00:00-00:01"]\ndays = ["mon"]\n'
    )
    with agent(webui, fake.environment()):
        fake.system(driver="560.35.03")
        assert wait_for(lambda: bool(status(webui)["due"]), 30), status(webui)
        assert status(webui)["due"] == ["retune: driver 550.54.14 → 560.35.03"]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="systemd's protocol needs local sockets")
def test_the_units_own_command_runs_and_tells_systemd(webui: Path) -> None:
    place = webui.parent
    what = service_files.agent_command(sys.executable, webui, place / "state", place / "config.toml")
    (line,) = re.findall(r"^ExecStart=(.*)$", service_files.systemd_unit("autotune.service", what), re.MULTILINE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place / "notify"))
        manager.settimeout(20)
        environment = {**os.environ, "NOTIFY_SOCKET": str(place / "notify"), "WATCHDOG_USEC": "4000000"}
        process = subprocess.Popen(shlex.split(line), env=environment, stderr=subprocess.DEVNULL)
        try:
            said = [manager.recv(4096).decode() for _ in range(4)]
            assert said[0].startswith("READY=1")
            assert all(text.startswith("WATCHDOG=1") for text in said[1:])
            assert "STATUS=watching" in said[-1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            manager.settimeout(2)
            while not said[-1].startswith("STOPPING=1"):
                said.append(manager.recv(4096).decode())
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize(("policy", "changes"), [("when_used", False), ("at_once", True)])
def test_a_model_that_is_merely_added(webui: Path, policy: str, changes: bool) -> None:
    """No change until it is used: another checkpoint, another VAE, and, unless configured, another motion module."""
    file = webui.parent / "config.toml"
    file.write_text(CONFIG.replace("[agent]\n", f'[agent]\nadded_models = "{policy}"\n'))
    config = configuration.load(file)
    world = RealEffects(webui, webui.parent / "state", lambda: config, print)
    try:
        before = world.fingerprint_parts()
        (webui / "models" / "Stable-diffusion" / "another.safetensors").write_bytes(b"x" * 999)
        (webui / "models" / "VAE" / "another.pt").write_bytes(b"x" * 999)
        assert world.fingerprint_parts() == before
        (webui / "extensions" / "sd-webui-animatediff" / "model" / "other.ckpt").write_bytes(b"x" * 999)
        assert (world.fingerprint_parts() != before) is changes
        options = webui / "config.json"
        used = json.loads(options.read_text()) | {"sd_model_checkpoint": "another.safetensors"}
        options.write_text(json.dumps(used))
        assert world.fingerprint_parts()["checkpoint"] == "another.safetensors 999"
    finally:
        world.close()


def test_a_workflow_that_changes_is_another_question(webui: Path) -> None:
    """Other seeds in it are not, and nor is another place of its file."""
    graph = {"1": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 9}}}
    flow = webui.parent / "flow.json"
    flow.write_text(json.dumps(graph))
    file = webui.parent / "config.toml"
    file.write_text(f'workflow = "flow.json"\n{CONFIG}')
    config = configuration.load(file)
    world = RealEffects(webui, webui.parent / "state", lambda: config, print)
    try:
        before = world.fingerprint_parts()
        graph["1"]["inputs"]["seed"] = 2  # type: ignore[index]
        flow.write_text(json.dumps(graph))
        assert world.fingerprint_parts() == before
        graph["1"]["inputs"]["steps"] = 8  # type: ignore[index]
        flow.write_text(json.dumps(graph))
        after = world.fingerprint_parts()
        assert {part for part in after if after[part] != before[part]} == {"profile"}
        config = replace(config, workflow=None)
        assert world.fingerprint_parts()["profile"] != before["profile"]
    finally:
        world.close()


class Waits(threading.Event):
    """An event that notes how long each wait for it could have lasted."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.limits.append(timeout)
        return super().wait(timeout)


def test_a_long_sleep_is_many_short_waits_where_a_wait_keeps_signals_waiting() -> None:
    woken = Waits()
    assert not daemon._sleep(woken, 0.05, 0.01)
    assert len(woken.limits) >= 5
    assert max(woken.limits) <= 0.01
    whole = Waits()
    assert not daemon._sleep(whole, 0.05, 600)
    assert len(whole.limits) <= 2  # a clock may be a hair behind the wait
    woken.set()
    assert daemon._sleep(woken, 600, 0.01)
    assert (daemon.SIGNAL_LOOK < 1) is (os.name == "nt")
