"""ComfyUI's own rules: which attention, allocator, memory mode and cache some flags come to on a machine.

Read in comfy/model_management.py, comfy/ldm/modules/attention.py, comfy/ops.py, cuda_malloc.py and main.py of 0.3.64
and 0.26; where a rule changed between them, by the commit that changed it. A version that is not known counts as the
newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autotune.flags.catalogue import Catalogue
from autotune.model.machine import Gpu, Machine, Runtime
from autotune.model.versions import version_numbers
from autotune.webui.comfyui.flags.known_flags import FAST, FAST_MEMBERS, of_machine

Given = Mapping[str, tuple[str, ...]]
"""Flags in force by full name, with their values."""

ATTENTION_FLAGS = {
    "pytorch": "--use-pytorch-cross-attention", "split": "--use-split-cross-attention",
    "quad": "--use-quad-cross-attention", "sage": "--use-sage-attention", "flash": "--use-flash-attention",
    "ck": "--use-ck-attention",
}
"""Attention class -> its flag. They exclude each other in the parser."""
PACKAGES = {"sage": "sageattention", "flash": "flash_attn"}
"""Attention class -> the package that ComfyUI ends without (exit code 255)."""
CUBLAS = "cublas_ops"
AIMDO = "comfy_aimdo"
"""The package that dynamic VRAM is made with."""
UNKNOWN = "default"
"""The attention class on an AMD GPU without a flag: it depends on the GPU's architecture, which is not known here."""
MEMORY_FLAGS = ("gpu-only", "highvram", "novram", "lowvram")
NO_ASYNC_MALLOC = (
    "GTX TITAN X", "GTX 980", "GTX 970", "GTX 960", "GTX 950", "GTX 750", "GTX 745", "GTX 850M", "GTX 860M",
    "GTX 1650", "GTX 1630", "GeForce 945M", "GeForce 940M", "GeForce 930M", "GeForce 920M", "GeForce 910M",
    "GeForce 830M", "GeForce 840M", "GeForce MX110", "GeForce MX130", "Quadro K620", "Quadro K1200", "Quadro K2200",
    "Quadro M", "Tesla M4", "Tesla M6", "Tesla M10",
)
"""Parts of the names of NVIDIA cards on which ComfyUI leaves PyTorch's own allocator (cuda_malloc.py)."""
TYPES_UNET = {"--fp32-unet": "fp32", "--fp64-unet": "fp64", "--bf16-unet": "bf16", "--fp16-unet": "fp16",
              "--fp8_e4m3fn-unet": "fp8-e4m3fn", "--fp8_e5m2-unet": "fp8-e5m2", "--fp8_e8m0fnu-unet": "fp8-e8m0fnu"}
TYPES_VAE = {"--fp16-vae": "fp16", "--bf16-vae": "bf16", "--fp32-vae": "fp32"}
"""In the order in which ComfyUI looks at them; flag -> level."""


@dataclass(frozen=True)
class Site:
    """What the rules depend on besides the flags. ``lacks`` as ``ProbedInstall.lacks``; ``version``: its numbers, ()
    where it is not known."""

    catalogue: Catalogue
    runtime: Runtime
    gpus: tuple[Gpu, ...]
    version: tuple[int, ...]
    lacks: frozenset[str]

    def has(self, flag: str, member: str = "") -> bool:
        """Whether the install's parser takes the flag, and this member of it."""
        return flag in self.catalogue.flags and (not member or f"{flag} {member}" not in self.lacks)

    def since(self, *version: int) -> bool:
        """Whether the install is of this version or newer."""
        return not self.version or self.version >= version

    @property
    def torch(self) -> tuple[int, ...]:
        """The numbers of torch's version; () where it is not known."""
        return version_numbers(self.runtime.torch)

    def torch_since(self, *version: int) -> bool:
        """Whether torch is of this version or newer; an unknown one is not."""
        return self.torch >= version


def site_of(machine: Machine) -> Site:
    """The site of a probed machine."""
    return Site(of_machine(machine), machine.runtime, machine.gpus, version_numbers(machine.webui.version),
                frozenset(machine.webui.lacks))


def device(flags: Given, site: Site) -> str:
    """What computes: "nvidia", "amd", "directml", "mps" or "cpu"."""
    if "--cpu" in flags or (site.runtime.device == "cpu" and "--directml" not in flags):
        return "cpu"
    if "--directml" in flags:
        return "directml"
    if site.runtime.device == "mps":
        return "mps"
    return "amd" if "rocm" in (site.runtime.torch or "") else "nvidia"


def fast(flags: Given) -> tuple[str, ...]:
    """The members of --fast in force, in canonical order; bare, it means all of them."""
    if FAST not in flags:
        return ()
    return tuple(one for one in FAST_MEMBERS.values() if one in flags[FAST] or not flags[FAST])


def attention(flags: Given, site: Site) -> str:
    """The attention class of the diffusion model (comfy/ldm/modules/attention.py). Flash comes before xformers from
    0.23 on, after it in older ones."""
    for name in ("sage", "ck"):
        if ATTENTION_FLAGS[name] in flags:
            return name
    usable = xformers_usable(flags, site)
    if ATTENTION_FLAGS["flash"] in flags and (site.since(0, 23) or not usable):
        return "flash"
    return "xformers" if usable else torch_attention(flags, site)


