"""Torch's switches on a CUDA machine: which of them moves an AnimateDiff clip of Stable Diffusion 1.5, and by how much.

    python -m benchmarks.torch_switches OUT.json [--minutes 5] [--channels-last] [--tiny]

Needs torch and numpy, no network and no weights: the model is benchmarks/sd15_blocks.py with random ones, in fp16,
512 x 512, 16 frames with and without the prompt (32 latents of 4 x 64 x 64), a text of 77 x 768, and a VAE that
decodes frame by frame. Switches are measured in interleaved, shuffled repeats; the default of each repeat is divided by
the set's.

Four processes take turns: torch as it starts, the same once more ("itself", so that what two processes differ by is
seen), one with ``cudnn.benchmark`` on from its start, one in which the order of SDPA kernels is set. One process would
not do: cuDNN's plan for a shape is kept from its first use on, whatever the switch says later; and the order that torch
tells at its start is not the one that it works by: on some cards (an H200 is one) it puts cuDNN's kernel first when it
is first asked for one. What switching ``cudnn.benchmark`` live does is measured too ("live"), at
the end: in the same thread, and in a new one. "choice" is the kernel that torch takes for the largest attention of a
clip, asked of torch.

A clip is told as 20 steps and 16 decoded frames. The image difference is that of the latents after all steps from the
same noise, and SSIM of one decoded frame; "itself" is the floor.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

STEPS, FRAMES = 20, 16
"""What a clip has: as in the recorded tunes (benchmarks/data)."""

SETS: dict[str, dict[str, Any]] = {
    "default": {},
    "itself": {},
    "cudnn_benchmark": {"cudnn_benchmark": True},
    "fp16_accumulation": {"fp16_accumulation": True},
    "sdpa flash first": {"sdpa": "flash"},
    "sdpa mem-efficient first": {"sdpa": "mem_efficient"},
    "sdpa cudnn first": {"sdpa": "cudnn"},
    "sdpa math first": {"sdpa": "math"},
    "cudnn_benchmark, fp16_accumulation": {"cudnn_benchmark": True, "fp16_accumulation": True},
}
Say = Callable[[str], None]
WORKERS = ("off", "again", "on", "order")
"""The processes: torch as it starts (twice), ``cudnn.benchmark`` on from the start, and set orders of SDPA kernels."""


def worker_of(name: str) -> str:
    """The process that measures a set, by the set's name."""
    if name == "itself":
        return "again"
    switches = SETS[name]
    return "on" if switches.get("cudnn_benchmark") else "order" if "sdpa" in switches else "off"




