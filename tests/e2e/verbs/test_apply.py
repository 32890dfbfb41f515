"""Applying to the launch file of a reference web UI: proven by a start, undone byte for byte."""

from __future__ import annotations

import json
import sys

import pytest

from tests.e2e.asked_once import PLAIN
from tests.e2e.verbs.conftest import Bench

SDP = ("apply", "--flags", "--opt-sdp-attention", "--yes")


def test_apply_verify_and_rollback(bench: Bench) -> None:
    bench.program = PLAIN
    bench.give("--theme dark --opt-split-attention-v1 --no-half-vae --skip-version-check")
    before, tree = bench.launch_file.read_bytes(), bench.tree()
    dry = bench.json(*SDP, "--dry-run")
    assert not dry["changed"]
    assert "--opt-sdp-attention" in dry["diff"]
    assert bench.tree() == tree

    done = bench.json(*SDP)
    assert done["changed"]
    assert done["verified"] is True
    assert done["after"] == ["--theme", "dark", "--opt-sdp-attention", "--skip-version-check"]
    assert bench.json("verify")["ok"]
    status = bench.json("status")
    assert status["applied"]["flags"] == ["--opt-sdp-attention"]
    assert status["stale"] == []
    again = bench.json(*SDP)
    assert not again["changed"]

    undone = bench.json("rollback")
    assert undone["changed"]
    assert bench.launch_file.read_bytes() == before
    assert bench.tree() == tree
    assert bench.json("status")["applied"] is None
    assert [row["verb"] for row in bench.json("history")["events"]] == ["apply", "rollback"]
    assert bench.json("history")["events"][0]["flags"]


def test_the_shipped_default_file(bench: Bench) -> None:
    before = bench.launch_file.read_bytes()
    done = bench.json(*SDP, "--no-start")
    assert done["after"] == ["--opt-sdp-attention"]
    kept = before.index(b"set COMMANDLINE_ARGS") if bench.launch_file.suffix == ".bat" else 200
    assert bench.launch_file.read_bytes().startswith(before[:kept])
    bench.json("rollback")
    assert bench.launch_file.read_bytes() == before


def test_an_overriding_setting_is_put_aside_and_comes_back(bench: Bench) -> None:
    config = bench.root / "config.json"
    options = json.loads(config.read_text())
    options["cross_attention_optimization"] = "V1 - original v1"
    config.write_text(json.dumps(options, indent=4))
    before = config.read_bytes()
    done = bench.json(*SDP)
    assert done["settings"] == {"cross_attention_optimization": "Automatic"}
    assert done["verified"] is True
    assert json.loads(config.read_text())["cross_attention_optimization"] == "Automatic"
    bench.json("rollback")
    assert config.read_bytes() == before


def test_verify_sees_drift(bench: Bench) -> None:
    bench.give("--no-half-vae")
    bench.json(*SDP)
    text = bench.launch_file.read_text()
    bench.launch_file.write_text(text.replace("--opt-sdp-attention", "--no-half-vae --medvram"))
    document = bench.json("verify", "--no-start", code=7)
    rows = {row["flag"]: row for row in document["flags"]}
    assert rows["--opt-sdp-attention"]["in_file"] is False
    assert rows["--no-half-vae"]["expected"] is False
    assert document["file_since_apply"] == "edited"
    assert "no longer holds" in bench.json("status")["drift"]
    bench.json("rollback", code=5)
    bench.json("rollback", "--force")
    assert "--no-half-vae" in bench.launch_file.read_text()


def test_flags_that_do_not_come_into_effect_are_taken_back(bench: Bench) -> None:
    # The install's own script adds words of its own, after those of the launch file: attention is decided there.
    name, words = ("webui.bat", "%*") if sys.platform == "win32" else ("webui.sh", '"$@"')
    script = bench.root / name
    script.write_text(script.read_text().replace(words, f"{words} --disable-opt-split-attention"))
    before = bench.launch_file.read_bytes()
    document = bench.json(*SDP, code=4)
    assert "not in effect" in document["message"]
    assert bench.launch_file.read_bytes() == before
    assert bench.json("status")["applied"] is None


def test_what_its_owner_changed_since_is_named_before_it_is_written_over(bench: Bench) -> None:
    bench.give("--theme dark")
    first = bench.json(*SDP, "--no-start")["checkpoint"]
    mine = bench.launch_file.read_text()
    bench.launch_file.write_text(mine.replace("--opt-sdp-attention", "--no-half-vae"))
    dry = bench.json(*SDP, "--dry-run")
    said = bench.run(*SDP, "--no-start", "--quiet").stderr
    assert len(dry["notes"]) == 1 and dry["notes"][0] in said
    assert "was edited since" in said and "missing: --opt-sdp-attention; added: --no-half-vae" in said
    assert bench.launch_file.read_text() == mine
    bench.json("rollback")
    assert "--no-half-vae" in bench.launch_file.read_text(), "its owner's file comes back, not ours"
    assert first == bench.json("status")["checkpoint"]


def test_an_apply_that_another_one_overtook_is_busy(bench: Bench) -> None:
    """Both worked out their change on the same file; the later one to write says so and writes nothing."""
    from autotune.apply import apply
    from autotune.install.inspection import inspect_install
    from autotune.model.errors import Busy
    from autotune.store.places import Places

    places = Places(bench.state)
    seen = inspect_install(bench.root, None, None, places)
    planned = apply.plan(seen, places, "--opt-split-attention-v1")
    made = bench.json(*SDP, "--no-start")["checkpoint"]
    before = bench.launch_file.read_bytes()
    with pytest.raises(Busy, match=f"another autotune .*{made}"):
        apply.carry_out(seen, places, planned, start=False, say=lambda _: None)
    assert bench.launch_file.read_bytes() == before


def test_a_broken_install_is_rolled_back_all_the_same(bench: Bench) -> None:
    bench.give("--theme dark")
    before = bench.launch_file.read_bytes()
    bench.json(*SDP, "--no-start")
    (bench.root / "launch.py").unlink()
    assert bench.json("rollback")["changed"]
    assert bench.launch_file.read_bytes() == before
    assert "nothing is applied" in bench.json("rollback", code=3)["message"]
