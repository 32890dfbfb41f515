"""What a trial of autotune's adds to ComfyUI: credentials before every route, and two routes that tell and fetch.

ComfyUI imports this package as a custom node; it has no nodes. The trial's start gives it a JSON object in an
environment variable: ``auth`` (user:password), ``checkpoint`` (the one to render with), ``input`` and ``output`` (its
owner's folders, to copy files from). GET /autotune/trial says what ComfyUI and torch really use, POST /autotune/input
copies files that a workflow names, GET /autotune/pictures hands out a video's frames. It runs in the owner's Python
with what ComfyUI itself needs.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

NODE_CLASS_MAPPINGS: dict[str, Any] = {}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {}
VARIABLE = "AUTOTUNE_COMFYUI_TRIAL"
ENDINGS = {" [input]": "input", " [output]": "output"}
"""How ComfyUI marks a name as one of another folder than its input's."""


def allowed(header: str, wanted: bytes) -> bool:
    """Whether a request's Authorization is HTTP Basic with these credentials; never where there are none."""
    scheme, _, word = header.partition(" ")
    if not wanted or scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(word.strip(), validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(given, wanted)


def guard(wanted: bytes) -> Any:
    """A middleware that answers 401 to every request without these credentials, whatever it asks for."""

    @web.middleware
    async def ask_for_credentials(request: web.Request, handler: Any) -> web.StreamResponse:
        if allowed(request.headers.get("Authorization", ""), wanted):
            answer: web.StreamResponse = await handler(request)
            return answer
        return web.json_response({"error": "unauthorized"}, status=401,
                                 headers={"WWW-Authenticate": 'Basic realm="autotune"'})

    return ask_for_credentials


def attach(server: Any, given: dict[str, Any]) -> None:
    """Guards the server's application, and adds our routes to it."""
    app, ours = server.app, guard(str(given.get("auth") or "").encode())
    app.middlewares.insert(0, ours)

    async def come_first(_: web.Application) -> None:
        # A node that was imported later may have put something before us.
        if app.middlewares[0] is not ours:
            app.middlewares.insert(0, ours)

    app.on_startup.append(come_first)

    async def tell(_: web.Request) -> web.Response:
        return web.json_response({"checkpoint": given.get("checkpoint"), "effect": effect(), "memory": memory()})

    async def fetch(request: web.Request) -> web.Response:
        names = [name for name in (await request.json()).get("names", ()) if isinstance(name, str)]
        loop = asyncio.get_running_loop()
        copied = await loop.run_in_executor(None, lambda: sum(copy(name, given) for name in names))
        return web.json_response({"copied": copied})

    async def unpack(request: web.Request) -> web.Response:
        loop = asyncio.get_running_loop()
        try:
            data = await loop.run_in_executor(None, _pictures, dict(request.query))
        except (OSError, ValueError, KeyError, ImportError) as error:  # an old ComfyUI has no PyAV
            return web.json_response({"error": type(error).__name__}, status=404)
        return web.Response(body=data, content_type="application/octet-stream")

    server.routes.get("/autotune/trial")(tell)
    server.routes.post("/autotune/input")(fetch)
    server.routes.get("/autotune/pictures")(unpack)


def _pictures(query: dict[str, str]) -> bytes:
    """The frames of a video in one of the trial's folders. Raises OSError, ValueError and KeyError."""
    from . import video

    folder = _folders()[query.get("type", "output")]
    return video.pictures(video.place_of(folder, query.get("subfolder", ""), query["filename"]))


def copy(name: str, given: dict[str, Any], targets: dict[str, str] | None = None) -> bool:
    """Copies a file or folder of the owner's, as a workflow names it, to the same place in the trial's folders.

    False where there is none of that name, where it lies elsewhere, or where it is there already.
    """
    ending = next((one for one in ENDINGS if name.endswith(one)), "")
    kind, name = ENDINGS.get(ending, "input"), name[: len(name) - len(ending)]
    target = (targets or _folders()).get(kind)
    if not name.strip(" ./\\") or not given.get(kind) or not target:
        return False
    try:
        top = Path(given[kind]).resolve()
        source = (top / name).resolve()
        place = Path(target) / source.relative_to(top)
        if place.exists() or not source.exists():
            return False
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place)
        else:
            shutil.copyfile(source, place)
    except (OSError, ValueError):  # ValueError: outside of the folder, or no name of a file
        return False
    return True


