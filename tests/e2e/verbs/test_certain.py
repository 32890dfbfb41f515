"""No verb takes a reading that is not certain for a fact: on the reference web UI, judged by bash."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autotune import trial
from autotune.install.inspection import Inspection, inspect_install
from autotune.model.errors import Refused
from autotune.overview.doctor import checks
from autotune.overview.probe import probe_json
from autotune.store.places import Places
from autotune.tune.progress import Progress
from autotune.tune.tune import TuneOptions, tune
from autotune.workload import profile as profiles
from tests.e2e.verbs.conftest import Bench
from tests.verbs.test_certain import FAST, SHAPES, by_bash, install

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="bash files")


@pytest.fixture(autouse=True)
def no_words_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMMANDLINE_ARGS", raising=False)


@pytest.mark.parametrize("name", ["if", "function", "case", "command"])
def test_no_verb_takes_an_uncertain_set_for_the_current_one(bench: Bench, name: str) -> None:
    """Either bash could be asked, and its words are the baseline, or nothing is measured (exit 5)."""
    install(bench.root / "x", SHAPES[name])
    for beside in ("flags.sh", "flags.txt"):
        (bench.root / beside).write_bytes((bench.root / "x" / beside).read_bytes())
    bench.launch_file.write_text(f"#!/bin/bash\n{SHAPES[name]}")
    right = by_bash(bench.root)
    places = Places(bench.state)
    seen: Inspection = inspect_install(bench.root, None, None, places)
    document = probe_json(seen)
    assert document["webui"]["certain"] is False and document["webui"]["depends"]
    assert any("depend on" in line for line in document["warnings"])
    row = next(one for one in checks(seen, places) if one.name == "command line")
    assert "depend on" in row.detail and row.ok == seen.launch.asked
    assert seen.launch.asked == (name != "command")
    if seen.launch.asked:
        assert tuple(document["webui"]["flags"]) == right
        assert document["webui"]["kept_flags"] == ["--theme", "dark"]
        current = next(one for one in document["candidates"] if one.get("current"))
        assert current["flags"] == ["--opt-split-attention-v1", "--no-half-vae"]
        return
    profile = profiles.load(str(bench.profile))
    with pytest.raises(Refused) as refusal:
        tune(seen, places, TuneOptions(profile), Progress())
    assert "depend on" in refusal.value.message and str(bench.launch_file) in refusal.value.hint
    assert not list(bench.state.glob("installs/*/studies/*"))


RUNS = "touch @/RAN\ngit pull\nrm -f @/keep\ncurl -s -o @/FETCHED file:///etc/hostname\n"
"""Commands of the owner's own; @ is a folder outside of the install."""


def test_only_the_proving_start_runs_the_file_and_every_word_counts(bench: Bench) -> None:
    """probe, doctor, status and a trial's start leave no trace of the file's own commands; apply runs it once."""
    ran, keep = bench.folder / "RAN", bench.folder / "keep"
    keep.write_text("")
    text = f'#!/bin/bash\n{RUNS.replace("@", str(bench.folder))}{SHAPES["for"]}'
    bench.launch_file.write_text(text)
    for words in (("probe",), ("status",), ("apply", "--flags", "", "--dry-run"), ("verify", "--no-start")):
        bench.json(*words)
    assert bench.json("status")["flags_now"] == FAST.split()
    # Its exit code also tells of the machine's load.
    said = subprocess.run(bench.command("doctor"), env=bench.environment(), capture_output=True, text=True, check=False)
    assert "ok    command line: the flags in webui-user.sh depend on" in said.stdout
    seen = inspect_install(bench.root, None, None, Places(bench.state))
    assert seen.machine.webui.python is not None
    plan = trial.LaunchPlan(bench.root, seen.machine.webui.python, seen.machine.webui.flags, bench.folder / "runs",
                             launch_file=bench.launch_file)
    with trial.start(plan) as server:
        assert server.attention_logged() == "V1" and not server.warnings
    assert keep.exists() and not ran.exists() and not (bench.folder / "FETCHED").exists()
    # A script that changes a word of the owner's: the set is in effect, the owner's own flag is not.
    script = bench.root / "webui.sh"
    whole = script.read_text()
    at = "# Defaults for what"
    apply = ("apply", "--flags", "--opt-sdp-attention --no-half-vae", "--yes")
    script.write_text(whole.replace(at, f'COMMANDLINE_ARGS="${{COMMANDLINE_ARGS/--theme dark/--no-hashing}}"\n{at}'))
    refused = bench.json(*apply, code=4)["message"]
    assert "did not get --theme dark" in refused and "also got --no-hashing" in refused and "as it was" in refused
    assert bench.launch_file.read_text() == text
    script.write_text(whole)
    assert ran.exists() and not keep.exists()
    done = bench.json(*apply)
    assert done["verified"] is True and done["before"] == FAST.split()
    assert sorted(done["after"]) == sorted(["--theme", "dark", "--opt-sdp-attention", "--no-half-vae"])
    assert by_bash(bench.root) == tuple(done["after"])
    bench.json("rollback")
    assert bench.launch_file.read_text() == text


def test_what_nobody_knows_is_said_and_not_proven(bench: Bench) -> None:
    """Flags out of a command: written as a block all the same, proven as far as that goes, and the rest is named."""
    (bench.root / "flags.txt").write_text(FAST + "\n")
    bench.launch_file.write_text(f"#!/bin/bash\n{SHAPES['command']}")
    profile = str(bench.profile)
    refused = bench.json("tune", "--profile", profile, code=5)
    assert "depend on a command in line 2" in refused["message"] and "bash cannot say" in refused["message"]
    done = bench.json("apply", "--flags", "--opt-sdp-attention --no-half-vae", "--yes")
    assert done["verified"] is True and any("depends on a command in line 2" in note for note in done["notes"])
    assert by_bash(bench.root) == ("--theme", "dark", "--opt-sdp-attention", "--no-half-vae")
    status = bench.json("status")
    assert status["certain"] is False and status["drift"] is None
    assert "Uncertain: the flags in webui-user.sh depend on" in bench.run("status").stdout
    assert bench.json("verify", "--no-start")["flags"][0]["in_file"] is None
