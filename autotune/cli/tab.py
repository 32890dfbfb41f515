"""What the tab in the web UI's page shows, gathered: `autotune extension show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autotune.cli.common_options import CommonOptions
from autotune.model.errors import AutotuneError, NothingToWorkOn
from autotune.report.tab import Tune, tab
from autotune.store.places import Places
from autotune.store.studies import Study, find_study


def show(common: CommonOptions) -> dict[str, Any]:
    """The document of `extension show`. Writes the newest tune's page into autotune's records where it has none."""
    from autotune.agent.staleness import changed_parts
    from autotune.config.config import load
    from autotune.overview.status import status

    root, places = common.find_webui(), common.places
    now = status(root, places)
    newest, applied = _study(places, root, None), _study(places, root, now["study"]) if now["study"] else None
    before, after = now["fingerprint_then"] or {}, now["fingerprint_now"]["parts"]
    changes = [f"{one.text}: {one.why}" for one in changed_parts(before, after, load(common.config).triggers)
               if one.part in now["stale"] and one.action != "nothing"]
    page = _page(places, root, newest)
    document = tab(now, _tune(applied), _tune(newest), changes)
    return {**document, "page": str(page) if page is not None else None,
            "measuring": now["running"] is not None,
            "launch_file": now["file"],
            "page_key": newest.id if newest is not None and page is not None else "",
            "watch": [str(path) for path in _watch(places, root, now["file"])]}


def lines(document: dict[str, Any]) -> list[str]:
    """The same for a terminal."""
    found: list[str] = []
    for section in document["sections"]:
        found += [*([""] if found else []), section["title"]]
        found += [f"  {one['name']}: {one['text']}" if one["name"] else f"  {one['text']}" for one in section["rows"]]
    return found


def _study(places: Places, root: Path, name: str | None) -> Study | None:
    """A study by its id, or the newest one with a result; None without one."""
    try:
        return find_study(places.studies(root), name)
    except NothingToWorkOn:
        return None


def _tune(study: Study | None) -> Tune | None:
    document = study.document() if study is not None else None
    if study is None or document is None:
        return None
    return Tune(study.id, document, str(study.head.get("created") or ""))


def _page(places: Places, root: Path, newest: Study | None) -> Path | None:
    """The page on the newest tune, written where there is none yet; None where it cannot be."""
    if newest is None or newest.document() is None:
        return None
    there = newest.folder / "report.html"
    if there.is_file():
        return there
    from autotune.report.page import write

    try:
        return write(places, root, newest.id, None)
    except AutotuneError:
        return None


def _watch(places: Places, root: Path, launch_file: str | None) -> list[Path]:
    """Files and folders that look different once something has happened; not what a tune writes clip by clip, as
    reading anew would disturb what it measures."""
    return [places.daemon / "status.json", places.lock, places.history(root), places.studies(root),
            places.checkpoints(root), places.wishes(root), *([Path(launch_file)] if launch_file else [])]
