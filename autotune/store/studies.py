"""Studies on disk: ``study.json`` has the question, ``samples.jsonl`` every sample and launch, ``result.json`` the
result, ``clips.json`` small pictures of the clips that were compared."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from autotune.language.translate import _, ngettext
from autotune.model import codec, records
from autotune.model.bounds import Seconds
from autotune.model.clips import ClipPair
from autotune.model.codec import InvalidRecord
from autotune.model.errors import NothingToWorkOn, StateDamaged
from autotune.model.study import History, Launch, Sample
from autotune.store.journal import MOVE_AWAY, Journal, load_json, write_whole

COST_PARTS = ("startup", "warmup", "measuring", "waiting", "search")
CLIPS = "clips.json"


def _whole_before(count: int) -> str:
    """What to do where a line of samples is damaged, and ``count`` whole ones stand before it."""
    if not count:
        return _("No line before it is whole: `autotune tune --fresh` of the same question begins anew.")
    return ngettext("The {count} line before it is whole; `autotune tune` of the same question goes on from "
                    "it, with --fresh it begins anew.",
                    "The {count} lines before it are whole; `autotune tune` of the same question goes on from "
                    "them, with --fresh it begins anew.", count).format(count=count)


class Study:
    """One study: samples and launches go to disk at once, ``history`` gives everything recorded so far."""

    def __init__(self, folder: Path, head: dict[str, Any], repair: bool = False) -> None:
        """Reads the study. A damaged line raises StateDamaged; with ``repair`` it and what follows are moved aside
        (``moved_aside``): only a tune that goes on measuring may go on without them."""
        self.folder = folder
        self.head = head
        self._journal = Journal(folder / "samples.jsonl")
        self.samples: list[Sample] = []
        self.launches: list[Launch] = []
        self._sittings: dict[str, dict[str, float]] = {}
        self._sitting = uuid.uuid4().hex[:12]
        self._trial: int | None = None
        self.on_record: Callable[[Sample | Launch], None] | None = None
        """Told of each own sample and launch, once it is on the disk."""
        if repair:
            self._journal.read(self._read)
            return
        for number, record in self._journal.lines():
            try:
                self._read(record)
            except InvalidRecord as misfit:
                message = _("{path}: line {line}: {reason}").format(
                    path=self._journal.path, line=number, reason=misfit)
                raise StateDamaged(message, _whole_before(number - 1)) from None

    @property
    def id(self) -> str:
        """The study's name: the same in the store, in Optuna's storage and on the command line."""
        return str(self.head["id"])

    @property
    def moved_aside(self) -> str | None:
        """What could not be read and was moved aside, in words."""
        return self._journal.moved_aside

    def checked_question(self) -> records.StudyQuestion:
        """The study's question, once its parts are certain to be sound and to fit one another.

        Raises StateDamaged, naming file and place.
        """
        place = self.folder / "study.json"
        try:
            question = records.check_study(self.head, self.samples, self.launches)
            found = self.document()
            place = self.folder / "result.json"
            if found is not None:
                records.check_result(found, question.space, self.samples, self.launches)
        except InvalidRecord as misfit:
            if str(misfit).startswith(("samples[", "launches[")):
                place = self._journal.path
            kept = ngettext("Its {count} clip is kept in {file}; `autotune tune` of the same question goes on from it, "
                            "with --fresh it begins anew.",
                            "Its {count} clips are kept in {file}; `autotune tune` of the same question goes on from "
                            "them, with --fresh it begins anew.", len(self.samples)).format(
                                count=len(self.samples), file=self._journal.path.name)
            raise StateDamaged(f"{place}: {misfit}", kept) from None
        return question

    def set_bad_result_aside(self) -> None:
        """Moves a result aside that is damaged or counts clips that are gone: a tune that goes on makes it anew."""
        path = self.folder / "result.json"
        try:
            question = records.check_study(self.head, self.samples, self.launches)
            found = self.document()
            if found is not None:
                records.check_result(found, question.space, self.samples, self.launches)
        except (InvalidRecord, StateDamaged) as problem:
            if path.exists():
                path.replace(path.with_name("result.json.damaged"))
                why = problem.message if isinstance(problem, StateDamaged) else f"{path}: {problem}"
                self._journal.moved_aside = self._journal.moved_aside or _(
                    "{reason}; it is kept in {file}").format(reason=why, file="result.json.damaged")

    def begin_trial(self) -> int:
        """Begins a trial and returns its number: samples and launches from now on belong to it."""
        everything: list[Sample | Launch] = [*self.samples, *self.launches]
        own = [one.trial for one in everything if not one.worker and one.trial is not None]
        self._trial = 1 + max((*own, -1 if self._trial is None else self._trial))
        return self._trial

    def add_sample(self, sample: Sample) -> None:
        """Records a sample. Raises StateDamaged when it cannot be written."""
        self._record("sample", asdict(replace(sample, trial=self._trial)))
        if self.on_record is not None:
            self.on_record(self.samples[-1])

    def add_launch(self, launch: Launch) -> None:
        """Records a launch. Raises StateDamaged when it cannot be written."""
        self._record("launch", asdict(replace(launch, trial=self._trial)))
        if self.on_record is not None:
            self.on_record(self.launches[-1])

    def add_from_worker(self, one: Sample | Launch) -> None:
        """Records what another worker measured. Raises StateDamaged when it cannot be written."""
        self._record("sample" if isinstance(one, Sample) else "launch", asdict(one))

    def _record(self, kind: str, record: dict[str, Any]) -> None:
        """Writes a record, then keeps it as it was written: a verdict must not depend on digits that the disk lacks."""
        line = {"kind": kind, **_compact(record)}
        self._journal.append(line)
        self._take(line)

    def set_head(self, **facts: Any) -> None:  # noqa: ANN401 - JSON values
        """Changes facts of ``study.json``. Raises StateDamaged."""
        self.head.update(facts)
        text = json.dumps(self.head, ensure_ascii=False, indent=1) + "\n"
        write_whole(self.folder / "study.json", text)

    def set_cost(self, cost: Mapping[str, float]) -> None:
        """Records what this run has cost so far, by part (seconds); the last record of each run counts."""
        record = {part: round(cost.get(part, 0.0), 4) for part in (*COST_PARTS, "wall")}
        self._journal.append({"kind": "cost", "sitting": self._sitting, **record})
        self._sittings[self._sitting] = record

    def cost(self) -> dict[str, float]:
        """Seconds by part and ``wall``, over all runs of the tune (a study interrupted and resumed has several)."""
        rows = self._sittings.values()
        return {part: sum(row.get(part, 0.0) for row in rows) for part in ("wall", *COST_PARTS)}

    def spent(self) -> float:
        """Seconds of the budget that all runs took, without those in which a web UI installed packages once."""
        return self.cost()["wall"] - sum(launch.installing or 0.0 for launch in self.launches)

    def history(self, budget: float, spent: float, live_launch: int | None) -> History:
        """What a strategy reads. ``budget`` and ``spent`` in seconds."""
        return History(tuple(self.samples), tuple(self.launches), spent, budget, live_launch)

    def save_log(self, name: str, lines: Sequence[str]) -> Path:
        """Saves the last lines of a web UI that failed in a file beside the samples. Raises StateDamaged."""
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

    def save_clips(self, pairs: Sequence[ClipPair]) -> None:
        """Keeps small pictures of the clips that were compared beside the samples. Raises StateDamaged."""
        text = json.dumps({"pairs": codec.dump(list(pairs))}, separators=(",", ":")) + "\n"
        write_whole(self.folder / CLIPS, text)

    def clips(self) -> tuple[ClipPair, ...]:
        """The pictures that ``save_clips`` kept, by workload; empty where there are none. Raises StateDamaged."""
        path = self.folder / CLIPS
        found = load_json(path)
        try:
            return () if found is None else codec.load(tuple[ClipPair, ...], found.get("pairs"))
        except InvalidRecord as misfit:
            raise StateDamaged(f"{path}: {misfit}", _(MOVE_AWAY)) from None

    def _read(self, record: dict[str, Any] | InvalidRecord) -> None:
        """Adds a record from the disk: in order, none missing, none twice. Raises InvalidRecord."""
        if isinstance(record, InvalidRecord):
            raise record
        wanted = {"sample": len(self.samples), "launch": len(self.launches)}.get(str(record.get("kind")))
        if wanted is not None and record.get("number") != wanted:
            raise InvalidRecord(_("number: {number!r} instead of {wanted}").format(
                number=record.get("number"), wanted=wanted))
        self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        """Adds a record to what is known. Raises InvalidRecord."""
        kind = record.get("kind")
        if kind == "sample":
            self.samples.append(codec.load(Sample, {"seconds": None, **record}))
        elif kind == "launch":
            self.launches.append(codec.load(Launch, record))
        elif kind == "cost":
            parts = {key: value for key, value in record.items() if key not in ("kind", "sitting")}
            self._sittings[codec.load(str, record.get("sitting"))] = codec.load(dict[str, Seconds], parts)


def question_key(parts: Mapping[str, Any]) -> str:
    """The key of a question: equal questions (fingerprint, profile, baseline, objective, seed) resume the same
    study."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def open_study(studies: Path, key: str, head: Mapping[str, Any], fresh: bool, newer_than: str = "") -> Study:
    """The newest study of this key that was created after ``newer_than`` (ISO 8601, UTC), or a new one (always a new
    one when ``fresh``).

    Raises StateDamaged when the folder cannot be written.
    """
    if not fresh:
        for folder in reversed(study_folders(studies)):
            # A head that is damaged is no concern of other questions.
            found = _head(folder) if folder.name.endswith(f"-{key}") else None
            if found is not None and found.get("key") == key and str(found.get("created") or "") >= newer_than:
                return Study(folder, found, repair=True)
    number = 1 + max((int(folder.name.split("-")[0]) for folder in study_folders(studies)), default=0)
    folder = studies / f"{number:04d}-{key}"
    document = {**head, "id": folder.name, "key": key}
    write_whole(folder / "study.json", json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    return Study(folder, document)


def study_folders(studies: Path) -> list[Path]:
    """Study folders, oldest first."""
    if not studies.is_dir():
        return []
    return sorted(path for path in studies.iterdir() if re.match(r"[0-9]{1,9}-", path.name) and path.is_dir())


def find_study(studies: Path, name: str | None) -> Study:
    """A study by id or unambiguous beginning; the newest with a result when ``name`` is None.

    Raises NothingToWorkOn (nothing recorded, or no such study).
    """
    folders = study_folders(studies)
    if name is not None:
        folders = ([folder for folder in folders if folder.name == name]  # an import is named after its original
                   or [folder for folder in folders if folder.name.startswith(name)])
    else:
        folders = [folder for folder in folders if (folder / "result.json").exists()] or folders
    for folder in reversed(folders):
        head = _head(folder)
        if head is not None:
            return Study(folder, head)
    raise NothingToWorkOn(
        _("no study {name!r} is recorded").format(name=name) if name else _("no study is recorded for this web UI"),
        _("Run `autotune tune` first."))


def _head(folder: Path) -> dict[str, Any] | None:
    """``study.json`` of a study, None without one. Raises StateDamaged."""
    path = folder / "study.json"
    found = load_json(path)
    try:
        if found is not None:
            codec.load(records.StudyHead, found)
            if found.get("id") != folder.name:
                raise InvalidRecord(_("id: not the name of its folder"))
    except InvalidRecord as misfit:
        raise StateDamaged(
            f"{path}: {misfit}",
            _("Move the file away and run again. The clips beside it stay where they are.")) from None
    return found


def _compact(record: dict[str, Any]) -> dict[str, Any]:
    """The record without empty fields; floats keep six decimals: a microsecond is below any clock used here."""
    return {
        key: round(value, 6) if isinstance(value, float) else value
        for key, value in record.items()
        if value is not None and value != ""
    }
