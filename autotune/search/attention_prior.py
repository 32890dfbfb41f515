"""What GPU and torch alone suggest about attention classes, before anything is measured: which to try first."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

from autotune.model.machine import Machine
from autotune.search.strategy import Prior

OTHER_NAMES = {"sdp": "pytorch", "sub-quad": "quad"}
"""What other kinds of web UI call the table's classes."""


@lru_cache(maxsize=1)
def _table() -> tuple[str, dict[str, dict[str, float]]]:
    """(source, effects by torch generation / capability generation), from the file beside this module."""
    text = files("autotune.search").joinpath("attention_prior.json").read_text(encoding="utf-8")
    document = json.loads(text)
    return str(document["source"]), document["effects"]


def prior_for_gpu(capability: str | None, torch: str | None) -> Prior:
    """Expected log seconds of the attention classes relative to split (Doggettx), from 2,434 public runs.

    ``capability``: compute capability such as "8.9"; ``torch``: its version; None where unknown. Newer torch
    generations than the table's are read as its newest. Classes that the table does not name keep the expectation of
    ``decide.assumptions``.
    """
    source, effects = _table()
    known = sorted({key.split("/")[0] for key in effects}, key=int)
    major = (torch or "").split(".")[0]
    generation = major if major in known else known[-1]
    row = effects.get(f"{generation}/{(capability or '').split('.')[0]}", effects[f"{generation}/any"])
    known_as = {**row, **{name: row[level] for level, name in OTHER_NAMES.items() if level in row}}
    return Prior(tuple(("attention", level, value) for level, value in sorted(known_as.items())), source)


def prior_for_machine(machine: Machine) -> Prior | None:
    """The same for a probed machine, None without an NVIDIA GPU: the table knows no other."""
    if machine.runtime.device != "cuda":
        return None
    capability = machine.runtime.compute_capability
    if capability is None and machine.gpus:
        capability = machine.gpus[0].compute_capability
    return prior_for_gpu(capability, machine.runtime.torch)
