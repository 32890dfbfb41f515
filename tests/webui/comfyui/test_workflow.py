"""A workflow is rendered as it is but for its seeds, and what cannot be measured is refused with the reason."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autotune.model.api import ApiProblem
from autotune.model.errors import UsageProblem
from autotune.model.workload import Workload
from autotune.webui.comfyui import graph, workflow
from autotune.webui.comfyui.client import SEED_STEP
from autotune.webui.comfyui.webui import WEBUI
from autotune.workload import workflow_file
from tests.webui.comfyui.graphs import CANARY, Graph, changed, graphs, node, ten_nodes

SEED = 20_240_301


def file_of(folder: Path, made: object) -> Path:
    path = folder / "my_api.json"
    path.write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    return path


def workload_of(folder: Path, made: object) -> Workload:
    return WEBUI.read_workflow(workflow_file.workload_of(file_of(folder, made)))


def rendered(made: Graph, seed: int) -> tuple[Graph, workflow.Workflow]:
    """What would be posted, without a file."""
    found = workflow.parse(copy.deepcopy(made), "it")
    return workflow.seeded(found, seed), found


def expected_places(made: Graph) -> set[tuple[str, str]]:
    """Where a seed stands, by the rule of docs/workflows.md, written down anew for the drawn graphs."""
    places = {(name, key) for name, one in made.items() for key in ("seed", "noise_seed")
              if isinstance(one["inputs"].get(key), int)}
    return places | {(name, "value") for name, one in made.items() if one["class_type"] == "PrimitiveInt"}


@given(graphs(), st.integers(0, 1 << 30))
@settings(max_examples=300, deadline=None)
def test_nothing_but_seeds_changes(made: Graph, seed: int) -> None:
    places = expected_places(made)
    assume(places)
    after, __ = rendered(made, seed)
    samplers = [name for name in made if made[name]["class_type"] == "KSampler"]
    reached = any(depends(made, name, {place for place, __ in places}) for name in samplers)
    marks = set() if reached else {(name, "autotune_render") for name in samplers}
    assert marks <= set(changed(made, after)) <= places | marks
    values = {made[name]["inputs"][key] for name, key in places}
    given_now = {(made[name]["inputs"][key], after[name]["inputs"][key]) for name, key in places}
    assert len(given_now) == len(values) == len({now for __, now in given_now}), "equal stay equal, others stay apart"
    assert all(type(now) is int and 0 <= now < 1 << 31 for __, now in given_now)


def depends(made: Graph, name: str, starts: set[str]) -> bool:
    links = [workflow.link_of(value) for value in made[name]["inputs"].values()]
    return name in starts or any(depends(made, link, starts) for link in links if link in made)


@given(graphs(), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_no_seed_of_one_clip_is_one_of_another(made: Graph, first: int, second: int) -> None:
    assume(expected_places(made) and first != second)
    used = []
    for number in (first, second):
        after, found = rendered(made, SEED + number * SEED_STEP)
        used.append({after[name]["inputs"][key] for places in found.seeds for name, key in places})
    assert not used[0] & used[1]


@given(graphs(), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_what_is_computed_is_all_that_the_cache_cannot_know(made: Graph, seed: int) -> None:
    """The judge is ComfyUI's own key, written down here: a node's class and inputs, and those of all before it."""
    assume(expected_places(made))
    one, found = rendered(made, seed)
    other, __ = rendered(made, seed + SEED_STEP)
    anew = {name for name in made if key_of(one, name) != key_of(other, name)}
    assert anew == set(found.computed)


@given(graphs(seeds=False), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_a_graph_without_a_seed_is_computed_anew_by_an_input_that_no_node_takes(made: Graph, seed: int) -> None:
    classes = [one["class_type"] for one in made.values()]
    if not any("Sampler" in name or "Decode" in name for name in classes):
        with pytest.raises(UsageProblem, match="nothing in it could be timed"):
            rendered(made, seed)
        return
    wanted = "KSampler" if "KSampler" in classes else "VAEDecode"
    one, found = rendered(made, seed)
    other, __ = rendered(made, seed + 1)
    assert set(changed(made, one)) == {(name, "autotune_render") for name in made if made[name]["class_type"] == wanted}
    assert {name for name in made if key_of(one, name) != key_of(other, name)} == set(found.computed) != set()


def key_of(made: Graph, name: str) -> str:
    """The key by which ComfyUI finds a node's result, as text: each link is replaced by the key of what it is from."""
    one = made[name]
    inputs = {key: [key_of(made, value[0]), value[1]] if workflow.link_of(value) in made else value
              for key, value in sorted(one["inputs"].items())}
    return json.dumps([one["class_type"], inputs], sort_keys=True)


