"""One study on disk: ``study.json`` says what is asked, ``samples.jsonl`` holds every sample and launch."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from autotune.model.errors import NothingToWorkOn
from autotune.model.study import History, Launch, Sample
from autotune.store.journal import Journal, load_json, write_whole

COST_PARTS = ("startup", "warmup", "measuring", "waiting", "search")


class Study:
    """An open study: appends go to disk at once, ``history`` gives everything recorded so far."""

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        self.folder = folder
        self.head = head
        self._journal = Journal(folder / "samples.jsonl")
        self.samples: list[Sample] = []
        self.launches: list[Launch] = []
        self._sittings: dict[str, dict[str, float]] = {}
        self._sitting = uuid.uuid4().hex[:12]
        for record in self._journal.read():
            self._take(record)

    @property
    def id(self) -> str:
        """The study's name: the same in the store, in Optuna's storage and on the command line."""
        return str(self.head["id"])

    def add_sample(self, sample: Sample) -> None:
        """Records a sample. Raises StateDamaged when it cannot be written."""
        self._record("sample", asdict(sample))

    def add_launch(self, launch: Launch) -> None:
        """Records a launch. Raises StateDamaged when it cannot be written."""
        self._record("launch", asdict(launch))

    def _record(self, kind: str, record: dict[str, Any]) -> None:
        """Writes a record, then takes it as written: a verdict must not depend on digits that the disk lacks."""
        line = {"kind": kind, **_compact(record)}
        self._journal.append(line)
        self._take(line)

    def set_head(self, **facts: Any) -> None:  # noqa: ANN401 - JSON values
        """Changes facts of ``study.json``. Raises StateDamaged."""
        self.head.update(facts)
        text = json.dumps(self.head, ensure_ascii=False, indent=1) + "\n"
        write_whole(self.folder / "study.json", text)

    def set_cost(self, cost: Mapping[str, float]) -> None:
        """Records what this sitting has cost so far, by part (seconds); a sitting's last record counts."""
        record = {part: round(cost.get(part, 0.0), 4) for part in (*COST_PARTS, "wall")}
        self._journal.append({"kind": "cost", "sitting": self._sitting, **record})
        self._sittings[self._sitting] = record

    def cost(self) -> dict[str, float]:
        """Seconds by part and ``wall``, over all sittings (a study interrupted and resumed has several)."""
        rows = self._sittings.values()
        return {part: sum(row.get(part, 0.0) for row in rows) for part in ("wall", *COST_PARTS)}

    def spent(self) -> float:
        """Seconds of the budget that all sittings took: all but those in which a web UI installed packages once."""
        return self.cost()["wall"] - sum(launch.installing or 0.0 for launch in self.launches)

    def history(self, budget: float, spent: float, live_launch: int | None) -> History:
        """What a strategy reads. ``budget`` and ``spent`` in seconds."""
        return History(tuple(self.samples), tuple(self.launches), spent, budget, live_launch)

    def keep_words(self, name: str, lines: Sequence[str]) -> Path:
        """Keeps the last lines of a web UI that failed in a file beside the samples. Raises StateDamaged."""
        path = self.folder / f"{name}.log"
        write_whole(path, "".join(f"{line}\n" for line in lines))
        return path

    def save_document(self, document: Mapping[str, Any]) -> None:
        """Keeps the result document beside the samples."""
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        write_whole(self.folder / "result.json", text)

    def document(self) -> dict[str, Any] | None:
        """The result document, None while the study has none."""
        return load_json(self.folder / "result.json")

    def _take(self, record: dict[str, Any]) -> None:
        record = dict(record)
        kind = record.pop("kind", None)
        if kind == "sample":
            self.samples.append(Sample(**_known(Sample, record)))
        elif kind == "launch":
            self.launches.append(Launch(**_known(Launch, record)))
        elif kind == "cost":
            sitting = str(record.pop("sitting"))
            self._sittings[sitting] = {key: float(value) for key, value in record.items()}


def key_of(parts: Mapping[str, Any]) -> str:
    """The name of a question: equal questions (fingerprint, profile, baseline, objective, seed) resume."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def open_study(studies: Path, key: str, head: Mapping[str, Any], fresh: bool) -> Study:
    """The newest study of this key, or a new one (always a new one when ``fresh``).

    Raises StateDamaged when the folder cannot be written.
    """
    if not fresh:
        for folder in reversed(sorted_studies(studies)):
            found = load_json(folder / "study.json")
            if found is not None and found.get("key") == key:
                return Study(folder, found)
    number = 1 + max((int(folder.name.split("-")[0]) for folder in sorted_studies(studies)), default=0)
    folder = studies / f"{number:04d}-{key}"
    document = {**head, "id": folder.name, "key": key}
    write_whole(folder / "study.json", json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    return Study(folder, document)


def sorted_studies(studies: Path) -> list[Path]:
    """Study folders, oldest first."""
    if not studies.is_dir():
        return []
    return sorted(path for path in studies.iterdir() if path.name.split("-")[0].isdigit())


def find_study(studies: Path, name: str | None) -> Study:
    """A study by id or unambiguous beginning; the newest with a result when ``name`` is None.

    Raises NothingToWorkOn (nothing recorded, or no such study).
    """
    folders = sorted_studies(studies)
    if name is not None:
        folders = [folder for folder in folders if folder.name.startswith(name)]
    else:
        folders = [folder for folder in folders if (folder / "result.json").exists()] or folders
    for folder in reversed(folders):
        head = load_json(folder / "study.json")
        if head is not None:
            return Study(folder, head)
    raise NothingToWorkOn(
        f"no study {name!r} is recorded" if name else "no study is recorded for this web UI",
        "Run `autotune tune` first.",
    )


def _compact(record: dict[str, Any]) -> dict[str, Any]:
    """Leaves out empty fields; floats keep six decimals: a microsecond is below any clock used here."""
    return {
        key: round(value, 6) if isinstance(value, float) else value
        for key, value in record.items()
        if value is not None and value != ""
    }


def _known(kind: type[Sample] | type[Launch], record: dict[str, Any]) -> dict[str, Any]:
    """Fields this version knows, so that a newer version's records stay readable; absent ones are None."""
    names = {field.name for field in fields(kind)}
    known = {key: value for key, value in record.items() if key in names}
    if kind is Sample:
        known.setdefault("seconds", None)
    return known
