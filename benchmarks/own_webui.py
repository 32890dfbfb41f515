"""Is the user's own web UI judged rightly? The reference one, however it can be asked, idle and rendering, on the CPU.

    python -m benchmarks.own_webui [ROUNDS]

A round is 16 cells: with the API, without it, with credentials that its command line names and with others; idle and
rendering; looked at as before a tune, and in mid-tune. Idle is right when a look finds it free and when the tune goes
on; rendering is right when a look finds it busy, and when the tune's web UI is gone within five seconds and the tune
goes on after the job. Then two cells more: one that starts in mid-tune, and one that hangs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from autotune.engine.create import create
from autotune.install.idle import in_the_way
from autotune.webui import running

WITHIN = 5.0
PROFILE = """\
name = "small"
[[workload]]
width = 64
height = 64
frames = 4
steps = 1
[search]
attention = ["sdp", "v1", "invokeai", "split", "sub-quad"]
channelslast = [false, true]
no_half_vae = [false, true]
[budget]
minutes = 20
"""
ACCESS = ("api", "no api", "known credentials", "unknown credentials")
HIDDEN = "import os, sys\nif 'AUTOTUNE_RUN' not in os.environ:\n    sys.argv += ['--api-auth', 'ada:hunter2']\n"
JOB = {"prompt": "a", "width": 128, "height": 128, "steps": 3000, "alwayson_scripts": {"AnimateDiff": {"args": [
    {"enable": True, "model": "mm_sd15_v2.safetensors", "video_length": 8, "batch_size": 8, "format": ["GIF"]}]}}}


def until(condition: Callable[[], object], seconds: float) -> float | None:
    """Seconds until ``condition`` held; None when it did not in time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(0.05)
    return None


class Bench:
    """One install, a tune on it that is kept going, and what was found."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, create(folder / "webui", "tiny", "cpu")
        (folder / "small.toml").write_text(PROFILE)
        self.tune: subprocess.Popen[bytes] | None = None
        self.right = self.cells = 0

    def keep_tuning(self) -> None:
        """A tune runs, a new one when the last has ended."""
        if self.tune is None or self.tune.poll() is not None:
            line = ["--webui", str(self.root), "--state-dir", str(self.folder / "state"), "tune", "--fresh",
                    "--profile", str(self.folder / "small.toml")]
            with (self.folder / "tune.log").open("ab") as log:
                self.tune = subprocess.Popen([sys.executable, "-m", "autotune", *line], stdout=log, stderr=log)

    def trials(self) -> list[int]:
        """Web UIs of the tune."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if str(self.root / "launch.py") in process.cmdline() and "AUTOTUNE_RUN" in process.environ():
                    found.append(process.pid)
        return found

    def measures(self) -> bool:
        """Whether a tune has its web UI up or starting; one is begun where none runs."""
        self.keep_tuning()
        return bool(self.trials())

    def clips(self) -> int:
        """Clips recorded by all tunes."""
        files = self.folder.glob("state/installs/*/studies/*/samples.jsonl")
        return sum(path.read_bytes().count(b'"kind":"sample"') for path in files)

    def goes_on(self, seconds: float) -> bool:
        """Whether a tune takes clips."""
        before = self.clips()

        def more() -> bool:
            self.keep_tuning()
            return self.clips() > before

        return until(more, seconds) is not None

    def said(self) -> int:
        """How often a tune said that it pauses."""
        return (self.folder / "tune.log").read_text().count("paused, the machine is yours")

    def cell(self, name: str, right: bool, told: str = "") -> None:
        """Notes one cell."""
        self.cells += 1
        self.right += right
        print(f"{'right' if right else 'WRONG'}  {name}: {told}", flush=True)

    def look(self) -> tuple[bool, str]:
        """What a command that would measure finds: (free, why)."""
        states = running.activities(self.root)
        return not [one for one in states if in_the_way(one, False)], "; ".join(map(str, states))

    @contextlib.contextmanager
    def owner(self, access: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """The user's own web UI: (port, process)."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        words = ["--port", str(port), *(["--api"] if access != "no api" else [])]
        words += ["--api-auth", "ada:hunter2"] if access == "known credentials" else []
        script = self.root / "launch.py"
        text = script.read_text()
        if access == "unknown credentials":
            script.write_text(HIDDEN + text)
        try:
            with (self.folder / "owner.log").open("wb") as log:
                process = subprocess.Popen([sys.executable, "launch.py", *words], cwd=self.root, stdout=log, stderr=log)
            yield port, process
        finally:
            process.kill()
            process.wait()
            script.write_text(text)


def answers(port: int) -> bool:
    """Whether its page does."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def press(port: int) -> None:
    """Begins a long job as the page's button does; it ends with the web UI."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/run/predict", json.dumps({"data": [JOB]}).encode(),
        {"Content-Type": "application/json"})

    def wait() -> None:
        with contextlib.suppress(OSError, urllib.error.URLError, ValueError):
            urllib.request.urlopen(request, timeout=600).close()

    threading.Thread(target=wait, daemon=True).start()


def four(bench: Bench, access: str) -> None:
    """The cells of one way to be asked."""
    with bench.owner(access) as (port, _):
        assert until(lambda: answers(port), 120) is not None, (bench.folder / "owner.log").read_text()
        free, told = bench.look()
        bench.cell(f"{access}, idle, before", free, told)
        on = bench.goes_on(90)
        paused = bench.said()
        time.sleep(6.0)
        bench.cell(f"{access}, idle, in mid-tune", on and bench.said() == paused, f"{bench.clips()} clips")
        until(bench.measures, 90)
        press(port)
        took = until(lambda: not bench.trials(), WITHIN)
        free, told = bench.look()
        bench.cell(f"{access}, rendering, before", not free, told)
    on = bench.goes_on(120)
    bench.cell(f"{access}, rendering, in mid-tune", took is not None and on,
               f"free after {took:.1f} s, goes on: {on}" if took is not None else "not free in time")


def main(rounds: int) -> int:
    """Runs the rounds; the exit code is 0 when all cells were right."""
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place))
        try:
            for _ in range(rounds):
                for access in ACCESS:
                    four(bench, access)
            bench.goes_on(90)
            with bench.owner("no api"):
                took = until(lambda: not bench.trials(), 2 * WITHIN)
            bench.cell("starts in mid-tune", took is not None and took <= WITHIN, f"free after {took} s")
            with bench.owner("api") as (port, process):
                until(lambda: answers(port), 120)
                os.kill(process.pid, signal.SIGSTOP)
                free, told = bench.look()
                bench.cell("hangs, before", not free, told)
        finally:
            if bench.tune is not None:
                bench.tune.terminate()
                bench.tune.wait(30)
    load = os.getloadavg()[0]
    print(f"{bench.right} of {bench.cells} right (load {load:.1f} on {os.cpu_count()} cores at the end)")
    return 0 if bench.right == bench.cells else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
