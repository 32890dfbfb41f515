"""Answers have the keys and kinds of values that were recorded from ComfyUI 0.26 with AnimateDiff-Evolved 1.5.7.

`recorded.json`: an answer's shape; "text", "number", "truth" (true or false), "null"; of a list its first entry;
"graph" stands for the prompt itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.comfyui.running import Graph, Running, graph, messages

pytestmark = pytest.mark.slow
RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
KINDS = {str: "text", int: "number", float: "number", bool: "truth", type(None): "null"}
FREE = ("extensions", "search_aliases", "jobs")
"""Lists that are empty on one side alone, as nothing is installed or rendered there."""


def differences(recorded: Any, answer: Any, where: str = "") -> list[str]:
    """Where an answer has another shape than the recorded one."""
    if recorded == "graph":
        return [] if isinstance(answer, dict) and "1" in answer else [f"{where}: no graph"]
    if isinstance(recorded, dict) and isinstance(answer, dict):
        apart = [f"{where}.{key}: {'missing' if key in recorded else 'extra'}"
                 for key in recorded.keys() ^ answer.keys()]
        return apart + [one for key in recorded.keys() & answer.keys()
                          for one in differences(recorded[key], answer[key], f"{where}.{key}")]
    if isinstance(recorded, list) and isinstance(answer, list):
        if where.endswith(".prompt"):
            pairs = zip(recorded, answer, strict=True)
            return [one for mine, theirs in pairs for one in differences(mine, theirs, f"{where}[]")]
        if not recorded or not answer:
            return [] if len(recorded) == len(answer) or where.endswith(FREE) else [f"{where}: {recorded} {answer}"]
        return differences(recorded[0], answer[0], f"{where}[0]")
    kind = KINDS.get(type(answer), type(answer).__name__)
    return [] if recorded == kind else [f"{where}: {kind} instead of {recorded}"]


@pytest.mark.parametrize("path", [name for name in RECORDED if name.startswith("/")])
def test_answers(running: Running, path: str) -> None:
    running.render(graph(seed=201))  # so that there is a file, and nothing runs
    assert differences(RECORDED[path], running.get(path).json()) == []


def test_a_clip(running: Running) -> None:
    prompt_id = running.begin(graph(seed=202), client_id="tests")
    entry = running.wait(prompt_id)
    job = running.get(f"/api/jobs/{prompt_id}").json()
    job["execution_status"]["messages"] = job["execution_status"]["messages"][:1]
    assert differences(RECORDED["a clip in /api/jobs"], job) == []
    _told(entry, "a clip in /history")
    entry["status"]["messages"] = RECORDED["a clip in /history"]["status"]["messages"] = []
    assert differences(RECORDED["a clip in /history"], entry) == []


def test_an_error(running: Running) -> None:
    _told(running.render(graph(frames=33)), "an error in /history")


def test_an_interruption(running: Running) -> None:
    slow: Graph = graph(seed=203, size=128, steps=400)
    prompt_id = running.begin(slow)
    while running.get(f"/api/jobs/{prompt_id}").json()["status"] != "in_progress":
        assert running.process.poll() is None
    running.post("/interrupt", {})
    _told(running.wait(prompt_id), "an interruption in /history")


def _told(entry: dict[str, Any], name: str) -> None:
    """The messages of a prompt's status: which, in which order, and with what in them."""
    recorded = RECORDED[name].get("status", {"messages": RECORDED[name]})["messages"]
    told = messages(entry)
    assert list(told) == list(recorded)
    for event, data in told.items():
        found = differences({**recorded[event], "nodes": []}, {**data, "nodes": []}, event)
        assert [one for one in found if ".current_inputs." not in one and ".executed" not in one] == []