def torch_attention(flags: Given, site: Site) -> str:
    """"pytorch" where ComfyUI enables torch's attention, else split or sub-quadratic: the class without xformers, and
    the one that motion modules of AnimateDiff-Evolved take in any case (animatediff/utils_motion.py)."""
    if ATTENTION_FLAGS["pytorch"] in flags:
        return "pytorch"
    if ATTENTION_FLAGS["split"] in flags:
        return "split"
    if ATTENTION_FLAGS["quad"] in flags:
        return "quad"
    where = device(flags, site)
    if where == "amd":
        return UNKNOWN
    return "pytorch" if where == "nvidia" and (not site.torch or site.torch_since(2)) else "quad"


def xformers_usable(flags: Given, site: Site) -> bool:
    """Whether ComfyUI takes xformers, which it does by itself."""
    off = "--disable-xformers" in flags or ATTENTION_FLAGS["pytorch"] in flags
    return site.runtime.xformers is not None and not off and device(flags, site) in ("nvidia", "amd")


def async_malloc(flags: Given, site: Site) -> bool:
    """Whether the allocator is cudaMallocAsync (cuda_malloc.py)."""
    if "--disable-cuda-malloc" in flags or device(flags, site) != "nvidia":
        return False
    if "--cuda-malloc" in flags:
        return True
    if "autotune" in fast(flags) and site.since(0, 3, 66):
        return False
    return async_malloc_usual(flags, site)


def async_malloc_usual(flags: Given, site: Site) -> bool:
    """The same with no flag about it."""
    if device(flags, site) != "nvidia" or (site.torch and not site.torch_since(2)):
        return False
    toolkit = version_numbers(site.runtime.cuda)
    if toolkit >= (13,) and site.since(0, 25):
        return True
    return not any(part in gpu.name for gpu in site.gpus for part in NO_ASYNC_MALLOC)


def dynamic_vram(flags: Given, site: Site) -> bool:
    """Whether weights are paged by ComfyUI itself ("DynamicVRAM"; comfy/cli_args.py, main.py)."""
    if "--enable-dynamic-vram" in flags:
        return device(flags, site) != "cpu"
    if "--disable-dynamic-vram" in flags or any(f"--{mode}" in flags for mode in ("gpu-only", "highvram", "novram")):
        return False
    return dynamic_vram_usual(flags, site)


def dynamic_vram_usual(flags: Given, site: Site) -> bool:
    """The same with no flag that turns it on or off. WSL, where it is off, is not told apart here."""
    return (site.has("--disable-dynamic-vram") and device(flags, site) == "nvidia" and site.torch_since(2, 8)
            and AIMDO in site.runtime.packages)


def memory(flags: Given, site: Site) -> str:
    """The memory mode in effect, "none" for ComfyUI's usual one. --lowvram does nothing where VRAM is dynamic."""
    if device(flags, site) in ("cpu", "mps"):
        return "none"
    mode = next((one for one in MEMORY_FLAGS if f"--{one}" in flags), "none")
    return "none" if mode == "lowvram" and dynamic_vram(flags, site) else mode


def vram_state(flags: Given, site: Site) -> str:
    """The name of the state that ComfyUI logs."""
    where = device(flags, site)
    if where in ("cpu", "mps"):
        return {"cpu": "DISABLED", "mps": "SHARED"}[where]
    if "--lowvram" in flags:
        return "LOW_VRAM"
    if "--novram" in flags:
        return "NO_VRAM"
    return "HIGH_VRAM" if "--highvram" in flags or "--gpu-only" in flags else "NORMAL_VRAM"


def streams(flags: Given, site: Site) -> int:
    """Streams that move weights while others compute."""
    if device(flags, site) not in ("nvidia", "amd") or "--disable-async-offload" in flags:
        return 0
    if "--async-offload" not in flags:
        return streams_usual(flags, site)
    values = flags["--async-offload"]
    return max(0, int(values[0])) if values and values[0].isdigit() else 2


def streams_usual(flags: Given, site: Site) -> int:
    """The same with no flag about it: two where the parser can turn them off, on AMD from 0.7 on."""
    where = device(flags, site)
    known = site.has("--disable-async-offload") and (where == "nvidia" or (where == "amd" and site.since(0, 7)))
    return 2 if known else 0


def cache(flags: Given, site: Site) -> str:
    """How results of nodes are kept: "classic", "high-ram", "none", "lru-N", "ram" or "ram-X-Y" (main.py)."""
    if "--high-ram" in flags:
        return "high-ram"
    if "--cache-classic" in flags:
        return "classic"
    size = flags.get("--cache-lru", ("0",))[0]
    if size.isdigit() and int(size) > 0:
        return f"lru-{int(size)}"
    if "--cache-none" in flags:
        return "none"
    if "--cache-ram" in flags:
        return "-".join(("ram", *flags["--cache-ram"]))
    return cache_usual(site)


def cache_usual(site: Site) -> str:
    """The same with no flag about it."""
    return "ram" if site.has("--cache-ram") and site.since(0, 23) else "classic"