def _folders() -> dict[str, str]:
    """The trial's own folders."""
    import folder_paths

    return {"input": folder_paths.get_input_directory(), "output": folder_paths.get_output_directory(),
            "temp": folder_paths.get_temp_directory()}


def effect() -> dict[str, Any]:
    """What torch and ComfyUI really use, each as its own source names it; None for what this version does not have."""
    torch, management = _module("torch"), _module("comfy.model_management")
    attention, offload = _module("comfy.ldm.modules.attention"), _module("comfy.memory_management")
    animated: Any = next((module for name, module in list(sys.modules.items())
                     if name.endswith("animatediff.utils_motion")), None)
    return {
        "attention": _name(attention, "optimized_attention"),
        "attention_motion": _name(animated, "optimized_attention_mm"),
        "vram_state": _tried(lambda: management.vram_state.name),
        "device": _tried(lambda: str(management.get_torch_device())),
        "smart_memory": _tried(lambda: not management.DISABLE_SMART_MEMORY),
        "streams": _tried(lambda: management.NUM_STREAMS),
        "pinned_memory": _tried(lambda: management.MAX_PINNED_MEMORY),
        "dynamic_vram": _tried(lambda: bool(offload.aimdo_enabled)),
        "linear_class": _tried(lambda: _linear(torch)),
        "cudnn_benchmark": _tried(lambda: torch.backends.cudnn.benchmark),
        "deterministic": _tried(lambda: torch.are_deterministic_algorithms_enabled()),
        "fp16_accumulation": _tried(lambda: torch.backends.cuda.matmul.allow_fp16_accumulation),
        "allocator": _tried(lambda: torch.cuda.get_allocator_backend() if _on_cuda(torch) else None),
    }


def memory() -> dict[str, Any]:
    """Bytes of GPU memory: used and total of the device, and this process's peaks; {} without a CUDA device."""
    torch = _module("torch")
    if not _tried(lambda: _on_cuda(torch)):
        return {}
    free, total = _tried(lambda: torch.cuda.mem_get_info()) or (None, None)
    return {
        "used": None if free is None else total - free, "total": total,
        "reserved_peak": _tried(lambda: torch.cuda.max_memory_reserved()),
        "active_peak": _tried(lambda: torch.cuda.max_memory_allocated()),
        "oom_count": _tried(lambda: torch.cuda.memory_stats().get("num_ooms")),
    }


def _module(name: str) -> Any:
    """A module of ComfyUI's process, None where it has none: nothing is imported that it does not use."""
    return sys.modules.get(name)


def _on_cuda(torch: Any) -> bool:
    """Whether this process computes on a CUDA device; asking must not make it begin to."""
    return bool(torch.cuda.is_available() and torch.cuda.is_initialized())


def _linear(torch: Any) -> str:
    """The class of a linear layer of fp16 weights: cuBLAS ops show there."""
    found: str = sys.modules["comfy.ops"].pick_operations(torch.float16, torch.float16).Linear.__qualname__
    return found


def _name(module: Any, function: str) -> Any:
    return _tried(lambda: getattr(module, function).__name__)


def _tried(read: Any) -> Any:
    """What ``read`` gives; None where this version lacks it: the rest is to be told all the same."""
    try:
        return read()
    except Exception:  # noqa: BLE001 - another program's insides, of any version
        return None


def _begin() -> None:
    from server import PromptServer

    given = json.loads(os.environ.pop(VARIABLE, "") or "{}")
    attach(PromptServer.instance, given)


if "server" in sys.modules:  # ComfyUI imports its own before any custom node
    _begin()
