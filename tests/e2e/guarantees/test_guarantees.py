"""The guarantees of the contract, one test each, named after it. docs/guarantees.md says what else stands for which."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.e2e.guarantees.conftest import BUDGET, PASSWORD, Tuned, contents, new_bench, rendering_web_ui
from tests.e2e.guarantees.kills import Kills, Kind
from tests.e2e.verbs.conftest import Bench
from tests.search.test_sessions import play, small
from tests.waiting import wait_for

DOCS = Path(__file__).parents[3] / "docs" / "guarantees.md"
SDP = ("apply", "--flags", "--opt-sdp-attention", "--yes", "--no-start")


@pytest.fixture
def fresh(tmp_path: Path) -> Bench:
    """An install of its own for a test that changes it."""
    return new_bench(tmp_path)


def test_1_whole(tmp_path: Path) -> None:
    """Killed at any instant, the launch file is the old or the new one, and the next command settles the rest."""
    kills = Kills(new_bench(tmp_path / "Müllers (Kunst) & Co"), random.Random(1))
    kinds: tuple[Kind, ...] = ("apply", "rollback", "apply", "apply", "rollback", "apply", "apply", "rollback")
    killed = sum(kills.kill(kind) for kind in kinds)
    assert killed > len(kinds) / 2, "most came to their end: the kills prove nothing"
    assert [row for row in kills.seen if "killed, change begun" in row], kills.seen


FILES = {
    "crlf.bat": b"@echo off\r\n\r\nset PYTHON=\r\nset COMMANDLINE_ARGS=--theme dark --xformers --api\r\n\r\n"
                b"call webui.bat\r\n",
    "no-final-newline.sh": b'#!/bin/bash\nexport COMMANDLINE_ARGS="--medvram --xformers --port 7861"',
    "bom.sh": '\ufeff#!/bin/bash\n# ключ\nexport COMMANDLINE_ARGS="--xformers --theme dark"\n'.encode(),
    "appended.sh": b'COMMANDLINE_ARGS="--api"\nCOMMANDLINE_ARGS+=" --xformers --listen"\nexport COMMANDLINE_ARGS\n',
    "commented.sh": b'# export COMMANDLINE_ARGS="--medvram"\nexport COMMANDLINE_ARGS=""\n#export VENV_DIR="-"\n',
}


@pytest.mark.parametrize("name", FILES)
def test_2_only_its_own(fresh: Bench, name: str) -> None:
    """Only managed words change, applying twice is applying once, and a rollback gives every byte back."""
    file = fresh.root / name
    file.write_bytes(FILES[name])
    named = ("--launch-file", str(file))
    done = fresh.json(*SDP, *named)
    after = file.read_bytes()
    managed = {"--xformers", "--opt-sdp-attention"}
    assert [w for w in done["after"] if w not in managed] == [w for w in done["before"] if w not in managed]
    assert "--opt-sdp-attention" in done["after"]
    lines = [line for line in FILES[name].splitlines(True) if b"xformers" not in line and b'ARGS=""' not in line]
    assert [line for line in after.splitlines(True) if line in lines] == lines
    assert not fresh.json(*SDP, *named)["changed"]
    assert file.read_bytes() == after
    fresh.json("rollback", *named)
    assert file.read_bytes() == FILES[name]


def test_3_never_fights_the_owner(fresh: Bench) -> None:
    """A file edited since is not overwritten silently; no tune starts beside a job of the user's own web UI."""
    fresh.give("--xformers")
    fresh.json(*SDP)
    edited = fresh.launch_file.read_bytes() + b"# my note\n"
    fresh.launch_file.write_bytes(edited)
    fresh.json("rollback", code=5)
    assert fresh.launch_file.read_bytes() == edited
    with rendering_web_ui(fresh.root):
        said = fresh.json("tune", "--profile", str(fresh.profile), "--budget", "60s", code=6)
    assert "job" in said["message"] or "web UI" in said["message"]


def test_4_leaves_no_trace_and_takes_nothing(tuned: Tuned) -> None:
    """What the web UI wrote because of us is gone, what its owner saved meanwhile is there, and nothing runs on."""
    now = contents(tuned.bench.root)
    assert len(tuned.owner.expected) > 20, "its owner saved too little for a test"
    for path, data in tuned.owner.expected.items():
        assert now.get(path) == data, path
    assert not [path for path in tuned.owner.gone if path in now]
    others = {path: data for path, data in now.items() if path not in tuned.owner.expected}
    before = {path: data for path, data in tuned.before.items() if path not in tuned.owner.expected}
    assert others == before
    assert wait_for(lambda: not [pid for pid in tuned.watched.pids if psutil.pid_exists(pid)], 10)
    assert not tuned.bench.leftovers()