def test_the_ten_nodes_are_read_and_posted(tmp_path: Path) -> None:
    made = ten_nodes()
    workload = workload_of(tmp_path, made)
    assert (workload.width, workload.height, workload.frames, workload.steps) == (64, 48, 12, 3)
    posted = graph.of_workload(workload, 77, None, None)
    assert changed(made, posted.prompt) == {("9", "seed"): (1234567, 77)}
    assert posted.computed == posted.shown == ("9", "10", "11", "12", "13")
    assert made == json.loads(file_of(tmp_path, made).read_text(encoding="utf-8")), "the file stays as it is"


@pytest.mark.parametrize(("more", "places"), [
    ({"20": node("PrimitiveInt", value=5)}, {("20", "value")}),
    ({"20": node("INTConstant", value=5)}, {("20", "value")}),
    ({"20": node("Seed (rgthree)", seed=-1)}, {("20", "seed")}),
    ({"20": node("Reroute", **{"": ["21", 0]}), "21": node("PrimitiveInt", value=5)}, {("21", "value")}),
    # Where a node takes the number for something else, too, or where several come into question, it stays.
    ({"20": node("PrimitiveInt", value=5), "22": node("KSamplerAdvanced", steps=["20", 0])}, None),
    ({"20": node("MathExpression", a=5, b=6)}, None),
    ({"20": node("SomebodysRandom", low=["21", 0], high=["23", 0]), "21": node("PrimitiveInt", value=1),
      "23": node("PrimitiveInt", value=9)}, None),
    ({"20": node("Around", value=["21", 0]), "21": node("AndAround", value=["20", 0])}, None),
    ({}, None),
])
def test_a_seed_that_comes_over_a_link(more: Graph, places: set[tuple[str, str]] | None) -> None:
    made = {**ten_nodes(), **more}
    made["9"]["inputs"]["seed"] = ["20", 0]
    after, found = rendered(made, 99)
    if places is None:  # then it is no seed, and the sampler is computed anew as in a graph without one
        assert all(key == "autotune_render" for __, key in changed(made, after)) and "9" in found.marked
    else:
        assert set(changed(made, after)) == places
    assert "12" in found.computed


REFUSED: list[tuple[Any, str]] = [
    ([1, 2], "no object of JSON"),
    ({}, "has no node"),
    ({"nodes": [{"id": 1, "type": "KSampler"}], "links": [], "version": 0.4}, "saved for ComfyUI's page"),
    ({"prompt": ten_nodes(), "client_id": "x"}, "'prompt' is no node"),
    ({"1": {"class_type": "KSampler"}}, "'1' is no node"),
    ({"1": {"class_type": 3, "inputs": {}}}, "'1' is no node"),
    ({"1": "KSampler"}, "'1' is no node"),
    ({"1": node("CheckpointLoaderSimple", ckpt_name="a.safetensors")}, "nothing in it could be timed"),
]


