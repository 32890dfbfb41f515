"""Switches of PyTorch, installed with the extension: found, proven, applied, undone, and gone without a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from autotune.model.workload import SearchSpec
from autotune.webui.a1111.webui import WEBUI
from tests.e2e.engine.live import serving
from tests.e2e.verbs.conftest import Bench
from tests.webui import conformance

KEY = "autotune_sdpa_order"
PROFILE = """\
name = "switches"
[[workload]]
width = 128
height = 128
frames = 8
steps = 2
[search]
attention = ["sdp"]
cudnn_benchmark = ["default", "on"]
sdpa_order = ["default", "math"]
[decide]
precision = 0.9
[budget]
minutes = 4
"""
OTHER = """\
import torch
from modules import script_callbacks
script_callbacks.on_app_started(lambda demo, app: torch.backends.cuda.enable_flash_sdp({value}))
"""


@pytest.fixture
def switched(bench: Bench) -> Bench:
    """An install with the switches, whose owner chose the plain kernel in the settings."""
    bench.give("--opt-sdp-attention --no-half-vae")
    with serving(bench.root, bench.folder / "first.log") as live:
        live.post("options", {"samples_save": True})
    untouched = config(bench).read_bytes()
    bench.json("extension", "install", "--switches", "--yes")
    with serving(bench.root, bench.folder / "owner.log") as live:
        assert told(live.url("/autotune-switches")) == ["default"]
        assert live.get("options").json()[KEY] == "default"
        assert live.post("options", {KEY: "math"}).status_code == 200
        assert told(live.url("/autotune-switches")) == ["math"]
    assert saved(bench)[KEY] == "math"
    (bench.folder / "untouched.json").write_bytes(untouched)
    return bench


def told(address: str) -> object:
    return requests.get(address, timeout=60).json()[KEY]


def config(bench: Bench) -> Path:
    return bench.root / "config.json"


def saved(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(config(bench).read_bytes())
    return found


def other_extension(bench: Bench, value: bool) -> Path:
    """An extension of somebody else's that sets the same thing behind the web UI's back."""
    script = bench.root / "extensions" / "zz-other" / "scripts" / "other.py"
    script.parent.mkdir(parents=True)
    script.write_text(OTHER.format(value=value), encoding="utf-8")
    return script


def test_from_a_tune_to_a_removal(switched: Bench) -> None:
    """The kernel that costs time is found, its switch is applied, proven and undone; at the end nothing is left."""
    bench, before = switched, config(switched).read_bytes()
    script = bench.launch_file.read_bytes()
    profile = bench.folder / "switches.toml"
    profile.write_text(PROFILE, encoding="utf-8")
    tree = bench.tree()

    document = bench.json("tune", "--profile", str(profile), "--budget", "240s")
    assert bench.tree() == tree
    assert document["decision"] == "apply", document["reason"]
    assert document["baseline"]["settings"] == {KEY: "math"} and document["winner"]["settings"] == {KEY: "default"}
    assert document["image"]["valid"] and document["image"]["ssim"] > 0.8
    assert document["speedup"]["low"] > 1.0
    assert any("without a CUDA device" in one["reason"] for one in document["excluded"])
    launches: dict[int, set[str]] = {}
    for sample in bench.samples():
        launches.setdefault(sample["launch"], set()).add(sample["candidate"])
    assert max(map(len, launches.values())) == 2, "no process was switched from one set to the other"

    done = bench.json("apply", "--yes")
    assert done["verified"] is True and f"-{KEY}: math\n+{KEY}: default" in done["diff"]
    assert saved(bench) == {**json.loads(before), KEY: "default"} and bench.launch_file.read_bytes() == script
    assert bench.json("verify")["ok"]

    undone = bench.json("rollback")
    assert f"+{KEY}: math" in undone["diff"] and config(bench).read_bytes() == before
    assert bench.launch_file.read_bytes() == script

    bench.json("extension", "uninstall", "--yes")
    assert config(bench).read_bytes() == (bench.folder / "untouched.json").read_bytes()
    assert not (bench.root / "extensions" / "sd-webui-autotune").exists()


def test_a_switch_that_did_not_take_is_no_proof(switched: Bench) -> None:
    """The option is as applied, and PyTorch is not: that is seen when it is applied, and later."""
    bench, before = switched, config(switched).read_bytes()
    script = other_extension(bench, value=True)  # with the flash kernel on, the plain one is not first
    failed = bench.json("apply", "--flags", "--opt-sdp-attention --opt-channelslast", "--yes", code=4)
    assert "SDPA kernels should be math, PyTorch has something else" in failed["message"]
    assert config(bench).read_bytes() == before

    script.unlink()
    done = bench.json("apply", "--flags", "--opt-sdp-attention --opt-channelslast", "--yes")
    assert done["verified"] is True


def test_the_suite_of_every_kind_of_web_ui(switched: Bench) -> None:
    """Sets that differ in a switch alone are switched to in one process, told apart, and leave no trace."""
    spec = SearchSpec((("attention", ("sdp", "v1")), ("sdpa_order", ("math", "default"))))
    conformance.check_process(WEBUI, switched.root, switched.folder / "runs", spec)
