"""A reference ComfyUI as a process, and prompts for it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from tests.waiting import wait_for

LIMIT = 120.0
CHECKPOINT, MOTION = "reference-tiny.safetensors", "mm_sd15_v2.safetensors"
Graph = dict[str, dict[str, Any]]


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def graph(seed: int = 1, frames: int = 3, size: int = 64, steps: int = 1, prompt: str = "a lighthouse") -> Graph:
    """The smallest graph of a clip, its nodes numbered as in the recordings."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": prompt, "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": size, "height": size, "batch_size": frames}},
        "5": {"class_type": "ADE_LoadAnimateDiffModel", "inputs": {"model_name": MOTION}},
        "6": {"class_type": "ADE_ApplyAnimateDiffModelSimple", "inputs": {"motion_model": ["5", 0]}},
        "7": {"class_type": "ADE_UseEvolvedSampling",
              "inputs": {"model": ["1", 0], "beta_schedule": "autoselect", "m_models": ["6", 0]}},
        "8": {"class_type": "KSampler", "inputs": {
            "model": ["7", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": seed,
            "steps": steps, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
        "9": {"class_type": "VAEDecode", "inputs": {"samples": ["8", 0], "vae": ["1", 2]}},
        "10": {"class_type": "SaveAnimatedWEBP", "inputs": {
            "images": ["9", 0], "filename_prefix": "clip", "fps": 8.0, "lossless": True, "quality": 80,
            "method": "default"}},
    }


class Running:
    """One process; a context that ends it. ``words``: flags beside the port; its log lies in ``folder``."""

    def __init__(self, root: Path, folder: Path, words: Sequence[str] = (), faults: str = "",
                 more: dict[str, str] | None = None) -> None:
        self.port, self.root = free_port(), root
        self.base = f"http://127.0.0.1:{self.port}"
        self.out, self.err = folder / "stdout.txt", folder / "stderr.txt"
        environment = {**os.environ, **(more or {}), "OMP_NUM_THREADS": "1"}
        environment.pop("AUTOTUNE_ENGINE_FAULTS", None)
        if faults:
            environment["AUTOTUNE_ENGINE_FAULTS"] = faults
        command = [interpreter(root), "-s", str(root / "main.py"), "--port", str(self.port), *words]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=folder,
                                            env=environment)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT)

    def ready(self) -> Running:
        """Waits until it answers. Raises AssertionError when it ends instead."""
        assert wait_for(self._answers, LIMIT), self.log()
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.get("/prompt").status_code > 0
        except requests.ConnectionError:
            return False

    def ended(self) -> int:
        """Waits until it has ended; its exit code."""
        return self.process.wait(LIMIT)

    def interrupt(self) -> int:
        """Ends it as Ctrl+C does; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.ended()

    def log(self) -> str:
        """What it wrote: stdout, then stderr."""
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in (self.out, self.err))

    def get(self, path: str, **more: Any) -> requests.Response:
        """GET."""
        return requests.get(self.base + path, timeout=LIMIT, **more)

    def post(self, path: str, body: object, **more: Any) -> requests.Response:
        """POST of JSON."""
        return requests.post(self.base + path, json=body, timeout=LIMIT, **more)

    def begin(self, prompt: Graph, **more: Any) -> str:
        """Queues a prompt; its id."""
        answer = self.post("/prompt", {"prompt": prompt, **more})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    def render(self, prompt: Graph, client: str | None = "tests") -> dict[str, Any]:
        """Renders a prompt; its entry in the history."""
        prompt_id = str(uuid.uuid4())
        self.begin(prompt, prompt_id=prompt_id, **({"client_id": client} if client else {}))
        return self.wait(prompt_id)

    def wait(self, prompt_id: str) -> dict[str, Any]:
        """Waits until a prompt is done; its entry in the history."""

        found: dict[str, Any] = {}

        def done() -> bool:
            assert self.process.poll() is None, self.log()
            found.update(self.get(f"/history/{prompt_id}").json())
            return prompt_id in found

        assert wait_for(done, LIMIT), self.log()
        return dict(found[prompt_id])


def interpreter(root: Path) -> str:
    """The install's own Python."""
    scripts = root / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    return str(scripts / ("python.exe" if sys.platform == "win32" else "python"))


def messages(entry: dict[str, Any]) -> dict[str, Any]:
    """The messages of a prompt's status by their names."""
    return dict(entry["status"]["messages"])


def cached(entry: dict[str, Any]) -> list[str]:
    """The nodes that were kept from before."""
    return list(messages(entry)["execution_cached"]["nodes"])


def seconds(entry: dict[str, Any]) -> float:
    """How long a prompt took by its own history."""
    told = messages(entry)
    return float(told["execution_success"]["timestamp"] - told["execution_start"]["timestamp"]) / 1000


def extra_nodes(folder: Path, packages: dict[str, str]) -> list[str]:
    """The words that load custom nodes from a folder of their own."""
    for name, text in packages.items():
        (folder / "nodes" / name).mkdir(parents=True)
        (folder / "nodes" / name / "__init__.py").write_text(text, encoding="utf-8")
    config = folder / "extra.yaml"
    config.write_text(json.dumps({"ours": {"custom_nodes": str(folder / "nodes")}}), encoding="utf-8")
    return ["--extra-model-paths-config", str(config)]
