"""The trial's custom node on a real aiohttp application, loaded as ComfyUI loads it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import json
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import requests
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autotune.webui.comfyui import isolation, trial_node

AUTH = ("autotune", "a:password")
PLACE = Path(trial_node.__file__).parent / isolation.NODE / "__init__.py"


@dataclass
class Served:
    """A running application with the node in it; ``node``: the module."""

    node: ModuleType
    address: str
    folders: dict[str, Path]


def loaded(given_words: dict[str, Any], folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The node as ComfyUI imports it, in front of an application that another node was put before."""
    @web.middleware
    async def inner(request: web.Request, handler: Any) -> web.StreamResponse:
        answer: web.StreamResponse = await handler(request)
        answer.headers["X-Inner"] = "reached"
        return answer

    instance = SimpleNamespace(app=web.Application(middlewares=[inner]), routes=web.RouteTableDef())
    server, paths = ModuleType("server"), ModuleType("folder_paths")
    server.PromptServer = SimpleNamespace(instance=instance)  # type: ignore[attr-defined]
    for kind, folder in folders.items():
        setattr(paths, f"get_{kind}_directory", lambda folder=folder: str(folder))
    monkeypatch.setitem(sys.modules, "server", server)
    monkeypatch.setitem(sys.modules, "folder_paths", paths)
    monkeypatch.setenv(isolation.VARIABLE, json.dumps(given_words))
    spec = importlib.util.spec_from_file_location("a_node", PLACE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "a_node", module)
    spec.loader.exec_module(module)
    module.instance = instance  # type: ignore[attr-defined]
    return module


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    folders = {kind: tmp_path / "trial" / kind for kind in ("input", "output", "temp")}
    owners = {kind: tmp_path / "owner" / kind for kind in ("input", "output")}
    static = tmp_path / "page"
    for folder in (*folders.values(), *owners.values(), static):
        folder.mkdir(parents=True)
    (static / "app.js").write_text("a page\n")
    node = loaded({"auth": ":".join(AUTH), "checkpoint": "sd15.safetensors",
                   **{kind: str(folder) for kind, folder in owners.items()}}, folders, monkeypatch)
    app, routes = node.instance.app, node.instance.routes

    async def hello(_: web.Request) -> web.Response:
        return web.json_response({"secret": "of the owner"})

    async def socket(request: web.Request) -> web.StreamResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        return answer

    @web.middleware
    async def before_all(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/open":
            return web.json_response({"secret": "let through"})
        answer: web.StreamResponse = await handler(request)
        return answer

    app.middlewares.insert(0, before_all)  # a node that is imported later
    routes.get("/")(hello)
    routes.post("/prompt")(hello)
    routes.get("/ws")(socket)
    inside = web.Application()
    inside.router.add_get("/logs", hello)
    app.add_subapp("/internal", inside)
    app.add_routes(routes)
    app.router.add_static("/page", static)
    loop, started = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(runner.addresses[0][1])
        started.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(20)
    yield Served(node, f"http://127.0.0.1:{ports[0]}", {**folders, **{f"owner {k}": v for k, v in owners.items()}})
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)


ROUTES = [("GET", "/"), ("POST", "/prompt"), ("GET", "/ws"), ("GET", "/internal/logs"), ("GET", "/page/app.js"),
          ("GET", "/nowhere"), ("OPTIONS", "/"), ("DELETE", "/prompt"), ("GET", "/autotune/trial"),
          ("POST", "/autotune/input"), ("GET", "/autotune/pictures"), ("GET", "/open")]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_answers_without_credentials(served: Served, method: str, path: str) -> None:
    for auth in (None, ("autotune", "wrong"), ("other", AUTH[1]), ("", "")):
        answer = requests.request(method, served.address + path, auth=auth, timeout=10)
        assert answer.status_code == 401 and "X-Inner" not in answer.headers, "something behind the guard was reached"
        assert b"owner" not in answer.content and b"page" not in answer.content and b"let" not in answer.content
        assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_with_credentials_all_is_as_it_was(served: Served) -> None:
    assert requests.get(served.address + "/", auth=AUTH, timeout=10).json() == {"secret": "of the owner"}
    assert requests.get(served.address + "/page/app.js", auth=AUTH, timeout=10).text == "a page\n"
    assert requests.get(served.address + "/internal/logs", auth=AUTH, timeout=10).headers["X-Inner"] == "reached"
    assert requests.get(served.address + "/nowhere", auth=AUTH, timeout=10).status_code == 404
    said = requests.get(served.address + "/autotune/trial", auth=AUTH, timeout=10).json()
    assert said["checkpoint"] == "sd15.safetensors" and set(said) == {"checkpoint", "effect", "memory"}


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: "Basic " + b64encode(data).decode()))
def test_only_the_very_credentials_are_let_in(header: str) -> None:
    there: dict[str, Any] = {"__name__": "unloaded"}
    exec(compile(PLACE.read_text(encoding="utf-8"), str(PLACE), "exec"), there)
    right = "Basic " + b64encode(b"a:b").decode()
    assert there["allowed"](right, b"a:b") and not there["allowed"](right, b"")
    assert there["allowed"](header, b"a:b") == (header.partition(" ")[0].lower() == "basic"
                                               and header.partition(" ")[2].strip() == right[6:])


