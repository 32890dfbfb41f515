"""The client against answers played to it: shapes as recorded, and any other JSON there may be."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from autotune.model.api import ApiProblem
from autotune.model.workload import Workload
from autotune.webui import running
from autotune.webui.comfyui import problems
from autotune.webui.comfyui.client import LONGEST_PAUSE, Client
from autotune.webui.comfyui.graph import Graph
from autotune.webui.comfyui.history import CLOCK_SLACK, History
from autotune.webui.comfyui.webui import ComfyUI
from autotune.webui.running import JobAnswer, OwnWebUI
from autotune.workload.clip import ClipRefusal, check_clip

CLIP = Workload(64, 64, 4, 2)
NODES = ("model", "wanted", "unwanted", "latents", "motion", "animated", "evolved", "sampler", "decode", "save")
BEGUN = 1_795_871_291_556


def webp() -> bytes:
    field_ = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    frames = [Image.fromarray(np.roll(field_, 4 * index, axis=1)) for index in range(4)]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    return out.getvalue()


def entry(prompt_id: str, graph: dict[str, Any], seconds: float = 0.0, cached: tuple[str, ...] = (),
          end: str = "success", more: dict[str, Any] | None = None, outputs: bool = True) -> dict[str, Any]:
    """One entry of the history as ComfyUI writes it."""
    told = {"prompt_id": prompt_id, "timestamp": BEGUN + round(1000 * seconds), **(more or {})}
    messages = [["execution_start", {"prompt_id": prompt_id, "timestamp": BEGUN}],
                ["execution_cached", {"nodes": list(cached), "prompt_id": prompt_id, "timestamp": BEGUN + 1}],
                [f"execution_{end}", told]]
    files = {"save": {"images": [{"filename": "autotune_00001_.webp", "subfolder": "", "type": "output"}],
                      "animated": [True]}} if end == "success" and outputs else {}
    return {"prompt": [0, prompt_id, graph, {}, ["save"]], "outputs": files, "meta": {},
            "status": {"status_str": "success" if end == "success" else "error", "completed": end == "success",
                       "messages": messages}}


@dataclass
class Played:
    """A ComfyUI whose answers are given. ``end``: the history entry of a prompt; ``answers``: by path, anything else.

    ``running``: a prompt never ends.
    """

    address: str = ""
    prompts: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    end: Callable[[str, dict[str, Any]], dict[str, Any]] = entry
    answers: dict[str, Any] = field(default_factory=dict)
    running: bool = False
    everything: Any = None

    async def answer(self, request: web.Request) -> web.Response:
        body: Any = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path, body))
        if self.everything is not None:
            return web.json_response(self.everything[0])
        if request.path in self.answers:
            status, value = self.answers[request.path]
            return web.json_response(value, status=status)
        if request.path == "/prompt" and request.method == "POST":
            self.prompts.append(body)
            return web.json_response({"prompt_id": body["prompt_id"], "number": 0, "node_errors": {}})
        if request.path.startswith("/history/"):
            name = request.path.rpartition("/")[2]
            one = next(prompt for prompt in self.prompts if prompt["prompt_id"] == name)
            return web.json_response({} if self.running else {name: self.end(name, one["prompt"])})
        if request.path == "/view":
            return web.Response(body=webp(), content_type="image/webp")
        if request.path == "/autotune/trial":
            return web.json_response({"checkpoint": "sd15.safetensors", "effect": {"attention": "attention_pytorch"},
                                      "memory": {"used": 3 << 20, "total": 8 << 20, "reserved_peak": 2 << 20,
                                                 "active_peak": 1 << 20, "oom_count": 0}})
        if request.path == "/internal/logs/raw":
            return web.json_response({"entries": [{"t": "", "m": "\x1b[32m[INFO]\x1b[0m Using pytorch "},
                                                  {"t": "", "m": "attention\n"}], "size": {}})
        if request.path == "/system_stats":
            return web.json_response({
                "system": {"argv": ["/c/main.py", "--fast", "fp16_accumulation"]},
                "devices": [{"type": "cuda", "vram_total": 8 << 20, "vram_free": 3 << 20}]})
        if request.path == "/prompt":
            return web.json_response({"exec_info": {"queue_remaining": int(self.running)}})
        return web.Response(status=200 if request.path == "/interrupt" else 404)


@pytest.fixture(scope="module")
def server() -> Iterator[Played]:
    played, loop, started = Played(), asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", played.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        played.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(20)
    yield played
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)


@pytest.fixture
def played(server: Played) -> Played:
    server.__init__(address=server.address)  # type: ignore[misc]
    return server


def rendered(played: Played, client: Client | None = None, workload: Workload = CLIP, **more: Any) -> Any:
    return (client or Client(played.address)).render(workload, 7, motion_module="mm.safetensors", **more)


def test_a_clip(played: Played) -> None:
    found = rendered(played)
    frames = check_clip(found.images[0], CLIP)
    assert not isinstance(frames, ClipRefusal) and frames.shape == (4, 64, 64, 3)
    assert (found.seed, found.lacks, found.process_time) == (7, "", None)
    assert played.prompts[0]["prompt"]["model"]["inputs"]["ckpt_name"] == "sd15.safetensors"
    assert "client_id" not in played.prompts[0]


def test_no_seed_comes_twice_and_every_process_has_the_same(played: Played) -> None:
    one, lists = replace(CLIP, steps=9, weight=2.0), []
    for _ in range(2):
        client = Client(played.address)
        lists.append([rendered(played, client, workload).seed for workload in (
            CLIP, CLIP, one, CLIP, replace(one, weight=3.0), replace(CLIP, weight=4.0))])
    assert lists[0] == lists[1] and lists[0][0] == lists[0][2] == 7
    sent = [repr(prompt["prompt"]) for prompt in played.prompts[:6]]
    assert len(set(sent)) == 6, "the same graph was asked for twice in one process"
    seeds = [prompt["prompt"]["sampler"]["inputs"]["seed"] for prompt in played.prompts]
    assert seeds == [*lists[0], *lists[1]]


@pytest.mark.parametrize("cached", [("sampler",), ("decode", "save"), NODES])
def test_what_came_from_the_cache_is_no_clip(played: Played, cached: tuple[str, ...]) -> None:
    for outputs in (True, False):
        def end(name: str, graph: dict[str, Any], outputs: bool = outputs) -> dict[str, Any]:
            return entry(name, graph, 0.002, cached, outputs=outputs)

        played.end = end
        with pytest.raises(ApiProblem, match=r"cache: .*(?:KSampler|VAEDecode)") as raised:
            rendered(played)
        assert raised.value.kind == "shape"


def test_nodes_that_may_come_from_the_cache(played: Played) -> None:
    played.end = lambda name, graph: entry(name, graph, 0.0, ("model", "wanted", "unwanted", "motion", "animated"))
    assert rendered(played).lacks == ""


@given(st.floats(0.0, 1e4), st.floats(-1e5, 1e5))
def test_a_clock_that_was_set_does_not_count(waited: float, by_its_clock: float) -> None:
    begun = float(BEGUN)
    took = History(False, frozenset(), {}, None, (begun, begun + 1000.0 * by_its_clock)).seconds(waited)
    assert took >= 0.0 and abs(took - waited) <= CLOCK_SLACK + 0.001
    if 0.01 < by_its_clock <= waited <= by_its_clock + CLOCK_SLACK - 0.01:
        assert took == pytest.approx(by_its_clock, abs=0.001)
    assert History(False, frozenset(), {}, None, None).seconds(waited) == waited
    assert LONGEST_PAUSE < CLOCK_SLACK


def test_seconds_are_those_of_its_own_clock(played: Played) -> None:
    played.end = lambda name, graph: entry(name, graph, 0.001)
    assert rendered(played).seconds == pytest.approx(0.001)
    played.end = lambda name, graph: entry(name, graph, 3600.0)
    assert rendered(played).seconds < 60.0, "its clock was set while it rendered"


def test_an_error_says_its_class_and_no_prompt(played: Played) -> None:
    more = {"node_id": "sampler", "node_type": "KSampler", "exception_type": "torch.OutOfMemoryError",
            "exception_message": "Allocation on device \n", "current_inputs": {"text": ["a red balloon"]}}
    played.end = lambda name, graph: entry(name, graph, end="error", more=more)
    with pytest.raises(ApiProblem) as raised:
        rendered(played)
    assert (raised.value.kind, raised.value.status, raised.value.error) == ("status", 500, "OutOfMemoryError")
    assert raised.value.excerpt == "Allocation on device" and "balloon" not in repr(vars(raised.value))


@pytest.mark.parametrize(("answer", "error", "word"), [
    ({"error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation",
                "details": "", "extra_info": {}},
      "node_errors": {"1": {"errors": [{"type": "value_not_in_list", "message": "Value not in list",
                                        "details": "ckpt_name: 'x.ckpt' not in []", "extra_info": {}}],
                            "dependent_outputs": ["10"], "class_type": "CheckpointLoaderSimple"}}},
     "value_not_in_list", "CheckpointLoaderSimple: Value not in list: ckpt_name: 'x.ckpt' not in []"),
    ({"error": {"type": "missing_node_type", "message": "Node 'ADE_X' not found.", "details": "Node ID '#7'"},
      "node_errors": {}}, "missing_node_type", "Node 'ADE_X' not found."),
    ({"error": "unexpected"}, "unexpected", "unexpected"), ([], "refused", "refused"),
])
def test_a_prompt_that_is_not_taken(played: Played, answer: Any, error: str, word: str) -> None:
    played.answers["/prompt"] = (400, answer)
    with pytest.raises(ApiProblem) as raised:
        rendered(played)
    assert (raised.value.status, raised.value.error) == (400, error) and word in raised.value.message


WORDS = st.text(st.characters(codec="utf-8", categories=("L", "P", "N")), min_size=2, max_size=12)
def test_a_prompt_of_which_a_part_is_not_taken(played: Played) -> None:
    wrong = {"1": {"errors": [{"type": "value_not_in_list", "message": "Value not in list", "details": "x"}],
                   "class_type": "LoadImage"}}
    played.answers["/prompt"] = (200, {"prompt_id": "p", "number": 3, "node_errors": wrong})
    with pytest.raises(ApiProblem, match="LoadImage: Value not in list") as raised:
        rendered(played)
    assert (raised.value.status, raised.value.error) == (400, "value_not_in_list")
    assert played.asked[-1] == ("POST", "/interrupt", {"prompt_id": "p"}), "the rest of it goes on"


TEXTS = st.lists(WORDS, min_size=2, max_size=8).map(" ".join)


@example("a lens of f .28", "anything")
@given(TEXTS, st.sampled_from(["text", "anything", "positive", "x_prompt"]))
def test_no_text_of_a_workflow_is_told(text: str, name: str) -> None:
    graph = Graph({"1": {"class_type": "Encode", "inputs": {name: text, "ckpt_name": "a model.safetensors"}}}, (), ())
    for said in (f"KeyError: {text}", f"bad value {text!r} in the middle", f"{text}\n{text}"):
        told = problems.failed({"node_type": "Encode", "exception_type": "KeyError", "exception_message": said}, graph)
        assert text not in told.message and text not in told.excerpt and "Encode" in told.message
        assert " ".join(text.split()) not in told.message
    assert "a model.safetensors" in problems.without_texts("a model.safetensors is broken", graph)


def test_an_interrupted_prompt(played: Played) -> None:
    played.end = lambda name, graph: entry(name, graph, end="interrupted")
    client = Client(played.address)
    found = rendered(played, client)
    assert found.images == () and client.was_interrupted()
    client.interrupt()
    assert played.asked[-1] == ("POST", "/interrupt", {"prompt_id": played.prompts[0]["prompt_id"]})
    played.end = entry
    rendered(played, client)
    assert not client.was_interrupted()


def test_given_up_and_out_of_time(played: Played) -> None:
    played.running = True
    cancel = threading.Event()
    cancel.set()
    for more, kind in (({"cancel": cancel}, "cancelled"), ({"limit": 0.3}, "timeout")):
        with pytest.raises(ApiProblem) as raised:
            rendered(played, **more)
        assert raised.value.kind == kind
    assert Client(played.address).job().busy
    played.running = False
    assert not Client(played.address).job().busy


def test_what_it_reports(played: Played) -> None:
    client = Client(played.address)
    said = client.reported("Flash")
    assert said.flags == {"argv": ["--fast", "fp16_accumulation"], "log": {"attention": "pytorch"},
                          "effect": {"attention": "attention_pytorch"}}
    assert said.attention == "flash" and client.reported().attention == "pytorch"
    memory = client.memory()
    assert (memory.cuda_used, memory.cuda_total, memory.reserved_peak, memory.active_peak) == (3.0, 8.0, 2.0, 1.0)


def test_the_start_of_the_log_is_kept_when_it_is_gone_there(played: Played) -> None:
    client = Client(played.address)
    rendered(played, client)
    played.answers["/internal/logs/raw"] = (200, {"entries": [
        {"m": "[ERROR] Error running sage attention: x, using pytorch attention instead.\n"}]})
    first = client.reported().flags["log"]
    played.answers["/internal/logs/raw"] = (200, {"entries": []})
    assert client.reported().flags["log"] == first and first["attention"] == "pytorch" and len(first["fallbacks"]) == 1


def test_its_owners_own_has_no_node_of_ours(played: Played) -> None:
    played.answers["/autotune/trial"] = (404, {"error": "no such route"})
    client = Client(played.address)
    assert client.reported().flags["effect"] is None
    assert (client.memory().cuda_used, client.memory().cuda_total, client.memory().reserved_peak) == (5.0, 8.0, None)


def test_other_credentials_are_asked_for(played: Played) -> None:
    played.answers["/system_stats"] = (401, {"error": "unauthorized"})
    with pytest.raises(ApiProblem) as raised:
        Client(played.address, ("a", "b")).answers()
    assert raised.value.status == 401


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "prompt_id", "system", "argv", "devices", "vram_total", "vram_free", "exec_info", "queue_remaining", "entries",
        "m", "status", "messages", "outputs", "save", "images", "filename", "checkpoint", "effect", "memory", "used",
        "error", "type", "node_errors", "errors"]), inner, max_size=4), max_leaves=12)


@given(JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_whatever_json_comes_only_an_api_problem_is_raised(played: Played, value: Any) -> None:
    played.everything = (value,)
    client = Client(played.address)
    for ask in (client.answers, client.job, client.memory, client.reported, client.was_interrupted, client.interrupt,
                lambda: client.still(0.05), lambda: rendered(played, client, limit=0.05)):
        try:
            ask()
        except ApiProblem:
            continue


@given(JSON)
def test_whatever_a_history_holds_it_is_read(value: Any) -> None:
    for one in ({"status": value, "outputs": value}, {"status": {"messages": value}},
                {"status": {"messages": [["execution_start", value], ["execution_success", value]]}}):
        History.of(one).seconds(1.0)


@pytest.mark.parametrize(("works", "said"), [(True, "something is in its queue"), (False, "no job")])
def test_a_queue_without_names_is_told_as_a_queue(played: Played, works: bool, said: str) -> None:
    played.running = works
    port = int(played.address.rpartition(":")[2])
    answer = running.ask(OwnWebUI(7, (("127.0.0.1", port),), (), kind=ComfyUI()), limit=10.0)
    assert answer == JobAnswer("job" if works else "none", said)
