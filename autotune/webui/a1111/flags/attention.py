"""The attention classes of the web UI and the rule that picks one (A1111, modules/sd_hijack.py).

sdp and sdp-no-mem stay two classes on every device, as in the web UI. On a CPU, which has no memory-efficient
kernel, they compute the same; a tie between them then goes to the simpler set, as any tie does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from autotune.language.translate import _
from autotune.model.flagset import SettingValue
from autotune.model.machine import Runtime
from autotune.model.versions import version_numbers

OPTION = "cross_attention_optimization"
AUTOMATIC = "Automatic"
DISABLE = "--disable-opt-split-attention"
FORCE_XFORMERS = "--force-enable-xformers"


@dataclass(frozen=True, slots=True)
class AttentionClass:
    """One class: our name, its name in profiles, the title of the options API, its log name, its flag."""

    name: str
    level: str
    title: str
    logged: str
    flag: str


# In A1111's own order: classes of equal priority are tried in this order.
CLASSES: tuple[AttentionClass, ...] = (
    AttentionClass("xformers", "xformers", "xformers", "xformers", "--xformers"),
    AttentionClass(
        "sdp-no-mem", "sdp-no-mem",
        "sdp-no-mem - scaled dot product without memory efficient attention",
        "sdp-no-mem", "--opt-sdp-no-mem-attention",
    ),
    AttentionClass("sdp", "sdp", "sdp - scaled dot product", "sdp", "--opt-sdp-attention"),
    AttentionClass("sub-quad", "sub-quad", "sub-quadratic", "sub-quadratic", "--opt-sub-quad-attention"),
    AttentionClass("v1", "v1", "V1 - original v1", "V1", "--opt-split-attention-v1"),
    AttentionClass("invokeai", "invokeai", "InvokeAI", "InvokeAI", "--opt-split-attention-invokeai"),
    AttentionClass("doggettx", "split", "Doggettx", "Doggettx", "--opt-split-attention"),
)
NONE = AttentionClass("none", "none", "None", "none", DISABLE)
BY_NAME = {cls.name: cls for cls in (*CLASSES, NONE)}
BY_LEVEL = {cls.level: cls for cls in (*CLASSES, NONE)}


def priority(name: str, device: str) -> int:
    """A1111's priority of a class on a device (cuda, mps or cpu)."""
    if name == "sub-quad":
        return 1000 if device == "mps" else 10
    if name == "invokeai":
        return 1000 if device not in ("mps", "cuda") else 10
    return {"xformers": 100, "doggettx": 90, "sdp-no-mem": 80, "sdp": 70}.get(name, 10)


def available(name: str, given: Collection[str], runtime: Runtime) -> bool:
    """Whether A1111 lists the class as available with these flags and this runtime."""
    if name == "xformers":
        if FORCE_XFORMERS in given:
            return True
        return "--xformers" in given and xformers_obstacle(runtime) is None
    if name in ("sdp", "sdp-no-mem"):
        return sdp_obstacle(runtime) is None
    return True


def xformers_obstacle(runtime: Runtime) -> str | None:
    """Why ``--xformers`` would silently mean the default here; None if it works.

    An unknown compute capability is taken as supported: most cards are.
    """
    if runtime.xformers is None:
        return _("xformers cannot be imported by the web UI's Python")
    if runtime.device != "cuda":
        return _("xformers needs a CUDA device")
    pair = _pair(runtime.compute_capability)
    if pair and not (6, 0) <= pair <= (9, 0):
        return _("the web UI takes xformers only for compute capability 6.0 to 9.0, this GPU has {capability}").format(
            capability=runtime.compute_capability)
    return None


def sdp_obstacle(runtime: Runtime) -> str | None:
    """Why scaled dot product attention is not available; None if it is."""
    if runtime.torch is None:
        return _("the web UI's torch could not be read, and this attention needs torch 2 or newer")
    pair = _pair(runtime.torch)
    if pair and pair[0] < 2:
        return _("this attention needs torch 2 or newer, the web UI has {version}").format(version=runtime.torch)
    return None


def chosen(given: Collection[str], option: SettingValue, runtime: Runtime) -> str:
    """The name of the class in effect, for the flags given (full names) and the saved option.

    Any option but "Automatic" overrides every flag; a title that the web UI does not list means its
    default class.
    """
    ready = [cls for cls in CLASSES if available(cls.name, given, runtime)]
    ready.sort(key=lambda cls: priority(cls.name, runtime.device), reverse=True)
    if option == "None":
        return "none"
    if option != AUTOMATIC:
        return next((cls.name for cls in ready if cls.title == option), ready[0].name)
    if DISABLE in given:
        return "none"
    return next((cls.name for cls in ready if cls.flag in given), ready[0].name)


def _pair(version: str | None) -> tuple[int, int] | None:
    found = version_numbers(version)
    return (found[0], found[1]) if len(found) > 1 else None
