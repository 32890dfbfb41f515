"""What observing a clip costs: paired clips of the reference web UI, observed and not, in one run.

    python -m benchmarks.observers [--pairs 60] [--dose 20] [--json FILE]

Two figures, as the clips' own noise (some percent) is larger than what is looked for:

1. The bound. CPU seconds of the observing thread for each second of a clip (its own clock, ``time.thread_time``):
   a clip cannot lose more than this share of one core to it. It has no noise of clips in it.
2. The effect. Pairs of the same clip on one process of the web UI, in turn A B, B A: observed ``dose`` times as
   often as a tune does it, and not at all. What looking costs grows with how often it is done, so the effect on a
   clip at the tune's rate is this effect over ``dose``, and so are the bounds of its bootstrap interval.

The observers are those of a tune: GPU through the real pynvml (on the fake NVML library that the tests build, where
there is no GPU), torch's memory through the web UI's API, main memory of the process tree.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from autotune.machine.nvml import Nvml
from autotune.measure.gpu import GpuObserver
from autotune.measure.observers import PERIOD, Observer, ObserverThread, RamObserver, TorchObserver
from autotune.model.workload import Workload
from autotune.trial import LaunchPlan, Server, start
from tests import nvml_fake


def interval(ratios: Sequence[float], seed: int = 1) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    chance = random.Random(seed)
    medians = sorted(median(chance.choices(ratios, k=len(ratios))) for _ in range(4000))
    return medians[100], medians[3900]


@dataclass(frozen=True)
class Found:
    """What was measured. Seconds; shares of one core; ``rows``: (observed, not observed) seconds of each pair;
    ``dose``: how many times as often as in a tune was looked there; effects as (median, low, high) of relative time.
    """

    observers: tuple[str, ...]
    clip_seconds: float
    looks_per_second: float
    thread_share: float
    thread_share_worst: float
    dose: float
    rows: tuple[tuple[float, float], ...]
    dosed: tuple[float, float, float]
    effect: tuple[float, float, float]


class Bench:
    """Clips of one server, observed or not."""

    def __init__(self, server: Server, module: str, workload: Workload, observers: Sequence[Observer]) -> None:
        self._server, self._module, self._workload, self._observers = server, module, workload, observers

    def clip(self, seed: int, period: float | None) -> tuple[float, float, int]:
        """Seconds of a finished clip, CPU seconds of the observing thread, looks. ``period`` None: not observed."""
        with ObserverThread(self._observers if period else (), period or PERIOD, shortest=0.0) as sampler:
            rendered = self._server.client.render(self._workload, seed, motion_module=self._module)
        return rendered.seconds, sampler.cpu, sampler.seen().looks

    def share(self, clips: int) -> tuple[list[float], float]:
        """Each clip's CPU share of the observing thread at the tune's rate, and looks a second."""
        rows = [self.clip(seed, PERIOD) for seed in range(clips)]
        return [cpu / seconds for seconds, cpu, _ in rows], sum(row[2] for row in rows) / sum(row[0] for row in rows)

    def pairs(self, count: int, dose: float) -> tuple[list[tuple[float, float]], float]:
        """(observed, not observed) seconds of each pair, and how many times as often as in a tune was looked."""
        rows: list[tuple[float, float]] = []
        looks = spent = 0.0
        for seed in range(count):
            found: dict[bool, float] = {}
            for observed in (True, False) if seed % 2 else (False, True):
                found[observed], _, seen = self.clip(seed, PERIOD / dose if observed else None)
                looks, spent = looks + seen, spent + (found[observed] if observed else 0.0)
            rows.append((found[True], found[False]))
        return rows, looks / spent


def measure(pairs: int, dose: float, workload: Workload) -> Found:
    """All clips on one process. Seconds are of finished clips; shares are of one core."""
    with tempfile.TemporaryDirectory(prefix="autotune-observers-") as name, Nvml() as nvml:
        root = Path(name) / "webui"
        subprocess.run([sys.executable, "-m", "autotune.engine", "create", str(root)], check=True, capture_output=True)
        module = next((root / "extensions" / "sd-webui-animatediff" / "model").iterdir()).name
        with start(LaunchPlan(root, root / "venv" / "bin" / "python", (), Path(name) / "runs")) as server:
            observers: list[Observer] = [RamObserver(server.descendants), TorchObserver(server.client.memory)]
            if nvml.count():
                observers.insert(0, GpuObserver(nvml, 0, lambda: {p.pid for p in server.descendants()}))
            bench = Bench(server, module, workload, observers)
            for seed in range(3):
                bench.clip(seed, PERIOD)
            shares, rate = bench.share(max(10, pairs // 4))
            rows, dosed_rate = bench.pairs(pairs, dose)
    ratios = [observed / plain for observed, plain in rows]
    low, high = interval(ratios)
    dosed = (median(ratios) - 1.0, low - 1.0, high - 1.0)
    real = dosed_rate / rate
    return Found(
        tuple(type(one).__name__ for one in observers), median(plain for _, plain in rows), rate, median(shares),
        max(shares), real, tuple(rows), dosed, (dosed[0] / real, dosed[1] / real, dosed[2] / real))


def fake_card(folder: Path) -> bool:
    """Makes pynvml of this process find the fake library; False where it cannot be built."""
    try:
        fake = nvml_fake.build(folder)
    except nvml_fake.NoCompiler:
        return False
    os.environ.update(fake.environment())
    fake.load()
    return True


def main(words: Sequence[str] | None = None) -> int:
    """Prints the figures; 1 when observing costs 1 % of a clip or more, by either."""
    parser = argparse.ArgumentParser(description="What observing a clip costs.")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--dose", type=float, default=20.0, help="how many times as often as a tune to look")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="autotune-nvml-") as name:
        with Nvml() as nvml:
            real = nvml.count() > 0
        card = "the real NVML" if real else "a fake NVML" if fake_card(Path(name)) else "no NVML"
        found = measure(given.pairs, given.dose, Workload(given.size, given.size, 8, given.steps))
    print(f"{', '.join(found.observers)} on {card}; clips of {found.clip_seconds:.2f} s, "
          f"{found.looks_per_second:.1f} looks a second")
    print(f"bound: the observing thread takes {found.thread_share:.3%} of one core (worst clip "
          f"{found.thread_share_worst:.3%})")
    dosed = [f"{value:+.2%}" for value in found.dosed]
    print(f"effect of looking {found.dose:.1f} times as often: {dosed[0]} (95 %: {dosed[1]} to {dosed[2]}), "
          f"{given.pairs} pairs")
    effect = [f"{value:+.3%}" for value in found.effect]
    print(f"effect on a clip of a tune: {effect[0]} (95 %: {effect[1]} to {effect[2]})")
    if given.json:
        given.json.write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
    return 0 if max(found.thread_share, found.effect[2]) < 0.01 else 1


if __name__ == "__main__":
    sys.exit(main())
