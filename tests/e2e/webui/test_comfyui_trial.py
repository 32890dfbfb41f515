"""Trials of the reference ComfyUI as real processes: guarded, proven, told by their failures, gone without trace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from autotune import measure
from autotune.model.workload import Workload
from autotune.trial import LaunchFailed, LaunchPlan, Server, start
from autotune.trial.readiness import listener
from autotune.webui.comfyui import isolation
from autotune.webui.comfyui.webui import WEBUI
from autotune.workload.clip import ClipRefusal, check_clip
from tests import reference
from tests.measure.rendered import rendered
from tests.waiting import wait_for

SMALL = Workload(64, 64, 4, 1)
LONG = Workload(64, 64, 4, 400)
MOTION = "mm_sd15_v2.safetensors"


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference.copy(tmp_path_factory.mktemp("reference") / "ComfyUI", "comfyui")


def plan(root: Path, faults: str = "", words: tuple[str, ...] = (), **changes: Any) -> LaunchPlan:
    python = WEBUI.inspect(root, None, words).webui.python
    assert python is not None
    return LaunchPlan(root, python, words, env=(("AUTOTUNE_ENGINE_FAULTS", faults),),
                      **{"run_root": root.parent / "runs", "start_limit": 120.0, **changes})


def render(server: Server, workload: Workload = SMALL, **more: Any) -> measure.ClipResult:
    return rendered(server.client, workload, 1, motion_module=MOTION, alive=server.alive, log_tail=server.log_tail,
                    **{"hang": 120.0, "failure": WEBUI.failure, **more})


def verdict(result: measure.ClipResult) -> str | None:
    """The failure once the pixels were looked at too, as a tune does it."""
    if result.failure is not None or result.gif is None:
        return result.failure
    checked = check_clip(result.gif, SMALL)
    return ("invalid_output" if checked.animated else "not_animated") if isinstance(checked, ClipRefusal) else None


def tree(root: Path) -> dict[str, tuple[int, int] | None]:
    """Every file and folder of the install with its size and time; its virtual environment is left out."""
    return {str(path.relative_to(root)): (path.lstat().st_size, path.lstat().st_mtime_ns) if path.is_file() else None
            for path in root.rglob("*") if not {"__pycache__", "venv"} & set(path.parts)}


@pytest.fixture(scope="module")
def healthy(install: Path) -> Iterator[Server]:
    words = ("--use-split-cross-attention", "--listen", "0.0.0.0", "--enable-cors-header", "--auto-launch")
    with start(plan(install, words=words)) as server:
        yield server


@pytest.mark.parametrize("path", ["/", "/ws", "/prompt", "/queue", "/history", "/view?filename=x.webp", "/system_stats",
                                  "/api/system_stats", "/internal/logs/raw", "/object_info", "/autotune/trial",
                                  "/nowhere"])
def test_every_route_of_it_is_guarded(healthy: Server, path: str) -> None:
    address = f"http://127.0.0.1:{healthy.port}{path}"
    for auth in (None, ("autotune", "wrong")):
        assert requests.get(address, auth=auth, timeout=10).status_code == 401


def test_it_listens_on_loopback_alone_and_keeps_its_secret(healthy: Server) -> None:
    found = listener(healthy.port, healthy.tree())
    assert found.addresses == {"127.0.0.1"}
    told = healthy.client.reported().flags
    assert "--listen" in told["argv"] and "0.0.0.0" not in told["argv"] and "--enable-cors-header" not in told["argv"]
    for process in healthy.tree():
        held = " ".join(process.cmdline())
        assert isolation.VARIABLE not in held and "autotune:" not in held


def test_clips_are_computed_and_no_seed_comes_twice(healthy: Server, install: Path) -> None:
    before = tree(install)
    results = [render(healthy) for _ in range(3)]
    assert [verdict(one) for one in results] == [None, None, None], results
    assert len({one.seed for one in results}) == 3 and len({one.gif for one in results}) == 3
    assert healthy.attention_logged() == "split" and not healthy.log.spoiled
    reported = healthy.client.reported(healthy.attention_logged())
    assert reported.flags["log"]["attention"] == "split" == reported.attention
    assert reported.flags["effect"]["attention"] == "attention_split"
    healthy.client.still(60.0)
    assert tree(install) == before


def test_a_running_clip_is_interrupted_and_the_next_one_renders(healthy: Server) -> None:
    cancel, results = threading.Event(), []
    thread = threading.Thread(target=lambda: results.append(render(healthy, LONG, cancel=cancel)))
    thread.start()
    assert wait_for(lambda: healthy.client.job().busy, 30)
    cancel.set()
    thread.join(60)
    assert results[0].failure == "interrupted" and healthy.alive() and not healthy.client.job().busy
    assert verdict(render(healthy)) is None


def test_one_that_somebody_else_interrupts_is_told(healthy: Server) -> None:
    results: list[measure.ClipResult] = []
    thread = threading.Thread(target=lambda: results.append(render(healthy, LONG)))
    thread.start()
    assert wait_for(lambda: healthy.client.job().busy, 30)
    healthy.client.interrupt()
    thread.join(60)
    assert (results[0].failure, results[0].detail) == ("interrupted", "somebody interrupted the job")


JOBS = [("oom", "oom"), ("cuda_error", "cuda_error"), ("black", "invalid_output"), ("stills", "not_animated"),
        ("wrong_size", "invalid_output"), ("wrong_count", "not_animated"), ("alike", "not_animated"),
        ("constant", "invalid_output"), ("truncated", "invalid_output"), ("garbage", "invalid_output"),
        ("html", "invalid_output"), ("redirect", "invalid_output"), ("half", "invalid_output"),
        ("huge", "invalid_output")]
"""Faults of clips that the process outlives, and their classes."""


def test_each_fault_of_a_clip_by_its_class(install: Path, tmp_path: Path) -> None:
    """One after another in a process: no fault of a clip is taken for one of the next."""
    faults = ",".join(f"{fault}:{2 * number + 2}" for number, (fault, _) in enumerate(JOBS))
    told = []
    with start(plan(install, faults, run_root=tmp_path)) as server:
        for fault, _ in JOBS:
            assert verdict(render(server)) is None, f"the clip before {fault}"
            told.append((fault, verdict(render(server))))
        assert told == JOBS and server.stop().clean


@pytest.mark.parametrize(("fault", "failure"), [("dead_context", "cuda_error"), ("crash", "crash")])
def test_each_fault_that_ends_a_process(install: Path, tmp_path: Path, fault: str, failure: str) -> None:
    with start(plan(install, f"{fault}:2", run_root=tmp_path)) as server:
        assert verdict(render(server)) is None
        assert verdict(render(server)) == failure and server.stop().clean


def test_a_clip_from_the_cache_and_a_fallback_fail_the_set(install: Path, tmp_path: Path) -> None:
    with start(plan(install, "cached:2,fallback:3", run_root=tmp_path)) as server:
        assert verdict(render(server)) is None
        result = render(server)
        assert result.failure is not None and "cache" in result.detail
        assert not server.log.spoiled
        render(server)
        assert wait_for(lambda: server.log.spoiled, 10) and server.log.spoiled_as == "cuda_error"
        assert server.client.reported().flags["log"]["fallbacks"]


@pytest.mark.parametrize(("faults", "words", "failure", "why"), [
    ("", ("--use-sage-attention",), "bad_flag", "sageattention"),
    ("", ("--nonsense",), "bad_flag", "--nonsense"),
    ("", ("--cpu", "--highvram"), "bad_flag", "--highvram"),
    ("", ("--extra-model-paths-config", "absent.yaml"), "startup", "absent.yaml"),
    ("start_crash", (), "startup", ""),
])
def test_a_start_that_fails_says_why(
    install: Path, tmp_path: Path, faults: str, words: tuple[str, ...], failure: str, why: str
) -> None:
    before = tree(install)
    with pytest.raises(LaunchFailed) as raised:
        start(plan(install, faults, words, run_root=tmp_path))
    assert raised.value.failure == failure and why in raised.value.why
    assert not list(tmp_path.iterdir()) and tree(install) == before


@pytest.mark.parametrize("faults", ["", "ignore_sigterm,fork,double_fork"])
def test_nothing_is_left_in_the_middle_of_a_clip(install: Path, tmp_path: Path, faults: str) -> None:
    before = tree(install)
    server = start(plan(install, faults, ("--fast",), run_root=tmp_path))
    pids = [process.pid for process in server.tree()]
    thread = threading.Thread(target=lambda: render(server, LONG))
    thread.start()
    assert wait_for(lambda: server.client.job().busy, 30)
    report = server.stop()
    thread.join(60)
    assert report.clean and report.traces == () and not any(psutil.pid_exists(pid) for pid in pids)
    assert tree(install) == before and not list(tmp_path.iterdir())
