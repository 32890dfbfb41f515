"""The API on prompts: queue, history, jobs, interrupt, free, nodes, and what the server tells of itself."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from aiohttp import web

from autotune.engine import memory
from autotune.engine.comfyui import broken, jobs, nodes, validate
from autotune.engine.comfyui.prompt_queue import Item
from autotune.engine.comfyui.runtime import VERSION, Runtime
from autotune.engine.comfyui.server import FEATURES, PromptServer
from autotune.engine.values import Json

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PACKAGES = {"comfyui-frontend-package": "1.45.19", "comfyui-workflow-templates": "0.10.7",
            "comfyui-embedded-docs": "0.5.5", "comfy-kitchen": "0.2.14", "comfy-aimdo": "0.4.10"}
"""Packages that ComfyUI 0.26 asks for."""


def add(server: PromptServer) -> None:
    """Adds the routes."""
    own, routes = _Routes(server), server.routes
    routes.get("/prompt")(own.queue_info)
    routes.post("/prompt")(own.prompt)
    routes.get("/queue")(own.queue)
    routes.post("/queue")(own.change_queue)
    routes.get("/history")(own.history)
    routes.post("/history")(own.change_history)
    routes.get("/history/{prompt_id}")(own.one_of_history)
    routes.post("/interrupt")(own.interrupt)
    routes.post("/free")(own.free)
    routes.get("/system_stats")(own.system_stats)
    routes.get("/features")(own.features)
    routes.get("/object_info")(own.all_nodes)
    routes.get("/object_info/{kind}")(own.one_node)
    routes.get("/api/jobs")(own.jobs)
    routes.get("/api/jobs/{prompt_id}")(own.job)
    routes.post("/api/jobs/cancel")(own.cancel_several)
    routes.post("/api/jobs/{prompt_id}/cancel")(own.cancel)


class _Routes:
    def __init__(self, server: PromptServer) -> None:
        self.server, self.prompts = server, server.prompt_queue

    async def queue_info(self, _request: web.Request) -> web.Response:
        """GET /prompt: how many prompts run or wait."""
        return web.json_response(self.server.queue_info())

    async def prompt(self, request: web.Request) -> web.Response:
        """POST /prompt: queues a prompt that is sound, and says what is wrong with another."""
        logging.info("got prompt")
        body = await request.json()
        for handler in self.server.on_prompt_handlers:
            body = handler(body)
        number = float(body["number"]) if "number" in body else self.server.number
        if "number" not in body:
            number = -number if body.get("front") else number
            self.server.number += 1
        if "prompt" not in body:
            return _refused(validate.reason("no_prompt", "No prompt provided", "No prompt provided"))
        prompt_id = body.get("prompt_id")
        if prompt_id is not None and not (isinstance(prompt_id, str) and UUID.fullmatch(prompt_id)):
            return _refused(validate.reason(
                "invalid_prompt_id", "prompt_id must be a valid UUID", "prompt_id must be a UUID string in canonical "
                "lowercase hyphenated form; omit it to let the server generate one"))
        prompt_id = prompt_id or str(uuid.uuid4())
        checked = validate.prompt(body["prompt"], body.get("partial_execution_targets"))
        if checked.error is not None:
            logging.warning("invalid prompt: %s", checked.error)
            return _refused(checked.error, checked.node_errors)
        extra = {**body.get("extra_data", {}), **({"client_id": body["client_id"]} if "client_id" in body else {})}
        extra["create_time"] = int(time.time() * 1000)
        self.prompts.put(Item(number, prompt_id, body["prompt"], extra, checked.outputs))
        return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": checked.node_errors})

    async def queue(self, _request: web.Request) -> web.Response:
        """GET /queue: the prompts that run and wait."""
        running, waiting = self.prompts.state()
        return web.json_response({"queue_running": running, "queue_pending": waiting})

    async def change_queue(self, request: web.Request) -> web.Response:
        """POST /queue: clear it, or delete some that wait."""
        body = await request.json()
        if body.get("clear"):
            self.prompts.clear()
        for prompt_id in body.get("delete", ()):
            self.prompts.delete(prompt_id)
        return web.Response(status=200)

    async def history(self, request: web.Request) -> web.Response:
        """GET /history: what is done, oldest first."""
        query = request.rel_url.query
        most = int(query["max_items"]) if "max_items" in query else None
        return web.json_response(self.prompts.history(most=most, offset=int(query.get("offset", -1))))

    async def one_of_history(self, request: web.Request) -> web.StreamResponse:
        """GET /history/{prompt_id}: {} until the prompt is done; a fault on demand may replace the answer."""
        prompt_id = request.match_info["prompt_id"]
        found = self.prompts.history(prompt_id)
        faults = self.server.run.broken_answers.get(prompt_id, set()) if found else set()
        return await broken.instead(request, faults) or web.json_response(found)

    async def change_history(self, request: web.Request) -> web.Response:
        """POST /history: clear it, or delete some of it."""
        body = await request.json()
        if body.get("clear"):
            self.prompts.clear_history()
        for prompt_id in body.get("delete", ()):
            self.prompts.delete_history(prompt_id)
        return web.Response(status=200)

    async def interrupt(self, request: web.Request) -> web.Response:
        """POST /interrupt: the prompt that runs ends at its next step; with a prompt_id only that one."""
        try:
            body = await request.json()
        except json.JSONDecodeError:
            body = {}
        prompt_id = body.get("prompt_id")
        if not prompt_id:
            logging.info("Global interrupt (no prompt_id specified)")
            nodes.interrupt_processing()
        elif self.prompts.interrupt(prompt_id):
            logging.info("Interrupting prompt %s", prompt_id)
        else:
            logging.info("Prompt %s is not currently running, skipping interrupt", prompt_id)
        return web.Response(status=200)

    async def free(self, request: web.Request) -> web.Response:
        """POST /free: models leave memory, results are forgotten, once the prompt that runs is done."""
        body = await request.json()
        for name in ("unload_models", "free_memory"):
            if body.get(name):
                self.prompts.set_flag(name, body[name])
        return web.Response(status=200)

    async def features(self, _request: web.Request) -> web.Response:
        """GET /features."""
        return web.json_response(FEATURES)

    async def system_stats(self, _request: web.Request) -> web.Response:
        """GET /system_stats: version, command line, memory in bytes."""
        return web.json_response(system_stats(self.server.run))

    async def all_nodes(self, _request: web.Request) -> web.Response:
        """GET /object_info: every class of nodes."""
        return web.json_response({kind: nodes.describe(kind) for kind in nodes.NODE_CLASS_MAPPINGS})

    async def one_node(self, request: web.Request) -> web.Response:
        """GET /object_info/{kind}: one class, {} for an unknown one."""
        kind = request.match_info["kind"]
        return web.json_response({kind: nodes.describe(kind)} if kind in nodes.NODE_CLASS_MAPPINGS else {})

    async def jobs(self, request: web.Request) -> web.Response:
        """GET /api/jobs: prompts that wait, run or are done, newest first."""
        answer, status = jobs.listed(self.prompts, request.rel_url.query)
        return web.json_response(answer, status=status)

    async def job(self, request: web.Request) -> web.Response:
        """GET /api/jobs/{prompt_id}: one of them, whole."""
        found = jobs.one(self.prompts, request.match_info["prompt_id"])
        return web.json_response(found or {"error": "Job not found"}, status=200 if found else 404)

    async def cancel(self, request: web.Request) -> web.Response:
        """POST /api/jobs/{prompt_id}/cancel: ends or forgets it; says whether there was something to do."""
        return web.json_response({"cancelled": self._cancel(request.match_info["prompt_id"])})

    async def cancel_several(self, request: web.Request) -> web.Response:
        """POST /api/jobs/cancel: the same for a list."""
        try:
            body = await request.json()
        except json.JSONDecodeError:
            return web.json_response({"error": "Request body must be valid JSON"}, status=400)
        wanted = body.get("job_ids") if isinstance(body, dict) else None
        if not isinstance(wanted, list):
            return web.json_response({"error": "job_ids must be a list"}, status=400)
        wrong = [str(one) for one in wanted if not (isinstance(one, str) and UUID.fullmatch(one))]
        if wrong:
            return web.json_response({"error": "job_ids contains invalid id(s)", "invalid_ids": wrong}, status=400)
        done = [self._cancel(one) for one in wanted]
        return web.json_response({"cancelled": any(done)})

    def _cancel(self, prompt_id: str) -> bool:
        running, waiting = self.prompts.state()
        if any(item.prompt_id == prompt_id for item in running):
            logging.info("Cancelling running prompt %s", prompt_id)
            return self.prompts.interrupt(prompt_id)
        if any(item.prompt_id == prompt_id for item in waiting):
            logging.info("Cancelling pending prompt %s", prompt_id)
            return self.prompts.delete(prompt_id)
        return False


def _refused(error: Json, node_errors: Json = None) -> web.Response:
    return web.json_response({"error": error, "node_errors": node_errors or {}}, status=400)


def system_stats(run: Runtime) -> dict[str, Json]:
    """The answer to GET /system_stats."""
    import torch

    total, free = memory.total(), memory.free_bytes("cpu")
    installed = {name: None if name == "comfyui-workflow-templates" else version for name, version in PACKAGES.items()}
    return {"system": {
        "os": sys.platform, "ram_total": total, "ram_free": free, "comfyui_version": VERSION,
        "required_frontend_version": PACKAGES["comfyui-frontend-package"], "installed_templates_version": None,
        "required_templates_version": PACKAGES["comfyui-workflow-templates"],
        "comfy_package_versions": [{"name": name, "installed": installed[name], "required": version}
                                   for name, version in PACKAGES.items()],
        "python_version": sys.version, "pytorch_version": torch.__version__,
        "embedded_python": Path(sys.executable).parent.name == "python_embeded",
        "deploy_environment": "local-git", "argv": sys.argv}, "devices": [_device(run, total, free)]}


def _device(run: Runtime, total: int, free: int) -> dict[str, Json]:
    """The device's memory in bytes; with the fault `spill` that of a GPU of which nearly all is taken."""
    from autotune.engine.comfyui.devices import name_of

    figures: dict[str, Any] = {"vram_total": total, "vram_free": free, "torch_vram_total": total,
                               "torch_vram_free": free}
    if run.device.type == "cuda":
        import torch

        stats = torch.cuda.memory_stats(run.device)
        reserved, active = stats["reserved_bytes.all.current"], stats["active_bytes.all.current"]
        left, whole = torch.cuda.mem_get_info(run.device)
        figures = {"vram_total": whole, "vram_free": left + reserved - active, "torch_vram_total": reserved,
                   "torch_vram_free": reserved - active}
    kind = run.device.type
    if run.faults.concerns("spill", run.choices.attention):
        kind, figures["vram_free"] = "cuda", figures["vram_total"] // 500
    return {"name": name_of(run.device), "type": kind, "index": run.device.index, **figures}
