"""Writes each level of a search dimension as flags, or says why it cannot be had on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autotune.flags.catalogue import Catalogue
from autotune.language.translate import _
from autotune.model.flagset import Effective
from autotune.model.machine import Gpu, Runtime
from autotune.webui.a1111.flags import attention, ldm, switches
from autotune.webui.a1111.flags.known_flags import version_pair

# A GPU of at most this much memory counts as short: AnimateDiff at 512x512, 16 frames, was seen to take 5.6 GB
# with the default flags (RTX 4090), and the desktop and larger clips come on top.
MEMORY_SHORT_MIB = 8192.0

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "attention": ("sdp", "sdp-no-mem", "split", "xformers", "invokeai", "v1", "sub-quad", "none"),
    "channelslast": ("false", "true"),
    "no_half_vae": ("false", "true"),
    "batch_cond_uncond": ("true", "false"),
    "precision": ("autocast", "half", "full", "no-half", "upcast"),
    "memory": ("none", "medvram", "lowvram"),
    **switches.LEVELS,
}
# "full" comes to the same as "no-half", which is shorter; it is there because profiles may name it.
PRECISION_WORDS: dict[str, tuple[str, ...]] = {
    "autocast": (),
    "half": ("--precision", "half"),
    "full": ("--precision", "full", "--no-half"),
    "no-half": ("--no-half",),
    "upcast": ("--upcast-sampling",),
}


@dataclass(frozen=True, slots=True)
class Site:
    """What decides how a level is written for an install: catalogue, runtime, GPUs, flags of the user's that stay."""

    catalogue: Catalogue
    runtime: Runtime
    gpus: tuple[Gpu, ...]
    kept: Mapping[str, str | None]
    version: str | None
    lacks: tuple[str, ...] = ()

    @property
    def ldm(self) -> bool:
        """Whether this is a web UI with ldm_patched's rules."""
        return self.catalogue.attention == "ldm"


def memory_short(gpus: tuple[Gpu, ...]) -> bool:
    """Whether the smallest GPU has so little memory that slower modes which save memory are worth a try."""
    sizes = [gpu.memory_total for gpu in gpus if gpu.memory_total]
    return bool(sizes) and min(sizes) <= MEMORY_SHORT_MIB


def write(dimension: str, level: str, site: Site) -> tuple[str, ...] | str:
    """The words of one level beside the kept flags: a tuple, or the reason (a text) why it cannot be had.

    Unknown dimensions and levels are refused with a reason as well.
    """
    if level not in DIMENSIONS.get(dimension, ()):
        return _("{level!r} is not a known level of {dimension}").format(level=level, dimension=dimension)
    words = _write(dimension, level, site)
    if isinstance(words, tuple):
        refused = next((word for word in words if word in site.lacks), None)
        if refused:
            return _("this install's own parser has no {flag}").format(flag=refused)
    return words


def _write(dimension: str, level: str, site: Site) -> tuple[str, ...] | str:
    if dimension == "attention":
        return _ldm_attention(level, site) if site.ldm else _attention(level, site)
    if dimension == "channelslast":
        flag = "--force-channels-last" if site.ldm else "--opt-channelslast"
        return _switch(level, flag, site)
    if dimension == "no_half_vae":
        return _vae(level, site)
    if dimension == "batch_cond_uncond":
        return _("this web UI ignores batch_cond_uncond") if site.ldm else ()
    if dimension in switches.OPTIONS:
        return switches.why_not(dimension, level, site.runtime) or ()
    if dimension == "precision":
        return _precision(level, site)
    return _memory(level, site)


def level_of(dimension: str, what: Effective) -> str:
    """The level of a dimension that an effective set stands on."""
    if dimension == "attention":
        known = attention.BY_NAME.get(what.attention)
        return known.level if known else what.attention
    if dimension == "channelslast":
        return _text(what.channelslast)
    if dimension == "no_half_vae":
        return _text(what.vae == "fp32")
    if dimension == "batch_cond_uncond":
        return _text(what.batch_cond_uncond)
    if dimension == "memory":
        return what.memory
    if dimension in switches.OPTIONS:
        return str(getattr(what, dimension))
    if what.upcast:
        return "upcast"
    return "no-half" if what.unet == "fp32" else what.precision


def _attention(level: str, site: Site) -> tuple[str, ...] | str:
    cls = attention.BY_LEVEL[level]
    if level == "xformers":
        obstacle = attention.xformers_obstacle(site.runtime)
        if obstacle and attention.FORCE_XFORMERS not in site.kept:
            return obstacle
    if level in ("sdp", "sdp-no-mem"):
        obstacle = attention.sdp_obstacle(site.runtime)
        if obstacle:
            return obstacle
    default = attention.chosen(site.kept, attention.AUTOMATIC, site.runtime)  # with no attention flag of ours
    return () if default == cls.name else (cls.flag,)


def _ldm_attention(level: str, site: Site) -> tuple[str, ...] | str:
    taken = next((flag for flag in ldm.EXCLUSIVE_ATTENTION if flag in site.kept), None)
    if taken:
        return _("{flag} stays, and the parser takes only one attention flag").format(flag=taken)
    default = ldm.attention(site.kept, site.runtime)
    wanted = attention.BY_LEVEL[level].name
    if wanted == default:
        return ()
    if level == "xformers":
        return ldm.xformers_obstacle(site.runtime) or _("{flag} stays").format(flag="--disable-xformers")
    if level not in ldm.FLAG_OF_LEVEL:
        return _("{title} has no attention class {level}").format(title=site.catalogue.title, level=level)
    off = ("--disable-xformers",) if default == "xformers" and level != "sdp" else ()
    return (*off, ldm.FLAG_OF_LEVEL[level])


def _switch(level: str, flag: str, site: Site) -> tuple[str, ...] | str:
    if level == "false":
        return ()
    known = site.catalogue.flags.get(flag)
    if known is None or known.kind == "no-op":
        return _("{title} has no {flag}").format(title=site.catalogue.title, flag=flag)
    return (flag,)


def _vae(level: str, site: Site) -> tuple[str, ...] | str:
    if not site.ldm:
        if level == "true" and site.kept.get("--precision") == "half":
            return _("--precision half stays, and the web UI stops at start when it meets --no-half-vae")
        return _switch(level, "--no-half-vae", site)
    taken = next((flag for flag in ldm.EXCLUSIVE_VAE if flag in site.kept), None)
    if taken and level == "true":
        return _("{flag} stays, and the parser takes only one --vae-in flag").format(flag=taken)
    return _switch(level, "--vae-in-fp32", site)


def _precision(level: str, site: Site) -> tuple[str, ...] | str:
    if site.ldm:
        return _("{title} has no A1111 precision modes").format(title=site.catalogue.title)
    pair = version_pair(site.version)
    if level == "half" and pair and pair < (1, 10):
        return _("--precision half is new in 1.10, this is {version}").format(version=site.version)
    return PRECISION_WORDS[level]


def _memory(level: str, site: Site) -> tuple[str, ...] | str:
    if level == "none":
        return ()
    if site.ldm:
        return _("{title} manages memory by itself").format(title=site.catalogue.title)
    if not memory_short(site.gpus):
        return _("{flag} is only tried when GPU memory is short ({size:.0f} GiB or less)").format(
            flag=f"--{level}", size=MEMORY_SHORT_MIB / 1024)
    return (f"--{level}",)


def _text(value: bool) -> str:
    return "true" if value else "false"
