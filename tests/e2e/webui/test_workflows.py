"""A workflow of the user's, measured from the command line on the reference ComfyUI: the whole tune, resumed, told, and
refused; no word of its prompts is left anywhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import reference
from tests.e2e import asked_once
from tests.e2e.verbs.conftest import Bench, bench
from tests.waiting import wait_for
from tests.webui.comfyui.graphs import CANARY, Graph, node, ten_nodes

__all__ = ["bench"]

PROFILE = """\
name = "mine"
[[workload]]
width = 64
height = 64
frames = 4
steps = 1
[search]
attention = ["pytorch", "quad"]
[decide]
min_gain = 0.9
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="comfy-cli's file is where Linux has it")


@pytest.fixture
def comfy(tmp_path: Path) -> Iterator[Bench]:
    """A workspace of comfy-cli with the reference ComfyUI in it."""
    home = tmp_path / "home"
    root = reference.copy(home / "comfy" / "ComfyUI", "comfyui")
    file = home / ".config" / "comfy-cli" / "config.ini"
    file.parent.mkdir(parents=True)
    file.write_text(f"[DEFAULT]\ndefault_workspace = {root}\ndefault_launch_extras = --cpu\n", encoding="utf-8")
    env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    one = Bench(root, tmp_path / "state", tmp_path, env, asked_once.program())
    (tmp_path / "mine.toml").write_text(PROFILE, encoding="utf-8")
    yield one
    assert wait_for(lambda: not one.leftovers(), 20), one.leftovers()


def workflow(bench: Bench, name: str = "my_api.json", **changes: Any) -> Path:
    """The ten nodes with this install's models and few frames; ``changes``: inputs of the sampler."""
    made = ten_nodes()
    made["1"]["inputs"]["ckpt_name"] = next(path.name for path in (bench.root / "models/checkpoints").iterdir())
    made["5"]["inputs"]["model_name"] = next(path.name for path in (bench.root / "models/animatediff_models").iterdir())
    made["4"]["inputs"]["batch_size"] = 6
    made["7"]["inputs"].update(context_length=4, context_overlap=1)
    made["9"]["inputs"].update(changes)
    return written(bench, name, made)


def written(bench: Bench, name: str, made: Graph) -> Path:
    path = bench.folder / name
    path.write_text(json.dumps(made), encoding="utf-8")
    return path


def test_a_workflow_is_measured_and_nothing_of_its_prompts_is_left(comfy: Bench) -> None:
    before, mine = comfy.tree(), workflow(comfy)
    words = ("tune", "--profile", str(comfy.folder / "mine.toml"), "--sampler", "exhaustive", "--budget", "120s",
             "--workflow")
    told = comfy.run(*words, str(mine))
    samples = comfy.samples()
    good = [one for one in samples if one["state"] == "ok"]
    assert good and not [one for one in samples if one.get("failure")], samples
    sets = {one["candidate"].split()[0] for one in samples}
    assert sets == {"attention=quad", "attention=pytorch"}, told.stderr + told.stdout
    first = {one["launch"]: one for one in reversed(samples)}
    assert all(one["ssim"] > 0.99 for one in first.values()), "the first of each process"
    assert all(one.get("steps") is None for one in samples), "its steps stay"
    assert comfy.tree() == before

    # Exported again it is the same question, and its verdict stands; with other steps it is another one.
    again = workflow(comfy, "exported_again.json", seed=987654321)
    document = comfy.json(*words, str(again))
    assert comfy.samples() == samples
    other = comfy.json(*words[:-2], "12s", "--workflow", str(workflow(comfy, steps=2)))
    assert other["study"] != document["study"]

    # What the newest tune rendered is there no more: that is said, and nothing else measured in its place.
    workflow(comfy, steps=5)
    measured = comfy.json("verify", "--no-start", "--measure", "--budget", "10s")["measured"]
    assert measured["answer"] == "unknown" and "not the one that was measured" in measured["reason"]

    said = [told.stdout, told.stderr, json.dumps(document), json.dumps(other), json.dumps(measured)]
    report, export = comfy.folder / "report.html", comfy.folder / "study.json"
    comfy.run("report", document["study"], "-o", str(report))
    comfy.run("export", document["study"], "-o", str(export), "--clips")
    for verb in ("status", "history", "card", "replay"):
        said.append(json.dumps(comfy.json(verb)))
    said += [report.read_text(encoding="utf-8"), export.read_text(encoding="utf-8")]
    assert "workflow my_api.json, 64 × 48, 6 frames, 3 steps" in said[-2]
    assert not [text for text in said if CANARY.split()[0] in text]
    kept = [path for path in comfy.state.rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if CANARY.split()[0].encode() in path.read_bytes()]
    assert "my_api.json" in export.read_text(encoding="utf-8")


def test_a_workflow_that_fails_says_what_failed_and_not_its_prompt(comfy: Bench) -> None:
    path = workflow(comfy, sampler_name="no_such_sampler")
    done = comfy.run("tune", "--profile", str(comfy.folder / "mine.toml"), "--budget", "40s", "--workflow", str(path),
                     code=4)
    assert "sampler_name" in done.stderr and CANARY.split()[0] not in done.stderr
    kept = [file for file in comfy.state.rglob("*") if file.is_file()]
    assert not [file for file in kept if CANARY.split()[0].encode() in file.read_bytes()]


@pytest.mark.parametrize(("made", "words"), [
    ({"nodes": [], "links": []}, "saved for ComfyUI's page"),
    ({"1": node("LoadImage", image="a.png")}, "nothing in it could be timed"),
    ([], "not a workflow"), (None, "no such file")])
def test_no_workflow_is_refused_before_anything_starts(comfy: Bench, made: Any, words: str) -> None:
    path = comfy.folder / "absent.json" if made is None else written(comfy, "w.json", made)
    for verb in (("tune",), ("verify", "--no-start", "--measure")):
        error = comfy.json(*verb, "--workflow", str(path), code=2)
        assert (error["kind"], error["code"]) == ("error", 2) and words in error["message"] and error["hint"]
    assert not comfy.samples() and not list(comfy.state.rglob("start-*"))


def test_a_web_ui_that_renders_none_refuses_it(bench: Bench) -> None:
    path = written(bench, "w.json", ten_nodes())
    error = bench.json("tune", "--workflow", str(path), code=2)
    assert "renders no workflows" in error["message"] and "--workflow" in error["hint"]
    profile = bench.folder / "mine.toml"
    profile.write_text('[[workload]]\nworkflow = "w.json"\n', encoding="utf-8")
    assert "renders no workflows" in bench.json("tune", "--profile", str(profile), code=2)["message"]
