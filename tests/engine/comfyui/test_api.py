"""The API: what is refused and how, the queue, jobs, files, messages. Shapes and words are those of ComfyUI 0.26."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
from PIL import Image

from tests.engine.comfyui.running import MOTION, Graph, Running, cached, graph, messages

pytestmark = pytest.mark.slow

Change = Callable[[Graph], object]


def _set(node: str, name: str, value: object) -> Change:
    return lambda prompt: prompt[node]["inputs"].__setitem__(name, value)


REFUSED: dict[str, tuple[Change, str, str, str]] = {
    "checkpoint": (_set("1", "ckpt_name", "nope"), "1", "value_not_in_list", "ckpt_name: 'nope' not in ["),
    "motion module": (_set("5", "model_name", "nope"), "5", "value_not_in_list",
                      f"model_name: 'nope' not in ['{MOTION}']"),
    "long list": (_set("8", "sampler_name", "nope"), "8", "value_not_in_list",
                  "sampler_name: 'nope' not in (list of length 44)"),
    "too small": (_set("8", "steps", 0), "8", "value_smaller_than_min", "steps"),
    "too big": (_set("8", "cfg", 101), "8", "value_bigger_than_max", "cfg"),
    "no number": (_set("8", "steps", "many"), "8", "invalid_input_type", "steps, many, "),
    "missing": (lambda prompt: prompt["8"]["inputs"].pop("cfg"), "8", "required_input_missing", "cfg"),
    "type": (_set("8", "model", ["1", 1]), "8", "return_type_mismatch",
             "model, received_type(CLIP) mismatch input_type(MODEL)"),
    "link to nowhere": (_set("8", "model", ["99", 0]), "8", "exception_during_inner_validation", "'99'"),
    "link of three": (_set("8", "model", ["7", 0, 1]), "8", "bad_linked_input", "model"),
    "circle": (_set("9", "samples", ["9", 0]), "9", "return_type_mismatch", "samples, received_type(IMAGE)"),
}
"""What is changed, the node that is named, the type of the error and how its details begin."""


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_value_is_refused_and_its_node_named(running: Running, case: str) -> None:
    change, node, kind, details = REFUSED[case]
    prompt = graph()
    change(prompt)
    answer = running.post("/prompt", {"prompt": prompt})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "prompt_outputs_failed_validation"
    error = answer.json()["node_errors"][node]["errors"][0]
    assert error["type"] == kind
    assert error["details"].startswith(details)
    assert answer.json()["node_errors"][node]["dependent_outputs"] == ["10"]


def test_a_circle_is_told_whole(running: Running) -> None:
    prompt = graph()
    prompt["4"] = {"class_type": "RepeatLatentBatch", "inputs": {"samples": ["8", 0], "amount": 1}}
    errors = running.post("/prompt", {"prompt": prompt}).json()["node_errors"]
    assert {node: [one["type"] for one in told["errors"]] for node, told in errors.items()} == {
        "8": ["dependency_cycle"], "4": ["dependency_cycle"]}
    assert errors["8"]["errors"][0]["details"] == "8 (KSampler) -> 4 (RepeatLatentBatch) -> 8 (KSampler)"


@pytest.mark.parametrize(("body", "kind"), [
    ({"prompt": {}}, "prompt_no_outputs"),
    ({"prompt": {"1": {"class_type": "PrimitiveInt", "inputs": {"value": 1}}}}, "prompt_no_outputs"),
    ({"prompt": {"7": {"class_type": "ADE_NotThere", "inputs": {}}}}, "missing_node_type"),
    ({"prompt": {"7": {"inputs": {}}}}, "missing_node_type"),
    ({}, "no_prompt"),
    ({"prompt": {}, "prompt_id": "hello"}, "invalid_prompt_id"),
    ({"prompt": {}, "prompt_id": ""}, "invalid_prompt_id"),
    ({"prompt": {}, "prompt_id": str(uuid.uuid4()).upper()}, "invalid_prompt_id"),
])
def test_a_prompt_that_is_none_is_refused(running: Running, body: dict[str, Any], kind: str) -> None:
    answer = running.post("/prompt", body)
    assert (answer.status_code, answer.json()["error"]["type"], answer.json()["node_errors"]) == (400, kind, {})


@pytest.mark.parametrize("body", [b"", b"no json", b'{"prompt": {"nodes": [], "version": 0.4}}'])
def test_what_is_no_json_and_a_workflow_of_the_page_are_errors_of_the_server(running: Running, body: bytes) -> None:
    answer = requests.post(f"{running.base}/prompt", data=body, timeout=60)
    assert (answer.status_code, answer.text) == (500, "500 Internal Server Error\n\nServer got itself in trouble")


def test_only_the_sound_outputs_are_computed(running: Running) -> None:
    prompt = graph(seed=61)
    prompt["11"] = {"class_type": "SaveImage", "inputs": {"images": ["9", 0]}}
    answer = running.post("/prompt", {"prompt": prompt}).json()
    assert list(answer["node_errors"]) == ["11"]
    assert list(running.wait(answer["prompt_id"])["outputs"]) == ["10"]


def test_a_node_that_no_output_needs_does_no_harm(running: Running) -> None:
    prompt: Any = graph(seed=62)
    prompt["20"] = {"class_type": "KSampler"}
    prompt["21"] = {"class_type": "VAEDecode", "inputs": {"samples": ["22", 0], "vae": ["99", 0]}}
    prompt["22"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["21", 0], "vae": ["1", 2]}}
    assert list(running.render(prompt)["outputs"]) == ["10"]


def test_the_queue_in_order_and_what_is_taken_out_of_it(running: Running) -> None:
    slow, second, third = (graph(seed=seed, steps=200, size=128) for seed in (71, 72, 73))
    first = running.begin(slow)
    waiting = [running.begin(second), running.begin(third)]
    try:
        queue = _until(lambda: running.get("/queue").json(), lambda queue: len(queue["queue_running"]) == 1)
        assert [item[1] for item in (*queue["queue_running"], *queue["queue_pending"])] == [first, *waiting]
        assert running.get("/prompt").json() == {"exec_info": {"queue_remaining": 3}}
        assert running.get(f"/api/jobs/{waiting[0]}").json()["status"] == "pending"
        assert running.post("/queue", {"delete": [waiting[0]]}).status_code == 200
        assert running.post(f"/api/jobs/{waiting[1]}/cancel", {}).json() == {"cancelled": True}
        assert running.get("/queue").json()["queue_pending"] == []
        assert running.post("/interrupt", {"prompt_id": waiting[0]}).status_code == 200  # not the one that runs
        assert running.get(f"/api/jobs/{first}").json()["status"] == "in_progress"
    finally:
        running.post("/interrupt", {"prompt_id": first})
    entry = running.wait(first)
    assert (entry["status"]["status_str"], entry["status"]["completed"], entry["outputs"]) == ("error", False, {})
    told = messages(entry)["execution_interrupted"]
    assert (told["node_id"], told["node_type"]) == ("8", "KSampler")
    assert running.get(f"/api/jobs/{first}").json()["status"] == "cancelled"
    assert running.get(f"/api/jobs/{waiting[1]}").status_code == 404
    assert running.post(f"/api/jobs/{first}/cancel", {}).json() == {"cancelled": False}


def _until(ask: Callable[[], Any], fits: Callable[[Any], bool]) -> Any:
    for _ in range(2000):
        found = ask()
        if fits(found):
            return found
    raise AssertionError(found)


def test_history_and_jobs_tell_the_same_of_a_clip(running: Running) -> None:
    prompt_id = running.begin(graph(seed=81), client_id="tests")
    entry = running.wait(prompt_id)
    job = running.get(f"/api/jobs/{prompt_id}").json()
    assert list(entry) == ["prompt", "outputs", "status", "meta"]
    assert job["outputs"] == entry["outputs"]
    assert job["execution_status"] == entry["status"]
    assert (job["status"], job["outputs_count"], job["preview_output"]["nodeId"]) == ("completed", 1, "10")
    assert job["execution_end_time"] == messages(entry)["execution_success"]["timestamp"]
    assert running.get("/api/jobs", params={"limit": 1}).json()["jobs"][0]["id"] == prompt_id
    assert prompt_id in running.get("/history", params={"max_items": 1}).json()
    assert running.get("/api/history/" + prompt_id).json()[prompt_id] == entry
    running.post("/history", {"delete": [prompt_id]})
    assert running.get(f"/history/{prompt_id}").json() == {}


@pytest.mark.parametrize(("query", "status"), [
    ({"filename": "../../main.py", "type": "output"}, 400), ({"filename": "nothere.webp"}, 404), ({}, 404),
    ({"filename": ""}, 400), ({"filename": "a", "type": "elsewhere"}, 400),
    ({"filename": "a", "subfolder": "../.."}, 403),
])
def test_only_files_of_its_own_folders_are_shown(running: Running, query: dict[str, str], status: int) -> None:
    assert running.get("/view", params=query).status_code == status


def test_an_uploaded_picture_can_be_loaded_and_worked_on(running: Running, comfyui: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(picture, "PNG")
    sent = {"image": ("ours.png", picture.getvalue(), "image/png")}
    answer = requests.post(f"{running.base}/upload/image", files=sent, timeout=60)
    assert answer.json() == {"name": "ours.png", "subfolder": "", "type": "input"}
    try:
        prompt = graph(seed=91)
        prompt["4"] = {"class_type": "LoadImage", "inputs": {"image": "ours.png"}}
        prompt["11"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["4", 0], "vae": ["1", 2]}}
        prompt["12"] = {"class_type": "RepeatLatentBatch", "inputs": {"samples": ["11", 0], "amount": 2}}
        prompt["8"]["inputs"].update(latent_image=["12", 0], denoise=0.5, steps=2)
        file = running.render(prompt)["outputs"]["10"]["images"][0]
        with Image.open(io.BytesIO(running.get("/view", params=file).content)) as clip:
            assert (getattr(clip, "n_frames", 1), clip.size) == (2, (64, 48))
    finally:
        (comfyui / "input" / "ours.png").unlink()


def test_free_forgets_models_and_results(running: Running) -> None:
    running.render(graph(seed=95))
    assert running.post("/free", {"unload_models": True, "free_memory": True}).status_code == 200
    assert requests.post(f"{running.base}/free", data=b"", timeout=60).status_code == 500
    assert cached(running.render(graph(seed=95))) == []


def test_messages_of_a_prompt_in_their_order(running: Running) -> None:
    async def listen() -> list[dict[str, Any]]:
        found = []
        address = f"{running.base}/ws?clientId=listener"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            found.append(await socket.receive_json(timeout=60))
            prompt_id = await asyncio.to_thread(running.begin, graph(seed=97, steps=2), client_id="listener")
            while True:
                found.append(await socket.receive_json(timeout=60))
                if found[-1]["type"] == "executing" and found[-1]["data"] == {"node": None, "prompt_id": prompt_id}:
                    return found

    seen = asyncio.run(listen())
    assert seen[0]["data"]["sid"] == "listener"
    kinds = [one["type"] for one in seen]
    order = ["execution_start", "execution_cached", "progress", "executed", "execution_success"]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    steps = [one["data"] for one in seen if one["type"] == "progress"]
    assert [(one["value"], one["max"], one["node"]) for one in steps] == [(1, 2, "8"), (2, 2, "8")]


def test_what_the_log_says_can_be_asked_for(running: Running) -> None:
    running.render(graph(seed=99))
    raw = running.get("/internal/logs/raw").json()
    text = "".join(entry["m"] for entry in raw["entries"])
    assert len(raw["entries"]) <= 300
    assert "Prompt executed in " in text
    assert "\x1b[32m[INFO]\x1b[0m " in text


def test_system_stats_tell_the_command_line(running: Running) -> None:
    answer = running.get("/system_stats").json()
    assert answer["system"]["argv"][1:3] == ["--port", str(running.port)]
    assert answer["system"]["argv"][0].endswith("main.py")
    assert (answer["system"]["comfyui_version"], answer["devices"][0]["name"]) == ("0.26.0", "cpu")


def test_a_page_of_another_site_may_ask_nothing(running: Running) -> None:
    assert running.get("/prompt", headers={"Origin": "http://evil.example"}).status_code == 403
    assert running.get("/prompt", headers={"Origin": running.base}).status_code == 200
    assert running.get("/prompt", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
