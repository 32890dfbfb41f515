"""`export`, `import` and `replay`: a study as one JSON document, and its verdict computed anew from its samples."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotune.language.translate import _
from autotune.model import codec, records
from autotune.model.codec import InvalidRecord
from autotune.model.errors import StateDamaged, UsageProblem
from autotune.model.study import History
from autotune.store.places import Places
from autotune.store.studies import Study, find_study, study_folders
from autotune.tune.document import verdict_json
from autotune.workload import profile as profiles

EXPORT_KIND = "autotune-study"
EXPORT_SCHEMA = 1


def export(study: Study, clips: bool = False) -> dict[str, Any]:
    """The whole study as one document, without secrets: its question, every sample and launch, and its result.

    ``clips``: with small pictures of the clips that were compared. Raises StateDamaged when its records are damaged.
    """
    study.checked_question()
    pictures = {"clips": codec.dump(list(study.clips()))} if clips else {}
    return {
        "schema": EXPORT_SCHEMA,
        "kind": EXPORT_KIND,
        "study": study.head,
        "samples": [codec.dump(sample) for sample in study.samples],
        "launches": [codec.dump(launch) for launch in study.launches],
        "cost": study.cost(),
        "result": study.document(),
        **pictures,
    }


def read_export(path: Path) -> dict[str, Any]:
    """Reads an exported study from a file. Raises UsageProblem when the file is no sound one."""
    try:
        document = codec.decode(path.read_bytes())
    except OSError as error:
        raise UsageProblem(_("{path}: cannot be read: {reason}").format(path=path, reason=error.strerror),
                           _("Check the path.")) from None
    except InvalidRecord as misfit:
        raise UsageProblem(_("{path}: not JSON: {misfit}").format(path=path, misfit=misfit),
                           _("Give a file made by `autotune export`.")) from None
    if not isinstance(document, dict) or document.get("kind") != EXPORT_KIND:
        raise UsageProblem(_("{path}: not an exported study").format(path=path),
                           _("Give a file made by `autotune export`."))
    schema = document.get("schema")
    if schema is not True and isinstance(schema, int) and schema > EXPORT_SCHEMA:
        raise UsageProblem(_("{path}: schema {schema} is not known here").format(path=path, schema=schema),
                           _("Update autotune."))
    _content(document, f"{path}: ")
    return document


def import_study(places: Places, webui: Path, document: Mapping[str, Any]) -> Study:
    """Adds an exported study to the studies of the web UI in folder ``webui``, under a new id where its own is taken.

    Raises UsageProblem (no sound study), StateDamaged (it cannot be written).
    """
    places.require_outside(webui)
    folders = places.studies(webui)
    found = _content(document)[0]
    head = dict(document["study"])
    name = str(head.get("id", ""))
    if not re.fullmatch(r"\d{1,6}-[0-9a-f]{8,64}(-i\d+)?", name):
        raise UsageProblem(_("the file names no study"), _("Give a file made by `autotune export`."))
    base = name.split("-i", maxsplit=1)[0]
    taken = {folder.name for folder in study_folders(folders)}
    copy = 1
    while name in taken:
        name = f"{base}-i{copy}"
        copy += 1
    # Its key is changed so that no tune resumes it: it was measured elsewhere, or under another id.
    head.update(id=name, key=f"imported:{head.get('key')}", imported=True)
    from autotune.store.journal import write_whole

    folder = folders / name
    study = Study(folder, head)
    try:
        for launch in found.launches:
            study.add_launch(launch)
        for sample in found.samples:
            study.add_sample(sample)
        study.set_cost(found.cost)
        if found.result is not None:
            study.save_document({**found.result, "study": name})
        if found.clips:
            study.save_clips(found.clips)
        # Last: a folder without it is no study, whenever this is interrupted.
        write_whole(folder / "study.json", json.dumps(head, ensure_ascii=False, indent=1) + "\n")
    except StateDamaged:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return study


def replay(document: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict computed anew from an exported study's samples; ``same_as_recorded``: whether it is the recorded one.

    Raises UsageProblem when parts of the document do not fit one another.
    """
    from autotune.decide import verdict

    found, asked = _content(document)
    profile = profiles.from_json(document["study"]["profile"])
    budget = profile.minutes * 60 if asked.budget is None else asked.budget
    installing = sum(launch.installing or 0.0 for launch in found.launches)  # no part of the budget
    history = History(found.samples, found.launches, found.cost.get("wall", 0.0) - installing, budget, None)
    again = verdict_json(verdict(history, asked.space, profile, asked.objective), asked.space, found.samples)
    recorded = found.result
    same = None if recorded is None else _same(_comparable(recorded), again)
    return {"study": asked.id, **again, "same_as_recorded": same}


def _comparable(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded result, without ``ablation`` where an older version did not mark there which effects it measured."""
    marked = all("measured" in row for row in recorded.get("ablation", ()))
    return {key: value for key, value in recorded.items() if marked or key != "ablation"}


def _same(recorded: object, again: object) -> bool:
    """Whether everything recorded comes out again; keys that only a newer version has are no difference.

    Nor are reasons: they put the figures into words, in the language of whoever recorded them.
    """
    if isinstance(recorded, dict) and isinstance(again, dict):
        return all(_same(recorded[key], again[key]) for key in recorded.keys() & again.keys() - {"reason"})
    return json.dumps(recorded, sort_keys=True) == json.dumps(again, sort_keys=True)


def load(places: Places, webui: Path | None, name: str | None) -> dict[str, Any]:
    """An exported document: the file ``name``, or the web UI's study with that id (None: the newest one)."""
    if name is not None and (Path(name).suffix == ".json" or os.path.isfile(name)):  # noqa: PTH113 - never raises
        return read_export(Path(name))
    if webui is None:
        raise UsageProblem(_("no web UI given"), _("Use --webui DIR, or give an exported file."))
    return export(find_study(places.studies(webui), name))


def _content(document: Mapping[str, Any], name: str = "") -> tuple[records.StudyExport, records.StudyQuestion]:
    """The parts of an exported study, checked. Raises UsageProblem when one is damaged or does not fit the others."""
    from autotune.workload.small_clips import fault

    try:
        found = codec.load(records.StudyExport, document)
        asked = records.check_study(found.study, found.samples, found.launches)
        if found.result is not None:
            records.check_result(found.result, asked.space, found.samples, found.launches)
        for number, pair in enumerate(found.clips):
            wrong = fault(pair)
            if wrong is not None:
                raise InvalidRecord(f"clips[{number}]: {wrong}")
    except InvalidRecord as misfit:
        raise UsageProblem(_("{name}the study is damaged: {misfit}").format(name=name, misfit=misfit),
                           _("Export it again.")) from None
    return found, asked
