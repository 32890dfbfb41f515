"""Switches of PyTorch as dimensions of a search: options of autotune's own extension (`extension install --switches`).

What a PyTorch offers is asked of it (``Runtime.switches``), and what it has in a running web UI is read back from it:
the option alone proves nothing, as the web UI echoes an option that nobody acts on, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotune.language.translate import N_, _
from autotune.model.flagset import Effective, SettingValue
from autotune.model.machine import Runtime

FILE = "scripts/autotune_switches.py"
"""The file of the extension that makes them options."""
DEFAULT = "default"
"""The level at which PyTorch is as the web UI left it."""
NOT_AS_SET = N_("something else")
"""Stands for what PyTorch has where that is no level."""
OPTIONS = {
    "cudnn_benchmark": "autotune_cudnn_benchmark",
    "fp16_accumulation": "autotune_fp16_accumulation",
    "sdpa_order": "autotune_sdpa_order",
}
"""Dimension -> option."""
LEVELS: dict[str, tuple[str, ...]] = {
    "cudnn_benchmark": (DEFAULT, "on"),
    "fp16_accumulation": (DEFAULT, "on"),
    "sdpa_order": (DEFAULT, "flash", "mem-efficient", "cudnn", "math"),
}
USUAL: dict[str, SettingValue] = dict.fromkeys(OPTIONS.values(), DEFAULT)
"""The options' own defaults."""
LIVE = ("fp16_accumulation", "sdpa_order")
"""Dimensions that act at once. cudnn.benchmark does not: cuDNN keeps its plan for a shape from the first use on, under
a key that does not hold the switch (PyTorch, aten/src/ATen/native/cudnn/Conv_v8.cpp)."""
TITLES = {"cudnn_benchmark": "cudnn.benchmark", "fp16_accumulation": "fp16 accumulation",
          "sdpa_order": N_("the order of SDPA kernels")}
MISSING = N_("a switch of autotune's extension: `autotune extension install --switches`")
_CUDA_ALONE = ("cudnn_benchmark", "fp16_accumulation")


def usable(has: Mapping[str, Sequence[str]], device: str) -> dict[str, list[str]]:
    """The levels, by dimension, that act on a device (cuda, mps, cpu), of those that its PyTorch has."""
    if device == "cuda":
        return {name: list(levels) for name, levels in has.items() if name in OPTIONS}
    if device != "cpu":
        return {}
    return {name: [level for level in levels if level in (DEFAULT, "math")]
            for name, levels in has.items() if name in OPTIONS and name not in _CUDA_ALONE}


def acting(settings: Mapping[str, SettingValue], runtime: Runtime, unet: str) -> dict[str, Any]:
    """The level in effect of each dimension, with these options saved; ``unet``: the U-Net's storage type.

    An option of an extension that is not there, or a level that this PyTorch does not have, does nothing. Sums of
    16-bit products need 16-bit weights.
    """
    found: dict[str, Any] = dict.fromkeys(OPTIONS, DEFAULT)
    for name, levels in runtime.switches.items():
        level = str(settings.get(OPTIONS[name], DEFAULT))
        if level in levels and not (name == "fp16_accumulation" and unet != "fp16"):
            found[name] = level
    return found


def worth_a_try(runtime: Runtime) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The dimensions and levels of a search that no profile names. On CUDA without PyTorch's plain kernel, which takes
    the memory of the whole score matrix."""
    return tuple((name, tuple(level for level in levels if (level, runtime.device) != ("math", "cuda")))
                 for name, levels in runtime.switches.items())


def why_not(dimension: str, level: str, runtime: Runtime) -> str | None:
    """Why a level cannot be had here; None if it can."""
    if not runtime.switches:
        return _(MISSING)
    if level in runtime.switches.get(dimension, ()) or level == DEFAULT:
        return None
    if dimension in _CUDA_ALONE and runtime.device != "cuda":
        return _("it does nothing without a CUDA device")
    return _("PyTorch {torch} cannot do that on this device ({device}), or does it by itself").format(
        torch=runtime.torch, device=runtime.device)


def mismatches(expected: Effective, options: Mapping[str, object], runtime: Runtime) -> list[str]:
    """Sentences that say which switch is not as a set has it. ``options``: as PyTorch has them (``as_torch_has``)."""
    found = []
    for name, levels in runtime.switches.items():
        meant, now = str(getattr(expected, name)), str(options.get(OPTIONS[name], DEFAULT))
        if name == "fp16_accumulation" and expected.unet != "fp16":
            continue
        # Another level that the extension takes is a kernel that PyTorch takes first by itself.
        now = now if now in levels or now == NOT_AS_SET else DEFAULT
        if now != meant:
            text = _("{what} should be {meant}, PyTorch has {real}")
            if name not in LIVE:
                text = _("{what} should be {meant}, PyTorch has {real}, and it acts from the next start on")
            found.append(text.format(what=_(TITLES[name]), meant=meant, real=_(now) if now == NOT_AS_SET else now))
    return found


def as_torch_has(options: Mapping[str, object], told: Mapping[str, object] | None) -> dict[str, object]:
    """The web UI's options with what PyTorch really has in place of what each switch says.

    ``told``: for each option the levels that fit, as the extension tells them; None where it does not answer: then it
    is not there, and each switch stands at its default.
    """
    found = dict(options)
    for key in OPTIONS.values():
        if key not in found:
            continue
        fitting = (told or {}).get(key, [DEFAULT] if told is None else [])
        levels = [str(level) for level in fitting] if isinstance(fitting, list) else []
        found[key] = found[key] if found[key] in levels else levels[0] if levels else NOT_AS_SET
    return found
