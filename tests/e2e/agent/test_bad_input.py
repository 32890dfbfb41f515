"""A machine that sleeps in mid-clip, in a real tune that the agent began."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.agent.process import CONFIG, command, status
from tests.e2e.agent.test_owner import of
from tests.waiting import wait_for

LONG = """\
name = "long"
[[workload]]
width = 128
height = 128
frames = 8
steps = 3
[search]
attention = ["sdp"]
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stops processes by signals")
def test_a_machine_that_sleeps_in_mid_clip(webui: Path) -> None:
    """Everything of ours is stopped while a clip runs and goes on later: that clip does not count, the rest does."""
    state, profile = webui.parent / "state", webui.parent / "long.toml"
    profile.write_text(LONG)
    (webui.parent / "config.toml").write_text(
        CONFIG.replace('"tiny"', f'"{profile}"').replace("first_tune = false", "first_tune = true")
    )

    def samples() -> list[dict[str, Any]]:
        found = []
        for file in state.glob("installs/*/studies/*/samples.jsonl"):
            found += [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]
        return [one for one in found if one["kind"] == "sample"]

    process = subprocess.Popen(command(webui), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        first = psutil.Process(process.pid)
        # How many clips warm a process up is the tune's own business: one clip after the other, until one counts.
        assert wait_for(lambda: bool(samples()), 120)
        while not any(one["state"] == "discarded" for one in samples()):
            # A stop may fall between two clips, and the next one then counts; none that stood still may.
            fastest = min(one["cost"] for one in samples())
            assert not any(one["state"] == "ok" and one["cost"] >= fastest + 4.0 for one in samples()), samples()
            family = [first, *first.children(recursive=True), *of(webui)]
            for one in family:
                one.suspend()
            done = len(samples())
            assert not wait_for(lambda before=done: len(samples()) > before, 4.0)  # type: ignore[misc]
            for one in reversed(family):
                one.resume()
            assert wait_for(lambda before=done: len(samples()) > before, 120)  # type: ignore[misc]
        assert wait_for(lambda: sum(one["state"] == "ok" for one in samples()) >= 2, 120), samples()
        kept = samples()
        assert {"stood still" in one["detail"] for one in kept if one["state"] == "discarded"} == {True}
        assert not [one for one in kept if one["state"] == "failed"]
        assert status(webui)["doing"].startswith("running")
    finally:
        for one in psutil.Process(process.pid).children(recursive=True):
            one.resume()
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert wait_for(lambda: not of(webui), 10)
