"""An update makes the owner's attention slow: noticed by the owner's own clips, named, cured by another flag, shown."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from autotune.agent.situation import SituationReader
from autotune.agent.use_reader import UseReader
from tests.agent.process import agent, command
from tests.e2e.agent.test_owner import JOB, SHORT, idle, of, post
from tests.e2e.agent.test_story import CONFIG, ended, give, history, journal, launch_file, said
from tests.waiting import wait_for

FLAG = "--opt-sdp-attention"
PROFILE = SHORT.replace('["sdp"]', '["sdp", "split"]')
CLIP = {
    **JOB, "width": 64, "height": 64, "steps": 4, "sampler_name": "Euler", "prompt": "Steps: 9, a secret wish",
    "alwayson_scripts": {"AnimateDiff": {"args": [{
        "enable": True, "model": "mm_sd15_v2.safetensors", "video_length": 4, "batch_size": 4, "format": ["GIF"]}]}},
}
BEFORE, AFTER = 30, 8
DAY = 86400.0

pytestmark = pytest.mark.slow


@contextmanager
def at_work(root: Path, keeps_output: bool = True) -> Iterator[int]:
    """The owner's own web UI with their flag, its output going to a file of theirs or nowhere; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    words = ["launch.py", "--api", "--nowebui", "--server-name", "127.0.0.1", "--port", str(port)]
    with (root.parent / "owner.log" if keeps_output else Path(os.devnull)).open("ab") as log:
        process = subprocess.Popen([sys.executable, *words], cwd=root, stdout=log, stderr=log,
                                   env={**os.environ, "COMMANDLINE_ARGS": FLAG})
    try:
        assert wait_for(lambda: idle(port), 60)
        yield port
    finally:
        process.kill()
        process.wait()


def render(root: Path, clips: int) -> None:
    """One use: the owner renders, while the agent watches. The first clip of a start counts for nothing."""
    known = len(recorded(root, "clip"))
    with at_work(root) as port, agent(root):
        for _ in range(clips + 1):
            post(port, "txt2img", CLIP)
        assert wait_for(lambda: len(recorded(root, "clip")) == known + clips, 60), said(root.parent / "state")


def use_file(root: Path) -> Path:
    return next((root.parent / "state").glob("installs/*/use.jsonl"), root / "none")


def recorded(root: Path, kind: str) -> list[dict[str, Any]]:
    if not use_file(root).is_file():
        return []
    lines = [json.loads(line) for line in use_file(root).read_bytes().split(b"\n")[:-1]]
    return [line for line in lines if line["kind"] == kind]


def as_if_on_days_of_their_own(root: Path, days_ago: int) -> None:
    """Dates the records of the last start as if each of its clips had been rendered by a start on a day of its own, the
    first of them ``days_ago``. What was measured stays."""
    lines = [json.loads(line) for line in use_file(root).read_bytes().split(b"\n")[:-1]]
    (last,) = [at for at, line in enumerate(lines) if line["kind"] == "start"][-1:]
    begin = last - 1 if lines[last - 1]["kind"] == "parts" else last
    number, when = lines[last]["number"], lines[last]["at"] - days_ago * DAY
    aged = [{**line, "at": when - 1.0} for line in lines[begin:last]]
    for clip in (line for line in lines[last:] if line["kind"] == "clip"):
        aged += [{**lines[last], "number": number, "at": when, "created": when - 5.0},
                 {**clip, "start": number, "at": when + 60.0}]
        number, when = number + 1, when + DAY
    use_file(root).write_text("".join(json.dumps(line) + "\n" for line in [*lines[:begin], *aged]), encoding="utf-8")


def told(root: Path, *words: str) -> dict[str, Any]:
    place = ["--webui", str(root), "--state-dir", str(root.parent / "state"), "--json", "-q"]
    line = [sys.executable, "-m", "autotune", *words, *place]
    document: dict[str, Any] = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
    return document


