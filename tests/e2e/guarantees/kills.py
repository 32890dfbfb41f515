"""Kills `apply` and `rollback` at drawn instants, as the task manager or a power cut does, and judges what is left.

A few of them run in the suite (test_1_whole). Many, by hand, on any system:

    python -m tests.e2e.guarantees.kills FOLDER --applies 140 --rollbacks 60 --bare
    python -m tests.e2e.guarantees.kills FOLDER --applies 10 --starts 10
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.e2e.verbs.conftest import Bench
from tests.waiting import wait_for

WORDS = "--xformers --theme dark"
APPLY = ("apply", "--flags", "--opt-sdp-attention", "--yes")
NO_START = (*APPLY, "--no-start")
ROLLBACK = ("rollback", "--yes")
Kind = Literal["apply", "start", "rollback"]


@dataclass
class Lengths:
    """Seconds that a command takes: until its first trace in the records, and from there to its end."""

    looking: float
    writing: float


@dataclass
class Kills:
    """An install whose commands are killed. ``seen``: how often which end was found."""

    bench: Bench
    rng: random.Random
    seen: Counter[str] = field(default_factory=Counter)
    lengths: dict[Kind, Lengths] = field(default_factory=dict)
    checkpoints: Path | None = None

    def __post_init__(self) -> None:
        self.bench.give(WORDS)
        self.old = self.bench.launch_file.read_bytes()
        self.lengths["apply"] = self._measured(NO_START)
        self.new = self.bench.launch_file.read_bytes()
        assert self.new != self.old
        self.lengths["rollback"] = self._measured(ROLLBACK)
        assert self.bench.launch_file.read_bytes() == self.old

    def kill(self, kind: Kind) -> bool:
        """Kills one command and judges what is left. False when it came to its end first."""
        if kind == "start" and kind not in self.lengths:
            self.lengths[kind] = self._measured(APPLY)
            self._next_command(self.bench.launch_file.read_bytes())
        if kind == "rollback":
            self.bench.run(*NO_START, "-q")
        words = {"apply": NO_START, "start": APPLY, "rollback": ROLLBACK}[kind]
        known = self._records()
        running = self.bench.start(*words, "-q")
        try:
            lived = self._wait(running, self.lengths[kind], known)
            running.kill()
        finally:
            running.communicate()
        found = self.bench.launch_file.read_bytes()
        assert found in (self.old, self.new), found
        assert wait_for(lambda: not self._processes(), 30), self._processes()
        begun = "change begun" if self._records() != known else "only looked"
        # Now and then another command than rollback settles it.
        if self.rng.random() < 0.2:
            self.bench.json("status")
            assert self.bench.launch_file.read_bytes() in (self.old, self.new)
        code = self._next_command(found)
        end = "killed" if lived else "ended first"
        side = "old" if found == self.old else "new"
        self.seen[f"{kind}: {end}, {begun}, file {side}, rollback {code}"] += 1
        return lived

    def _wait(self, running: subprocess.Popen[str], length: Lengths, known: set[str]) -> bool:
        """Waits for a drawn instant: half of them anywhere, half from the first trace on. False when it ended first."""
        aimed = self.rng.random() < 0.5
        if aimed:
            wait_for(lambda: running.poll() is not None or self._records() != known, 600, period=0.005)
        begun = time.monotonic()
        try:
            running.wait(self.rng.uniform(0.0, length.writing if aimed else length.looking + length.writing))
        except subprocess.TimeoutExpired:
            return True
        # The machine is faster than it was.
        took = time.monotonic() - begun
        if aimed:
            length.writing = min(length.writing, took)
        else:
            length.looking = min(length.looking, max(took - length.writing, 0.0))
        return False

    def _next_command(self, found: bytes) -> int:
        """Rolls back, which settles what was interrupted: the old bytes are there, nothing else is left. Its code."""
        running = self.bench.start(*ROLLBACK, "--json", "-q")
        out, err = running.communicate(timeout=120)
        # 3: nothing was applied, or the interrupted apply was taken back.
        assert running.returncode in (0, 3), (found, running.returncode, out, err)
        assert json.loads(out)["schema"] == 1
        assert self.bench.launch_file.read_bytes() == self.old, (found, out)
        assert not list(self._temporary()), list(self._temporary())
        assert wait_for(lambda: not self.bench.leftovers(), 30), self.bench.leftovers()
        return running.returncode

    def _measured(self, words: tuple[str, ...]) -> Lengths:
        known, begun = self._records(), time.monotonic()
        running = self.bench.start(*words, "-q")
        wait_for(lambda: running.poll() is not None or self._records() != known, 600, period=0.005)
        first = time.monotonic()
        _, err = running.communicate()
        assert running.returncode == 0, err
        return Lengths(first - begun, time.monotonic() - first)

    def _records(self) -> set[str]:
        """The names of all checkpoints, half-made ones too."""
        if self.checkpoints is None:
            self.checkpoints = next(self.bench.state.glob("installs/*/checkpoints"), None)
        return set() if self.checkpoints is None else {path.name for path in self.checkpoints.iterdir()}

    def _temporary(self) -> Iterator[Path]:
        """Temporary files beside the launch file and in the records."""
        yield from (path for path in self.bench.root.iterdir() if path.name.startswith(".webui-user"))
        for end in (".new", ".autotune-tmp"):
            yield from self.bench.state.rglob(f"*{end}")

    def _processes(self) -> list[str]:
        return [one for one in self.bench.leftovers() if one[0].isdigit() and " " in one]


def main() -> int:
    """Kills as often as asked, tells what it saw, and fails at the first thing that is not as promised."""
    from tests.e2e.guarantees.conftest import new_bench

    asked = argparse.ArgumentParser()
    asked.add_argument("folder", type=Path)
    for name in ("applies", "starts", "rollbacks"):
        asked.add_argument(f"--{name}", type=int, default=0)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--bare", action="store_true", help="The web UI's Python has no packages.")
    given = asked.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    bench = new_bench(given.folder)
    for path in (bench.root / "venv").rglob("creator.pth") if given.bare else ():
        path.unlink()
    kills = Kills(bench, random.Random(given.seed))
    counts: dict[Kind, int] = {"apply": given.applies, "start": given.starts, "rollback": given.rollbacks}
    begun = time.monotonic()
    for kind, count in counts.items():
        done = 0
        while done < count:
            done += kills.kill(kind)
            sys.stderr.write(f"\r{kind} {done} of {count}")
            sys.stderr.flush()
        sys.stderr.write(f": {time.monotonic() - begun:.0f} s\n")
    for row, number in sorted(kills.seen.items()):
        print(f"{number:4} {row}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
