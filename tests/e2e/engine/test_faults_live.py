"""Every fault on demand, as a client meets it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.engine.live import Live, body, colours, ended, frames_of, info_of, serving

pytest.importorskip("torch")
pytest.importorskip("diffusers")
psutil = pytest.importorskip("psutil")

FAULTS = ("oom:1,nan:2,cuda_error:3,black:4,constant:5,alike:6,stills:7,wrong_size:8,wrong_count:9,truncated:10,"
          "garbage:11,html:12,redirect:13,half:14,nan:*@v1,dead_context:18")


@pytest.fixture(scope="module")
def live(install: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    log = tmp_path_factory.mktemp("faults") / "log"
    with serving(install, log, "--nowebui", AUTOTUNE_ENGINE_FAULTS=FAULTS) as found:
        yield found


def test_one_after_another(live: Live) -> None:
    """The jobs of one process, in order: each number is that fault's."""
    assert live.log().splitlines()[0].startswith("Faults on demand") and "oom:1" in live.log().splitlines()[0]
    for error, words in (("OutOfMemoryError", "CUDA out of memory."), ("NansException", "A tensor with NaNs"),
                         ("RuntimeError", "CUDA error: an illegal memory access")):
        failed = live.post("txt2img", body())
        assert (failed.status_code, failed.json()["error"]) == (500, error)
        assert failed.json()["errors"].startswith(words)

    def clip() -> requests.Response:
        return live.post("txt2img", body())

    assert colours(frames_of(clip())) == {(0, 0, 0)}
    constant = frames_of(clip())
    assert len(constant) == 4 and len(colours(constant)) == 1
    assert len({f.tobytes() for f in frames_of(clip())}) == 1
    still = clip()
    assert "AnimateDiff" not in info_of(still)["infotexts"][0]
    assert frames_of(clip())[0].size == (32, 32)
    assert len(frames_of(clip())) == 3
    with pytest.raises((OSError, EOFError, SyntaxError)):
        [frame.load() for frame in frames_of(clip())]
    with pytest.raises(ValueError, match=r".*"):
        clip().json()
    assert "<html>" in clip().text
    moved = requests.post(live.url("/sdapi/v1/txt2img"), json=body(), allow_redirects=False, timeout=60)
    assert moved.status_code == 302
    with pytest.raises(requests.RequestException):
        clip()
    assert len({f.tobytes() for f in frames_of(clip())}) == 4  # a sound one


def test_aimed_at_an_attention_class(live: Live) -> None:
    live.post("options", {"cross_attention_optimization": "V1 - original v1"})
    assert live.post("txt2img", body()).json()["error"] == "NansException"
    live.post("options", {"cross_attention_optimization": "Automatic"})
    frames_of(live.post("txt2img", body()))


def test_a_dead_context_stays_dead(live: Live) -> None:
    for _ in range(3):
        failed = live.post("txt2img", body())
        assert (failed.status_code, failed.json()["errors"]) == (500, "CUDA error: device-side assert triggered")
    assert live.get("options").status_code == 200


@pytest.mark.skipif(sys.platform == "win32", reason="sessions")
def test_forks_spill_and_crash(install: Path, tmp_path: Path) -> None:
    faults = "fork,double_fork,hold_port,spill:2,crash:3"
    with serving(install, tmp_path / "log", "--nowebui", AUTOTUNE_ENGINE_FAULTS=faults) as live:
        started = live.process.pid
        children = psutil.Process(started).children(recursive=True)
        orphans = [p for p in psutil.process_iter(["cmdline", "create_time"])
                   if p.info["cmdline"] and p.info["cmdline"][-1].endswith("time.sleep(900)") and p.ppid() == 1
                   and p.info["create_time"] > psutil.Process(started).create_time() - 1]
        try:
            assert len(children) == 2  # fork and hold_port; the double fork has no parent left
            assert orphans
            assert live.get("memory").json()["cuda"]["system"]["free"] < 100 << 20
            assert live.post("txt2img", body(size=32, frames=2)).status_code == 200
            begun = time.monotonic()
            answer = live.post("txt2img", body(size=32, frames=2))
            assert answer.status_code == 200
            assert time.monotonic() - begun < 60
            with pytest.raises(requests.ConnectionError):
                live.post("txt2img", body())
            assert ended(live.process) == 139
            assert all(child.is_running() for child in children)
        finally:
            for process in (*children, *orphans):
                process.kill()


def test_ignored_flags_are_reported_but_compute_the_same(install: Path, tmp_path: Path) -> None:
    words = ["--nowebui", "--no-half", "--opt-sdp-attention", "--opt-channelslast", "--ui-settings-file",
             str(tmp_path / "config.json")]
    with serving(install, tmp_path / "log", *words, AUTOTUNE_ENGINE_FAULTS="ignore_flags") as live:
        flags = live.get("cmd-flags").json()
        assert flags["no_half"] and flags["opt_sdp_attention"]
        assert "Applying attention optimization: sdp... done." in live.log()
        first = live.post("txt2img", body()).json()["images"]
        live.post("options", {"cross_attention_optimization": "V1 - original v1", "batch_cond_uncond": False})
        assert "Applying attention optimization: V1... done." in live.log()
        assert live.post("txt2img", body()).json()["images"] == first
    with serving(install, tmp_path / "log2", "--nowebui") as live:
        assert live.post("txt2img", body()).json()["images"] == first


def test_a_hanging_job_leaves_the_rest_answering(install: Path, tmp_path: Path) -> None:
    with serving(install, tmp_path / "log", "--nowebui", AUTOTUNE_ENGINE_FAULTS="hang:1") as live:
        with pytest.raises(requests.Timeout):
            requests.post(live.url("/sdapi/v1/txt2img"), json=body(), timeout=1)
        assert live.get("progress").json()["state"]["job"] == "scripts_txt2img"
