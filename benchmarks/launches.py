"""What flag sets do on this machine, by hand and without any search: raw clips over several cold launches.

    python -m benchmarks.launches --webui DIR --out FILE.jsonl [--seconds 400] [--size 512] [--frames 16]
        [--steps 20] [--clips 4] [--smoke]
    python -m benchmarks.launches --read FILE.jsonl

Rounds are repeated until the time is up. In a round every set of ``SETS`` is launched cold once, in an order that
turns from round to round, and renders ``--clips`` clips after one that does not count; the launch without flags
then also switches live through every attention that a setting can choose. The file gets one line a launch, switch
and clip, as soon as it happened, in the shape of ``data/a1111-h200.jsonl``. The summary: the median of each set
against the launch without flags, the noise within launches and between launches of the same set, and each live
switch against its cold launch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from autotune.machine.nvml import Nvml
from autotune.measure import ClipJob, ClipProcess, clip
from autotune.measure.gpu import GpuObserver
from autotune.measure.observers import Observer, RamObserver, TorchObserver
from autotune.model.workload import Workload
from autotune.trial import LaunchFailed, LaunchPlan, Server, start
from autotune.webui.a1111.flags.attention import CLASSES
from autotune.workload import clip as pixels
from benchmarks.live_switch import switch

SETS: tuple[tuple[str, ...], ...] = (
    (),
    ("--opt-sdp-attention",),
    ("--opt-sdp-no-mem-attention",),
    ("--opt-sdp-attention", "--opt-channelslast"),
    ("--opt-sdp-attention", "--no-half-vae"),
    ("--opt-sub-quad-attention",),
)
LIVE = {cls.flag: cls.title for cls in CLASSES if (cls.flag,) in SETS}
"""The setting's value for each attention that a flag of ``SETS`` chooses too."""
SMOKE = (SETS[0], SETS[1])


@dataclass(slots=True)
class Bench:
    """One run: where, what, until when (monotonic seconds), and the file that gets each line at once."""

    root: Path
    workload: Workload
    clips: int
    until: float
    out: TextIO
    nvml: Nvml
    module: str

    def write(self, line: dict[str, Any]) -> None:
        """One JSON line, flushed."""
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()

    def observers(self, server: Server) -> list[Observer]:
        """Those that a tune would use here."""
        found: list[Observer] = [RamObserver(server.descendants), TorchObserver(server.client.memory)]
        if self.nvml.count():
            found.insert(0, GpuObserver(self.nvml, 0, lambda: {p.pid for p in server.descendants()}))
        return found

    def one(self, server: Server, name: str, flags: Sequence[str], live: str | None, rep: int) -> None:
        """Renders one clip and writes its line; ``rep`` -1 is the one that does not count."""
        result = clip(ClipProcess(server.client, self.observers(server), server.alive),
                      ClipJob(self.workload, 1 + rep, self.module))
        frames = pixels.check_clip(result.gif, self.workload) if result.gif else None
        seen = result.seen
        self.write({
            "kind": "clip", "launch": name, "flags": list(flags), "live_setting": live,
            "attention": server.attention_logged(), "workload": label(self.workload), "rep": rep,
            "seconds": result.seconds, "process_time": result.process_time, "failure": result.failure,
            "detail": result.detail or (frames.detail if isinstance(frames, pixels.ClipRefusal) else ""),
            "discard": result.discard, "memory_peak": result.memory_peak, "energy_j": result.energy,
            "torch_peak": seen.torch_reserved, "sm_mhz": [seen.clock_low, seen.clock_high],
            "temperature": seen.temperature, "throttled": list(seen.throttled), "foreign": len(seen.foreign),
        })

    def clips_of(self, server: Server, name: str, flags: Sequence[str], live: str | None = None) -> None:
        """The one that does not count, then ``clips``."""
        for rep in range(-1, self.clips):
            if time.monotonic() > self.until:
                return
            self.one(server, name, flags, live, rep)

    def launch(self, name: str, flags: tuple[str, ...], runs: Path) -> None:
        """One cold launch with its clips and, without flags, its live switches."""
        begun = time.monotonic()
        try:
            server = start(LaunchPlan(self.root, self.root / "venv" / "bin" / "python", flags, runs))
        except LaunchFailed as error:
            self.write({"kind": "launch", "launch": name, "flags": list(flags), "failure": error.failure,
                        "detail": str(error)})
            return
        with server:
            self.write({"kind": "launch", "launch": name, "flags": list(flags),
                        "ready_s": round(time.monotonic() - begun, 2)})
            self.clips_of(server, name, flags)
            for flag, setting in LIVE.items() if not flags else ():
                if time.monotonic() > self.until:
                    return
                asked = time.monotonic()
                switch(server, {"cross_attention_optimization": setting})
                self.write({"kind": "switch", "launch": name, "live_setting": setting,
                            "seconds": round(time.monotonic() - asked, 3)})
                self.clips_of(server, name, flags, flag)


