"""Chooses the attention class by A1111's rules and puts it into the model.

Rules (A1111 1.10.1): the option `cross_attention_optimization` wins unless it is "Automatic"; a title that no
available class has means the default. Under "Automatic", --disable-opt-split-attention means none; otherwise the
class of highest priority among those whose flag was given; otherwise the available class of highest priority
(xformers counts only with its flag).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from autotune.engine import kernels
from autotune.engine.values import Module, Tensor


@dataclass(frozen=True, slots=True)
class Optimization:
    """One attention class. ``vae``: A1111 also puts it into the VAE's attention block."""

    key: str
    name: str
    label: str | None
    flag: str
    priority: int
    vae: bool = True

    @property
    def title(self) -> str:
        """The text that the options API knows it by."""
        return self.name if self.label is None else f"{self.name} - {self.label}"


NONE = Optimization("none", "none", None, "disable_opt_split_attention", 0, vae=False)
CLASSES = (
    Optimization("xformers", "xformers", None, "xformers", 100),
    Optimization("sdp-no-mem", "sdp-no-mem", "scaled dot product without memory efficient attention",
         "opt_sdp_no_mem_attention", 80),
    Optimization("sdp", "sdp", "scaled dot product", "opt_sdp_attention", 70),
    Optimization("sub-quad", "sub-quadratic", None, "opt_sub_quad_attention", 10),
    Optimization("v1", "V1", "original v1", "opt_split_attention_v1", 10, vae=False),
    Optimization("invokeai", "InvokeAI", None, "opt_split_attention_invokeai", 10, vae=False),
    Optimization("doggettx", "Doggettx", None, "opt_split_attention", 90),
)


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine offers, which decides on the classes that are available.

    ``device``: cuda, cpu or mps; ``xformers``: it can be imported; ``capability``: CUDA's, (major, minor);
    ``sdp``: torch has scaled_dot_product_attention.
    """

    device: str
    xformers: bool = False
    capability: tuple[int, int] | None = None
    sdp: bool = True


def available(host: Host, flags: argparse.Namespace) -> list[Optimization]:
    """The classes that can be chosen on this host, highest priority first; equals keep A1111's order."""
    def usable(kind: Optimization) -> bool:
        if kind.key == "xformers":
            if flags.force_enable_xformers:
                return True
            fits = host.capability is not None and (6, 0) <= host.capability <= (9, 0)
            return bool(flags.xformers and host.xformers and host.device == "cuda" and fits)
        return host.sdp or not kind.key.startswith("sdp")

    return sorted((k for k in CLASSES if usable(k)), key=lambda k: -priority(k, host))


def priority(kind: Optimization, host: Host) -> int:
    """A1111's priority of a class: sub-quadratic leads on MPS, InvokeAI wherever there is no CUDA and no MPS."""
    leads = {"mps": "sub-quad", "cuda": None}.get(host.device, "invokeai")
    return 1000 if kind.key == leads else kind.priority


def choose(host: Host, flags: argparse.Namespace, option: str) -> Optimization:
    """The class in effect for these flags and this value of the option."""
    choices = available(host, flags)
    automatic = option == "Automatic"
    if option == "None" or (automatic and flags.disable_opt_split_attention):
        return NONE
    named = (kind for kind in choices if (getattr(flags, kind.flag) if automatic else kind.title == option))
    return next(named, choices[0])  # a title that no class has means the default, silently


def kernel_of(kind: Optimization, flags: argparse.Namespace) -> kernels.Kernel:
    """The kernel of a class with the chunk sizes that the flags give."""
    if kind.key == "sub-quad":
        return kernels.sub_quadratic(kernels.SubQuad(
            max(1, flags.sub_quad_q_chunk_size), flags.sub_quad_kv_chunk_size, flags.sub_quad_chunk_threshold))
    return {"xformers": kernels.xformers, "sdp-no-mem": kernels.sdp(efficient=False), "sdp": kernels.sdp(),
            "v1": kernels.v1, "invokeai": kernels.invokeai, "doggettx": kernels.doggettx,
            "none": kernels.plain}[kind.key]


class Processor:
    """What diffusers calls for one attention layer: projections around a kernel."""

    def __init__(self, kernel: kernels.Kernel) -> None:
        self.kernel = kernel

    def __call__(self, attn: Module, hidden_states: Tensor, encoder_hidden_states: Tensor = None,
                 temb: Tensor = None, **_rest: object) -> Tensor:  # noqa: ARG002  (the VAE passes it)
        shape, residual, hidden = hidden_states.shape, hidden_states, hidden_states
        if hidden.ndim == 4:  # the VAE's block: (batch, channels, height, width)
            hidden = hidden.flatten(2).transpose(1, 2)
        if attn.group_norm is not None:
            hidden = attn.group_norm(hidden.transpose(1, 2)).transpose(1, 2)
        context = hidden if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = attn.to_q(hidden), attn.to_k(context), attn.to_v(context)
        out = self.attend(q, k, v, attn.heads, float(attn.scale))
        out = attn.to_out[0](out)
        if len(shape) == 4:
            out = out.transpose(1, 2).reshape(shape)
        if attn.residual_connection:
            out = out + residual
        return out / attn.rescale_output_factor

    def attend(self, q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float) -> Tensor:
        """(batch, n, heads * dim) in and out; on a CPU fp16 is computed in fp32 (see numbers.py)."""
        import torch

        batch, kind = q.shape[0], q.dtype
        wide = torch.float32 if q.device.type == "cpu" and kind == torch.float16 else kind

        def split(x: Tensor) -> Tensor:
            dim = x.shape[-1] // heads
            return x.to(wide).view(batch, -1, heads, dim).transpose(1, 2).reshape(batch * heads, -1, dim)

        out = self.kernel(split(q), split(k), split(v), scale).to(kind)
        return out.view(batch, heads, -1, out.shape[-1]).transpose(1, 2).reshape(batch, -1, heads * out.shape[-1])


def apply(kind: Optimization, flags: argparse.Namespace, unet: Module, vae: Module) -> None:
    """Put a class into the UNet's spatial attention, and into the VAE's where A1111 does.

    The motion module's own attention is torch's SDPA whatever the class, as in AnimateDiff 2.
    """
    from autotune.engine.sizes import is_motion

    processor, own = Processor(kernel_of(kind, flags)), Processor(kernels.sdp())
    for name, layer in attention_layers(unet):
        layer.set_processor(own if is_motion(name) else processor)
    in_vae = processor if kind.vae else Processor(kernels.plain)
    for _name, layer in attention_layers(vae):
        layer.set_processor(in_vae)


def attention_layers(module: Module) -> list[tuple[str, Module]]:
    """diffusers' attention layers under a module, by name."""
    return [(n, m) for n, m in module.named_modules() if type(m).__name__ == "Attention"]


def xformers_importable() -> bool:
    """Whether xformers can really be imported (a broken build counts as absent)."""
    import importlib

    try:
        importlib.import_module("xformers.ops")
    except (ImportError, OSError, RuntimeError, AttributeError):
        return False
    return True


def host_of(device: str, flags: argparse.Namespace) -> Host:
    """The Host of this process; xformers is only imported when its flag was given."""
    import torch

    capability = torch.cuda.get_device_capability() if device == "cuda" else None
    wants = bool(flags.xformers or flags.force_enable_xformers)
    return Host(device, wants and xformers_importable(), capability,
                hasattr(torch.nn.functional, "scaled_dot_product_attention"))
