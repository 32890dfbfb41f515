"""Writes the page of one recorded study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autotune.language.translate import _
from autotune.model.clips import ClipPair
from autotune.model.errors import NothingToWorkOn
from autotune.model.study import Launch, Sample
from autotune.overview.slower_since import explain
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
        raise NothingToWorkOn(_("study {name} has no verdict yet").format(name=study.id),
                              _("Run `autotune tune` to go on with it."))
    page = page_of({**study.head, "use": explain(webui, places)}, tuned, study.samples, study.launches, study.clips())
    place = (output or study.folder / "report.html").absolute()
    write_whole(place, page, private=output is None)
    return place


def page_of(head: Mapping[str, Any], tuned: Mapping[str, Any], samples: Sequence[Sample], launches: Sequence[Launch],
            clips: Sequence[ClipPair] = ()) -> str:
    """The page of a study: ``head`` is its ``study.json``, ``tuned`` its result, both already checked; ``head`` may
    have the document of ``explain`` besides, as "use"."""
    profile, change = head["profile"], tuned.get("change") or {}
    surroundings = {
        "tune": tuned,
        "profile": {"name": profile["name"], "workloads": profile["workload"]},
        **{name: head[name] for name in ("objective", "created", "webui", "gpu", "stand_in")},
        "use": head.get("use"),
    }
    return render(surroundings, samples, launches, change.get("diff") or None, clips)