def test_5_true() -> None:
    """An unchanged program is not faster: of 60 drawn tunes whose sets are all equal, one at most changes the flags.

    Drawn, because one real tune shows nothing of 2 %; `python -m benchmarks.aa` runs real ones.
    """
    adopted = 0
    for seed in range(1000, 1060):
        surface = small()
        equal = dataclasses.replace(surface, score=dict.fromkeys(surface.score, 2.0))
        adopted += play(equal, seed=seed)[1].decision == "apply"
    assert adopted <= 1


def test_6_seen_not_assumed(fresh: Bench) -> None:
    """Stills are no clip, and a written flag that a saved setting overrides is not called in effect."""
    said = fresh.json("tune", "--profile", str(fresh.profile), code=4, faults="stills:*")
    assert "not_animated" in json.dumps(said) or "AnimateDiff" in json.dumps(said)
    assert not [one for one in fresh.samples() if one["state"] == "ok"]
    fresh.give("--opt-sdp-attention")
    config = fresh.root / "config.json"
    options = json.loads(config.read_text(encoding="utf-8"))
    options["cross_attention_optimization"] = "V1 - original v1"
    config.write_text(json.dumps(options, indent=4), encoding="utf-8")
    rows = {row["flag"]: row for row in fresh.json("verify", code=7)["flags"]}
    assert rows["--opt-sdp-attention"]["on_command_line"] is True
    assert rows["--opt-sdp-attention"]["in_effect"] is False


def test_7_private(tuned: Tuned) -> None:
    """Trial servers listen on loopback alone, on ports of their own; the password stays in its owner's file."""
    assert tuned.watched.listens, "no trial server was seen"
    assert {host for host, _ in tuned.watched.listens} == {"127.0.0.1"}
    assert 7999 not in {port for _, port in tuned.watched.listens}
    assert not [line for line in tuned.watched.lines if PASSWORD in line or "--listen" in line]
    bench = tuned.bench
    report, exported = bench.folder / "report.html", bench.folder / "study.json"
    said = [tuned.said]
    for words in (("probe",), ("status",), ("history",), ("doctor",), ("report", "-o", str(report)),
                  ("export", "-o", str(exported)), (*SDP, "--dry-run")):
        done = subprocess.run(bench.command(*words), env=bench.environment(), capture_output=True, encoding="utf-8",
                              errors="replace", stdin=subprocess.DEVNULL, timeout=120, check=False)
        said.append(done.stdout + done.stderr)
    assert not [text for text in said if PASSWORD in text]
    for path in [report, exported, *bench.state.rglob("*")]:
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_8_reproducible(tuned: Tuned) -> None:
    """Every sample is kept, and the same verdict comes of them again, byte for byte."""
    first, second = tuned.bench.run("replay", "--json").stdout, tuned.bench.run("replay", "--json").stdout
    assert first == second
    again = json.loads(first)
    assert again["same_as_recorded"] is True
    assert again["decision"] == tuned.document["decision"]
    assert len(tuned.bench.samples()) >= tuned.document["clips"]


def test_9_worth_it(tuned: Tuned) -> None:
    """A tune says what it cost and where the time went, and asking the same again costs no clip."""
    cost = tuned.document["cost"]
    parts = sum(cost[name] for name in ("startup", "warmup", "measuring", "waiting", "search"))
    assert parts == pytest.approx(cost["wall"], rel=0.05)
    samples = tuned.bench.samples()
    words = ("tune", "--profile", str(tuned.bench.profile), "--budget", BUDGET)
    assert tuned.bench.json(*words)["cost"] == cost
    assert tuned.bench.samples() == samples


def test_the_table_in_the_docs_names_tests_that_exist() -> None:
    """Each guarantee has its row; each test that a row names is there."""
    text = DOCS.read_text(encoding="utf-8")
    assert [int(number) for number in re.findall(r"^\| (\d)\b", text, re.MULTILINE)] == list(range(1, 10))
    root = DOCS.parents[1]
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 20
    for file, test in named:
        assert (root / file).is_file(), file
        assert not test or f"def {test}(" in (root / file).read_text(encoding="utf-8"), f"{file}::{test}"
