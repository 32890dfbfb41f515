"""--medvram and --lowvram: parts of the model are kept in main memory and moved to the device when they compute.

On a CPU a move is a copy of the weights within main memory, so that the flags cost what moving costs.
"""

from __future__ import annotations

from collections.abc import Callable

from autotune.engine.values import Device, Module


def move(module: Module, device: Device) -> None:
    """Move a module's weights to a device, or copy them where the device is the CPU already."""
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_meta:
            continue
        tensor.data = tensor.data.clone() if tensor.device == device else tensor.data.to(device)


class Offload:
    """Brings modules to the device in turn. ``mode`` is none, medvram or lowvram (lowvram beats medvram)."""

    def __init__(self, mode: str, device: Device, unet: Module, vae: Module) -> None:
        import torch

        self.device, self.rest = device, torch.device("cpu")
        self._on_device: Module | None = None
        if mode == "none":
            return
        vae.post_quant_conv.to(device)
        children = [("mid_block", unet)] if mode == "medvram" else unet.named_children()
        parts = [vae.decoder]
        for name, child in children:
            if name in ("down_blocks", "mid_block", "up_blocks"):
                parts += list(child) if name != "mid_block" else [child]
            else:
                child.to(device)  # small parts remain on the device
        for part in parts:
            move(part, self.rest)
            part.register_forward_pre_hook(self._bring(part))

    def _bring(self, part: Module) -> Callable[[Module, object], None]:
        def hook(_module: Module, _inputs: object) -> None:
            if self._on_device is part:
                return
            if self._on_device is not None:
                move(self._on_device, self.rest)
            move(part, self.device)
            self._on_device = part

        return hook
