"""The model of one process: UNet with motion module and VAE, whichever web UI it stands for."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

from autotune.engine import diffusers_import, numbers, weights
from autotune.engine.numbers import Numbers
from autotune.engine.sizes import Size, is_motion
from autotune.engine.values import Device, Module, Tensor


class AnimatedModel:
    """UNet, VAE and motion module of one size, in the types of ``numbers``. Not thread-safe: one job at a time."""

    def __init__(self, size: Size, device: Device, plan: Numbers) -> None:
        self.size, self.device, self.numbers = size, device, plan
        self.motion_file: Path | None = None
        self.motion_hash = ""
        self._injected, self._repeats_text = True, False
        self.unet: Module = None
        self.vae: Module = None

    def say(self, text: str) -> None:
        """Logs what is done to the model, where the web UI does."""

    def build(self) -> None:
        """Makes the modules, still with the weights that torch gives them."""
        import torch

        classes = diffusers_import.models()
        with torch.device(self.device):
            self.unet = classes.UNetMotionModel(**self.size.unet).eval()
            self.vae = classes.AutoencoderKL(**self.size.vae).eval()
        # Until 0.32 diffusers repeated the text for each frame itself.
        source = inspect.getsource(classes.UNetMotionModel.forward)
        self._repeats_text = "encoder_hidden_states.repeat_interleave(" in source

    def read(self, checkpoint: Path) -> bool:
        """Reads the checkpoint; returns whether its weights were drawn from a seed. Raises BrokenWeights."""
        types = {"unet": self.numbers.unet, "vae": self.numbers.vae}
        return weights.load(checkpoint, {"unet": self.unet, "vae": self.vae}, self.device, types, motion=False)

    def channels_last(self, modules: Sequence[Module]) -> None:
        """Lays the weights of convolutions out in torch's channels-last format."""
        import torch

        for module in modules:
            for tensor in module.parameters():
                if tensor.ndim == 4:
                    tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)

    def inject(self, motion_file: Path) -> None:
        """Read the motion module when it is not the one in memory, and switch it on. Raises BrokenWeights."""
        if self.motion_file != motion_file:
            self.say(f"Loading motion module {motion_file.name} from {motion_file}")
            digest = weights.sha256(motion_file)
            weights.load(motion_file, {"unet": self.unet}, self.device, {"unet": self.numbers.unet}, motion=True)
            self.motion_file, self.motion_hash = motion_file, digest[:8]
        if not self._injected:
            self.say("Injecting motion module into the UNet.")
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

        Raises what `check` raises.
        """
        import torch

        frames = latents.shape[2]
        context = text if self._repeats_text else text.repeat_interleave(frames, dim=0)
        kind = numbers.dtype(self.numbers.unet)
        inner = latents if self.numbers.autocast or self.numbers.compute else latents.to(kind)
        with torch.autocast("cuda", dtype=torch.float16, enabled=self.numbers.autocast):
            out = self.unet(inner, step, encoder_hidden_states=context).sample
        out = out.float()
        self.check(out, "Unet")
        return out

    def decode_one(self, latent: Tensor) -> Tensor:
        """The frame (1, 3, height, width) in 0..1 of one latent (1, 4, h, w)."""
        inner = latent.to(numbers.dtype(self.numbers.vae)) if self.numbers.vae_compute is None else latent
        picture = self.vae.decode(inner / 0.18215).sample.float()
        return (picture / 2 + 0.5).clamp(0, 1)

    def check(self, tensor: Tensor, where: str) -> None:
        """Refuses a tensor of NaNs, where the web UI does."""


def _pass_through(hidden_states: Tensor, *_args: object, **_options: object) -> Tensor:
    return hidden_states
