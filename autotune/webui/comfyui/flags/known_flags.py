"""The flags of ComfyUI, each with what autotune does with it. The facts lie in ``data/comfyui.json``.

They were read in comfy/cli_args.py of 0.3.64 (October 2025) and 0.26 (June 2026) and of those between; some newer
ones by name only. Which of them an install has, its own parser says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from autotune.flags.catalogue import Catalogue, Flag
from autotune.language.translate import _
from autotune.model.machine import Machine
from autotune.webui.comfyui import parser
from autotune.webui.reference import is_reference

FAST = "--fast"
FAST_MEMBERS = {"fp16_accumulation": "fp16_accumulation", "cudnn_benchmark": "autotune", "cublas_ops": "cublas_ops",
                "fp8_matrix_mult": "fp8_matrix_mult"}
"""Dimension -> the member of ``--fast`` that switches it on, in the order in which members are written."""
STREAMS = "4"
"""A number of streams that a search may name; older versions of --async-offload take none."""
DEFAULT_DIMENSIONS = ("attention", "fp16_accumulation", "cudnn_benchmark", "cublas_ops", "channelslast", "cuda_malloc",
                      "memory", "dynamic_vram", "cache", "async_offload")
"""What the default search may vary; the words of these dimensions are always autotune's to edit."""
_DATA = Path(__file__).parent / "data" / "comfyui.json"


def load(root: Path) -> Catalogue:
    """The catalogue of the install at ``root``: the known flags that its parser has, each with as many values as there.

    All known flags where its parser cannot be read.
    """
    own = parser.read(root)
    known = _table()
    flags = {name: flag for name, flag in known.items() if own.knows(name)}
    if own.by_name:
        flags = {name: replace(flag, takes=own.by_name[name].takes) for name, flag in flags.items()}
    return _catalogue(flags, reference=is_reference(root))


def of_machine(machine: Machine) -> Catalogue:
    """The same from what the probe found, without a look at the install."""
    lacking = set(machine.webui.lacks)
    flags = {name: flag for name, flag in _table().items() if name not in lacking}
    return _catalogue(flags, reference=machine.webui.flavour.startswith("reference"))


def lacks(root: Path) -> tuple[str, ...]:
    """Tuned flags that the parser of the install would refuse; a value that it would refuse as "--fast NAME"."""
    own = parser.read(root)
    flags = [flag.name for flag in _table().values() if flag.dimension and not own.knows(flag.name)]
    values = [(FAST, member) for member in FAST_MEMBERS.values()] + [("--async-offload", STREAMS)]
    return (*flags, *(f"{flag} {value}" for flag, value in values if own.knows(flag) and not own.knows(flag, value)))


def unclassified(root: Path) -> tuple[str, ...]:
    """Flags of the install's parser that the catalogue does not know; they are left alone."""
    known = _table()
    names: Sequence[str] = tuple(parser.read(root).by_name)
    return tuple(name for name in names if name not in known and name not in ("--help", "-h"))


def _catalogue(flags: dict[str, Flag], reference: bool) -> Catalogue:
    title = _("reference ComfyUI") if reference else "ComfyUI"
    return Catalogue("reference-comfyui" if reference else "comfyui", title, True, None, "comfyui", flags,
                     always=DEFAULT_DIMENSIONS)


@lru_cache(maxsize=1)
def _table() -> dict[str, Flag]:
    """All known flags, in the order in which a set's words are written."""
    flags = {}
    for group in json.loads(_DATA.read_text(encoding="utf-8"))["groups"]:
        for raw in group["flags"]:
            flags[raw["name"]] = Flag(raw["name"], group["class"], group["why"], str(raw.get("takes", 0)),
                                      group.get("dimension"))
    return flags
