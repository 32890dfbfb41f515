"""Start and stop a misbehaving web UI again and again, and count what is left: processes, ports, folders.

    python -m benchmarks.cycles [--cycles 500] [--engine 20] [--seed 1] [--json FILE]

A start of the reference web UI costs seconds, so most cycles run a light stand-in (tests/trial/standin_webui.py:
A1111's command line and API without any computing) that has the same faults: it forks, double-forks, ignores
SIGTERM or SIGINT too, leaves a child that holds the port, crashes at random, ends in its start, writes into its
install. ``--engine`` says how many cycles run the reference web UI itself. Each cycle ends in one of six ways: an
orderly stop, a stop at once, the web UI killed, its guard killed, the owner killed with SIGKILL, or owner and guard
both killed, which only the next command's sweep can clean up.

What is left is counted in two ways: as the server room itself would find it (processes that carry the run's marker),
and by a look that shares nothing with it: any process of this machine whose environment, command line or working
folder names the benchmark's own temporary folder, which every process of a trial inherits as its TMPDIR.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from autotune.machine import processes
from autotune.trial import LaunchFailed, LaunchPlan, Server, readiness, run_folder, start
from autotune.trial.sweep import sweep

HERE = Path(__file__).resolve().parent
STANDIN = HERE.parent / "tests" / "trial" / "standin_webui.py"
FAULTS = {
    False: ("", "fork", "double_fork", "ignore_sigterm", "fork,double_fork,ignore_all", "port_holder", "late_fork",
            "crash:0.05", "crash:0.4", "exit:1", "dirty", "fork,ignore_sigterm,dirty"),
    True: ("", "fork", "double_fork", "ignore_sigterm", "fork,double_fork,ignore_sigterm", "hold_port",
           "crash_randomly:50", "start_crash"),
}
ENDINGS = ("stop", "stop at once", "web UI killed", "guard killed", "owner killed",
           "owner and guard killed")
PATIENCE = 30.0
OWNER = """
import json, sys, time
from pathlib import Path
from autotune.trial import LaunchFailed, LaunchPlan, start
root, python, runs, variable, faults, port = sys.argv[1:]
plan = LaunchPlan(Path(root), Path(python), (), Path(runs), env=((variable, faults),), port=int(port),
                  start_limit=120, term_grace=0.3)
try:
    server = start(plan)
    print(json.dumps([server.run_id, server.port]), flush=True)
except LaunchFailed:
    print("null", flush=True)
time.sleep(600)
"""


@dataclass
class Tally:
    """What was counted. ``seconds``: wall time of each cycle; ``left``: what a cycle left, by kind,
    ``strangers`` being processes found by their folder alone."""

    cycles: int = 0
    failed_starts: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(
        default_factory=lambda: Counter(processes=0, strangers=0, ports=0, folders=0, files=0))
    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Ground:
    """Where cycles run: an install and its interpreter."""

    root: Path
    python: Path
    variable: str
    runs: Path

    def plan(self, faults: str, port: int) -> LaunchPlan:
        """One start with these faults, on that port."""
        return LaunchPlan(self.root, self.python, (), self.runs, env=((self.variable, faults),), port=port,
                          start_limit=120.0, term_grace=0.3)

    def files(self) -> set[str]:
        """Names of all files of the install but compiled modules."""
        left_out = {"__pycache__", "venv"}
        return {str(path) for path in self.root.rglob("*") if not left_out & set(path.parts)}


def end(server: Server, ending: str) -> None:
    """Ends a running server in one of the ways that leave this process alive."""
    if ending == "web UI killed" and server.pid is not None:
        os.kill(server.pid, signal.SIGKILL)
        server.wait_ended(PATIENCE)
    elif ending == "guard killed" and server.guard_pid is not None:
        os.kill(server.guard_pid, signal.SIGKILL)
        server.wait_ended(PATIENCE)
    server.stop(now=ending == "stop at once")


def strangers(folder: Path) -> list[int]:
    """Living processes but this one that have to do with ``folder``, whatever marker they carry."""
    found: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            words = [*process.cmdline(), *process.environ().values(), process.cwd()]
            if process.pid != os.getpid() and any(str(folder) in word for word in words):
                found.append(process.pid)
    return found


def owner_killed(ground: Ground, faults: str, port: int, with_guard: bool) -> str | None:
    """Starts in a process of its own and kills that, ``with_guard`` its guard too and then sweeps as the next
    command does; the run's id, None when the start had failed."""
    words = [sys.executable, "-c", OWNER, str(ground.root), str(ground.python), str(ground.runs), ground.variable,
             faults, str(port)]
    owner = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=HERE.parent)
    assert owner.stdout is not None
    told = json.loads(owner.stdout.readline() or "null")
    record = run_folder.read(ground.runs / told[0]) if told is not None else None
    if with_guard and record is not None and record.guard_pid is not None:
        os.kill(owner.pid, signal.SIGSTOP)
        os.kill(record.guard_pid, signal.SIGKILL)
    owner.kill()
    owner.communicate()
    if told is None:
        return None
    if with_guard:
        sweep(ground.runs)
    until = time.monotonic() + PATIENCE
    # Nobody waits for a guard whose owner is dead, so its work is given time; a sweep's is done when it returns.
    while not with_guard and strangers(ground.runs) and time.monotonic() < until:
        time.sleep(0.02)
    return str(told[0])