class Machine:
    """The model on the card, and torch's switches, in the process that measures."""

    def __init__(self, tiny: bool, channels_last: bool, steps: int, frames: int) -> None:
        import torch

        from benchmarks.sd15_blocks import CONTEXT, Decoder, UNet

        self.torch, self.steps, self.frames = torch, steps, frames
        self.cuda = torch.cuda.is_available()
        self.device = "cuda" if self.cuda else "cpu"
        self.type = torch.float16 if self.cuda else torch.float32
        torch.manual_seed(1)
        size, pixels = (8, 8) if tiny else (1, 64)
        clip = 4 if tiny else FRAMES
        if tiny:
            torch.set_num_threads(1)  # four processes with a thread for each core stand in each other's way
        with torch.device(self.device):
            self.unet, self.decoder = UNet(size).to(self.type).eval(), Decoder(size).to(self.type).eval()
            self.noise = torch.randn(clip, 4, pixels, pixels, dtype=self.type)
            self.text = torch.randn(2, 77, CONTEXT // size, dtype=self.type).repeat_interleave(clip, 0)
        if channels_last:
            self.unet.to(memory_format=torch.channels_last)
            self.decoder.to(memory_format=torch.channels_last)
        self.order = torch._C._get_sdp_priority_order() if hasattr(torch._C, "_get_sdp_priority_order") else None

    def facts(self) -> dict[str, Any]:
        """What the figures were measured with."""
        torch = self.torch
        return {
            "device": torch.cuda.get_device_name() if self.cuda else platform.processor() or "cpu",
            "torch": torch.__version__, "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(), "sdpa_order": self.order, "choice": self.choice(),
            "parameters": sum(one.numel() for one in self.unet.parameters()),
            "latents": list(self.noise.shape), "type": str(self.type),
        }

    def choice(self) -> str | None:
        """The SDPA kernel that torch takes now for attention over 64 x 64 positions, None where it cannot say."""
        torch = self.torch
        if not hasattr(torch, "_fused_sdp_choice"):
            return None
        one = torch.empty(2 * FRAMES, 8, 64 * 64, 40, dtype=self.type, device=self.device)
        return str(torch.nn.attention.SDPBackend(torch._fused_sdp_choice(one, one, one)).name)

    def _sync(self) -> None:
        if self.cuda:
            self.torch.cuda.synchronize()

    def step(self, x: Any, sigma: float, after: float) -> Any:  # noqa: ANN401 - tensors
        """One Euler step with guidance 7."""
        both = self.unet(self.torch.cat((x, x)), sigma, self.text, x.shape[0])
        with_text, without = both.chunk(2)
        return x + (without + 7.0 * (with_text - without)) * (after - sigma)

    def sample(self) -> dict[str, Any]:
        """Seconds of a U-Net step and of a decoded frame, and the highest memory (MiB) that torch had in use."""
        torch = self.torch
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        with torch.inference_mode():
            self._sync()
            began = time.perf_counter()
            x = self.noise
            for at in range(self.steps):
                x = self.step(x, 1.0 - at / STEPS, 1.0 - (at + 1) / STEPS)
            self._sync()
            stepped = time.perf_counter()
            for at in range(self.frames):
                self.decoder(x[at % len(x)][None])
            self._sync()
        ended = time.perf_counter()
        return {
            "step": (stepped - began) / self.steps, "frame": (ended - stepped) / self.frames,
            "memory": torch.cuda.max_memory_allocated() / 2**20 if self.cuda else None,
        }

    def image(self) -> tuple[Any, Any]:
        """The latents after all steps from the same noise, and the first decoded frame, both as 32 bit floats."""
        with self.torch.inference_mode():
            x = self.noise
            for at in range(STEPS):
                x = self.step(x, 1.0 - at / STEPS, 1.0 - (at + 1) / STEPS)
            return x.float().cpu().numpy(), self.decoder(x[:1]).float().cpu().numpy()[0]

    @contextmanager
    def switched(self, switches: dict[str, Any]) -> Iterator[None]:
        """Torch with these switches, read back. Raises LookupError where torch lacks one.

        Its order of SDPA kernels stays as set: each set that this process measures sets one.
        """
        torch = self.torch
        if switches.get("fp16_accumulation"):
            if not hasattr(torch._C, "_get_cublas_allow_fp16_accumulation"):
                raise LookupError("this torch has no fp16 accumulation")
            torch.backends.cuda.matmul.allow_fp16_accumulation = True
        if "sdpa" in switches:
            self._first(switches["sdpa"])
        try:
            yield
        finally:
            if switches.get("fp16_accumulation"):
                torch.backends.cuda.matmul.allow_fp16_accumulation = False

    def _first(self, name: str) -> None:
        """Puts one SDPA kernel first; the others stay as they can be needed where it does not fit."""
        if self.order is None:
            raise LookupError("this torch has no order of SDPA kernels")
        backend = self.torch.nn.attention.SDPBackend
        first = int({"flash": backend.FLASH_ATTENTION, "mem_efficient": backend.EFFICIENT_ATTENTION,
                     "cudnn": backend.CUDNN_ATTENTION, "math": backend.MATH}[name])
        self.torch._C._set_sdp_priority_order([first, *(one for one in self.order if one != first)])
        if self.torch._C._get_sdp_priority_order()[0] != first:
            raise LookupError(f"torch did not put {name} first")


def worker(options: argparse.Namespace) -> None:
    """Measures what the lines on stdin ask for, one JSON line in answer to each; ends after an error of CUDA."""
    machine = Machine(options.tiny, options.channels_last, options.sample_steps, options.sample_frames)
    if options.worker == "on":
        machine.torch.backends.cudnn.benchmark = True
    for line in sys.stdin:
        answer = _answer(machine, json.loads(line), Path(options.images))
        print(json.dumps(answer), flush=True)
        if "CUDA error" in str(answer.get("failed")):
            return


def _answer(machine: Machine, asked: dict[str, Any], images: Path) -> dict[str, Any]:
    if asked["what"] == "facts":
        return machine.facts()
    if asked["what"] == "live":
        return _live(machine)
    try:
        with machine.switched(asked["switches"]):
            if asked["what"] == "sample":
                return {**machine.sample(), "choice": machine.choice()}
            latents, frame = machine.image()
    except (LookupError, RuntimeError) as problem:  # OutOfMemoryError is a RuntimeError
        return {"failed": f"{type(problem).__name__}: {str(problem)[:200]}"}
    finally:
        if machine.cuda and asked["what"] == "image":
            machine.torch.cuda.empty_cache()
    where = images / f"{asked['set']}.npz"
    np.savez(where, latents=latents, frame=frame)
    return {"file": str(where)}


def _live(machine: Machine) -> dict[str, Any]:
    """Seconds where cudnn.benchmark is switched on in a process that has rendered with it off.

    A first sample that takes no longer than the next says that nothing was tried out: the plans were kept.
    """
    found: dict[str, Any] = {"before": [machine.sample() for _ in range(3)]}
    machine.torch.backends.cudnn.benchmark = True
    found["same_thread"] = [machine.sample() for _ in range(4)]

    def other() -> None:
        found["new_thread"] = [machine.sample() for _ in range(4)]

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    machine.torch.backends.cudnn.benchmark = False
    return found


class Worker:
    """A process that measures, and is asked by one line at a time; a new one is started where it ended."""

    def __init__(self, name: str, options: argparse.Namespace, images: Path) -> None:
        self.words = [sys.executable, "-m", "benchmarks.torch_switches", str(options.out), "--worker", name,
                      "--images", str(images), "--sample-steps", str(options.sample_steps),
                      "--sample-frames", str(options.sample_frames)]
        self.words += ["--tiny"] * options.tiny + ["--channels-last"] * options.channels_last
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **what: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        """The answer to one question; where the process ended instead, "failed" says so."""
        if self.process.poll() is not None:
            self.process = self._start()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(what), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"failed": f"ended with {self.process.wait()}"}
        if "CUDA error" in str(answer.get("failed")):
            self.process.wait()
        return answer

    def end(self) -> None:
        """Ends the process."""
        if self.process.stdin is not None and self.process.poll() is None:
            self.process.stdin.close()
        self.process.wait()


