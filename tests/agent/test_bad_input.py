"""What goes wrong around the agent: a reason in `status`, no crash, nothing lost."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotune.agent.state import StateKeeper, accepted_event
from autotune.measure import clip_rules
from autotune.measure.observations import Observations
from tests import nvml_fake
from tests.agent.process import CONFIG, agent, command, status, tmpfs, touched
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

NEVER = 'days = ["mon"]\nhours = ["00:00-00:01"]\n'
"""Hours in which nothing begins, so that a change stays due."""


def told(root: Path) -> str:
    """What `autotune status` prints."""
    place = ["--webui", str(root), "--state-dir", str(root.parent / "state")]
    words = [sys.executable, "-m", "autotune", "status", *place]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def profile_changes(root: Path) -> Callable[[], bool]:
    """Something that the agent has to write down: another profile."""
    file = root.parent / "config.toml"
    return lambda: bool(file.write_text(file.read_text().replace('"tiny"', '"default"')))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_a_read_only_disk_is_told_and_waited_out(webui: Path) -> None:
    config = webui.parent / "config.toml"
    config.write_text(CONFIG + NEVER)
    with tmpfs(webui.parent / "state", "1m") as state, contextlib.ExitStack() as later:
        errors, folder = webui.parent / "err", state / "daemon"
        with errors.open("wb") as log:
            process = subprocess.Popen(command(webui), stdout=subprocess.DEVNULL, stderr=log)
        try:
            assert wait_for(lambda: status(webui).get("doing") == "watching", 20)
            # What has been opened stays writable, as when a file system turns read-only after a fault.
            subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
            later.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
            subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
            profile_changes(webui)()
            assert wait_for(lambda: b"Read-only file system; trying again" in errors.read_bytes(), 20)
            assert f"problem: {state / 'daemon'}: cannot be written" in told(webui)
            assert process.poll() is None
            subprocess.run(["mount", "-o", "remount,rw,bind", str(folder)], check=True)
            touched(config)  # wakes it; else it looks again within a minute
            assert wait_for(lambda: bool(status(webui).get("due")), 20), errors.read_text()
            assert "problem:" not in told(webui)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_a_full_disk_is_told_and_nothing_is_lost(webui: Path) -> None:
    config = webui.parent / "config.toml"
    config.write_text(CONFIG + NEVER)
    with tmpfs(webui.parent / "state", "64k") as state:
        errors = webui.parent / "err"
        with errors.open("wb") as log:
            process = subprocess.Popen(command(webui), stdout=subprocess.DEVNULL, stderr=log)
        try:
            assert wait_for(lambda: status(webui).get("doing") == "watching", 20)
            with contextlib.suppress(OSError), (state / "ballast").open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 512)
            profile_changes(webui)()
            assert wait_for(lambda: b"changed: profile" in errors.read_bytes(), 20)
            assert f"problem: {state / 'daemon'}: the disk is full" in told(webui)
            (state / "ballast").unlink()
            touched(config)  # wakes it; else it looks again within a minute
            assert wait_for(lambda: bool(status(webui).get("due")), 20), errors.read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


@pytest.mark.parametrize("text", ['[agent]\npolicy = "loud"\n', "[when]\nnonsense = 1\n", '[when]\nhours = ["9-5"]\n'])
def test_a_configuration_that_is_wrong_at_the_start(webui: Path, text: str) -> None:
    (webui.parent / "config.toml").write_text(text)
    done = subprocess.run(command(webui), capture_output=True, text=True, check=False, timeout=30)
    assert done.stderr.splitlines()[-1].startswith("2 ")  # a service manager does not start it again for this
    assert f"problem: {webui.parent / 'config.toml'}:" in told(webui)
    assert "Agent:     not running (did not start)" in told(webui)


def change(version: str) -> dict[str, Any]:
    return accepted_event({"driver": version}, "retune", f"id-{version}", [f"driver {version}"], 1.0)


@pytest.mark.parametrize(
    "damage",
    [
        b'{"event":"believed","parts":{"driver":"3',
        b'\x00\xff\x00garbage\n{"event":"settled"}\n',
        b'{"event":"ended"}\n{"event":"believed","parts":7,"action":"retune","id":"x","causes":[],"at":"?"}\n[1]\n',
    ],
)
def test_a_damaged_journal_keeps_what_was_due(webui: Path, damage: bytes) -> None:
    (webui.parent / "config.toml").write_text(CONFIG + NEVER)
    folder = webui.parent / "state" / "daemon"
    with agent(webui):
        pass
    keeper = StateKeeper(folder)
    assert keeper.state.known is not None
    keeper.record(accepted_event(keeper.state.known, "retune", "id", ["driver 2"], 1.0))
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(damage)
    whole = damage.endswith(b"\n")
    for _ in range(2):
        process = subprocess.Popen(command(webui), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert wait_for(lambda pid=process.pid: status(webui).get("pid") == pid, 20)  # type: ignore[misc]
            assert status(webui)["due"] == ["retune: driver 2"]
            assert ("problem: " in told(webui)) == whole
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0 or sys.platform == "win32"  # there SIGTERM ends a process at once
    aside = folder / "journal.jsonl.damaged"
    kept = (folder / "journal.jsonl").read_bytes() + (aside.read_bytes() if aside.exists() else b"")
    assert not whole or all(line in kept for line in damage.splitlines())


def test_nvml_goes_and_comes_back_while_it_runs(webui: Path) -> None:
    try:
        fake = nvml_fake.build(webui.parent / "nvml", gpus=1)
    except nvml_fake.NoCompiler as why:
        pytest.skip(str(why))
    config = webui.parent / "config.toml"
    config.write_text(CONFIG.replace("[when]", "poll_seconds = 5\n[when]") + NEVER)
    with agent(webui, fake.environment()) as process:
        fake.lose()
        profile_changes(webui)()
        assert wait_for(lambda: bool(status(webui)["due"]), 20)
        assert [cause.split(" ")[1] for cause in status(webui)["due"]] == ["profile"]
        fake.heal()
        fake.system(driver="560.35.03")
        assert wait_for(lambda: len(status(webui)["due"]) == 2, 30), status(webui)
        assert status(webui)["due"][1] == "retune: driver 550.54.14 → 560.35.03"
        assert process.poll() is None


def test_a_clip_over_which_the_machine_stood_still_does_not_count() -> None:
    assert clip_rules.why_discarded(Observations(longest_pause=0.4), 2.0, 2.0) is None
    assert "stood still for 7.0 s" in (clip_rules.why_discarded(Observations(longest_pause=7.0), 2.0, 2.0) or "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_one_pass_without_room_for_its_records_says_so(webui: Path, fault: str) -> None:
    with tmpfs(webui.parent / "state", "16k") as state:
        if fault == "full":
            with contextlib.suppress(OSError), (state / "ballast").open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 512)
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
        place = ["--webui", str(webui), "--state-dir", str(state), "--config", str(webui.parent / "config.toml")]
        words = [sys.executable, "-m", "autotune", "daemon", "--once", "--json", *place]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 8, done.stderr
        assert "Traceback" not in done.stderr
        assert json.loads(done.stdout)["code"] == 8
        assert ("the disk is full" if fault == "full" else "a read-only disk") in told(webui)