def test_the_tab_tells_what_clips_take_where_the_output_goes_nowhere(webui: Path) -> None:
    """As on Windows, whose console keeps what the web UI prints for itself."""
    state = webui.parent / "state"
    assert told(webui, "extension", "install")
    with at_work(webui, keeps_output=False) as port:
        reader = UseReader(webui, state, dict)
        reader.look(SituationReader(webui).web_uis(frozenset()))
        for _ in range(3):
            post(port, "txt2img", CLIP)
        post(port, "txt2img", {**CLIP, "alwayson_scripts": {}})  # a still
        reader.look(SituationReader(webui).web_uis(frozenset()))
    clips = recorded(webui, "clip")
    assert [(clip["number"], clip["source"]) for clip in clips] == [(2, "tab"), (3, "tab")]
    assert {clip["shape"] for clip in clips} == {"64 × 64, 4 frames, 4 steps, Euler"}
    assert all(0.0 < clip["seconds"] * 16 < 60.0 for clip in clips)
    kept = [path for path in state.rglob("*") if path.is_file() and b"secret wish" in path.read_bytes()]
    assert kept == []


@pytest.mark.skipif(sys.platform == "win32", reason="where a program's output goes is not told on Windows")
@pytest.mark.timeout(400)
def test_slower_since_an_update_named_and_cured(webui: Path) -> None:
    state, before = webui.parent / "state", give(webui, FLAG)
    (webui.parent / "short.toml").write_text(PROFILE)
    # That the release changed is no reason to tune here: what it does to the owner's clips is.
    (webui.parent / "config.toml").write_text(
        CONFIG.format(profile=(webui.parent / "short.toml").as_posix(), policy="apply") + '"webui_*" = "nothing"\n')
    render(webui, BEFORE)
    as_if_on_days_of_their_own(webui, BEFORE + AFTER)
    assert told(webui, "explain")["state"] == "as_before"
    update = ["update", str(webui), "--release", "1.10.2", "--slower", "sdp:6"]
    subprocess.run([sys.executable, "-m", "autotune.engine", *update], check=True, capture_output=True)
    render(webui, AFTER)
    as_if_on_days_of_their_own(webui, AFTER)
    process = subprocess.Popen(command(webui), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: bool(ended(state, "apply")), 200), said(state)
    finally:
        process.terminate()
        assert process.wait(20) == 0

    # Noticed once, with the place and the cause.
    (change,) = recorded(webui, "change")
    assert (change["start"], change["first"], change["last"]) == (BEFORE + 1, BEFORE, BEFORE + 1), change
    assert change["estimate"] > 1.5
    (news,) = [row for row in journal(state) if row["event"] == "slower"]
    assert f"(start {BEFORE + 1}), when the web UI 1.10.1 became 1.10.2" in news["text"]
    assert said(state).count("Clips have become slower: ") == 1
    # Cured by another flag, measured anew because of it, and applied.
    rows = history(state)
    assert [row["verb"] for row in rows] == ["tune", "apply"]
    assert rows[0]["cause"] == f"agent: {news['text']}"
    assert rows[0]["decision"] == "apply" and rows[0]["speedup"]["low"] > 1.0
    assert launch_file(webui).read_bytes() == before.replace(FLAG.encode(), b"--opt-split-attention")
    found = told(webui, "explain")
    assert found["state"] == "given_back" and found["cure"]["flags"] == ["--opt-split-attention"]
    assert [one["part"] for one in found["changed"]] == ["webui_version"]
    assert told(webui, "status")["slower"] is None
    # Shown on the page, and nothing of the owner's prompts anywhere.
    page = Path(told(webui, "report")["file"]).read_text(encoding="utf-8")
    assert 'id="use"' in page and "1.10.1 became 1.10.2" in page
    kept = [path for path in state.rglob("*") if path.is_file() and b"secret wish" in path.read_bytes()]
    assert kept == []
    assert not of(webui)