def measured(workers: dict[str, Worker], seconds: float, rng: random.Random, say: Say) -> dict[str, list[Any]]:
    """Samples of each set by its name, one a repeat, shuffled, until ``seconds`` are spent; two are warm-up."""
    samples: dict[str, list[Any]] = {name: [] for name in SETS}
    out: set[str] = set()
    until, repeat = time.monotonic() + seconds, 0
    while repeat < 4 or time.monotonic() < until:
        names = [name for name in SETS if name not in out]
        rng.shuffle(names)
        for name in names:
            switches = SETS[name]
            found = workers[worker_of(name)].ask(what="sample", set=name, switches=switches)
            samples[name].append(found)
            if "failed" in found:
                out.add(name)
                say(f"{name}: {found['failed']}")
        repeat += 1
        now = samples["default"][-1]
        say(f"repeat {repeat}: default {now['step']:.4f} s a step, {now['frame']:.4f} s a frame; "
            f"{max(0.0, until - time.monotonic()):.0f} s left")
    return samples


def ratios(samples: dict[str, list[Any]], part: str) -> dict[str, Any]:
    """The default's seconds over each set's, as the geometric mean of the repeats' ratios with a 95 % interval.

    ``part``: "step", "frame" or "clip". More than 1 is faster. The interval is a bootstrap over repeats.
    """
    found: dict[str, Any] = {}
    base = [_seconds(one, part) for one in samples["default"][2:]]
    rng = np.random.default_rng(1)
    for name, all_of in samples.items():
        if name == "default" or any("failed" in one for one in all_of):
            continue
        logs = np.log([was / _seconds(one, part) for was, one in zip(base, all_of[2:], strict=True)])
        drawn = np.exp(rng.choice(logs, (4000, len(logs))).mean(axis=1))
        low, high = np.percentile(drawn, (2.5, 97.5))
        found[name] = {
            "ratio": float(np.exp(logs.mean())), "low": float(low), "high": float(high),
            "spread": float(logs.std(ddof=1)), "repeats": len(logs),
        }
    return found


def _seconds(sample: dict[str, float], part: str) -> float:
    return sample["step"] * STEPS + sample["frame"] * FRAMES if part == "clip" else sample[part]


