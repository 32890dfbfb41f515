"""The history: what came to its end, and what did not, with verb, cause, end and exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.model.errors import (
    AutotuneError,
    BaselineFailed,
    Busy,
    Interrupted,
    NothingToWorkOn,
    Refused,
    StateDamaged,
    UsageProblem,
)
from autotune.report import tables
from autotune.store import events

FLAGS = ["--opt-sdp-attention"]


@pytest.mark.parametrize(("error", "result", "code"), [
    (Refused("it depends on $X", "paste"), "refused", 5), (Busy("the web UI runs"), "busy", 6),
    (BaselineFailed("it does not start"), "failed", 4), (Interrupted("by SIGINT"), "interrupted", 130),
    (KeyboardInterrupt(), "interrupted", 130), (StateDamaged("the disk is full"), "failed", 8),
])
def test_what_does_not_come_to_its_end_is_in_the_history(
    tmp_path: Path, error: BaseException, result: str, code: int
) -> None:
    path = tmp_path / "history.jsonl"
    for _ in range(3):  # an agent that meets the same again and again
        with pytest.raises(type(error)), events.record_failure(path, "apply", "driver changed") as facts:
            facts["flags"] = FLAGS
            raise error
    [row] = events.read(path)
    assert {key: row[key] for key in ("verb", "cause", "result", "code", "flags")} == {
        "verb": "apply", "cause": "driver changed", "result": result, "code": code, "flags": FLAGS}
    message = error.message if isinstance(error, AutotuneError) else "interrupted"
    said = " ".join(tables.text(tables.history_table([row]), 400).split())
    assert f"{result} (exit {code}): {message}" in said and FLAGS[0] in said and "driver changed" in said


def test_what_comes_to_its_end_says_so(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with events.record_failure(path, "apply", "asked"):
        events.record(path, "apply", "asked", flags=FLAGS, checkpoint="0001")
    [row] = events.read(path)
    assert (row["result"], row["code"], row["flags"]) == ("done", 0, FLAGS)
    assert FLAGS[0] in tables.text(tables.history_table([row]), 200)


def test_a_wrong_word_is_no_event(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for error in (UsageProblem("no such flag"), NothingToWorkOn("nothing applied")):
        with pytest.raises(type(error)), events.record_failure(path, "apply", "asked"):
            raise error
    assert not path.exists()
