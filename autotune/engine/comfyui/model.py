"""The model of one checkpoint as ComfyUI's flags want it: kernels, number types, layout, and where its parts lie."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from pathlib import Path

from autotune.engine import attention, kernels, numbers, offload
from autotune.engine.animated_model import AnimatedModel
from autotune.engine.comfyui.choices import Choices
from autotune.engine.comfyui.runtime import Runtime
from autotune.engine.numbers import TORCH_NAMES
from autotune.engine.sizes import Size, is_motion
from autotune.engine.values import Device, Module, Tensor
from autotune.engine.weights import BrokenWeights

MIB = 1 << 20


class ComfyModel(AnimatedModel):
    """UNet, VAE and motion module of one checkpoint; its attention is changed by nothing but a start."""

    def __init__(self, size: Size, device: Device, choices: Choices) -> None:
        super().__init__(size, device, choices.numbers)
        self.choices = choices
        self._away = False

    def load(self, checkpoint: Path) -> None:
        """Build the modules, read the checkpoint and apply the flags, with ComfyUI's lines in the log.

        Raises what safetensors raises for a broken file, RuntimeError for one of another model.
        """
        self.build()
        try:
            drawn = self.read(checkpoint)
        except BrokenWeights as error:
            if error.__cause__ is not None:
                raise error.__cause__ from None
            raise RuntimeError(f"ERROR: Could not detect model type of: {checkpoint}") from error
        if drawn:
            logging.info("Reference ComfyUI: %s holds a seed: %s weights are drawn from it", checkpoint.name,
                         self.size.name)
        plan = self.numbers
        logging.info("model weight dtype torch.%s, manual cast: %s", TORCH_NAMES[plan.unet],
                     f"torch.{TORCH_NAMES[plan.compute]}" if plan.compute else None)
        logging.info("model_type EPS")
        self._set_numbers()
        if self.choices.channels_last:
            self.channels_last((self.unet,))
        offload.Offload(self.choices.offload, self.device, self.unet, self.vae)
        self._set_attention()
        self.eject()
        what = "split" if self.choices.in_vae == "split" else self.choices.in_vae
        logging.info("Using %s attention in VAE", what)
        logging.info("VAE load device: %s, offload device: cpu, dtype: torch.%s", self.device, TORCH_NAMES[plan.vae])

    def _set_numbers(self) -> None:
        plan = self.numbers
        for module, held, compute in ((self.unet, plan.unet, plan.compute), (self.vae, plan.vae, plan.vae_compute)):
            if compute is not None:
                numbers.cast_layers(module, compute, rounded=False)
            elif held != "fp32":
                numbers.half_layers(module, held)

    def _set_attention(self) -> None:
        """The flags' kernel in the spatial layers, AnimateDiff-Evolved's own in the motion module, and the VAE's."""
        chosen = attention.Processor(_guarded(kernel_of(self.choices.attention)))
        motion = attention.Processor(kernel_of(self.choices.motion))
        for name, layer in attention.attention_layers(self.unet):
            layer.set_processor(motion if is_motion(name) else chosen)
        in_vae = attention.Processor(kernel_of(self.choices.in_vae))
        for _name, layer in attention.attention_layers(self.vae):
            layer.set_processor(in_vae)

    def inject(self, motion_file: Path) -> None:
        """Reads the motion module and switches it on. Raises ValueError for a file of something else."""
        try:
            super().inject(motion_file)
        except BrokenWeights as error:
            raise ValueError(f"'{motion_file.name}' is not a valid SD1.5 nor SDXL motion module - contained -1 "
                             "downblocks.") from error
        for name, buffer in self.unet.named_buffers():  # torch adds nothing to numbers of 8 bit
            if name.endswith(".pe") and buffer.element_size() == 1:
                buffer.data = buffer.data.float()

    def decode(self, latents: Tensor) -> Tensor:
        """Frames (n, height, width, 3) in 0..1, on the CPU, from latents (n, 4, h, w)."""
        import torch

        self.bring()
        frames = torch.cat([self.decode_one(latent.unsqueeze(0).to(self.device)) for latent in latents])
        return frames.permute(0, 2, 3, 1).cpu()

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents (n, 4, h, w), on the CPU, of pictures (n, height, width, 3) in 0..1."""
        import torch

        self.bring()
        kind = numbers.dtype(self.numbers.vae) if self.numbers.vae_compute is None else torch.float32
        inner = (pictures.permute(0, 3, 1, 2) * 2 - 1).to(self.device, kind)
        found = [self.vae.encode(one).latent_dist.mean.float() * 0.18215 for one in inner.split(1)]
        return torch.cat(found).cpu()

    def unload(self) -> None:
        """Moves the weights to main memory, as after each prompt with --disable-smart-memory."""
        import torch

        if not self._away and self.choices.offload == "none":
            for module in self._modules():
                offload.move(module, torch.device("cpu"))
            self._away = True

    def bring(self) -> None:
        """Moves the weights to the device where they were moved away."""
        if self._away:
            for module in self._modules():
                offload.move(module, self.device)
            self._away = False

    def mebibytes(self) -> float:
        """MiB of the UNet's weights."""
        return float(sum(t.numel() * t.element_size() for t in self.unet.parameters())) / MIB

    def _modules(self) -> Sequence[Module]:
        return (self.unet, self.vae)


def kernel_of(name: str) -> kernels.Kernel:
    """The kernel of one of ComfyUI's attention functions, by its short name."""
    if name == "quad":
        return kernels.sub_quadratic(kernels.SubQuad())
    return {"pytorch": kernels.sdp(), "split": kernels.doggettx, "xformers": kernels.xformers, "sage": _sage,
            "flash": _flash}[name]


def _guarded(kernel: kernels.Kernel) -> kernels.Kernel:
    """The kernel, with the fault `fallback`."""
    other = kernels.sdp()

    def guarded(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        return (other if Runtime.current.attention_fails() else kernel)(q, k, v, scale)

    return guarded


def _sage(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """SageAttention; where it fails, torch's attention, as the log says."""
    try:
        attend = importlib.import_module("sageattention").sageattn
        out = attend(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), tensor_layout="HND", is_causal=False,
                     sm_scale=scale)
        return out.squeeze(0)
    except Exception as error:  # noqa: BLE001 - whatever the package raises, as in ComfyUI
        logging.error("Error running sage attention: %s, using pytorch attention instead.", error)
    return kernels.sdp()(q, k, v, scale)


def _flash(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """FlashAttention; where it fails, torch's attention, as the log says."""
    try:
        attend = importlib.import_module("flash_attn").flash_attn_func
        turned = [x.unsqueeze(0).transpose(1, 2) for x in (q, k, v)]
        return attend(*turned, softmax_scale=scale).transpose(1, 2).squeeze(0)
    except Exception as error:  # noqa: BLE001 - as above
        logging.warning("Flash Attention failed, using default SDPA: %s", error)
    return kernels.sdp()(q, k, v, scale)
