"""Writes levels of the search dimensions as ComfyUI's flags, or says why one cannot be had on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autotune.language.translate import _
from autotune.model.versions import version_numbers
from autotune.webui.comfyui.flags import rules
from autotune.webui.comfyui.flags.effective import DEFAULT
from autotune.webui.comfyui.flags.known_flags import FAST, FAST_MEMBERS, STREAMS
from autotune.webui.comfyui.flags.rules import Given, Site

MEMORY_SHORT_MIB = 8192.0
"""A GPU of at most this much memory counts as short: AnimateDiff at 512x512, 16 frames, took 5.6 GB on an RTX 4090."""
ALIASES = {"attention": {"sdp": "pytorch", "sdp-no-mem": "pytorch", "sub-quad": "quad"}}
"""Levels of a profile that was written for A1111 -> ComfyUI's name of the same thing."""
LEVELS: dict[str, tuple[str, ...]] = {
    "attention": ("xformers", "pytorch", "split", "quad", "sage", "flash"),
    "fp16_accumulation": (DEFAULT, "on"),
    "cudnn_benchmark": (DEFAULT, "on"),
    "cublas_ops": (DEFAULT, "on"),
    "channelslast": ("false", "true"),
    "cuda_malloc": (DEFAULT, "on", "off"),
    "memory": ("none", "highvram", "gpu-only", "lowvram", "novram"),
    "dynamic_vram": (DEFAULT, "on", "off"),
    "cache": (DEFAULT, "classic", "ram", "high-ram", "lru-64"),
    "async_offload": (DEFAULT, "off", "2", STREAMS),
    "pinned_memory": (DEFAULT, "off"),
    "smart_memory": (DEFAULT, "off"),
    "fp8_matrix_mult": (DEFAULT, "on"),
    "fp16_intermediates": (DEFAULT, "on"),
    "unet": (DEFAULT, "fp16", "bf16", "fp32", "fp8-e4m3fn", "fp8-e5m2"),
    "vae": (DEFAULT, "fp16", "bf16", "fp32"),
}
"""Every dimension with its levels."""
_WRITTEN: dict[tuple[str, str], tuple[str, ...]] = {
    ("channelslast", "true"): ("--force-channels-last",),
    ("cache", "classic"): ("--cache-classic",),
    ("cache", "ram"): ("--cache-ram",),
    ("cache", "high-ram"): ("--high-ram",),
    ("cache", "lru-64"): ("--cache-lru", "64"),
    ("async_offload", "off"): ("--disable-async-offload",),
    ("async_offload", "2"): ("--async-offload",),
    ("async_offload", STREAMS): ("--async-offload", STREAMS),
    ("pinned_memory", "off"): ("--disable-pinned-memory",),
    ("smart_memory", "off"): ("--disable-smart-memory",),
    ("fp16_intermediates", "on"): ("--fp16-intermediates",),
    **{("memory", mode): (f"--{mode}",) for mode in rules.MEMORY_FLAGS},
    **{("unet", level): (flag,) for flag, level in rules.TYPES_UNET.items()},
    **{("vae", level): (flag,) for flag, level in rules.TYPES_VAE.items()},
    **{("attention", name): (flag,) for name, flag in rules.ATTENTION_FLAGS.items()},
    **{(name, "on"): (FAST, member) for name, member in FAST_MEMBERS.items()},
    ("cuda_malloc", "on"): ("--cuda-malloc",), ("cuda_malloc", "off"): ("--disable-cuda-malloc",),
    ("dynamic_vram", "on"): ("--enable-dynamic-vram",), ("dynamic_vram", "off"): ("--disable-dynamic-vram",),
}
"""The words that stand for a level by itself."""
_GPU_ALONE = ("fp16_accumulation", "cudnn_benchmark", "cublas_ops", "fp8_matrix_mult", "async_offload",
              "pinned_memory", "smart_memory")
_NVIDIA_ALONE = ("cuda_malloc", "dynamic_vram")


@dataclass(frozen=True)
class Place:
    """Where a level is written: the site, and the user's flags that stay."""

    site: Site
    kept: Given

    @property
    def device(self) -> str:
        """What computes (see ``rules.device``)."""
        return rules.device(self.kept, self.site)

    @property
    def memory_short(self) -> bool:
        """Whether the smallest GPU has so little memory that modes which save memory are worth a try."""
        sizes = [gpu.memory_total for gpu in self.site.gpus if gpu.memory_total]
        return bool(sizes) and min(sizes) <= MEMORY_SHORT_MIB


def shown(dimension: str, level: str) -> tuple[str, ...]:
    """Words that stand for a level in what the user sees; () for a default."""
    return _WRITTEN.get((dimension, level), ())


def obstacle(dimension: str, level: str, place: Place) -> str | None:
    """Why a level cannot be had on this machine, in words; None if it can."""
    if level not in LEVELS.get(dimension, ()):
        if (dimension, level) == ("cache", "none"):
            return _("it loads the checkpoint for each clip, so that loading would be timed")
        return _("{level!r} is not a known level of {dimension}").format(level=level, dimension=dimension)
    if dimension == "attention":
        return _attention_obstacle(level, place)
    if level in (DEFAULT, "none", "false"):
        return None
    words = shown(dimension, level)
    if not place.site.has(words[0], words[1] if words[0] == FAST else ""):
        return _("this install's own parser has no {flag}").format(flag=" ".join(words[:2] if words[0] == FAST
                                                                                 else words[:1]))
    if dimension in (*_GPU_ALONE, "memory") and place.device not in ("nvidia", "amd"):
        return _("it does nothing without a CUDA device")
    if dimension in _NVIDIA_ALONE and place.device != "nvidia":
        return _("it does nothing without an NVIDIA GPU")
    return _memory_obstacle(dimension, level, place) or _numbers_obstacle(dimension, level, place)


