"""Checks whether a set is really in effect, by what a running ComfyUI reports and logs.

The command line proves that a flag was passed, not that it acts. What proves that: what the trial's own node sees in
use (``effect``; there is none in the owner's own ComfyUI), and lines of the log (``log``). What neither tells is not
judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotune.flags import argv
from autotune.language.translate import N_, _
from autotune.model.flagset import Effective
from autotune.model.machine import Machine
from autotune.webui.comfyui.flags import rules
from autotune.webui.comfyui.flags.effective import DEFAULT, level_of, of_given
from autotune.webui.comfyui.flags.known_flags import FAST, FAST_MEMBERS
from autotune.webui.comfyui.flags.levels import LEVELS
from autotune.webui.comfyui.flags.rules import Given, Site, site_of
from autotune.webui.face import FlagState, Reported

TITLES = {
    "attention": N_("attention"), "fp16_accumulation": "fp16 accumulation", "cudnn_benchmark": "cudnn.benchmark",
    "cublas_ops": "cuBLAS", "channelslast": N_("channels-last memory layout"),
    "cuda_malloc": N_("the allocator of GPU memory"), "memory": N_("the memory mode"),
    "dynamic_vram": N_("dynamic VRAM"), "cache": N_("the cache of nodes' results"),
    "async_offload": N_("the number of streams for weights"), "pinned_memory": N_("page-locked memory"),
    "smart_memory": N_("smart memory"), "fp8_matrix_mult": N_("fp8 matrix multiplication"),
    "fp16_intermediates": N_("16-bit numbers between nodes"), "unet": N_("the U-Net's storage type"),
    "vae": N_("the VAE's storage type"),
}
"""Dimension -> what it is called in a sentence."""
_FUNCTIONS = {"attention_sage": "sage", "attention3_sage": "sage", "attention_flash": "flash",
              "attention_xformers": "xformers", "attention_pytorch": "pytorch", "attention_split": "split",
              "attention_sub_quad": "quad"}
"""Functions of comfy/ldm/modules/attention.py -> the attention class."""
_BRINGS_ALONG = {"memory": ("dynamic_vram",)}
"""Dimensions whose flags also decide on another one."""


def mismatches(expected: Effective, reported: Reported, machine: Machine) -> list[str]:
    """Sentences that say where a running ComfyUI differs from ``expected``; empty when all is in effect.

    ``reported.flags``: "argv" (words after the script), "log" (what lines said), "effect" (what the trial's node sees,
    None without one).
    """
    site = site_of(machine)
    given = argv.all_values(_words(reported), site.catalogue.flags)
    seen = of_given(given, site)
    found = {}
    for dimension in LEVELS:
        meant, real = level_of(dimension, expected), level_of(dimension, seen)
        if meant != real:
            found[dimension] = _differs(dimension, meant, real)
    return list({**found, **_evidence(given, reported, site)}.values())


def flag_states(words: Sequence[str], reported: Reported | None, machine: Machine) -> list[FlagState]:
    """For each managed flag among ``words``: is it on the running ComfyUI's command line, is it in effect?

    In effect is a flag that would change the effective set if it were taken away, unless log or node say otherwise.
    """
    site = site_of(machine)
    managed = site.catalogue.managed(tuple(LEVELS))
    flags = [flag for flag in argv.all_values(words, site.catalogue.flags) if flag in managed]
    if reported is None:
        return [FlagState(flag, None, None, _("no running web UI was asked")) for flag in flags]
    given = argv.all_values(_words(reported), site.catalogue.flags)
    against = _evidence(given, reported, site)
    return [_state(flag, given, against, site) for flag in flags]


def idle_flags(words: Sequence[str], machine: Machine) -> list[tuple[str, str]]:
    """The managed flags among ``words`` that would do nothing on this machine, each with why."""
    site = site_of(machine)
    managed = site.catalogue.managed(tuple(LEVELS))
    given = argv.all_values(words, site.catalogue.flags)
    return [(flag, why) for flag in given if flag in managed for why in (_why_idle(flag, given, site),) if why]


def _words(reported: Reported) -> tuple[str, ...]:
    words = reported.flags.get("argv")
    return tuple(str(word) for word in words) if isinstance(words, list | tuple) else ()


def _state(flag: str, given: Given, against: Mapping[str, str], site: Site) -> FlagState:
    if flag not in given:
        return FlagState(flag, False, False, _("the running web UI was started without it"))
    idle = _why_idle(flag, given, site)
    if idle:
        return FlagState(flag, True, False, idle)
    dimension = site.catalogue.flags[flag].dimension or ""
    dimensions = (*FAST_MEMBERS, "cuda_malloc") if flag == FAST else (dimension, *_BRINGS_ALONG.get(dimension, ()))
    why = "; ".join(against[name] for name in dimensions if name in against)
    return FlagState(flag, True, not why, why)


def _why_idle(flag: str, given: Given, site: Site) -> str:
    """Why a flag changes nothing here, "" where it does."""
    without = {name: values for name, values in given.items() if name != flag}
    if of_given(given, site) != of_given(without, site):
        return ""
    where = rules.device(given, site)
    if where in ("cpu", "mps") and flag not in rules.ATTENTION_FLAGS.values():
        return _("it does nothing without a CUDA device")
    return _("ComfyUI does the same without it here")


def _differs(dimension: str, meant: str, real: str) -> str:
    return _("{what} should be {meant}, the web UI reports {real}").format(
        what=_(TITLES[dimension]), meant=_shown(meant), real=_shown(real))


def _shown(level: str) -> str:
    known = {"true": _("on"), "false": _("off"), "on": _("on"), "off": _("off"), DEFAULT: _("the default")}
    return known.get(level, level)


def _evidence(given: Given, reported: Reported, site: Site) -> dict[str, str]:
    """What log and node say against the flags on the command line, by dimension."""
    log = _mapping(reported.flags.get("log"))
    effect = _mapping(reported.flags.get("effect"))
    found = {**_switches(given, effect, site), **_memory(given, log, effect, site)}
    attention = _attention(given, log, effect, reported.attention, site)
    if attention:
        found["attention"] = attention
    cache = _cache(given, log, site)
    if cache:
        found["cache"] = cache
    return found


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _attention(
    given: Given, log: Mapping[str, Any], effect: Mapping[str, Any], named: str | None, site: Site
) -> str | None:
    """A call that failed says more than what was chosen at the start: another class computes from then on."""
    fallbacks = log.get("fallbacks") or ()
    if fallbacks:
        return _("the attention class failed and another one computes: {line}").format(line=fallbacks[0])
    meant = rules.attention(given, site)
    seen = _FUNCTIONS.get(str(effect.get("attention")))
    logged = log.get("attention") or named
    if meant != rules.UNKNOWN and seen is None and logged and logged != meant:
        return _("attention should be {meant}, but the log says that {found} was applied").format(
            meant=meant, found=logged)
    if meant != rules.UNKNOWN and seen is not None and seen != meant:
        return _("attention should be {meant}, but ComfyUI computes with {found}").format(meant=meant, found=seen)
    motion, moving = rules.torch_attention(given, site), _FUNCTIONS.get(str(effect.get("attention_motion")))
    if moving is not None and motion not in (rules.UNKNOWN, moving):
        return _("the motion module's attention should be {meant}, but it computes with {found}").format(
            meant=motion, found=moving)
    return None


def _switches(given: Given, effect: Mapping[str, Any], site: Site) -> dict[str, str]:
    """Members of --fast that were given, should act, and do not. One that acts although it was not given was switched
    on by a custom node: that is so in every set alike."""
    what = of_given(given, site)
    found = {}
    for dimension in ("fp16_accumulation", "cudnn_benchmark"):
        if level_of(dimension, what) == "on" and effect.get(dimension) is False:
            found[dimension] = _differs(dimension, "on", "off")
    linear = effect.get("linear_class")
    if level_of("cublas_ops", what) == "on" and isinstance(linear, str) and not linear.startswith("cublas_ops"):
        found["cublas_ops"] = _differs("cublas_ops", "on", linear)
    return found


def _memory(given: Given, log: Mapping[str, Any], effect: Mapping[str, Any], site: Site) -> dict[str, str]:
    found = {}
    state, meant = effect.get("vram_state") or log.get("vram"), rules.vram_state(given, site)
    if state and state != meant:
        found["memory"] = _differs("memory", meant, str(state))
    dynamic = _either(effect.get("dynamic_vram"), log.get("dynamic_vram"))
    should = rules.dynamic_vram(given, site)
    # Where it should be on by itself, an install may lack its package: that is so in every set alike.
    if (dynamic is True and not should) or (dynamic is False and should and "--enable-dynamic-vram" in given):
        found["dynamic_vram"] = _differs("dynamic_vram", "on" if should else "off", "on" if dynamic else "off")
    allocator = effect.get("allocator")
    told = any(flag in given for flag in ("--cuda-malloc", "--disable-cuda-malloc")) or "autotune" in rules.fast(given)
    wanted = "cudaMallocAsync" if rules.async_malloc(given, site) else "native"
    if isinstance(allocator, str) and told and rules.device(given, site) == "nvidia" and allocator != wanted:
        found["cuda_malloc"] = _differs("cuda_malloc", wanted, allocator)
    streams = _either(effect.get("streams"), log.get("async_offload"))
    told = "--async-offload" in given or "--disable-async-offload" in given
    if isinstance(streams, int) and told and rules.device(given, site) in ("nvidia", "amd"):
        count = rules.streams(given, site)
        # Before 0.3.76 one stream, the main one, was what is none now.
        if max(streams, 1) != max(count, 1):
            found["async_offload"] = _differs("async_offload", str(count), str(streams))
    pinned = _either(effect.get("pinned_memory"), log.get("pinned_memory"))
    if "--disable-pinned-memory" in given and isinstance(pinned, int | float) and pinned > 0:
        found["pinned_memory"] = _differs("pinned_memory", "off", "on")
    if "--disable-smart-memory" in given and effect.get("smart_memory") is True:
        found["smart_memory"] = _differs("smart_memory", "off", "on")
    return found


def _either(seen: object, logged: object) -> object:
    """What the node sees; what the log said where this version has nothing to see."""
    return logged if seen is None else seen


def _cache(given: Given, log: Mapping[str, Any], site: Site) -> str | None:
    """Its line is gone from the log after some clips, and there is none for the classic cache."""
    said = log.get("cache")
    kind = rules.cache(given, site).partition("-")[0]
    kinds = {"RAM pressure": "ram", "LRU": "lru", "none": "none", "classic": "classic"}
    if said not in kinds or kinds[said] == kind or (kind == "high" and kinds[said] == "classic"):
        return None
    return _differs("cache", kind, kinds[said])
