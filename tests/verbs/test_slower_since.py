"""`explain`: what changed between the last good use and the first slow one, in words, and what gives it back."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotune.model.use import Around, ChangeRecord, ClipRecord, PartsRecord, StartRecord, StartupRecord
from autotune.overview import slower_since
from autotune.report.plain import NOTHING_CHANGED, explain_lines, status_lines
from autotune.store import events
from autotune.store.places import Places
from autotune.store.studies import open_study
from autotune.store.use import UseLog

DAY = 86400.0
USES, SLOW = 40, 6
GOOD = {"driver": "551.23", "torch": "2.1.2", "webui_commit": "aa", "extensions": "one 1, two 2", "settings": "",
        "kept_flags": "--api", "tuned_flags": "--xformers", "checkpoint": "dream.st 7"}


class Record:
    """A web UI that was used every day; its clips take ``by`` more since use USES."""

    def __init__(self, folder: Path) -> None:
        self.root, self.places = folder / "webui", Places(folder / "state")
        self.log = UseLog(self.places.use(self.root))
        self.begin = time.time() - (USES + SLOW + 1) * DAY
        self.random = random.Random(7)

    def used(self, by: float = 0.2, after: dict[str, str] | None = None, around: tuple[Around, Around] | None = None,
             updated: int = USES) -> Record:
        for number in range(USES + SLOW):
            at = self.begin + number * DAY
            if number in (0, updated):
                parts = {**GOOD, **(after or {} if number == updated else {})}
                self.log.add(PartsRecord("parts", at - 9, parts))
            self.log.add(StartRecord("start", number + 1, at, at - 5, 1000 + number))
            for clip in range(2, 5):
                seconds = 0.01 * math.exp(self.random.gauss(0, 0.01) + (math.log1p(by) if number >= USES else 0.0))
                was = (around or (Around(), Around()))[number >= USES]
                self.log.add(
                    ClipRecord("clip", number + 1, clip, at + 60 * clip, seconds, "ab", "512 × 512", "log", was))
        return self

    def history(self) -> list[dict[str, Any]]:
        return events.read(self.places.history(self.root))

    def called(self) -> ChangeRecord | None:
        change = slower_since.newest_change(self.log, self.history())
        if change is not None:
            self.log.add(change)
        return change

    def document(self) -> dict[str, Any]:
        return slower_since.explain(self.root, self.places)

    def event(self, verb: str, days: float, **facts: Any) -> None:
        """An event so many days after the slow clips began."""
        at = slower_since.iso(self.begin + (USES + days) * DAY)
        place = self.places.history(self.root)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("a") as file:
            file.write(json.dumps({"at": at, "verb": verb, "cause": "agent: x", "result": "done", **facts}) + "\n")


@pytest.mark.parametrize(("after", "said"), [
    ({"driver": "555.1"}, "the driver 551.23 became 555.1"),
    ({"torch": "2.3.0", "extensions": "one 1, two 3"},
     "extensions changed (− two 2, + two 3) and torch 2.1.2 became 2.3.0"),
    ({"tuned_flags": ""}, "the tuned flags --xformers became none"),
    ({"kept_flags": "--api --no-half"}, "your own flags --api became --api --no-half"),
    ({"checkpoint": "other.st 9"}, "checkpoint dream.st 7 became other.st 9"),
])
def test_what_changed_is_named(tmp_path: Path, after: dict[str, str], said: str) -> None:
    record = Record(tmp_path).used(after=after)
    change = record.called()
    assert change is not None and (change.start, change.first, change.last) == (USES + 1, USES, USES + 1)
    assert change.low <= 1.2 <= change.high and 0.19 < change.estimate - 1 < 0.21
    found = record.document()
    assert found["state"] == "slower"
    assert found["text"].startswith("Clips are 20 % slower [") and found["text"].endswith(f", when {said}.")
    assert f"(start {USES + 1})" in found["text"]
    assert [one["part"] for one in found["changed"]] == sorted(after)
    assert found["cure"] is None and "`autotune tune` does it now" in found["advice"]
    assert explain_lines(found)[0] == found["text"]


def test_where_nothing_changed_it_says_so_and_what_else_is_known(tmp_path: Path) -> None:
    around = (Around(61.0, 350.0, 200.0, 0.5), Around(75.0, 250.0, 3400.0, 0.98))
    record = Record(tmp_path).used(around=around)
    assert record.called() is not None
    found = record.document()
    lines = explain_lines(found)
    assert found["changed"] == [] and NOTHING_CHANGED in lines
    assert [line.split(":")[0].split(" since")[0] for line in found["around"]] == [
        "The card's power limit is 250 W", "The card is hotter", "Other programs hold 3400 MiB of GPU memory",
        "The card's memory is 98 % full"]


def test_no_change_is_no_news_and_a_change_is_news_once(tmp_path: Path) -> None:
    quiet = Record(tmp_path / "quiet").used(by=0.0, after={"driver": "555.1"})
    assert quiet.called() is None and quiet.document()["state"] == "as_before"
    slow = Record(tmp_path / "slow").used()
    assert slow.called() is not None
    assert slow.called() is None
    few = Record(tmp_path / "few")
    assert few.document()["state"] == "unknown" and "too few" in few.document()["text"]


def test_flags_that_autotune_wrote_begin_a_new_count(tmp_path: Path) -> None:
    record = Record(tmp_path).used()
    record.event("apply", -0.5, flags=["--opt-sdp-attention"])
    assert record.called() is None


Cured = Callable[[Record], None]


def better(record: Record) -> None:
    record.event("tune", 7, decision="apply", study="0002-x", reason="r", flags=["--opt-sdp-attention"],
                 speedup={"estimate": 1.21, "low": 1.15, "high": 1.27})


def worse(record: Record) -> None:
    record.event("tune", 7, decision="keep", study="0002-x", reason="nothing better was proven", flags=["--xformers"],
                 speedup={"estimate": 1.0, "low": 1.0, "high": 1.0})


def written(record: Record) -> None:
    better(record)
    record.event("apply", 8, flags=["--opt-sdp-attention"])


def part(record: Record) -> None:
    record.event("tune", 7, decision="apply", study="0002-x", reason="r", flags=["--opt-sdp-attention"],
                 speedup={"estimate": 1.06, "low": 1.03, "high": 1.09})


def earlier(record: Record) -> None:
    record.event("tune", -9, decision="apply", study="0001-x", reason="r", flags=["--opt-sdp-attention"], speedup=None)


@pytest.mark.parametrize(("happened", "state", "advice"), [
    (better, "slower", "Of the sets measured since, `--opt-sdp-attention` gives it back: 1.21 times as fast as the "
                       "flags before. Do this: `autotune apply`."),
    (part, "slower", "Of the sets measured since, `--opt-sdp-attention` gives some of it back: 1.06 times as fast"),
    (worse, "slower", "No other set that was measured since is better (nothing better was proven)."),
    (written, "given_back", "Since then `--opt-sdp-attention` was written: 1.21 times as fast as the flags before."),
    (earlier, "slower", "Which flag gives the speed back is not measured yet"),
])
def test_what_gives_it_back(tmp_path: Path, happened: Cured, state: str, advice: str) -> None:
    record = Record(tmp_path).used(after={"driver": "555.1"})
    assert record.called() is not None
    happened(record)
    found = record.document()
    assert found["state"] == state
    assert found["advice"].startswith(advice)
    assert found["text"].startswith("Clips were" if state == "given_back" else "Clips are")
    said = slower_since.slower_now(record.places, record.root)
    assert (said is None) is (state == "given_back")
    if said is not None:
        assert f"Slower:    {said}" in status_lines({"slower": said})


def test_the_line_has_every_use_with_the_updates_before_it(tmp_path: Path) -> None:
    line = Record(tmp_path).used(after={"driver": "555.1"}, updated=12).document()["line"]
    assert len(line) == USES + SLOW
    assert [row["start"] for row in line if row["updates"]] == [13]
    assert line[12]["updates"] == ["the driver 551.23 became 555.1"]


def test_starts_that_take_longer_are_told_by_themselves(tmp_path: Path) -> None:
    record = Record(tmp_path).used(by=0.0, after={"extensions": "one 1, two 2, three 3"})
    assert record.document()["starts"] is None
    for number in range(USES + SLOW):
        seconds = (12.0 if number < USES else 19.0) * math.exp(record.random.gauss(0, 0.03))
        record.log.add(StartupRecord("startup", number + 1, record.begin + number * DAY, seconds))
    said = record.document()["starts"]
    assert said.startswith("Starts take ")
    assert said.endswith(f"(start {USES + 1}), when extensions changed (+ three 3).")
    assert said in explain_lines(record.document())
    assert record.called() is None, "it says nothing of clips"


def test_a_study_from_before_does_not_answer(tmp_path: Path) -> None:
    old = open_study(tmp_path, "a" * 16, {"created": "2026-11-01T10:00:00Z"}, fresh=False)
    same = open_study(tmp_path, "a" * 16, {"created": "2026-11-20T10:00:00Z"}, False, "2026-10-30T10:00:00Z")
    new = open_study(tmp_path, "a" * 16, {"created": "2026-11-20T10:00:00Z"}, False, "2026-11-14T10:00:00Z")
    again = open_study(tmp_path, "a" * 16, {"created": "2026-11-21T10:00:00Z"}, False, "2026-11-14T10:00:00Z")
    assert same.id == old.id and new.id != old.id and again.id == new.id