def _attention_obstacle(level: str, place: Place) -> str | None:
    site, runtime = place.site, place.site.runtime
    taken = next((flag for name, flag in rules.ATTENTION_FLAGS.items() if flag in place.kept), None)
    if taken and level != "xformers":
        return _("{flag} stays, and the parser takes only one attention flag").format(flag=taken)
    if level == "xformers":
        if runtime.xformers is None:
            return _("xformers cannot be imported by the web UI's Python")
        return None if place.device in ("nvidia", "amd") else _("xformers needs a CUDA device")
    if not site.has(rules.ATTENTION_FLAGS[level]):
        return _("this install's own parser has no {flag}").format(flag=rules.ATTENTION_FLAGS[level])
    if level == "pytorch" and site.torch and not site.torch_since(2):
        return _("this attention needs torch 2 or newer, the web UI has {version}").format(version=runtime.torch)
    package = rules.PACKAGES.get(level)
    if package and package not in runtime.packages:
        return _("the package {package} cannot be imported by the web UI's Python").format(package=package)
    if package and place.device not in ("nvidia", "amd"):
        return _("it does nothing without a CUDA device")
    return None


def _memory_obstacle(dimension: str, level: str, place: Place) -> str | None:
    """A mode that saves memory costs time; one that uses more makes a small GPU's memory spill."""
    if dimension != "memory":
        return None
    size = MEMORY_SHORT_MIB / 1024
    if level in ("lowvram", "novram") and not place.memory_short:
        return _("{flag} is only tried when GPU memory is short ({size:.0f} GiB or less)").format(
            flag=f"--{level}", size=size)
    if level in ("highvram", "gpu-only") and place.memory_short:
        return _("{flag} is not tried when GPU memory is short ({size:.0f} GiB or less): it would spill").format(
            flag=f"--{level}", size=size)
    return None


def _numbers_obstacle(dimension: str, level: str, place: Place) -> str | None:
    site = place.site
    if dimension == "fp16_accumulation" and not site.torch_since(2, 7):
        return _("it needs torch 2.7 or newer, the web UI has {version}").format(version=site.runtime.torch)
    if dimension == "cublas_ops" and rules.CUBLAS not in site.runtime.packages:
        return _("the package {package} cannot be imported by the web UI's Python").format(package=rules.CUBLAS)
    if dimension == "fp8_matrix_mult" and "--supports-fp8-compute" not in place.kept:
        capability = version_numbers(site.runtime.compute_capability)
        if place.device == "nvidia" and capability < (8, 9):
            return _("it needs compute capability 8.9 or newer, this GPU has {capability}").format(
                capability=site.runtime.compute_capability)
    if dimension == "async_offload" and level == STREAMS and not site.has("--async-offload", level):
        return _("this install's own parser takes no number after {flag}").format(flag="--async-offload")
    return None


def words_of(wanted: Mapping[str, str], own: Mapping[str, tuple[str, ...]], place: Place) -> tuple[str, ...]:
    """The words of one combination of levels beside the kept flags, the fewest that reach it.

    ``own``: the user's words of a dimension whose level is the user's own and no known one. Members of --fast are left
    to the caller.
    """
    words: list[str] = []
    for dimension, level in wanted.items():
        if dimension in own and level not in LEVELS[dimension]:
            words += own[dimension]
        elif dimension == "attention":
            words += _attention(level, place)
        elif dimension == "cuda_malloc":
            words += _malloc(level, wanted.get("cudnn_benchmark") == "on", place)
        elif dimension == "dynamic_vram":
            words += _dynamic(level, wanted.get("memory", "none"), place)
        elif dimension not in FAST_MEMBERS and not _usual(dimension, level, place):
            words += shown(dimension, level)
    return tuple(words)


def _usual(dimension: str, level: str, place: Place) -> bool:
    """Whether this machine has the level without a flag."""
    if dimension == "cache":
        return level == rules.cache_usual(place.site)
    if dimension == "async_offload":
        usual = rules.streams_usual(place.kept, place.site)
        return level == (str(usual) if usual else "off")
    return False


def _attention(level: str, place: Place) -> tuple[str, ...]:
    by_itself = rules.attention(place.kept, place.site)
    if level == by_itself:
        return ()
    if level == "xformers":
        return ()
    flag = rules.ATTENTION_FLAGS[level]
    with_flag = {**place.kept, flag: ()}
    if rules.attention(with_flag, place.site) == level:
        return (flag,)
    return ("--disable-xformers", flag)


def _malloc(level: str, tries_kernels: bool, place: Place) -> tuple[str, ...]:
    """``tries_kernels``: whether --fast autotune is among the words, beside which ComfyUI takes PyTorch's allocator."""
    kept = {**place.kept, FAST: ("autotune",)} if tries_kernels else place.kept
    usual = rules.async_malloc_usual(place.kept, place.site)
    meant = usual if level == DEFAULT else level == "on"
    if meant == rules.async_malloc(kept, place.site):
        return ()
    return ("--cuda-malloc",) if meant else ("--disable-cuda-malloc",)


def _dynamic(level: str, memory: str, place: Place) -> tuple[str, ...]:
    flags = {**place.kept, **({} if memory == "none" else {f"--{memory}": ()})}
    now = rules.dynamic_vram(flags, place.site)
    if level == DEFAULT or now == (level == "on"):
        return ()
    return shown("dynamic_vram", level)
