"""A killed tune is no crash of the machine; what a crash leaves is not started again unasked."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

import pytest

from tests.e2e.verbs.conftest import Bench
from tests.waiting import wait_for


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_kill_is_no_crash_and_a_crash_asks(bench: Bench) -> None:
    words = ("tune", "--profile", str(bench.profile), "--budget", "240s")

    def measured(number: signal.Signals, *more: str) -> None:
        """Tunes until a clip is recorded, then ends it."""
        before = len(bench.samples())
        running = bench.start(*words, *more)
        try:
            assert wait_for(lambda: len(bench.samples()) > before or running.poll() is not None, 200)
            assert running.poll() is None, running.communicate()
            told.update(json.loads(next(bench.state.glob("installs/*/in-flight.json")).read_text()))
        finally:
            running.send_signal(number)
            running.communicate(timeout=200)

    told: dict[str, Any] = {}
    measured(signal.SIGKILL)
    note = next(bench.state.glob("installs/*")) / "in-flight.json"
    assert told["flags"] == [] and told["verb"] == "tune"
    assert wait_for(lambda: not note.exists(), 30)  # its guard took it away with the last process
    measured(signal.SIGTERM)  # goes on as ever
    assert not note.exists()
    # The same entry, left by another boot.
    note.write_text(json.dumps({**told, "boot": {**told["boot"], "id": "another boot", "began": 1.0}}))
    refused = bench.json(*words, code=4)
    assert "the machine went down while the current flags ran" in refused["message"] and "--fresh" in refused["hint"]
    assert "went down" in bench.json("verify", code=4)["message"]  # nor does verify start it
    measured(signal.SIGTERM, "--fresh")  # asked: it is tried again
    assert not note.exists()