def cycle(ground: Ground, faults: str, ending: str, tally: Tally) -> None:
    """One start and its end; adds what it left to the tally."""
    begun = time.monotonic()
    before, port = ground.files(), readiness.free_port()
    run: str | None = None
    if ending.startswith("owner"):
        run = owner_killed(ground, faults, port, "guard" in ending)
    else:
        try:
            server = start(ground.plan(faults, port))
            run = server.run_id
            end(server, ending)
        except LaunchFailed:
            pass
    tally.cycles += 1
    tally.endings[ending] += 1
    tally.failed_starts += run is None
    tally.left["processes"] += len(processes.marked(run)) if run is not None else 0
    tally.left["strangers"] += len(strangers(ground.runs))
    tally.left["ports"] += not readiness.is_free(port)
    tally.left["folders"] += sum(path.name != "aside" for path in ground.runs.iterdir())
    tally.left["files"] += ground.files() != before
    tally.seconds.append(time.monotonic() - begun)


def grounds(folder: Path, engine: bool) -> dict[bool, Ground]:
    """The install of the stand-in, and of the reference web UI if wanted."""
    root = folder / "standin"
    (root / "extensions").mkdir(parents=True)
    (root / "extensions" / "state.json").write_text('{"n": 1}', encoding="utf-8")
    shutil.copyfile(STANDIN, root / "launch.py")
    found = {False: Ground(root, Path(sys.executable), "STANDIN_FAULTS", folder / "runs")}
    if engine:
        reference = folder / "reference"
        subprocess.run([sys.executable, "-m", "autotune.engine", "create", str(reference)], check=True,
                       capture_output=True)
        found[True] = Ground(reference, reference / "venv" / "bin" / "python", "AUTOTUNE_ENGINE_FAULTS",
                             folder / "runs")
    (folder / "runs").mkdir()
    return found


def run(cycles: int, engine: int, seed: int, progress: bool = True) -> Tally:
    """All cycles, the reference web UI's spread evenly among them."""
    chance = random.Random(seed)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="autotune-cycles-") as name:
        where = grounds(Path(name), engine > 0)
        for number in range(cycles):
            real = engine > 0 and number * engine // cycles != (number + 1) * engine // cycles
            cycle(where[real], chance.choice(FAULTS[real]), chance.choice(ENDINGS), tally)
            if progress and (number + 1) % 25 == 0:
                print(f"{number + 1}/{cycles} left {dict(tally.left)}", file=sys.stderr, flush=True)
        swept = sweep(Path(name) / "runs")
        tally.left["folders"] += swept.runs
        tally.left["processes"] += swept.ended
    return tally


def main(words: Sequence[str] | None = None) -> int:
    """Prints the counts; 1 when anything was left."""
    parser = argparse.ArgumentParser(description="Start and stop a misbehaving web UI and count what is left.")
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--engine", type=int, default=20, help="how many of them run the reference web UI")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the counts there too")
    given = parser.parse_args(words)
    tally = run(given.cycles, given.engine, given.seed)
    times = sorted(tally.seconds)
    print(f"{tally.cycles} cycles ({given.engine} of the reference web UI), {tally.failed_starts} failed starts, "
          f"endings {dict(tally.endings)}")
    print(f"left: {dict(tally.left)}")
    low, middle, high = (times[int(share * (len(times) - 1))] for share in (0.1, 0.5, 0.9))
    print(f"seconds per cycle: median {middle:.2f} (10 % to 90 %: {low:.2f} to {high:.2f}), longest {times[-1]:.2f}, "
          f"sum {sum(times):.0f}")
    if given.json:
        given.json.write_text(json.dumps(vars(tally), indent=1), encoding="utf-8")
    return 1 if sum(tally.left.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
