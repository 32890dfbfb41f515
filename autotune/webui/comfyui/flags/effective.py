"""The effective set: what ComfyUI computes with some flags, by its own rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from autotune.flags import argv
from autotune.model.flagset import Effective
from autotune.model.machine import Machine
from autotune.webui.comfyui.flags import rules
from autotune.webui.comfyui.flags.known_flags import FAST_MEMBERS
from autotune.webui.comfyui.flags.rules import Given, Site, site_of

DEFAULT = "default"
"""The level of a dimension of which no flag changes anything."""
_ON, _OFF = "on", "off"


def effective(words: Sequence[str], machine: Machine) -> Effective:
    """The effective set of all argv ``words`` on a machine."""
    site = site_of(machine)
    return of_given(argv.all_values(words, site.catalogue.flags), site)


def of_given(flags: Given, site: Site) -> Effective:
    """The effective set of flags already resolved to full names.

    Left out: that --disable-xformers beside sage or flash also changes the VAE's attention, a small part of a clip.
    """
    more = {name: level for name, level in _more(flags, site).items() if level != DEFAULT}
    acts = _fast(flags, site)
    return Effective(
        attention=rules.attention(flags, site),
        channelslast="--force-channels-last" in flags,
        unet=_unet(flags),
        vae=next((level for flag, level in rules.TYPES_VAE.items() if flag in flags), DEFAULT),
        precision=DEFAULT,
        upcast=False,
        memory=rules.memory(flags, site),
        batch_cond_uncond=True,
        cudnn_benchmark=acts["cudnn_benchmark"],
        fp16_accumulation=acts["fp16_accumulation"],
        more=tuple(sorted(more.items())),
    )


def describe(what: Effective) -> str:
    """The canonical text of an effective set: equal texts are equal sets. Used as a candidate's id.

    Its parts are those of a document's ``effective`` in its order, but the levels "default": an id is read back from
    there.
    """
    parts = asdict(what)
    more = dict(parts.pop("more"))
    levels = {**{name: _text(value) for name, value in parts.items()}, **more}
    return " ".join(f"{name}={level}" for name, level in levels.items() if level != DEFAULT)


def level_of(dimension: str, what: Effective) -> str:
    """The level of a dimension that an effective set stands on. An attention whose motion module has another one than
    usual is a level of its own ("xformers+split"), which only the user's own flags can have."""
    motion = dict(what.more).get("motion_attention")
    if dimension == "attention" and motion:
        return f"{what.attention}+{motion}"
    if dimension == "channelslast":
        return "true" if what.channelslast else "false"
    if dimension in ("attention", "memory", "unet", "vae", "cudnn_benchmark", "fp16_accumulation"):
        return str(getattr(what, dimension))
    return dict(what.more).get(dimension, DEFAULT)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return _ON if value else _OFF
    return str(value)


def _unet(flags: Given) -> str:
    """The type of the diffusion model's numbers, where a flag names one (--force-fp16 acts as --fp16-unet)."""
    if "--force-fp16" in flags and not any(flag in flags for flag in ("--fp32-unet", "--fp64-unet", "--bf16-unet")):
        return "fp16"
    named = next((level for flag, level in rules.TYPES_UNET.items() if flag in flags), DEFAULT)
    return "fp32" if named == DEFAULT and "--force-fp32" in flags else named


def _fast(flags: Given, site: Site) -> dict[str, str]:
    """The members of --fast that act, by dimension. Sums in 16 bits need torch 2.7, a GPU of torch's CUDA interface and
    16-bit weights; cuDNN a GPU; cuBLAS the package cublas_ops and 16-bit weights; 8-bit products 8-bit weights."""
    given, unet = rules.fast(flags), _unet(flags)
    gpu = rules.device(flags, site) in ("nvidia", "amd")
    half = gpu and unet in (DEFAULT, "fp16")
    acts = {
        "fp16_accumulation": (half or (gpu and unet.startswith("fp8"))) and site.torch_since(2, 7),
        "cudnn_benchmark": gpu,
        "cublas_ops": half and rules.CUBLAS in site.runtime.packages,
        "fp8_matrix_mult": gpu,
    }
    return {name: _ON if acts[name] and member in given else DEFAULT for name, member in FAST_MEMBERS.items()}


def _more(flags: Given, site: Site) -> dict[str, str]:
    """The levels of the dimensions that are ComfyUI's own."""
    members = _fast(flags, site)
    made, usual = rules.streams(flags, site), rules.streams_usual(flags, site)
    kept = rules.cache(flags, site)
    on_gpu = rules.device(flags, site) in ("nvidia", "amd")
    pinned = on_gpu and site.has("--disable-pinned-memory") and "--disable-pinned-memory" in flags
    return {
        "cublas_ops": members["cublas_ops"],
        "fp8_matrix_mult": members["fp8_matrix_mult"],
        "cuda_malloc": _against(rules.async_malloc(flags, site), rules.async_malloc_usual(flags, site)),
        "dynamic_vram": _dynamic(flags, site),
        "async_offload": DEFAULT if made == usual else _OFF if made == 0 else str(made),
        "cache": DEFAULT if kept == rules.cache_usual(site) else kept,
        "pinned_memory": _OFF if pinned else DEFAULT,
        "smart_memory": _OFF if on_gpu and "--disable-smart-memory" in flags else DEFAULT,
        "fp16_intermediates": _ON if "--fp16-intermediates" in flags else DEFAULT,
        "motion_attention": _motion(flags, site),
    }


def _dynamic(flags: Given, site: Site) -> str:
    """Whether dynamic VRAM is otherwise than the memory mode has it by itself."""
    bare = {name: values for name, values in flags.items()
            if name not in ("--enable-dynamic-vram", "--disable-dynamic-vram")}
    return _against(rules.dynamic_vram(flags, site), rules.dynamic_vram(bare, site))


def _motion(flags: Given, site: Site) -> str:
    """The motion module's attention, where it is neither the diffusion model's nor what a machine has by itself."""
    there = rules.torch_attention(flags, site)
    return DEFAULT if there in (rules.attention(flags, site), rules.torch_attention(_bare(flags), site)) else there


def _bare(flags: Given) -> Given:
    own = set(rules.ATTENTION_FLAGS.values())
    return {name: values for name, values in flags.items() if name not in own}


def _against(now: bool, usual: bool) -> str:
    return DEFAULT if now == usual else _ON if now else _OFF
