"""The model of one process of A1111's stand-in: loaded and run as the flags say, with A1111's words in the log."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from autotune.engine import attention, numbers
from autotune.engine.animated_model import AnimatedModel
from autotune.engine.offload import Offload
from autotune.engine.sizes import Size
from autotune.engine.values import Device, Tensor


class NansException(RuntimeError):
    """A tensor with NaNs came out of a part of the model."""


class Model(AnimatedModel):
    """UNet, VAE and motion module of one size. Not thread-safe: one job at a time."""

    def __init__(self, size: Size, flags: argparse.Namespace, device: Device) -> None:
        super().__init__(size, device, numbers.choose(flags, device.type))
        self.flags = flags
        self.host = attention.host_of(device.type, flags)
        self.kind: attention.Optimization | None = None

    def say(self, text: str) -> None:
        """A line of A1111's log."""
        print(text, flush=True)

    def load(self, checkpoint: Path) -> None:
        """Build the modules and read the checkpoint. Raises BrokenWeights."""
        import torch

        started = time.perf_counter()
        if self.device.type == "cuda":  # as A1111: TF32 is always on
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        self.build()
        built = time.perf_counter()
        print("Creating model from config: reference web UI, size " + self.size.name)
        if self.read(checkpoint):
            print(f"{checkpoint.name} holds a seed: {self.size.name} weights are drawn from it, not read")
        read = time.perf_counter()
        self._set_numbers()
        if self.flags.opt_channelslast:
            self.channels_last((self.unet, self.vae))
        mode = "lowvram" if self.flags.lowvram else "medvram" if self.flags.medvram else "none"
        Offload(mode, self.device, self.unet, self.vae)
        self.eject()
        done = time.perf_counter()
        print(f"Model loaded in {done - started:.1f}s (create model: {built - started:.1f}s, load weights from "
              f"disk: {read - built:.1f}s, apply flags: {done - read:.1f}s).")

    def _set_numbers(self) -> None:
        plan = self.numbers
        for remark in plan.remarks:
            print(f"Reference web UI: {remark}.")
        if plan.compute is not None:
            numbers.cast_layers(self.unet, plan.compute, plan.rounded)
        elif plan.unet == "fp16" and not plan.autocast:
            numbers.half_layers(self.unet)
            if plan.norms32:
                numbers.upcast_norms(self.unet)
        if plan.vae_compute is not None:
            numbers.cast_layers(self.vae, plan.vae_compute, rounded=False)

    def set_attention(self, option: str, ignored: argparse.Namespace | None = None) -> str:
        """Apply the class in effect for this value of the option; logs as A1111 does. Returns its key.

        ``ignored``: flags that are only logged; the model then keeps its default class.
        """
        kind = attention.choose(self.host, self.flags, option if ignored is None else "Automatic")
        logged = kind if ignored is None else attention.choose(
            attention.host_of(self.device.type, ignored), ignored, option)
        start = f"Applying attention optimization: {logged.name}... "
        print("Disabling attention optimization\n" if logged is attention.NONE else start, end="", flush=True)
        if ignored is None or self.kind is None:
            attention.apply(kind, self.flags, self.unet, self.vae)
            self.kind = kind
        print("" if logged is attention.NONE else "done.\n", end="", flush=True)
        return logged.key

    def decode(self, latents: Tensor) -> Tensor:
        """Frames (n, 3, height, width) in 0..1 from latents (n, 4, h, w), one at a time as A1111 does.

        A NaN from an fp16 VAE turns it to fp32 for good and decodes again. Raises NansException.
        """
        import torch

        pictures = []
        for latent in latents:
            picture = self.decode_one(latent.unsqueeze(0))
            if torch.isnan(picture).all() and self.numbers.vae == "fp16":
                print("A tensor with all NaNs was produced in VAE. Web UI will now convert VAE into 32-bit float "
                      "and retry.")
                self.vae.float()
                self.numbers = replace(self.numbers, vae="fp32", vae_compute=None)
                picture = self.decode_one(latent.unsqueeze(0))
            self.check(picture, "VAE")
            pictures.append(picture)
        return torch.cat(pictures)

    def check(self, tensor: Tensor, where: str) -> None:
        """Raises NansException on NaNs alone, unless --disable-nan-check is given."""
        import torch

        if self.flags.disable_nan_check or not bool(torch.isnan(tensor).all()):
            return
        hint = " Use --disable-nan-check commandline argument to disable this check."
        raise NansException(f"A tensor with NaNs was produced in {where}.{hint}")
