"""The figures on the time left that the documents tell are those of the kept samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.time_left import FITTED, RECORDED, copied, oracle, summary, tasks, within

ROOT = Path(__file__).parents[2]


def kept(name: str = "time-left") -> list[dict[str, Any]]:
    text = (ROOT / "benchmarks" / "data" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_document_tells_the_figures_of_the_samples() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").split("## Time left", 1)[1].split("\n## ")[0]
    told = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]]
            for row in text.splitlines() if row.startswith("| ") and row[2] != "f"} | {
                row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]]
                for row in text.splitlines() if row.startswith("| factorial")}
    rows = kept()
    groups = {name: [row for row in rows if row["family"] == name] for name in {row["family"] for row in rows}}
    groups["all drawn"] = [row for row in rows if row["family"] != RECORDED]
    assert told.keys() == groups.keys()
    for name, mine in groups.items():
        found = summary(mine)
        ratios = " ".join(f"{one:.2f}" for one in found["ratio"])
        assert told[name] == [
            str(found["tunes"]), f"{100 * found['left']:.0f} ± {100 * found['left_error']:.0f} %",
            f"{100 * found['end']:.0f} %", ratios, f"{100 * found['held']:.0f} %", f"{100 * found['all']:.0f} %"], name


def test_what_could_be_foretold_at_best_is_told_from_its_samples() -> None:
    found = oracle([row for row in kept("time-left-oracle") if row["family"] != RECORDED])
    text = " ".join((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").split())
    left, error, end = (f"{100 * found[key]:.0f}" for key in ("left", "left_error", "end"))
    assert f"in {left} ± {error} % of cases, and the whole duration in {end} %" in text
    assert f"{found['tunes']} of these tunes" in text


def test_no_kept_tune_is_of_a_family_that_weights_come_from() -> None:
    assert not {row["family"] for row in kept()} & set(FITTED)


def test_figures_of_made_up_tunes() -> None:
    right = {"family": "x", "version": "drawn", "budget": 1.0, "seconds": 100.0, "held": 3, "known": 4,
             "at 0.25": [60.0, 75.0, 90.0], "at 0.5": [40.0, 50.0, 60.0]}
    wrong = {**right, "at 0.5": [60.0, 90.0, 100.0], "at 0.25": None}
    found = summary([right, wrong])
    assert (found["left"], found["end"], found["held"], found["all"]) == (0.5, 0.5, 0.5, 0.75)
    assert found["left_q"] == 1.0 and found["again_q"] == 0.0
    assert within(1.25, 1.0) and within(0.75, 1.0) and not within(1.26, 1.0)
    sure = oracle([{"seconds": 100.0, "rests": [50.0, 50.0, 51.0]}])
    assert (sure["left"], sure["end"]) == (1.0, 1.0)
    assert oracle([{"seconds": 100.0, "rests": [10.0, 50.0, 200.0]}])["left"] == 0.0


@pytest.mark.slow
def test_a_copied_session_goes_on_by_itself() -> None:
    from benchmarks.time_left import begin

    session, strategy = begin(tasks(["drawn"], range(1))[0])
    for _ in range(4):
        proposal = strategy.next(session.history())
        assert proposal is not None
        session.execute(proposal)
    before = session.history()
    other = copied(session)
    other.run(strategy)
    assert session.history() == before and other.now > session.now
    again = copied(session)
    assert again.run(strategy) == other.history()
