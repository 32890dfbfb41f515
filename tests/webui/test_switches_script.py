"""The extension's switches in a process with a real PyTorch, loaded as the reference web UI loads them.

The judge of which kernel computes is PyTorch's own profiler, which the script does not ask.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autotune.machine import torch_probe
from autotune.webui.a1111 import own_extension
from autotune.webui.a1111.flags import switches

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

CHILD = """
import argparse, json, sys, types
from pathlib import Path
from autotune.engine import extensions
from autotune.engine.options import Options
from autotune.engine.state import JobState

data, steps = Path(sys.argv[1]), json.loads(sys.argv[2])
import torch
options = Options(data / "config.json")
flags = argparse.Namespace(disable_all_extensions=False, disable_extra_extensions=False, nowebui=True)
ui = types.SimpleNamespace(data=data, flags=flags, options=options, state=JobState())

def kernels():
    one = torch.ones(1, 2, 16, 8)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        torch.nn.functional.scaled_dot_product_attention(one, one, one)
    names = {event.key for event in seen.key_averages()}
    return "math" if "aten::_scaled_dot_product_attention_math" in names else "fused"

def look():
    has = {"benchmark": torch.backends.cudnn.benchmark, "kernel": kernels()}
    matmul = torch.backends.cuda.matmul
    if hasattr(torch._C, "_get_cublas_allow_fp16_accumulation"):
        has["fp16"] = matmul.allow_fp16_accumulation
    return has

states = [look()]
extensions.load(ui)
app = types.SimpleNamespace(router=types.SimpleNamespace(routes=[]))
from modules import script_callbacks
script_callbacks.app_started_callback(None, app)

def told():
    import asyncio
    (route,) = [one for one in app.router.routes if one.path == "/autotune-switches"]
    return json.loads(asyncio.run(route.endpoint(None)).body)

states.append({**look(), "told": told()})
for key, value in [one for one in steps if one[0] in options.defaults]:
    taken = options.set(key, value)
    states.append({**look(), "told": told(), "taken": taken, "option": options.get(key)})
labels = sys.modules["modules.shared"].opts.data_labels
print("RESULT" + json.dumps({"states": states, "levels": {key: one.more[1]["choices"] for key, one in labels.items()},
    "labels": [one.label for one in labels.values()]}))
"""


def run(folder: Path, steps: list[tuple[str, Any]], saved: dict[str, Any] | None = None) -> dict[str, Any]:
    """What PyTorch had before the script, after it, and after each change of an option."""
    scripts = folder / "extensions" / own_extension.NAME / "scripts"
    scripts.mkdir(parents=True)
    for name in own_extension.SWITCHES:
        (scripts / Path(name).name).write_bytes((own_extension.SOURCE / name).read_bytes())
    (folder / "config.json").write_text(json.dumps(saved or {}), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", CHILD, str(folder), json.dumps(steps)], capture_output=True,
                          encoding="utf-8", timeout=120, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT"))
    return {**found, "log": done.stdout + done.stderr}


def test_untouched_until_changed(tmp_path: Path) -> None:
    found = run(tmp_path, [])
    before, after = found["states"]
    told = after.pop("told")
    assert before == after
    assert all(levels[0] == "default" for levels in told.values())
    assert found["levels"]["autotune_sdpa_order"] == ["default", "math"], "what a CPU can do"


@pytest.mark.parametrize(("saved", "japanese"), [("None", False), ("ja_JP", True)])
def test_it_speaks_as_the_web_ui_does(tmp_path: Path, saved: str, japanese: bool) -> None:
    labels = run(tmp_path, [], {"localization": saved})["labels"]
    assert labels and all(any(one >= "\u3040" for one in label) == japanese for label in labels)


def test_it_switches_live_and_back(tmp_path: Path) -> None:
    """The kernel that really computes follows the option; so does what is told."""
    key = "autotune_sdpa_order"
    found = run(tmp_path, [(key, "math"), (key, "default")])
    _, begun, math, back = found["states"]
    assert (begun["kernel"], math["kernel"], back["kernel"]) == ("fused", "math", "fused")
    assert math["told"][key] == ["math"] and back["told"][key] == ["default"] == begun["told"][key]


def test_what_was_saved_is_there_from_the_start(tmp_path: Path) -> None:
    saved = {"autotune_sdpa_order": "math", "autotune_cudnn_benchmark": "on"}
    found = run(tmp_path, [], saved)
    before, after = found["states"]
    assert before == {**before, "benchmark": False, "kernel": "fused"}
    assert (after["benchmark"], after["kernel"]) == (True, "math")
    assert after["told"]["autotune_sdpa_order"] == ["math"] and after["told"]["autotune_cudnn_benchmark"] == ["on"]
    assert "autotune_cudnn_benchmark does nothing here" in found["log"], "a CPU has no cuDNN, and that is said"


def test_what_acts_at_a_start_is_not_told_before(tmp_path: Path) -> None:
    """cuDNN's plans stay, so the option alone changes nothing in a process that runs."""
    key = "autotune_cudnn_benchmark"
    _, _, on = run(tmp_path, [(key, "on")])["states"]
    assert on["option"] == "on" and not on["benchmark"] and on["told"][key] == ["default"]


def test_sums_in_16_bits(tmp_path: Path) -> None:
    key = "autotune_fp16_accumulation"
    found = run(tmp_path, [(key, "on"), (key, "default")])
    if key not in found["levels"]:
        pytest.skip("PyTorch before 2.7")
    assert [one["fp16"] for one in found["states"]] == [False, False, True, False]
    assert [one["told"][key] for one in found["states"][1:]] == [["default"], ["on"], ["default"]]


def test_what_pytorch_cannot_do_is_refused(tmp_path: Path) -> None:
    """The web UI takes a change back whose callback fails."""
    key = "autotune_sdpa_order"
    _, _, bad = run(tmp_path, [(key, "flash")])["states"]
    assert (bad["taken"], bad["option"], bad["kernel"]) == (False, "default", "fused")


def test_a_saved_level_that_it_cannot_do_is_said_and_left(tmp_path: Path) -> None:
    found = run(tmp_path, [], {"autotune_sdpa_order": "cudnn"})
    assert found["states"][1]["kernel"] == "fused" and found["states"][1]["told"]["autotune_sdpa_order"] == ["default"]
    assert "'cudnn' is not one of default, math; it stays as it was" in found["log"]


def test_the_probe_offers_what_the_script_has(tmp_path: Path) -> None:
    runtime, _ = torch_probe.ask(Path(sys.executable))
    offered = switches.usable(runtime.switches, runtime.device)
    levels = run(tmp_path, [])["levels"]
    assert offered
    for name, some in offered.items():
        assert set(some) <= set(levels[switches.OPTIONS[name]])
    assert set(levels) == set(switches.OPTIONS.values()) or "autotune_fp16_accumulation" not in levels
