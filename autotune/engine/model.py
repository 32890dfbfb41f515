"""The model of one process: UNet with motion module and VAE, loaded and run as the flags say."""

from __future__ import annotations

import argparse
import inspect
import time
from dataclasses import replace
from pathlib import Path

from autotune.engine import attention, diffusers_import, numbers, weights
from autotune.engine.offload import Offload
from autotune.engine.sizes import Size, is_motion
from autotune.engine.values import Device, Module, Tensor


class NansException(RuntimeError):
    """A tensor with NaNs came out of a part of the model."""


class Model:
    """UNet, VAE and motion module of one size. Not thread-safe: one job at a time."""

    def __init__(self, size: Size, flags: argparse.Namespace, device: Device) -> None:
        self.size, self.flags, self.device = size, flags, device
        self.numbers = numbers.choose(flags, device.type)
        self.host = attention.host_of(device.type, flags)
        self.kind: attention.Optimization | None = None
        self.motion_file: Path | None = None
        self.motion_hash = ""
        self._injected, self._repeats_text = True, False
        self.unet: Module = None
        self.vae: Module = None

    def load(self, checkpoint: Path) -> None:
        """Build the modules and read the checkpoint. Raises BrokenWeights."""
        import torch

        started = time.perf_counter()
        if self.device.type == "cuda":  # as A1111: TF32 is always on
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        classes = diffusers_import.models()
        with torch.device(self.device):
            self.unet = classes.UNetMotionModel(**self.size.unet).eval()
            self.vae = classes.AutoencoderKL(**self.size.vae).eval()
        # Until 0.32 diffusers repeated the text for each frame itself.
        source = inspect.getsource(classes.UNetMotionModel.forward)
        self._repeats_text = "encoder_hidden_states.repeat_interleave(" in source
        built = time.perf_counter()
        print("Creating model from config: reference web UI, size " + self.size.name)
        types = {"unet": self.numbers.unet, "vae": self.numbers.vae}
        if weights.load(checkpoint, {"unet": self.unet, "vae": self.vae}, self.device, types, motion=False):
            print(f"{checkpoint.name} holds a seed: {self.size.name} weights are drawn from it, not read")
        read = time.perf_counter()
        self._set_numbers()
        if self.flags.opt_channelslast:
            for module in (self.unet, self.vae):
                for tensor in module.parameters():
                    if tensor.ndim == 4:
                        tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
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

    def inject(self, motion_file: Path) -> None:
        """Read the motion module when it is not the one in memory, and switch it on. Raises BrokenWeights."""
        if self.motion_file != motion_file:
            print(f"Loading motion module {motion_file.name} from {motion_file}", flush=True)
            digest = weights.sha256(motion_file)
            weights.load(motion_file, {"unet": self.unet}, self.device, {"unet": self.numbers.unet}, motion=True)
            self.motion_file, self.motion_hash = motion_file, digest[:8]
        if not self._injected:
            print("Injecting motion module into the UNet.", flush=True)
            for module in self._motion_modules():
                module.__dict__.pop("forward", None)
            self._injected = True

    def eject(self) -> None:
        """Switch the motion module off: ordinary stills."""
        if self._injected:
            for module in self._motion_modules():
                module.forward = _pass_through
            self._injected = False

    def _motion_modules(self) -> list[Module]:
        return [m for n, m in self.unet.named_modules() if is_motion(n) and n.rsplit(".", 1)[-1].isdigit()
                and type(m).__name__ == "AnimateDiffTransformer3D"]

    def predict(self, latents: Tensor, step: Tensor, text: Tensor) -> Tensor:
        """The UNet's answer: latents (clips, 4, frames, h, w) in fp32, text (clips, tokens, width); fp32 back.

        Raises NansException.
        """
        import torch

        frames = latents.shape[2]
        context = text if self._repeats_text else text.repeat_interleave(frames, dim=0)
        kind = numbers.dtype(self.numbers.unet)
        inner = latents if self.numbers.autocast or self.numbers.compute else latents.to(kind)
        with torch.autocast("cuda", dtype=torch.float16, enabled=self.numbers.autocast):
            out = self.unet(inner, step, encoder_hidden_states=context).sample
        out = out.float()
        self._check(out, "Unet")
        return out

    def decode(self, latents: Tensor) -> Tensor:
        """Frames (n, 3, height, width) in 0..1 from latents (n, 4, h, w), one at a time as A1111 does.

        A NaN from an fp16 VAE turns it to fp32 for good and decodes again. Raises NansException.
        """
        import torch

        pictures = []
        for latent in latents:
            picture = self._decode_one(latent.unsqueeze(0))
            if torch.isnan(picture).all() and self.numbers.vae == "fp16":
                print("A tensor with all NaNs was produced in VAE. Web UI will now convert VAE into 32-bit float "
                      "and retry.")
                self.vae.float()
                self.numbers = replace(self.numbers, vae="fp32", vae_compute=None)
                picture = self._decode_one(latent.unsqueeze(0))
            self._check(picture, "VAE")
            pictures.append(picture)
        return torch.cat(pictures)

    def _decode_one(self, latent: Tensor) -> Tensor:
        inner = latent.to(numbers.dtype(self.numbers.vae)) if self.numbers.vae_compute is None else latent
        picture = self.vae.decode(inner / 0.18215).sample.float()
        return (picture / 2 + 0.5).clamp(0, 1)

    def _check(self, tensor: Tensor, where: str) -> None:
        import torch

        if self.flags.disable_nan_check or not bool(torch.isnan(tensor).all()):
            return
        hint = " Use --disable-nan-check commandline argument to disable this check."
        raise NansException(f"A tensor with NaNs was produced in {where}.{hint}")


def _pass_through(hidden_states: Tensor, *_args: object, **_options: object) -> Tensor:
    return hidden_states
