"""A study as one file, and its verdict computed again from its samples."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotune.model import codec
from autotune.model.errors import UsageProblem
from autotune.model.flagset import Space
from autotune.model.study import History, Launch, Sample
from autotune.session.document import verdict_json
from autotune.store.places import Places
from autotune.store.studies import Study, find_study, sorted_studies
from autotune.workload import profile as profiles

EXPORT_KIND = "autotune-study"
EXPORT_SCHEMA = 1


def export(study: Study) -> dict[str, Any]:
    """The whole study as one document: question, every sample and launch, result. Holds no secret."""
    return {
        "schema": EXPORT_SCHEMA,
        "kind": EXPORT_KIND,
        "study": study.head,
        "samples": [codec.dump(sample) for sample in study.samples],
        "launches": [codec.dump(launch) for launch in study.launches],
        "cost": study.cost(),
        "result": study.document(),
    }


def read_export(path: Path) -> dict[str, Any]:
    """Reads an exported study. Raises UsageProblem when the file is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageProblem(f"{path}: cannot be read: {error.strerror}", "Check the path.") from None
    except ValueError as error:
        raise UsageProblem(f"{path}: not JSON: {error}", "Give a file made by `autotune export`.") from None
    if not isinstance(document, dict) or document.get("kind") != EXPORT_KIND:
        raise UsageProblem(f"{path}: not an exported study", "Give a file made by `autotune export`.")
    if document.get("schema") != EXPORT_SCHEMA:
        raise UsageProblem(f"{path}: schema {document.get('schema')} is not known here", "Update autotune.")
    return document


def import_study(places: Places, webui: Path, document: Mapping[str, Any]) -> Study:
    """Adds an exported study to the store of a web UI. Raises UsageProblem, StateDamaged."""
    folders = places.studies(webui)
    _, samples, launches = _content(document)
    head = dict(document["study"])
    name = str(head.get("id", ""))
    if not re.fullmatch(r"\d{1,6}-[0-9a-f]{8,64}(-i\d+)?", name):
        raise UsageProblem("the file names no study", "Give a file made by `autotune export`.")
    base = name.split("-i", maxsplit=1)[0]
    taken = {folder.name for folder in sorted_studies(folders)}
    copy = 1
    while name in taken:
        name = f"{base}-i{copy}"
        copy += 1
    # An imported study answers questions; it never resumes: it was measured elsewhere or under another id.
    head.update(id=name, key=f"imported:{head.get('key')}", imported=True)
    from autotune.store.journal import write_whole

    folder = folders / name
    write_whole(folder / "study.json", json.dumps(head, ensure_ascii=False, indent=1) + "\n")
    study = Study(folder, head)
    for launch in launches:
        study.add_launch(launch)
    for sample in samples:
        study.add_sample(sample)
    if isinstance(document.get("result"), dict):
        study.save_document({**document["result"], "study": name})
    return study


def replay(document: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict computed again from an exported study's samples, and whether it is the recorded one.

    Raises UsageProblem when the file's content does not fit.
    """
    from autotune.decide import verdict

    space, samples, launches = _content(document)
    head = document["study"]
    profile = profiles.from_json(head["profile"])
    cost = document.get("cost") or {}
    budget = float(head.get("budget", profile.minutes * 60))
    history = History(samples, launches, float(cost.get("wall", 0.0)), budget, None)
    again = verdict_json(verdict(history, space, profile, str(head["objective"])), space, samples)
    recorded = document.get("result")
    same = None
    if isinstance(recorded, dict):
        same = json.dumps({key: recorded.get(key) for key in again}, sort_keys=True) == json.dumps(
            again, sort_keys=True
        )
    return {"study": head["id"], **again, "same_as_recorded": same}


def load(places: Places, webui: Path | None, name: str | None) -> dict[str, Any]:
    """An exported document by file name, or by study id of a web UI's store."""
    if name is not None and (Path(name).suffix == ".json" or Path(name).is_file()):
        return read_export(Path(name))
    if webui is None:
        raise UsageProblem("no web UI given", "Use --webui DIR, or give an exported file.")
    return export(find_study(places.studies(webui), name))


def _content(document: Mapping[str, Any]) -> tuple[Space, tuple[Sample, ...], tuple[Launch, ...]]:
    try:
        space = codec.load(Space, document["study"]["space"])
        samples = tuple(codec.load(Sample, row) for row in document["samples"])
        launches = tuple(codec.load(Launch, row) for row in document["launches"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageProblem(f"the study is damaged: {error}", "Export it again.") from None
    return space, samples, launches


__all__ = ["export", "import_study", "load", "read_export", "replay"]
