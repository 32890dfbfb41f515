"""A tune is asked for while the owner's web UI runs: it begins when that is closed, and ends at a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from tests.agent.process import agent, status
from tests.e2e.agent.test_owner import of, owner
from tests.waiting import wait_for


def autotune(webui: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and document of one command of the owner's."""
    place = ["--webui", str(webui), "--state-dir", str(webui.parent / "state"),
             "--config", str(webui.parent / "config.toml"), "--json", "-q"]
    words = (sys.executable, "-m", "autotune", *words, *place)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def lives(pid: object) -> bool:
    """Whether a process runs; one that ended and was not asked for its exit code does not."""
    try:
        return isinstance(pid, int) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_without_an_agent_one_process_waits_and_tunes_when_the_web_ui_is_closed(webui: Path) -> None:
    code, refused = autotune(webui, "ask", "tune", "--when", "away")
    assert code == 3 and "service install" in refused["hint"]
    assert autotune(webui, "status")[1]["asked_tune"] is None, "what was refused is asked for all the same"
    with owner(webui):
        with ThreadPoolExecutor(2) as at_once:  # as by two clicks
            both = list(at_once.map(lambda _: autotune(webui, "ask", "tune"), range(2)))
        assert [(code, said["when"]) for code, said in both] == [(0, "closed")] * 2, both
        assert "waiting process" in {said["by"] for _, said in both}
        found = status(webui)
        waiter = found["pid"]
        assert found["running"] and found["only_asked"] and lives(waiter) and os.getsid(waiter) == waiter
        assert autotune(webui, "ask", "tune")[0] == 0 and status(webui)["pid"] == waiter, "there are two"
        assert wait_for(lambda: any("web UI is running" in one for one in status(webui)["waiting"]), 60)
        told = autotune(webui, "status")[1]
        assert told["asked_tune"]["when"] == "closed" and told["daemon"]["pid"] == waiter
        assert not of(webui)
    assert wait_for(lambda: bool(of(webui)), 60), status(webui)
    assert autotune(webui, "ask", "cancel")[0] == 0
    assert wait_for(lambda: not lives(waiter) and not of(webui), 60)
    after = autotune(webui, "status")[1]
    assert after["asked_tune"] is None and not after["daemon"]["running"] and after["unfinished"] is not None


def test_an_agent_takes_the_place_of_the_process_that_waits(webui: Path) -> None:
    with owner(webui):
        assert autotune(webui, "ask", "tune")[0] == 0
        waiter = status(webui)["pid"]
        with agent(webui, doing="waiting to retune") as process:
            assert wait_for(lambda: not lives(waiter), 60)
            assert status(webui)["pid"] == process.pid and not status(webui)["only_asked"]
            assert autotune(webui, "status")[1]["asked_tune"]["when"] == "closed", "the wish is lost"
            assert autotune(webui, "ask", "cancel")[0] == 0
            assert wait_for(lambda: status(webui)["doing"] == "watching", 60)


def test_what_a_killed_agent_left_is_no_agent(webui: Path) -> None:
    with owner(webui):
        assert autotune(webui, "ask", "tune")[0] == 0
        waiter = psutil.Process(status(webui)["pid"])
        waiter.kill()
        assert wait_for(lambda: not lives(waiter.pid), 60)
        # As if its number had gone to another process since.
        file = webui.parent / "state" / "daemon" / "status.json"
        file.write_text(json.dumps({**status(webui), "pid": os.getpid()}))
        assert autotune(webui, "ask", "tune")[1]["by"] == "waiting process"
        assert lives(status(webui)["pid"]) and status(webui)["pid"] not in (os.getpid(), waiter.pid)
        assert autotune(webui, "ask", "cancel")[0] == 0
        assert wait_for(lambda: not status(webui)["running"], 60)


def test_the_agent_does_what_was_asked_for_and_watches_on(webui: Path) -> None:
    with agent(webui) as process:
        with owner(webui):
            code, said = autotune(webui, "ask", "tune")
            assert (code, said["by"]) == (0, "agent")
            assert wait_for(lambda: any("web UI is running" in one for one in status(webui)["waiting"]), 60)
        assert wait_for(lambda: bool(of(webui)), 60), status(webui)
        assert autotune(webui, "ask", "cancel")[0] == 0
        assert wait_for(lambda: status(webui)["doing"] == "watching" and not of(webui), 60), status(webui)
        assert process.poll() is None and status(webui)["due"] == []


def test_an_agent_of_another_web_ui_is_not_asked(webui: Path, tmp_path: Path) -> None:
    with agent(webui):
        other = tmp_path / "other"
        other.mkdir()
        for name in ("launch.py", "webui-user.sh", "reference-webui.json"):
            (other / name).write_bytes((webui / name).read_bytes())
        (other / "modules").mkdir()
        done = subprocess.run(
            [sys.executable, "-m", "autotune", "--webui", str(other), "--state-dir", str(webui.parent / "state"), "ask",
             "tune", "--json"], capture_output=True, text=True, check=False)
        assert done.returncode == 6 and str(webui) in json.loads(done.stdout)["message"]
