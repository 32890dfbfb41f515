"""The known nodes by class name: ComfyUI's module `nodes`, as custom nodes and the API use it."""

from __future__ import annotations

from typing import Any

from autotune.engine.comfyui import core_nodes, picture_nodes
from autotune.engine.comfyui.runtime import Runtime
from autotune.engine.values import Json

NODE_CLASS_MAPPINGS: dict[str, Any] = {**core_nodes.NODES, **picture_nodes.NODES}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {**core_nodes.NAMES, **picture_nodes.NAMES}
EXTENSION_WEB_DIRS: dict[str, str] = {}
MAX_RESOLUTION = core_nodes.BIGGEST
NEWER = {"deprecated": False, "experimental": False, "dev_only": False, "api_node": False, "price_badge": None,
         "search_aliases": None, "essentials_category": None, "output_matchtypes": None}
"""What nodes of ComfyUI's newer form tell besides."""


def interrupt_processing(value: bool = True) -> None:
    """Asks the prompt that runs to end at its next step, or takes that back."""
    if value:
        Runtime.current.interrupted.set()
    else:
        Runtime.current.interrupted.clear()


def is_output(kind: str) -> bool:
    """Whether a class of nodes is one that prompts are executed for."""
    return getattr(NODE_CLASS_MAPPINGS[kind], "OUTPUT_NODE", False) is True


def describe(kind: str) -> dict[str, Json]:
    """What GET /object_info tells of a class of nodes."""
    cls = NODE_CLASS_MAPPINGS[kind]
    inputs = cls.INPUT_TYPES()
    returns = list(cls.RETURN_TYPES)
    info: dict[str, Json] = {
        "input": inputs, "input_order": {part: list(names) for part, names in inputs.items()},
        "is_input_list": getattr(cls, "INPUT_IS_LIST", False), "output": returns,
        "output_is_list": list(getattr(cls, "OUTPUT_IS_LIST", [False] * len(returns))),
        "output_name": list(getattr(cls, "RETURN_NAMES", returns)), "name": kind,
        "display_name": NODE_DISPLAY_NAME_MAPPINGS.get(kind, kind), "description": getattr(cls, "DESCRIPTION", ""),
        "python_module": getattr(cls, "RELATIVE_PYTHON_MODULE", "nodes"),
        "category": getattr(cls, "CATEGORY", "sd"), "output_node": is_output(kind), "has_intermediate_output": False,
    }
    if hasattr(cls, "OUTPUT_TOOLTIPS"):
        info["output_tooltips"] = list(cls.OUTPUT_TOOLTIPS)
    if getattr(cls, "NEWER_FORM", False):
        return {**info, **NEWER, "output_tooltips": [None] * len(returns)}
    return {**info, "search_aliases": getattr(cls, "SEARCH_ALIASES", [])}