def label(workload: Workload) -> str:
    """Width x height x frames x steps."""
    return f"{workload.width}x{workload.height}x{workload.frames}x{workload.steps}"


def order(sets: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(round, set), without end; every other round runs backwards, so that a drift weighs on all sets alike."""
    turn = 0
    while True:
        for one in sets if turn % 2 == 0 else reversed(sets):
            yield turn, one
        turn += 1


def run(given: argparse.Namespace) -> None:
    """Measures until the time is up."""
    until = time.monotonic() + given.seconds
    module = next((given.webui / "extensions" / "sd-webui-animatediff" / "model").iterdir()).name
    workload = Workload(given.size, given.size, given.frames, given.steps)
    with (tempfile.TemporaryDirectory(prefix="autotune-launches-") as runs, Nvml() as nvml,
          given.out.open("a", encoding="utf-8") as out):
        bench = Bench(given.webui.resolve(), workload, given.clips, until, out, nvml, module)
        for turn, flags in order(SMOKE if given.smoke else SETS):
            if time.monotonic() > until or (given.smoke and turn):
                return
            bench.launch(f"round-{turn}/{' '.join(flags) or 'no flags'}", flags, Path(runs))


def summary(lines: Iterable[dict[str, Any]]) -> str:
    """The figures that the raw lines give, as text."""
    cold: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    live: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    memory: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if line["kind"] != "clip" or line["rep"] < 0 or line["seconds"] is None or line["failure"]:
            continue
        name = line["live_setting"] or " ".join(line["flags"]) or "no flags"
        (live if line["live_setting"] else cold)[name][line["launch"]].append(line["seconds"])
        if line["memory_peak"] is not None:
            memory[name].append(line["memory_peak"])
    base = _middle(cold["no flags"])
    said = [
        f"{'set':62} {'x no flags':>10} {'live':>7} {'within':>7} {'between':>8} "
        f"{'launches':>8} {'clips':>6} {'MiB':>7}"
    ]
    for name, launches in cold.items():
        clips = sum(map(len, launches.values()))
        said.append(
            f"{name:62} {_middle(launches) / base:10.3f} "
            f"{_middle(live[name]) / base if name in live else float('nan'):7.3f} "
            f"{_within(launches):7.2%} {_between(launches):8.2%} {len(launches):8} {clips:6} "
            f"{statistics.median(memory[name]) if name in memory else float('nan'):7.0f}"
        )
    return "\n".join(said)


def _middle(launches: dict[str, list[float]]) -> float:
    """The mean of the launches' medians, seconds."""
    return statistics.fmean(statistics.median(found) for found in launches.values())


def _within(launches: dict[str, list[float]]) -> float:
    """Root mean square of the launches' coefficients of variation."""
    found = [statistics.stdev(clips) / statistics.fmean(clips) for clips in launches.values() if len(clips) > 1]
    return statistics.fmean(value**2 for value in found) ** 0.5 if found else float("nan")


def _between(launches: dict[str, list[float]]) -> float:
    """Coefficient of variation of the launches' medians."""
    medians = [statistics.median(clips) for clips in launches.values()]
    return statistics.stdev(medians) / statistics.fmean(medians) if len(medians) > 1 else float("nan")


def main(words: Sequence[str] | None = None) -> int:
    """Measures or reads, then prints the summary."""
    parser = argparse.ArgumentParser(description="What flag sets do here, raw clips over cold launches.")
    parser.add_argument("--webui", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--read", type=Path)
    parser.add_argument("--seconds", type=float, default=400.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--smoke", action="store_true", help="one round of two sets")
    given = parser.parse_args(words)
    if given.read is None:
        if given.webui is None or given.out is None:
            parser.error("give --webui and --out, or --read")
        run(given)
    source: Path = given.read or given.out
    print(summary(json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
