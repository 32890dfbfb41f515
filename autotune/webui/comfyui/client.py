"""Asks ComfyUI's API: a prompt is queued, its history tells when it is done, its files are fetched.

The API's shapes are those recorded from ComfyUI 0.26.0, and read in the source of 0.3.64.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autotune.language.translate import _
from autotune.model.api import ApiProblem, Memory, Rendered
from autotune.model.workload import Workload
from autotune.webui.comfyui import graph, log_lines, outputs, problems
from autotune.webui.comfyui.graph import Graph
from autotune.webui.comfyui.history import History
from autotune.webui.face import Reported, RunningJob, WebUIClient
from autotune.webui.transport import MIB, Transport

SEED_STEP = 15_485_863
"""Between the seeds of the clips of one process: ComfyUI hands back what it has of a seed that it had before. A prime
number, and not the one by which the seeds of one workflow lie apart (``workflow.APART``)."""
FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.02, 0.25, 1.3
"""Seconds between two looks at whether a prompt is done; the time of a clip is ComfyUI's own, so these do not count."""
LARGEST_HISTORY = 64 * MIB
"""An error's history holds its inputs as text."""
LARGEST_FILE = 512 * MIB
INPUTS = 60.0
"""Seconds that copying a workflow's input files may take."""


class Client(WebUIClient):
    """One ComfyUI's API. Every method raises ApiProblem, and nothing else, when the answer is not usable.

    One client serves one process: it numbers the clips that it renders, so that no seed comes twice.
    """

    def __init__(self, base_url: str, auth: tuple[str, str] | None = None, *, verify: bool = True) -> None:
        self.transport = Transport(base_url, auth, verify=verify)
        self.base_url = self.transport.base_url
        self._clips: dict[str, int] = {}
        self._prompt_id = ""
        self._said: dict[str, Any] = {}
        self._copied: set[str] = set()

    def _object(self, path: str, limit: float = 10.0, most: int = 16 * MIB) -> dict[str, Any]:
        data = self.transport.call("GET", path, limit=limit, most=most).data
        if not isinstance(data, dict):
            raise ApiProblem("shape", _("{path} is not a JSON object").format(path=path), status=200)
        return data

    def answers(self, limit: float = 10.0) -> None:
        """Returns when it answers a cheap request."""
        self._object("/system_stats", limit)

    def still(self, limit: float = 60.0) -> None:
        """A 64x64 image of one step: the cheapest proof that a checkpoint is there and renders. Where none is, it only
        has to answer: a workflow of its owner's may name models of its own."""
        checkpoint = self._checkpoint()
        if checkpoint is None:
            self.answers(limit)
        else:
            self._rendered(graph.of_still(1, checkpoint), limit, None)

    def render(
        self, workload: Workload, seed: int, *, motion_module: str | None = None, limit: float = 600.0,
        cancel: threading.Event | None = None,
    ) -> Rendered:
        """Renders one clip; blocks until it is done.

        ``seed`` is that of the first clip of its kind in this process; each later one is rendered with the next of a
        fixed list, which ``Rendered.seed`` tells. ``seconds``: from the prompt's start to its end by ComfyUI's clock.
        """
        checkpoint = None if workload.is_workflow else self._checkpoint()
        one = graph.of_workload(workload, seed, motion_module, checkpoint)
        kind = hashlib.sha256(json.dumps(one.prompt, sort_keys=True).encode()).hexdigest()
        number = self._clips.get(kind, 0)
        self._clips[kind] = number + 1
        seed += number * SEED_STEP
        if number:
            one = graph.of_workload(workload, seed, motion_module, checkpoint)
        self._fetch_inputs(one)
        if not self._said:
            self._note_log()
        return self._rendered(one, limit, cancel, seed)

    def _rendered(self, one: Graph, limit: float, cancel: threading.Event | None, seed: int | None = None) -> Rendered:
        """Queues a graph and waits for its clip. An interrupted one has no images."""
        begun = time.monotonic()
        self._prompt_id = str(uuid.uuid4())
        # Without a client_id: nothing is sent to a websocket, and a prompt from the cache names no old files.
        answer = self.transport.call("POST", "/prompt", {"prompt": one.prompt, "prompt_id": self._prompt_id},
                                     limit=min(limit, 60.0), cancel=cancel, accept=(400,))
        if answer.status != 200 or not isinstance(answer.data, dict) or "prompt_id" not in answer.data:
            raise problems.refused(answer.data, answer.status, one)
        self._prompt_id = str(answer.data["prompt_id"])
        if answer.data.get("node_errors"):
            # Where one of several outputs is refused, it renders the others.
            self.interrupt()
            raise problems.refused(answer.data, answer.status, one)
        found = self._wait(begun, limit, cancel)
        waited = time.monotonic() - begun
        if found.interrupted:
            return Rendered((), "", waited, None, seed=seed)
        if found.error is not None:
            raise problems.failed(found.error, one)
        cached = [node for node in one.computed if node in found.cached]
        if cached:
            raise ApiProblem("shape", _("ComfyUI did not compute it but handed it out of its cache: {nodes}").format(
                nodes=", ".join(problems.kind_of(one, node) for node in cached)), status=200)
        left = max(5.0, begun + limit - time.monotonic())
        clip = outputs.clip_of(found.outputs, one.shown, lambda file: self._file(file, left, cancel))
        return Rendered((clip,), "", found.seconds(waited), None, seed=seed)

    def _wait(self, begun: float, limit: float, cancel: threading.Event | None) -> History:
        """The history of the prompt, once it has ended. Raises ApiProblem (timeout, cancelled)."""
        pause, path = FIRST_PAUSE, f"/history/{self._prompt_id}"
        while True:
            left = begun + limit - time.monotonic()
            if cancel is not None and cancel.is_set():
                raise ApiProblem("cancelled", _("given up"))
            if left <= 0:
                raise ApiProblem("timeout",
                                 _("no answer from {path} within {limit:g} s").format(path=path, limit=limit))
            try:
                data = self._object(path, min(left, 10.0), LARGEST_HISTORY)
            except ApiProblem as problem:
                # Its server stands still while some nodes work.
                if problem.kind != "timeout":
                    raise
                data = {}
            if data.get(self._prompt_id):
                return History.of(data[self._prompt_id])
            time.sleep(min(pause, max(0.0, left)))
            pause = min(LONGEST_PAUSE, pause * GROWTH)

    def _file(self, file: Mapping[str, str], limit: float, cancel: threading.Event | None) -> bytes:
        """The bytes of one file of a prompt's outputs; of a video, its pictures."""
        return self.transport.fetch(outputs.address(file), limit=limit, most=LARGEST_FILE, cancel=cancel)

    def _checkpoint(self) -> str | None:
        """The checkpoint to render with, as the trial's start told it to the trial's node; None without one."""
        said = self._object("/autotune/trial").get("checkpoint")
        return said if isinstance(said, str) and said else None

    def _fetch_inputs(self, one: Graph) -> None:
        """Has the files that a workflow names copied from its owner's folders into the trial's, once each."""
        names = set(one.files) - self._copied
        if names:
            self.transport.call("POST", "/autotune/input", {"names": sorted(names)}, limit=INPUTS)
            self._copied |= names

    def interrupt(self, limit: float = 5.0) -> None:
        """Asks the running prompt of ours to end; it does at the end of a step."""
        body = {"prompt_id": self._prompt_id} if self._prompt_id else {}
        self.transport.fetch("/interrupt", body, method="POST", limit=limit)

    def was_interrupted(self, limit: float = 5.0) -> bool:
        """Whether the prompt that ended last was interrupted, by whomever."""
        path = f"/history/{self._prompt_id}" if self._prompt_id else "/history?max_items=1"
        data = self._object(path, limit, LARGEST_HISTORY)
        return any(History.of(one).interrupted for one in data.values() if isinstance(one, dict))

    def memory(self) -> Memory:
        """Memory of the device, with this process's peaks where it is a trial."""
        try:
            said = self._object("/autotune/trial").get("memory")
        except ApiProblem as problem:
            if problem.status != 404:
                raise
            return self._memory_now()
        if not isinstance(said, dict) or not said:
            return self._memory_now()
        count = said.get("oom_count")
        return Memory(_mib(said, "used"), _mib(said, "total"), _mib(said, "reserved_peak"), _mib(said, "active_peak"),
                      count if isinstance(count, int) else None)

    def _memory_now(self) -> Memory:
        """What any ComfyUI tells: the device's memory in use now."""
        devices = self._object("/system_stats").get("devices")
        first = devices[0] if isinstance(devices, list) and devices and isinstance(devices[0], dict) else {}
        total, free = _mib(first, "vram_total"), _mib(first, "vram_free")
        if first.get("type") == "cpu" or total is None or free is None:
            return Memory()
        return Memory(total - free, total)

    def job(self, limit: float = 5.0) -> RunningJob:
        """Whether prompts run or wait. How far they are it tells to a websocket only."""
        said = self._object("/prompt", limit).get("exec_info")
        left = said.get("queue_remaining") if isinstance(said, dict) else None
        if not isinstance(left, int):
            raise ApiProblem("shape", _("{path} is not a JSON object").format(path="/prompt"), status=200)
        return RunningJob(left > 0)

    def reported(self, attention: str | None = None) -> Reported:
        """Its command line, what its log says, and what a trial's node sees in use.

        ``flags``: ``argv`` (words after the script's name), ``log`` (``log_lines.told``), ``effect`` (see the trial's
        node; None for the owner's own ComfyUI). ``attention``: what the log named, passed on as autotune's level.
        """
        system = self._object("/system_stats").get("system")
        argv = system.get("argv") if isinstance(system, dict) else None
        if not isinstance(argv, list):
            raise ApiProblem("shape", _("{path} is not a JSON object").format(path="/system_stats"), status=200)
        self._note_log()
        try:
            effect = self._object("/autotune/trial").get("effect")
        except ApiProblem as problem:
            if problem.status != 404:
                raise
            effect = None
        level = log_lines.level_of(attention) or self._said.get("attention")
        words = [str(word) for word in argv[1:]]
        return Reported({"argv": words, "log": dict(self._said), "effect": effect}, {}, level)

    def _note_log(self) -> None:
        """Notes what its log says; the log keeps 300 pieces, so that its start's are gone after some clips."""
        try:
            entries = self._object("/internal/logs/raw").get("entries")
        except ApiProblem as problem:
            if problem.status != 404:
                raise
            return
        texts = [str(one.get("m", "")) for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
        now = log_lines.told("".join(texts).splitlines())
        fallbacks = dict.fromkeys([*self._said.get("fallbacks", ()), *now.get("fallbacks", ())])
        self._said.update(now)
        if fallbacks:
            self._said["fallbacks"] = list(fallbacks)


def of_owner(address: str, words: Sequence[str] | None) -> Iterator[Client]:
    """Clients to try for the owner's own ComfyUI, which asks for no credentials; its certificate is not checked."""
    from autotune.webui.comfyui.isolation import serves_tls

    tls = None if words is None else serves_tls(words)
    for scheme in ("http", "https") if tls is None else ("https" if tls else "http",):
        yield Client(f"{scheme}://{address}", None, verify=scheme != "https")


def _mib(data: Mapping[str, Any], name: str) -> float | None:
    value = data.get(name)
    return value / MIB if isinstance(value, (int, float)) and not isinstance(value, bool) else None
