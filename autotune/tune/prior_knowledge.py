"""The prior of a new study: effects of flags from an earlier study, else from what is known of such GPUs.

It is worked out when the study is created and stored in its head, so that a resumed study searches with the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotune.language.translate import _
from autotune.model import codec
from autotune.model.errors import StateDamaged
from autotune.model.flagset import Space
from autotune.model.machine import Machine
from autotune.model.study import History
from autotune.search import attention_prior, warm_start
from autotune.search.strategy import Prior
from autotune.store.studies import Study, study_folders
from autotune.workload import profile as profiles

LOOK_BACK = 8
"""How many of the newest studies are read; older ones hardly add anything."""


def prior_of(studies: Path, machine: Machine, objective: str, fresh: bool) -> Prior | None:
    """The prior for a new study of this machine; None where nothing is known.

    It holds the effects from the newest usable study in the folder ``studies`` (one of this very machine comes before
    an imported or outdated one), and the table of the GPU's kind for everything that study does not cover.
    ``fresh``: earlier studies are ignored.
    """
    table = attention_prior.prior_for_machine(machine)
    earlier = None if fresh else _earlier(studies, machine, objective)
    if earlier is None or table is None:
        return earlier or table
    named = {(dimension, level) for dimension, level, _ in earlier.effects}
    rest = tuple(row for row in table.effects if (row[0], row[1]) not in named)
    return Prior(tuple(sorted((*earlier.effects, *rest))), earlier.source, earlier.doubt)


def stored_prior(head: Mapping[str, Any]) -> Prior | None:
    """The prior that a study was created with; None for a study without one."""
    found = head.get("prior")
    return codec.load(Prior, found) if isinstance(found, dict) else None


def _earlier(studies: Path, machine: Machine, objective: str) -> Prior | None:
    found: list[Prior] = []
    for folder in study_folders(studies)[: -LOOK_BACK - 1 : -1]:
        prior = _read(folder, machine, objective)
        if prior is not None and prior.doubt <= warm_start.SAME_MACHINE_DOUBT:
            return prior
        found += [prior] if prior is not None else []
    return found[0] if found else None


def _read(folder: Path, machine: Machine, objective: str) -> Prior | None:
    """The effects that a study measured; None when it is damaged, of the stand-in, or holds no usable clip."""
    from autotune.store.journal import load_json

    try:
        head = load_json(folder / "study.json")
        if head is None or bool(head.get("stand_in")) != machine.webui.flavour.startswith("reference"):
            return None
        space: Space = codec.load(Space, head["space"])
        profile = profiles.from_json(head["profile"])
        parts = {str(name): str(value) for name, value in head["fingerprint"]["parts"]}
        study = Study(folder, head)
    except (KeyError, TypeError, ValueError, StateDamaged):
        return None
    doubt = warm_start.remaining_doubt(parts, dict(machine.fingerprint.parts), bool(head.get("imported")))
    history = History(tuple(study.samples), tuple(study.launches))
    prior = warm_start.prior_from_study(history, space, profile, doubt, objective)
    return prior and Prior(prior.effects, _("study {name}").format(name=head.get("id")), prior.doubt)
