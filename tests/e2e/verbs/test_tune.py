"""Tuning the reference web UI end to end: the document, what is left behind, and every way of being ended."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

import pytest

from tests.e2e.asked_once import PLAIN
from tests.e2e.verbs.conftest import Bench
from tests.waiting import wait_for


def check_decision(document: dict[str, Any]) -> None:
    """The decision for speed is the one that the winner and the speedup beside it stand for."""
    speed = document["speedup"]
    same = all(document["winner"][key] == document["baseline"][key] for key in ("flags", "settings", "effective"))
    if document["decision"] == "apply":
        assert not same and 1.0 < speed["low"] <= speed["estimate"] <= speed["high"]
    else:
        assert document["decision"] == "keep" and document["reason"].startswith("Nothing is changed")
        assert same and speed["low"] == speed["estimate"] == speed["high"] == 1.0


def check_document(document: dict[str, Any]) -> None:
    """The shape that the contract promises."""
    assert document["kind"] == "tune"
    assert document["reason"]
    check_decision(document)
    for side in (document["baseline"], document["winner"]):
        assert {"flags", "settings", "effective", "seconds", "memory_peak", "launches", "samples"} <= side.keys()
    assert {"estimate", "low", "high", "confidence"} <= document["speedup"].keys()
    assert {"valid", "ssim", "psnr"} <= document["image"].keys()
    for row in document["trials"]:
        assert {"flags", "settings", "effective", "seconds", "state", "failure", "launch"} <= row.keys()
    cost = document["cost"]
    parts = sum(cost[name] for name in ("startup", "warmup", "measuring", "waiting", "search"))
    assert parts == pytest.approx(cost["wall"], rel=0.05)
    assert {"id", "parts"} <= document["fingerprint"].keys()


def test_a_tune_measures_decides_and_leaves_nothing(bench: Bench) -> None:
    bench.program = PLAIN
    bench.give("--opt-split-attention-v1 --api-auth me:sesame")
    before = bench.tree()
    document = bench.json("tune", "--profile", str(bench.profile), "--budget", "60s")
    check_document(document)
    assert bench.tree() == before
    assert document["baseline"]["flags"] == ["--opt-split-attention-v1"]
    assert document["image"]["valid"]
    ok = [row for row in document["trials"] if row["state"] == "ok"]
    assert len({json.dumps(row["effective"], sort_keys=True) for row in ok}) >= 3
    assert document["launches"] == len({row["launch"] for row in document["trials"]})
    # Records of a study and what is shown of it hold no credential.
    for path in bench.state.rglob("*"):
        assert not path.is_file() or b"sesame" not in path.read_bytes(), path
    assert "sesame" not in json.dumps(bench.json("probe"))

    # The same question again: nothing is measured, the verdict stands, and it can be computed from the samples.
    samples = bench.samples()
    assert bench.json("tune", "--profile", str(bench.profile), "--budget", "60s") == document
    assert bench.samples() == samples
    again = bench.json("replay")
    assert again["same_as_recorded"] is True
    exported = bench.folder / "study.json"
    bench.run("export", "-o", str(exported))
    assert bench.json("replay", str(exported))["decision"] == document["decision"]
    assert bench.json("import", str(exported))["clips"] == len(samples)
    report = bench.folder / "report.html"
    bench.run("report", "-o", str(report))
    page = report.read_text(encoding="utf-8")
    assert "stand-in" in page
    # An import has no clips unless they were exported too; the tune itself kept those of the sets that it compared.
    assert "<img" not in page
    bench.run("report", document["study"], "-o", str(report))
    compared = {one["candidate"] for one in samples if one["purpose"] == "confirm" and one["state"] == "ok"}
    assert ("<img" in report.read_text(encoding="utf-8")) == (len(compared) > 1)
    assert not list(bench.state.rglob("compared-*"))
    assert [row["verb"] for row in bench.json("history")["events"]] == ["tune"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_however_it_is_ended_it_goes_on_from_there(bench: Bench, name: str) -> None:
    number = signal.Signals[name]
    before = bench.tree()
    words = ("tune", "--profile", str(bench.profile), "--budget", "90s")
    running = bench.start(*words)
    try:
        assert wait_for(lambda: len(bench.samples()) >= 3 or running.poll() is not None, 120)
        assert running.poll() is None, running.communicate()
        now = bench.json("status")
        assert (now["running"]["verb"], now["running"]["pid"]) == ("tune", running.pid)
        assert now["running"]["progress"]["clips"] >= 1 and "Running:   tune (pid" in bench.run("status").stdout
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    finally:
        if running.poll() is None:
            running.kill()
    assert running.returncode == (-9 if name == "SIGKILL" else 130), err
    assert out == ""
    assert "Traceback" not in err
    kept = bench.samples()
    assert len(kept) >= 3
    now = bench.json("status")
    assert now["running"] is None and now["unfinished"]["study"] and "goes on" in now["unfinished"]["hint"]
    if name != "SIGKILL":
        event = bench.json("history")["events"][-1]
        assert (event["verb"], event["result"], event["code"]) == ("tune", "interrupted", 130)
        assert event["study"] == now["unfinished"]["study"] and "interrupted (exit 130)" in bench.run("history").stdout
    if name == "SIGKILL":
        # Its own guard ends the web UI when autotune is gone; the next command clears what is left of the run.
        bench.run("status", "-q")
    assert wait_for(lambda: not [one for one in bench.leftovers() if not one.startswith(str(running.pid))], 20)
    assert bench.tree() == before
    document = bench.json(*words[:-1], "25s")  # a study goes on under another budget, too
    check_document(document)
    assert bench.samples()[: len(kept)] == kept
    assert bench.tree() == before


def test_a_candidate_that_fails_never_wins(bench: Bench) -> None:
    words = ("tune", "--profile", str(bench.profile), "--strategy", "exhaustive")
    bench.profile.write_text(bench.profile.read_text().replace('"v1", ', "").replace("[false, true]", "[false]"))
    document = bench.json(*words, faults="oom:*@sdp")
    failed = [row for row in document["trials"] if row["state"] == "failed"]
    assert {row["failure"] for row in failed} == {"oom"}
    assert all(row["effective"]["attention"] == "sdp" for row in failed)
    assert document["winner"]["effective"]["attention"] != "sdp"


def test_stills_instead_of_a_clip_are_no_clip(bench: Bench) -> None:
    document = bench.json("tune", "--profile", str(bench.profile), code=4, faults="stills:*")
    assert (document["kind"], document["code"]) == ("error", 4)
    assert "the current flags failed 2 of 2 times (not_animated)" in document["message"]