def test_without_the_variable_nobody_gets_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = loaded({}, {}, monkeypatch)
    assert not any(node.allowed(header, b"") for header in ("Basic", "Basic ", "Basic " + b64encode(b":").decode()))


def test_the_variable_is_gone_for_what_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    loaded({"auth": "a:b"}, {}, monkeypatch)
    assert isolation.VARIABLE not in os.environ


def test_effect_without_torch_and_with_a_fault_in_it(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert set(served.node.effect().values()) <= {None} and served.node.memory() == {}
    broken = ModuleType("comfy.model_management")
    broken.NUM_STREAMS, broken.DISABLE_SMART_MEMORY = 2, False  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comfy.model_management", broken)
    said = served.node.effect()
    assert (said["streams"], said["smart_memory"], said["vram_state"]) == (2, True, None)


def test_memory_is_told_in_bytes_where_it_computes_on_cuda(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: True, mem_get_info=lambda: (3, 10),
        max_memory_reserved=lambda: 6, max_memory_allocated=lambda: 5, memory_stats=lambda: {"num_ooms": 1})
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert served.node.memory() == {"used": 7, "total": 10, "reserved_peak": 6, "active_peak": 5, "oom_count": 1}


def test_files_that_a_workflow_names_are_copied(served: Served) -> None:
    owner = served.folders["owner input"]
    (owner / "a folder").mkdir()
    (owner / "a folder" / "0.png").write_bytes(b"0")
    (owner / "猫.png").write_bytes(b"cat")
    (served.folders["owner output"] / "old.png").write_bytes(b"old")
    names = ["猫.png", "a folder", "old.png [output]", "absent.png", "sd15.safetensors", "", ".", 7]
    answer = requests.post(served.address + "/autotune/input", json={"names": names}, auth=AUTH, timeout=10)
    assert answer.json() == {"copied": 3}
    assert (served.folders["input"] / "猫.png").read_bytes() == b"cat"
    assert (served.folders["input"] / "a folder" / "0.png").read_bytes() == b"0"
    assert (served.folders["output"] / "old.png").read_bytes() == b"old"
    assert {path.name for path in served.folders["input"].iterdir()} == {"猫.png", "a folder"}
    again = requests.post(served.address + "/autotune/input", json={"names": names}, auth=AUTH, timeout=10)
    assert again.json() == {"copied": 0}, "what is there is left as it is"


PARTS = st.sampled_from(["..", ".", "a", "b.png", "owner", "secret.txt", "/", "\\", "\0", "C:", "~", " "])


@given(st.lists(PARTS, min_size=1, max_size=6), st.sampled_from(["/", "\\"]))
@example(["..", "secret.txt"], "/")
@example(["a", "..", "..", "secret.txt"], "/")
@example(["..", "..", "owner", "secret.txt"], "/")
@example(["link", "secret.txt"], "/")
@example([".."], "/")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_nothing_comes_from_outside(served: Served, parts: list[str], slash: str) -> None:
    owner = served.folders["owner input"].parent
    (owner / "secret.txt").write_text("secret")
    (owner / "input" / "b.png").write_bytes(b"b")
    with contextlib.suppress(OSError):  # is there from the last example, or this system makes none
        (owner / "input" / "link").symlink_to(owner)
    for name in (slash.join(parts), str(owner / "secret.txt")):
        served.node.copy(name, {"input": str(owner / "input")}, {"input": str(served.folders["input"])})
    served.node.copy(slash.join(parts), {"input": str(owner / "input")}, {"input": str(served.folders["input"])})
    held = [path for path in served.folders["input"].parent.rglob("*") if path.is_file()]
    assert {path.read_bytes() for path in held} <= {b"b"}, "a file of another folder was copied"


def test_a_video_comes_as_its_pictures(served: Served) -> None:
    av = pytest.importorskip("av")
    from PIL import Image

    out = served.folders["output"] / "clip.mp4"
    with av.open(str(out), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in (0, 80, 160):
            picture = av.VideoFrame.from_image(Image.new("RGB", (64, 48), (level, level, level)))
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    answer = requests.get(served.address + "/autotune/pictures?filename=clip.mp4&subfolder=&type=output", auth=AUTH,
                          timeout=30)
    assert answer.status_code == 200
    size = int.from_bytes(answer.content[:4], "big")
    assert Image.open(io.BytesIO(answer.content[4:4 + size])).size == (64, 48)


@pytest.mark.parametrize("query", ["", "filename=../../x.mp4&type=output", "filename=x.mp4&type=nowhere",
                                   "filename=absent.mp4&type=output"])
def test_what_is_no_video_is_refused(served: Served, query: str) -> None:
    answer = requests.get(f"{served.address}/autotune/pictures?{query}", auth=AUTH, timeout=30)
    assert answer.status_code == 404 and "error" in answer.json()