def difference(was: Path, now: Path) -> dict[str, float]:
    """How far two saved results are apart: latents in the default's standard deviations, and SSIM of the frame."""
    one, other = np.load(was), np.load(now)
    apart = np.abs(one["latents"] - other["latents"]) / one["latents"].std()
    low, high = float(one["frame"].min()), float(one["frame"].max())
    frames = [np.clip((each["frame"] - low) / (high - low), 0.0, 1.0) * 255.0 for each in (one, other)]
    return {"max": float(apart.max()), "mean": float(apart.mean()), "ssim": ssim(frames[0].mean(0), frames[1].mean(0))}


def ssim(one: Any, other: Any, window: int = 7) -> float:  # noqa: ANN401 - arrays
    """Structural similarity of two grey pictures of 0 to 255, over windows of 7 x 7 (Wang and others, 2004)."""
    def mean(x: Any) -> Any:  # noqa: ANN401
        return np.lib.stride_tricks.sliding_window_view(x, (window, window)).mean(axis=(-1, -2))

    one, other = one.astype(np.float64), other.astype(np.float64)
    a, b = mean(one), mean(other)
    var_a, var_b, both = mean(one * one) - a * a, mean(other * other) - b * b, mean(one * other) - a * b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(((2 * a * b + c1) * (2 * both + c2) / ((a * a + b * b + c1) * (var_a + var_b + c2))).mean())


def pictures(workers: dict[str, Worker], samples: dict[str, list[Any]], folder: Path) -> dict[str, Any]:
    """The difference of each set's result from the default's."""
    found: dict[str, Any] = {}
    for name, switches in SETS.items():
        if any("failed" in one for one in samples[name]):
            continue
        answer = workers[worker_of(name)].ask(what="image", set=name, switches=switches)
        found[name] = answer if "failed" in answer else difference(folder / "default.npz", folder / f"{name}.npz")
    return found


def _table(document: dict[str, Any], say: Say) -> None:
    say("\nset | clip (95 %) | U-Net step | VAE frame | memory MiB | latents apart max / mean | SSIM | SDPA kernel")
    for name, clip in document["ratios"]["clip"].items():
        parts = [document["ratios"][part][name]["ratio"] for part in ("step", "frame")]
        last = document["samples"][name][-1]
        memory = last["memory"]
        apart = document["images"].get(name, {})
        image = f"{apart['max']:.4f} / {apart['mean']:.5f} | {apart['ssim']:.5f}" if "ssim" in apart else str(apart)
        say(f"{name} | x{clip['ratio']:.4f} ({clip['low']:.4f} to {clip['high']:.4f}) | x{parts[0]:.4f} | "
            f"x{parts[1]:.4f} | {memory or 0:.0f} | {image} | {last['choice']}")
    live = document["live"]
    for name in ("before", "same_thread", "new_thread"):
        say(f"live, {name}: " + ", ".join(f"{_seconds(one, 'clip'):.3f}" for one in live[name]) + " s a clip")


def main(words: Sequence[str] | None = None) -> None:
    """Measures, prints a table and writes all samples to the file named."""
    import tempfile

    options = _read(words)
    if options.worker:
        worker(options)
        return
    began = time.monotonic()

    def say(line: str) -> None:
        print(line, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder)
        workers = {name: Worker(name, options, images) for name in WORKERS}
        try:
            facts = workers["off"].ask(what="facts")
            say(json.dumps(facts))
            seconds = options.minutes * 60.0 - 60.0 if not options.tiny else 0.0
            samples = measured(workers, seconds, random.Random(options.seed), say)
            document = {
                "kind": "torch-switches", "facts": facts, "channels_last": options.channels_last,
                "ratios": {part: ratios(samples, part) for part in ("clip", "step", "frame")},
                "images": pictures(workers, samples, images), "live": workers["off"].ask(what="live"),
                "seconds": time.monotonic() - began, "samples": samples,
            }
        finally:
            for one in workers.values():
                one.end()
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _table(document, say)
    say(f"{time.monotonic() - began:.0f} s; samples in {options.out}")


def _read(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Torch's switches at the size of Stable Diffusion 1.5.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0, help="for all of it; the last one is for images")
    parser.add_argument("--channels-last", action="store_true", help="the layout of --opt-channelslast")
    parser.add_argument("--tiny", action="store_true", help="an eighth of the widths, 8 x 8 latents: to try the script")
    parser.add_argument("--seed", type=int, default=1, help="of the order within a repeat")
    parser.add_argument("--sample-steps", type=int, default=3, help="U-Net steps a sample")
    parser.add_argument("--sample-frames", type=int, default=4, help="decoded frames a sample")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--images", help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
