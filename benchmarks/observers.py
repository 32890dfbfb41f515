"""What observing a clip costs: paired clips of the reference web UI, observed and not, in one run.

    python -m benchmarks.observers [--pairs 20] [--json FILE]

Each pair renders the same clip (equal seed) once with all observers that apply here and once without, in an order
that alternates. Two figures: the median of the pairs' ratios with a bootstrap interval, which has the clips' own
noise in it, and the share of one core that the observing thread was busy, which has not.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from autotune.measure import ClipResult, clip
from autotune.measure.gpu import GpuObserver
from autotune.measure.observers import Observer, RamObserver, Sampler, TorchObserver
from autotune.model.workload import Workload
from autotune.probe.nvml import Nvml
from autotune.server import LaunchPlan, Server, start


def interval(ratios: Sequence[float], seed: int = 1) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    chance = random.Random(seed)
    medians = sorted(median(chance.choices(ratios, k=len(ratios))) for _ in range(4000))
    return medians[100], medians[3900]


def thread_share(observers: Sequence[Observer], server: Server, module: str, workload: Workload) -> float:
    """Share of one core that the observing thread was busy while a clip was rendered."""
    with Sampler(observers) as sampler:
        rendered = server.client.txt2img(workload, 0, motion_module=module)
    return sampler.cost / rendered.seconds


def measure(pairs: int, workload: Workload) -> dict[str, object]:
    """All pairs on one process. Seconds are of finished clips."""
    rows: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="autotune-observers-") as name, Nvml() as nvml:
        root = Path(name) / "webui"
        subprocess.run([sys.executable, "-m", "autotune.engine", "create", str(root)], check=True, capture_output=True)
        module = next((root / "extensions" / "sd-webui-animatediff" / "model").iterdir()).name
        with start(LaunchPlan(root, root / "venv" / "bin" / "python", (), Path(name) / "runs")) as server:
            observers: list[Observer] = [RamObserver(server.descendants), TorchObserver(server.client.memory)]
            if nvml.count():
                observers.insert(0, GpuObserver(nvml, 0, lambda: {p.pid for p in server.descendants()}))

            def one(seed: int, observed: bool) -> ClipResult:
                return clip(server.client, workload, seed, motion_module=module, alive=server.alive,
                            observers=observers if observed else ())

            for seed in range(2):
                one(seed, True)
            for seed in range(pairs):
                order = (True, False) if seed % 2 else (False, True)
                seconds = {observed: one(seed, observed).seconds for observed in order}
                with_them, without = seconds[True], seconds[False]
                if with_them is not None and without is not None:
                    rows.append((with_them, without))
            share = thread_share(observers, server, module, workload)
    ratios = [observed / plain for observed, plain in rows]
    low, high = interval(ratios)
    return {"pairs": rows, "overhead": median(ratios) - 1.0, "low": low - 1.0, "high": high - 1.0,
            "thread_share": share}


def main(words: Sequence[str] | None = None) -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description="What observing a clip costs.")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    found = measure(given.pairs, Workload(given.size, given.size, 8, given.steps))
    print(f"overhead of observing: {found['overhead']:+.2%} (95 %: {found['low']:+.2%} to {found['high']:+.2%}), "
          f"{given.pairs} pairs; the observing thread was busy {found['thread_share']:.2%} of the time")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
