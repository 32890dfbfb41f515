"""Writes the page of one recorded study."""

from __future__ import annotations

from pathlib import Path

from autotune.model.errors import NothingToWorkOn
from autotune.report.html import render
from autotune.store.journal import write_whole
from autotune.store.places import Places
from autotune.store.studies import find_study


def write(places: Places, webui: Path, study_name: str | None, output: Path | None) -> Path:
    """Writes the report of a study (the newest with a result when unnamed) and returns its path.

    Raises NothingToWorkOn when there is no finished study, StateDamaged when the file cannot be written.
    """
    study = find_study(places.studies(webui), study_name)
    study.checked_question()
    tuned = study.document()
    if tuned is None:
        raise NothingToWorkOn(f"study {study.id} has no verdict yet", "Run `autotune tune` to go on with it.")
    profile = study.head["profile"]
    surroundings = {
        "tune": tuned,
        "profile": {"name": profile["name"], "workloads": profile["workload"]},
        "objective": study.head["objective"],
        "created": study.head["created"],
        "webui": study.head["webui"],
        "gpu": study.head["gpu"],
        "stand_in": study.head["stand_in"],
    }
    change = tuned.get("change") or {}
    page = render(surroundings, study.samples, study.launches, change.get("diff") or None, study.clips())
    place = (output or study.folder / "report.html").absolute()
    write_whole(place, page, private=output is None)
    return place