@pytest.mark.parametrize(("made", "words"), REFUSED)
def test_what_is_no_workflow_is_refused_with_a_way_out(tmp_path: Path, made: object, words: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        workload_of(tmp_path, made)
    assert words in caught.value.message and str(tmp_path) in caught.value.message and caught.value.hint


@pytest.mark.parametrize(("data", "words"), [
    (b"", "not JSON"), (b"{", "not JSON"), (b"\x89PNG\r\n", "not JSON"), (b'{"1": NaN}', "not JSON"),
    (b"[" * 100_000, "not JSON"), (b" " * (17 << 20), "MiB long")])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "w.json"
    path.write_bytes(data)
    with pytest.raises(UsageProblem, match=words) as caught:
        workflow_file.workload_of(path)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["absent.json", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        workflow_file.workload_of(tmp_path / name)
    assert caught.value.hint


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(ten_nodes()).encode())
    assert WEBUI.read_workflow(workflow_file.workload_of(path)).frames == 12


@pytest.mark.parametrize(("prefix", "inside"), [
    ("clip", True), ("a/b/clip", True), ("%date:yyyy%/clip", True), ("a/../clip", True), ("a\\b", True), ("", True),
    ("../clip", False), ("a/../../clip", False), ("/home/me/clip", False), ("C:\\clips\\a", False), ("C:a", False),
    ("\\\\server\\share\\a", False), ("..\\clip", False)])
def test_a_place_outside_of_the_output_folder_is_refused_before(tmp_path: Path, prefix: str, inside: bool) -> None:
    made = ten_nodes()
    made["12"]["inputs"]["filename_prefix"] = prefix
    if inside:
        assert workload_of(tmp_path, made).frames == 12
        return
    with pytest.raises(UsageProblem, match="node 12 saves outside"):
        workload_of(tmp_path, made)


def test_what_a_graph_does_not_tell_is_told_as_nothing(tmp_path: Path) -> None:
    made = ten_nodes()
    made["4"] = node("SomebodysLatents", size="512x512")
    made["9"]["inputs"]["steps"] = ["30", 0]
    workload = workload_of(tmp_path, made)
    assert (workload.width, workload.height, workload.frames, workload.steps) == (0, 0, 0, 0)
    made["30"] = node("PrimitiveInt", value=17)
    made["4"] = node("EmptyHunyuanLatentVideo", width=["31", 0], height=80, length=33)
    made["31"] = node("PrimitiveInt", value=96)
    workload = workload_of(tmp_path, made)
    assert (workload.width, workload.height, workload.frames, workload.steps) == (96, 80, 33, 17)


def test_two_exports_are_one_workflow_and_another_graph_is_another(tmp_path: Path) -> None:
    first = workload_of(tmp_path, ten_nodes())
    (tmp_path / "moved").mkdir()
    again = ten_nodes(seed=99)
    again["9"]["_meta"]["title"] = "my sampler"
    other = ten_nodes()
    other["9"]["inputs"]["steps"] = 4
    same = workload_of(tmp_path / "moved", dict(reversed(again.items())))
    assert first == same and hash(first) == hash(same) and first.workflow != same.workflow
    assert first != workload_of(tmp_path, other) != workload_of(tmp_path, ten_nodes(prompt="a cat"))
    assert CANARY not in repr(first) and "my_api" not in repr(first)


def test_a_file_that_changed_is_not_rendered_as_what_was_measured(tmp_path: Path) -> None:
    workload = workload_of(tmp_path, ten_nodes(prompt="before"))
    file_of(tmp_path, ten_nodes(prompt="after"))
    assert graph.of_workload(workload, 1, None, None).prompt["2"]["inputs"]["text"] == "before", "a tune goes on"
    workflow.read_once.cache_clear()
    with pytest.raises(ApiProblem, match="not the one that was measured"):
        graph.of_workload(workload, 1, None, None)
    with pytest.raises(UsageProblem, match="not the one that was measured"):
        WEBUI.read_workflow(workload)


@pytest.mark.parametrize(("class_type", "inputs", "names"), [
    ("LoadImage", {"image": "photo.png"}, {"photo.png"}),
    ("LoadImage", {"image": "clipspace/mask-1.png [input]"}, {"clipspace/mask-1.png [input]"}),
    ("LoadImage", {"image": "Müller アニメ.webp [output]"}, {"Müller アニメ.webp [output]"}),
    ("VHS_LoadVideo", {"video": "walk.mp4", "force_rate": 0}, {"walk.mp4"}),
    ("VHS_LoadImages", {"directory": "frames"}, {"frames"}),
    ("LoadAudio", {"audio": "a.flac"}, {"a.flac"}),
    ("CLIPTextEncode", {"text": "a cat, detailed\nnegative.png"}, set()),
    ("CLIPTextEncode", {"text": "a cat"}, set()),
    ("CLIPTextEncode", {"text": "x" * 5000 + ".png"}, set()),
])
def test_files_that_it_names_are_fetched(class_type: str, inputs: dict[str, Any], names: set[str]) -> None:
    made = {**ten_nodes(prompt="a cat"), "40": node(class_type, **inputs)}
    __, found = rendered(made, 1)
    assert set(found.files) - {"sd15.safetensors", "mm.safetensors"} == names
