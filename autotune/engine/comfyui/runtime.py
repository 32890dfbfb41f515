"""What all parts of one running reference ComfyUI share: its flags, device, faults, and the prompt that runs now."""

from __future__ import annotations

import argparse
import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from autotune.engine.comfyui.choices import Choices
from autotune.engine.faults import Faults
from autotune.engine.values import Device, Json, Tensor

VERSION = "0.26.0"


class InterruptProcessingException(Exception):
    """The prompt was interrupted."""


@dataclass
class Runtime:
    """One process. ``choices`` are reported and logged, ``acting`` are computed with (they differ by `ignore_flags`).

    ``prompts`` counts those begun; ``hits``: faults of the prompt that runs; ``dead``: the CUDA context was lost.
    """

    root: Path
    marker: dict[str, Json]
    args: argparse.Namespace
    faults: Faults
    device: Device
    choices: Choices
    acting: Choices
    prompts: int = 0
    hits: set[str] = field(default_factory=set)
    dead: bool = False
    interrupted: threading.Event = field(default_factory=threading.Event)
    broken_answers: dict[str, set[str]] = field(default_factory=dict)
    """Faults of what is sent instead of a prompt's history, by its id."""

    current: ClassVar[Runtime]

    @property
    def slower(self) -> float:
        """How many times its time a step takes: a release whose kernel is slower (`update --slower`)."""
        return float(self.marker.get("slower_kernels", {}).get(self.acting.attention, 1.0))

    def begin(self, prompt_id: str) -> None:
        """A prompt begins: its number tells which faults hit it."""
        self.prompts += 1
        self.interrupted.clear()
        self.hits = self.faults.of_job(self.prompts, self.choices.attention)
        self.broken_answers[prompt_id] = self.hits & {"garbage", "html", "redirect", "half", "huge"}
        self.faults.maybe_crash()

    def check_interrupt(self) -> None:
        """Raises InterruptProcessingException when the prompt that runs is to end."""
        if self.interrupted.is_set():
            self.interrupted.clear()
            raise InterruptProcessingException

    def attention_fails(self) -> bool:
        """`fallback`: whether the kernel is to fail at this call; says so as ComfyUI does."""
        if "fallback" not in self.hits:
            return False
        what = "the reference ComfyUI was told to fail here"
        if self.choices.attention == "flash":
            logging.warning("Flash Attention failed, using default SDPA: %s", what)
        else:
            logging.error("Error running sage attention: %s, using pytorch attention instead.", what)
        return True


def spoiled(frames: Tensor, hits: set[str]) -> Tensor:
    """The frames (n, height, width, 3) with the faults on demand that concern their content."""
    if "black" in hits:
        return frames * 0
    if "constant" in hits:
        return frames * 0 + 0.5
    if "alike" in hits:
        return frames[:1].repeat(len(frames), 1, 1, 1)
    if "wrong_size" in hits:
        return frames[:, : frames.shape[1] // 2, : frames.shape[2] // 2]
    if "wrong_count" in hits:
        return frames[:-1]
    return frames[:1] if "stills" in hits else frames
