"""Records a full factorial of attention, channels-last and the VAE's precision on a GPU, several starts a set.

    python -m benchmarks.factorial_record --webui DIR --out FILE.jsonl [--seconds 400] [--size 512] [--frames 8]
        [--steps 8] [--clips 2] [--smoke]

A process is started cold for one pair of channels-last and no-half-vae and renders every attention class in it, as
attention can be switched while it lives: one short clip (2 steps) of each that does not count, then ``--clips`` passes
of one whole clip each. Processes follow each other in rounds over the four pairs. The order of the pairs turns from
round to round, the order of the classes from process to process, and each second pass runs backwards, so that a run
that is cut short is still balanced. The file is that of benchmarks.factorial, with more to each row: ``process``
numbers the process that it shares with others, ``sampling`` is the part of each clip up to the end of the last step,
looked at every 40 ms (the rest is decoding and the GIF, whose encoding of noise on the CPU is slow), ``at`` says when
each clip began. Beside the file, FILE.jsonl.clips gets a line a clip as soon as it is there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from autotune.machine.nvml import Nvml
from autotune.measure import ClipJob, ClipProcess, clip
from autotune.measure.clip import ClipResult
from autotune.measure.gpu import GpuObserver
from autotune.measure.observers import Observer, RamObserver
from autotune.model.api import ApiProblem
from autotune.model.workload import Workload
from autotune.trial import LaunchFailed, LaunchPlan, Server, start
from autotune.webui.a1111.flags.attention import BY_LEVEL, OPTION
from autotune.workload import clip as pixels
from benchmarks.launches import label
from benchmarks.live_switch import switch
from benchmarks.surfaces import FLAG

CLASSES = ("split", "sdp", "sdp-no-mem", "sub-quad")
PAIRS = (("false", "false"), ("true", "false"), ("false", "true"), ("true", "true"))
"""(channels-last, no-half-vae) of each process of a round."""
WARM_STEPS = 2
LOOK = 0.04


class SamplingClock(threading.Thread):
    """Notes when the last step of the running clip was done, by asking for its progress."""

    def __init__(self, server: Server) -> None:
        super().__init__(name="sampling clock", daemon=True)
        self._client, self._ended = server.client, threading.Event()
        self._begun = time.perf_counter()
        self.seconds: float | None = None

    def run(self) -> None:
        """Asks until the last step is done or the clip has ended."""
        moved = False
        while not self._ended.wait(LOOK):
            try:
                seen = self._client.job()
            except ApiProblem:
                continue
            moved = moved or (seen.busy and 0 < seen.step < seen.steps)
            if moved and seen.busy and seen.step >= seen.steps:
                self.seconds = round(time.perf_counter() - self._begun, 3)
                return

    def end(self) -> float | None:
        """Seconds of sampling, None where it was not seen."""
        self._ended.set()
        self.join()
        return self.seconds


@dataclass(slots=True)
class Recorder:
    """One recording: where, what, until when (monotonic seconds), and the files that get each line at once."""

    root: Path
    workload: Workload
    passes: int
    until: float
    out: TextIO
    clips: TextIO
    nvml: Nvml
    module: str
    begun: float = field(default_factory=time.monotonic)
    seed: int = 0

    def head(self) -> dict[str, Any]:
        """What is run where."""
        import torch

        cuda = torch.cuda.is_available()
        dimensions = [{"name": "attention", "levels": list(CLASSES), "live": True},
                      {"name": "channelslast", "levels": ["false", "true"], "live": False},
                      {"name": "no_half_vae", "levels": ["false", "true"], "live": False}]
        w = self.workload
        return {"kind": "factorial", "gpu": torch.cuda.get_device_name(0) if cuda else "cpu",
                "capability": ".".join(map(str, torch.cuda.get_device_capability(0))) if cuda else "0.0",
                "torch": torch.__version__, "webui": f"reference web UI ({_size(self.root)})",
                "workload": {"width": w.width, "height": w.height, "frames": w.frames, "steps": w.steps},
                "dimensions": dimensions,
                "baseline": {"attention": "split", "channelslast": "false", "no_half_vae": "false"}}

    def write(self, line: dict[str, Any]) -> None:
        """One JSON line, flushed."""
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()

    def observers(self, server: Server) -> list[Observer]:
        """Memory of the card where there is one, else of the processes."""
        if self.nvml.count():
            return [GpuObserver(self.nvml, 0, lambda: {p.pid for p in server.descendants()})]
        return [RamObserver(server.descendants)]

    def render(self, server: Server, workload: Workload) -> tuple[ClipResult, float | None]:
        """One clip and its seconds of sampling."""
        self.seed += 1
        clock = SamplingClock(server)
        clock.start()
        try:
            result = clip(ClipProcess(server.client, self.observers(server), server.alive),
                          ClipJob(workload, self.seed, self.module))
        finally:
            sampling = clock.end()
        if result.gif is not None:
            frames = pixels.check_clip(result.gif, workload)
            if isinstance(frames, pixels.ClipRefusal):
                result = replace(result, failure="invalid_output" if frames.animated else "not_animated",
                                 detail=frames.detail)
        self.clips.write(json.dumps({
            "workload": label(workload), "attention": server.attention_logged(), "seconds": result.seconds,
            "process_time": result.process_time, "sampling": sampling, "failure": result.failure,
            "detail": result.detail, "discard": result.discard, "memory_peak": result.memory_peak,
            "sm_mhz": [result.seen.clock_low, result.seen.clock_high], "temperature": result.seen.temperature,
            "throttled": list(result.seen.throttled), "foreign": len(result.seen.foreign)}) + "\n")
        self.clips.flush()
        return result, sampling

    def one(self, server: Server, row: dict[str, Any], workload: Workload) -> bool:
        """Renders one clip of the row's set into the row; False when the process must not go on."""
        name = BY_LEVEL[row["levels"]["attention"]]
        applied = switch(server, {OPTION: name.title})
        if applied != name.logged:
            raise RuntimeError(f"{name.title} was asked for, {applied} was applied")
        at = round(time.monotonic() - self.begun, 1)
        result, sampling = self.render(server, workload)
        if result.failure is not None or result.seconds is None:
            row["failure"], row["detail"], row["clips"] = result.failure, result.detail, []
            return not result.restart and server.alive()
        if workload.steps == WARM_STEPS:
            row["warmup"] = round(result.seconds, 4)
            return True
        if result.discard is not None:
            row.setdefault("discarded", []).append(result.discard)
        row["clips"].append(round(result.seconds, 4))
        row["sampling"].append(sampling)
        row["at"].append(at)
        row["memory_peak"] = max(row.get("memory_peak") or 0.0, result.memory_peak or 0.0)
        return True

    def process(self, number: int, pair: tuple[str, str], runs: Path) -> None:
        """One cold start for a pair, every class in it, and its rows."""
        turn = (number + number // len(PAIRS)) % len(CLASSES)
        classes = (CLASSES[turn:] + CLASSES[:turn])[::1 if number // len(CLASSES) % 2 == 0 else -1]
        fixed = {"channelslast": pair[0], "no_half_vae": pair[1]}
        rows: list[dict[str, Any]] = [
            {"kind": "start", "process": number, "levels": {"attention": name, **fixed}, "clips": [], "sampling": [],
             "at": []} for name in classes]
        words = tuple(FLAG[name, "true"] for name, level in fixed.items() if level == "true")
        begun = time.monotonic()
        try:
            server = start(LaunchPlan(self.root, self.root / "venv" / "bin" / "python", words, runs))
        except LaunchFailed as error:
            for row in rows:
                self.write({**row, "failure": error.failure, "detail": str(error)})
            return
        with server:
            ready = round(time.monotonic() - begun, 2)
            self.passes_of(server, rows)
        for row in rows:
            if row.get("failure") or len(row["clips"]) == self.passes:
                self.write({**row, "ready": ready})

    def passes_of(self, server: Server, rows: list[dict[str, Any]]) -> None:
        """A short clip of each row's set, then the passes of whole ones, until the time is up."""
        plan = [(row, replace(self.workload, steps=WARM_STEPS)) for row in rows]
        for turn in range(self.passes):
            plan += [(row, self.workload) for row in (rows if turn % 2 == 0 else reversed(rows))]
        for row, workload in plan:
            if row.get("failure"):
                continue
            if time.monotonic() > self.until or not self.one(server, row, workload):
                return


def pairs() -> Iterator[tuple[int, tuple[str, str]]]:
    """(number of the process, its pair), without end, the pairs of every other round backwards."""
    number = 0
    while True:
        backwards = number // len(PAIRS) % 2 == 1
        for pair in reversed(PAIRS) if backwards else PAIRS:
            yield number, pair
            number += 1


def _size(root: Path) -> str:
    marker: dict[str, Any] = json.loads((root / "reference-webui.json").read_text(encoding="utf-8"))
    return str(marker.get("size", "?"))


def run(given: argparse.Namespace) -> None:
    """Records until the time is up; with ``smoke`` one process."""
    until = time.monotonic() + given.seconds
    root = given.webui.resolve()
    module = next((root / "extensions" / "sd-webui-animatediff" / "model").iterdir()).name
    workload = Workload(given.size, given.size, given.frames, given.steps)
    beside = given.out.with_name(given.out.name + ".clips")
    with (tempfile.TemporaryDirectory(prefix="autotune-factorial-") as runs, Nvml() as nvml,
          given.out.open("w", encoding="utf-8") as out, beside.open("w", encoding="utf-8") as clips):
        recorder = Recorder(root, workload, given.clips, until, out, clips, nvml, module)
        recorder.write(recorder.head())
        for number, pair in pairs():
            if time.monotonic() > until or (given.smoke and number):
                return
            begun = time.monotonic()
            recorder.process(number, pair, Path(runs))
            print(f"process {number} {pair}: {time.monotonic() - begun:.1f} s", flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Records a factorial."""
    parser = argparse.ArgumentParser(description="Records a full factorial of flags, several starts a set.")
    parser.add_argument("--webui", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=400.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help="one process only")
    run(parser.parse_args(words))
    return 0


if __name__ == "__main__":
    sys.exit(main())
