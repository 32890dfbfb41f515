"""Executes prompts one after another: each node that is needed and not kept from before, inputs first."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from autotune.engine.comfyui import nodes, progress
from autotune.engine.comfyui.caches import Cache, Entry
from autotune.engine.comfyui.runtime import InterruptProcessingException, Runtime
from autotune.engine.comfyui.validate import is_link
from autotune.engine.values import Json

OOM_TIP = ("This error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have "
           "accidentally set the batch_size to a large number.")


class Listeners(Protocol):
    """Who is told of what is executed: one client, or all."""

    client_id: str | None
    last_node_id: str | None

    def send_sync(self, event: str, data: dict[str, Json], sid: str | None = None) -> None:
        """Sends a message from any thread."""


@dataclass
class Outcome:
    """What became of a prompt, in the form of the history."""

    messages: list[tuple[str, dict[str, Json]]] = field(default_factory=list)
    outputs: dict[str, Json] = field(default_factory=dict)
    meta: dict[str, Json] = field(default_factory=dict)
    success: bool = True


@dataclass
class _Job:
    """One prompt while it is executed."""

    prompt_id: str
    graph: dict[str, Json]
    extra: dict[str, Json]
    outcome: Outcome
    shown: progress.Progress
    executed: list[str] = field(default_factory=list)
    running: str = ""
    inputs: dict[str, Json] = field(default_factory=dict)
    results: dict[str, Entry] = field(default_factory=dict)


class PromptExecutor:
    """Executes one prompt at a time and keeps results between them."""

    def __init__(self, server: Listeners, run: Runtime) -> None:
        self.server, self.run = server, run
        self.cache = Cache(run.acting.cache, run.acting.kept)
        self._last: dict[str, Entry] = {}
        """What each node of the prompt before gave: for the fault `cached` only."""

    def reset(self) -> None:
        """Forgets all results, and with them the models."""
        self.cache.clear()
        self._last.clear()

    def execute(self, graph: dict[str, Json], prompt_id: str, extra: dict[str, Json], outputs: list[str]) -> Outcome:
        """Executes what the output nodes need; every error of a node becomes part of the outcome."""
        import torch

        self.run.begin(prompt_id)
        self.server.client_id = extra.get("client_id")
        outcome = Outcome()
        job = _Job(prompt_id, graph, extra, outcome, progress.Progress(prompt_id, self._send))
        progress.begin(job.shown)
        self._message(job, "execution_start")
        with torch.inference_mode():
            self.cache.begin(graph)
            found = {node_id: entry for node_id in graph if (entry := self._kept(node_id, graph)) is not None}
            job.results.update(found)
            self._message(job, "execution_cached", nodes=list(found))
            try:
                for node_id in self._order(job, outputs):
                    if node_id in found:
                        self._show_kept(job, node_id, found[node_id])
                    else:
                        self._node(job, node_id)
                self._message(job, "execution_success")
            except InterruptProcessingException:
                logging.info("Processing interrupted")
                self._fail(job, "execution_interrupted", {})
            except Exception as error:  # noqa: BLE001 - whatever a node raises is its prompt's error
                self._fail(job, "execution_error", self._told(job, error))
        if self.run.faults.has("cached"):
            self._last = dict(job.results)
        self._settle(job)
        self.server.last_node_id = None
        return outcome

    def _kept(self, node_id: str, graph: dict[str, Json]) -> Entry | None:
        """What is kept for a node; with the fault `cached` what the same node of the prompt before gave."""
        if "cached" in self.run.hits and not nodes.is_output(graph[node_id]["class_type"]):
            return self.cache.get(node_id) or self._last.get(node_id)
        return self.cache.get(node_id)

    def _order(self, job: _Job, outputs: list[str]) -> Iterator[str]:
        """The nodes that the outputs need and that nothing is kept for, and kept outputs, inputs first."""
        done: set[str] = set()
        for output in outputs:
            stack = [(output, False)]
            while stack:
                node_id, ready = stack.pop()
                if node_id in done:
                    continue
                if ready or node_id in job.results:
                    done.add(node_id)
                    if ready or node_id == output:
                        yield node_id
                    continue
                stack.append((node_id, True))
                links = [value[0] for value in job.graph[node_id]["inputs"].values() if is_link(value)]
                stack.extend((one, False) for one in reversed(links))

    def _node(self, job: _Job, node_id: str) -> None:
        """Executes one node."""
        self.run.check_interrupt()
        job.running, self.server.last_node_id = node_id, node_id
        job.shown.start(node_id)
        kind = job.graph[node_id]["class_type"]
        job.inputs = self._inputs(job, node_id)
        node = nodes.NODE_CLASS_MAPPINGS[kind]()
        answer = getattr(node, node.FUNCTION)(**job.inputs)
        ui = answer.get("ui") if isinstance(answer, dict) else None
        outputs = tuple(answer.get("result", ())) if isinstance(answer, dict) else tuple(answer or ())
        entry = Entry(outputs, {key: list(value) for key, value in ui.items()} if ui else None)
        if entry.ui:
            self._show(job, node_id, entry.ui)
        job.results[node_id] = entry
        self.cache.put(node_id, entry)
        job.shown.finish(node_id)
        job.executed.append(node_id)

    def _inputs(self, job: _Job, node_id: str) -> dict[str, Json]:
        """The values of a node's inputs, hidden ones included."""
        node = job.graph[node_id]
        declared = nodes.NODE_CLASS_MAPPINGS[node["class_type"]].INPUT_TYPES()
        known = {**declared.get("required", {}), **declared.get("optional", {})}
        found: dict[str, Any] = {}
        for name, value in node["inputs"].items():
            if is_link(value):
                found[name] = job.results[value[0]].outputs[int(value[1])]
            elif name in known:
                found[name] = value
        hidden = {"PROMPT": job.graph, "EXTRA_PNGINFO": job.extra.get("extra_pnginfo"), "UNIQUE_ID": node_id}
        for name, kind in declared.get("hidden", {}).items():
            asked = kind[0] if isinstance(kind, (tuple, list)) else kind
            if asked in hidden:
                found[name] = hidden[asked]
        return found

    def _show(self, job: _Job, node_id: str, ui: dict[str, Json]) -> None:
        job.outcome.outputs[node_id] = ui
        job.outcome.meta[node_id] = {"node_id": node_id, "display_node": node_id, "parent_node": None,
                                     "real_node_id": node_id}
        self._send("executed", {"node": node_id, "display_node": node_id, "output": ui, "prompt_id": job.prompt_id})

    def _show_kept(self, job: _Job, node_id: str, entry: Entry) -> None:
        """A kept output is told only to a client that asked under its name, as in ComfyUI."""
        if self.server.client_id is not None and entry.ui:
            self._show(job, node_id, entry.ui)
        job.shown.finish(node_id)

    def _told(self, job: _Job, error: Exception) -> dict[str, Json]:
        """The error of a node as the history tells it; memory that ran out is given back."""
        import torch

        tip = ""
        logging.error("!!! Exception during processing !!! %s", error)
        logging.error("%s", "".join(traceback.format_exception(error)))
        if isinstance(error, torch.cuda.OutOfMemoryError):
            tip = OOM_TIP
            logging.error("Got an OOM, unloading all loaded models.")
        kind = type(error)
        where = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        return {"exception_message": f"{error}\n{tip}", "exception_type": where + kind.__qualname__,
                "traceback": traceback.format_tb(error.__traceback__),
                "current_inputs": {name: [_shown(value)] for name, value in job.inputs.items()},
                "current_outputs": list(job.graph)}

    def _fail(self, job: _Job, event: str, more: dict[str, Json]) -> None:
        job.outcome.success = False
        self._message(job, event, node_id=job.running, node_type=job.graph[job.running]["class_type"],
                      executed=list(job.executed), **more)

    def _settle(self, job: _Job) -> None:
        """After a prompt: models leave the device where they are to, and memory is given back."""
        from autotune.engine import memory
        from autotune.engine.comfyui.core_nodes import Patched

        if not self.run.acting.smart_memory:
            for entry in job.results.values():
                for output in entry.outputs:
                    if isinstance(output, Patched):
                        output.model.unload()
        memory.give_back()

    def _message(self, job: _Job, event: str, **data: Json) -> None:
        data["prompt_id"] = job.prompt_id
        data["timestamp"] = int(time.time() * 1000)
        job.outcome.messages.append((event, data))
        self._send(event, data, broadcast=event == "execution_interrupted")

    def _send(self, event: str, data: dict[str, Json], broadcast: bool = False) -> None:
        if self.server.client_id is not None or broadcast:
            self.server.send_sync(event, data, self.server.client_id)


def _shown(value: Json) -> Json:
    """A value in an error: plain ones as they are, others as text."""
    return value if value is None or isinstance(value, (int, float, bool, str)) else str(value)
