"""The agent on a ComfyUI of Stability Matrix: from an update to new flags, past its owner's own work."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autotune.model.workload import Workload
from autotune.webui.comfyui import graph
from autotune.webui.comfyui.webui import WEBUI
from autotune.webui.running import OwnWebUI, ask
from autotune.webui.transport import Transport
from tests.agent.process import agent, status
from tests.e2e.agent.test_story import CONFIG, ended, journal, said
from tests.e2e.webui import comfy_bench
from tests.e2e.webui.comfy_bench import ON_CPU, ComfyBench
from tests.waiting import wait_for

SPLIT = "--use-split-cross-attention"
SLOW = {"AUTOTUNE_ENGINE_FAULTS": f"slow:*@{SPLIT}"}
"""Every clip under the owner's flag takes eight times its time."""
PROFILE = """\
name = "short"
[[workload]]
width = 64
height = 64
frames = 4
steps = 1
[search]
attention = ["pytorch", "split"]
[decide]
confidence = 0.8
[budget]
minutes = 10
"""


@contextmanager
def started(script: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program in its own folder, ended at the end."""
    with (script.parent.parent / f"{script.parent.name}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, script.name, *words], cwd=script.parent, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def at_work(bench: ComfyBench) -> Iterator[None]:
    """The owner's own ComfyUI with a long prompt, started from its folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with started(bench.root / "main.py", ON_CPU, "--port", str(port)) as process:
        own = OwnWebUI(process.pid, (("127.0.0.1", port),), (), kind=WEBUI)
        assert wait_for(lambda: ask(own).kind == "none", 60)
        prompt = graph.of_workload(Workload(128, 128, 8, 150), 1, *models(bench.root)).prompt
        Transport(f"http://127.0.0.1:{port}").call("POST", "/prompt", {"prompt": prompt})
        yield


def models(root: Path) -> tuple[str, str]:
    """(Its motion module, its checkpoint)."""
    names = [next((root / "models" / kind).iterdir()).name for kind in ("animatediff_models", "checkpoints")]
    return names[0], names[1]


@pytest.fixture
def comfy(tmp_path: Path) -> Iterator[ComfyBench]:
    one = comfy_bench.make(tmp_path)
    one.state = one.root.parent / "state"
    one.give(f"{ON_CPU} {SPLIT} --preview-method auto")
    (one.root.parent / "short.toml").write_text(PROFILE)
    config = CONFIG.format(profile=(one.root.parent / "short.toml").as_posix(), policy="apply")
    (one.root.parent / "config.toml").write_text(config.replace("poll_seconds = 5", "poll_seconds = 3600"),
                                                 encoding="utf-8")
    yield one
    assert wait_for(lambda: not one.leftovers(), 20), one.leftovers()


def write_anew(bench: ComfyBench) -> None:
    """Its settings as Stability Matrix saves them at each start: other things than flags are new."""
    settings = json.loads(bench.launch_file.read_text(encoding="utf-8"))
    text = json.dumps({**settings, "LastSeenVersion": "2.15.0"}, ensure_ascii=False)
    part = bench.launch_file.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(bench.launch_file)


def test_an_update_leads_to_new_flags_once_the_owner_is_done(comfy: ComfyBench) -> None:
    root = comfy.root
    other = root.parent.parent / "other" / "main.py"
    other.parent.mkdir()
    other.write_text("import time\ntime.sleep(600)\n")
    with agent(root, SLOW), started(other):
        with at_work(comfy):
            subprocess.run([sys.executable, "-m", "autotune.engine", "update", str(root)], check=True,
                           capture_output=True)
            assert wait_for(lambda: bool(status(root)["due"]), 30), said(comfy.state)
            waiting = wait_for(lambda: any("the web UI renders" in why for why in status(root)["waiting"]), 20)
            assert waiting, status(root)
            assert not any(row["event"] == "began" for row in journal(comfy.state))
        assert wait_for(lambda: bool(ended(comfy.state, "apply")), 200), said(comfy.state)
        words = WEBUI.read(root, WEBUI.layout(root)).words
        assert SPLIT not in words and sorted(words)[:2] == sorted([ON_CPU, "--preview-method"])
        write_anew(comfy)
        told = comfy.json("status")
        assert told["file_since_apply"] == "same" and told["stale"] == [] and told["applied"], told
        # The flags themselves are noticed by the event of the file alone.
        looks = len(journal(comfy.state))
        comfy.give(f"{ON_CPU} {SPLIT} --reserve-vram 1")
        assert wait_for(lambda: len(journal(comfy.state)) > looks, 30), said(comfy.state)
    assert comfy.json("status")["file_since_apply"] == "edited"
    (tune,) = [row for row in comfy.json("history")["events"] if row["verb"] == "tune"]
    assert tune["cause"].startswith("agent: webui_version ") and tune["decision"] == "apply", tune
