"""The modules of ComfyUI that custom nodes import, filled with what is the case in the reference ComfyUI.

The install's files of these names only tell that they are here; `expose` puts the real ones in their place.
"""

from __future__ import annotations

import enum
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from autotune.engine.comfyui import executor, folder_paths, nodes, server
from autotune.engine.comfyui.choices import FUNCTIONS
from autotune.engine.comfyui.runtime import VERSION, InterruptProcessingException, Runtime


class VRAMState(enum.Enum):
    """How much of a model is kept on the device."""

    DISABLED = 0
    NO_VRAM = 1
    LOW_VRAM = 2
    NORMAL_VRAM = 3
    HIGH_VRAM = 4
    SHARED = 5


def expose() -> None:
    """Makes the modules importable: server, nodes, folder_paths, execution, comfyui_version, comfy and parts of it."""
    run = Runtime.current
    found: dict[str, ModuleType] = {
        "server": server, "nodes": nodes, "folder_paths": folder_paths, "execution": executor,
        "comfyui_version": _module("comfyui_version", __version__=VERSION),
        "comfy.model_management": _model_management(run),
        "comfy.ldm.modules.attention": _attention(run),
        "comfy.memory_management": _module("comfy.memory_management", aimdo_enabled=False),
        "comfy.ops": _module("comfy.ops", pick_operations=_operations),
    }
    for name in ("comfy.ldm", "comfy.ldm.modules"):
        found[name] = _module(name)
    for name, module in found.items():
        sys.modules[name] = module
        parent, _dot, last = name.rpartition(".")
        if parent and parent in sys.modules:
            setattr(sys.modules[parent], last, module)
    sys.modules["comfy.ldm"].modules = sys.modules["comfy.ldm.modules"]  # type: ignore[attr-defined]
    sys.modules["comfy.ldm.modules"].attention = found["comfy.ldm.modules.attention"]  # type: ignore[attr-defined]


def animatediff(package: str) -> None:
    """The module of AnimateDiff-Evolved, imported as ``package``, that holds its own attention."""
    motion = _named(FUNCTIONS[Runtime.current.choices.motion])
    name = f"{package}.animatediff.utils_motion"
    sys.modules[name] = _module(name, optimized_attention_mm=motion)


def _module(name: str, **values: Any) -> ModuleType:  # noqa: ANN401 - whatever the module holds
    module = ModuleType(name, "A module of the reference ComfyUI.")
    module.__dict__.update(values)
    return module


def _named(name: str) -> Any:  # noqa: ANN401 - a function that only has its name
    def stands_for(*_words: object, **_more: object) -> None:
        raise NotImplementedError(f"{name} is only named here: the kernels are autotune.engine.kernels")

    stands_for.__name__ = stands_for.__qualname__ = name
    return stands_for


def _attention(run: Runtime) -> ModuleType:
    chosen = _named(FUNCTIONS[run.choices.attention])
    return _module("comfy.ldm.modules.attention", optimized_attention=chosen, optimized_attention_masked=chosen)


def _model_management(run: Runtime) -> ModuleType:
    return _module(
        "comfy.model_management", VRAMState=VRAMState, vram_state=VRAMState[run.choices.vram_state],
        DISABLE_SMART_MEMORY=not run.choices.smart_memory, NUM_STREAMS=run.choices.streams, MAX_PINNED_MEMORY=-1,
        get_torch_device=lambda: run.device, interrupt_current_processing=nodes.interrupt_processing,
        throw_exception_if_processing_interrupted=run.check_interrupt,
        InterruptProcessingException=InterruptProcessingException,
        is_nvidia=lambda: run.device.type == "cuda", force_channels_last=lambda: run.choices.channels_last)


def _operations(*_types: object, **_more: object) -> Any:  # noqa: ANN401 - a class that only has its name
    """The class of layers: none of ComfyUI's faster ones is built in."""
    linear = type("Linear", (), {})
    linear.__qualname__ = "disable_weight_init.Linear"
    return SimpleNamespace(Linear=linear)


