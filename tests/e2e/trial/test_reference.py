"""The server and measuring rooms against the reference web UI as a real process, with its faults on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotune import measure
from autotune.machine import processes
from autotune.measure.observers import RamObserver, TorchObserver
from autotune.model.workload import Workload
from autotune.trial import LaunchFailed, LaunchPlan, Server, start
from autotune.trial.sweep import sweep
from autotune.workload import clip as clips
from benchmarks.live_switch import switch
from tests import reference
from tests.measure.rendered import rendered
from tests.waiting import wait_for

SMALL = Workload(64, 64, 4, 1)


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference.copy(tmp_path_factory.mktemp("reference") / "webui")


def plan(root: Path, faults: str = "", words: tuple[str, ...] = (), **changes: object) -> LaunchPlan:
    values: dict[str, object] = {
        "root": root, "python": root / "venv" / "bin" / "python", "words": words, "run_root": root.parent / "runs",
        "env": (("AUTOTUNE_ENGINE_FAULTS", faults),), "start_limit": 120.0, "launch_file": root / "webui-user.sh",
    }
    return LaunchPlan(**{**values, **changes})  # type: ignore[arg-type]


def motion_module(root: Path) -> str:
    return next((root / "extensions" / "sd-webui-animatediff" / "model").iterdir()).name


def render(server: Server, seed: int = 1, **more: Any) -> measure.ClipResult:
    return rendered(server.client, SMALL, seed, motion_module=motion_module(server.plan.root), alive=server.alive,
                    log_tail=server.log_tail, **{"hang": 120.0, **more})


def verdict(result: measure.ClipResult) -> str | None:
    """The failure once the pixels were looked at too, as the session does it."""
    if result.failure is not None or result.gif is None:
        return result.failure
    checked = clips.check_clip(result.gif, SMALL)
    if not isinstance(checked, clips.ClipRefusal):
        return None
    found = measure.classify(http_status=200, clip_check=checked.kind)
    return found.failure if found is not None else None


def snapshot(root: Path) -> dict[str, bytes]:
    left_out = {"__pycache__", "venv"}
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*")
            if path.is_file() and not path.is_symlink() and not left_out & set(path.parts)}


@pytest.fixture(scope="module")
def healthy(install: Path) -> Iterator[Server]:
    with start(plan(install, words=("--opt-sub-quad-attention", "--share"))) as server:
        yield server


def test_a_real_clip_with_its_flags_in_effect(install: Path, healthy: Server) -> None:
    before = snapshot(install)
    observers = [RamObserver(healthy.descendants), TorchObserver(healthy.client.memory)]
    result = render(healthy, observers=observers)
    assert result.ok and verdict(result) is None, result
    assert result.memory_peak is not None and result.memory_peak > 50
    assert result.process_time is not None and result.seconds is not None
    assert result.process_time <= result.seconds + 0.1
    assert healthy.attention_logged() == "sub-quadratic" and healthy.client.reported().flags["share"] is False
    assert snapshot(install) == before


def test_attention_switches_live(healthy: Server) -> None:
    assert switch(healthy, {"cross_attention_optimization": "V1 - original v1", "batch_cond_uncond": False}) == "V1"
    assert verdict(render(healthy)) is None
    assert switch(healthy, {"cross_attention_optimization": "V1 - original v1"}) == "V1"
    # A wrong title is accepted and echoed, and something else applied.
    assert switch(healthy, {"cross_attention_optimization": "bogus"}) != "V1"
    assert switch(healthy, {"cross_attention_optimization": "Automatic"}) == "sub-quadratic"


def test_a_silent_failure_is_seen(healthy: Server) -> None:
    result = rendered(healthy.client, SMALL, 1, motion_module="absent.ckpt", alive=healthy.alive)
    assert result.failure == "not_animated" and result.seconds is not None


def test_a_running_job_is_interrupted(healthy: Server) -> None:
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    long = Workload(64, 64, 4, 100)
    begun = time.monotonic()
    result = rendered(healthy.client, long, 1, motion_module=motion_module(healthy.plan.root), cancel=cancel,
                          alive=healthy.alive)
    assert result.failure == "interrupted" and time.monotonic() - begun < 30
    assert healthy.alive() and not healthy.client.job().busy


def test_stop_during_a_job_hands_the_machine_back(install: Path) -> None:
    server = start(plan(install, "ignore_sigterm,fork,double_fork"))
    long = Workload(64, 64, 4, 100)
    thread = threading.Thread(target=lambda: rendered(
        server.client, long, 1, motion_module=motion_module(install), alive=server.alive))
    thread.start()
    assert wait_for(lambda: server.client.job().busy, 30)
    report = server.stop()
    thread.join(30)
    assert report.clean and report.seconds < 15 and not thread.is_alive() and not processes.marked(server.run_id)


EACH = {
    "oom": "oom", "nan": "nan", "cuda_error": "cuda_error", "black": "invalid_output", "stills": "not_animated",
    "truncated": "invalid_output", "garbage": "invalid_output", "html": "invalid_output", "half": "invalid_output",
    "redirect": "invalid_output", "crash": "crash",
}


def test_each_failing_clip_is_named(install: Path) -> None:
    faults = ",".join(f"{name}:{job}" for job, name in enumerate(EACH, start=1))
    with start(plan(install, faults)) as server:
        results = {name: render(server, seed) for seed, name in enumerate(EACH)}
        assert {name: verdict(result) for name, result in results.items()} == EACH
        assert results["crash"].restart and not server.alive()
    assert server.stop().clean


def test_over_full_memory_is_spilled_and_no_end_is_a_hang(install: Path) -> None:
    with start(plan(install, "spill:3,hang:4")) as server:
        observers = [TorchObserver(server.client.memory)]
        render(server)
        usual = render(server).seconds
        assert usual is not None
        assert render(server, observers=observers, family=[usual], best=usual).failure == "spilled"
        assert render(server, hang=1.0).failure == "hang"
    assert server.stop().clean


@pytest.mark.parametrize(("faults", "words", "failure"), [
    ("start_crash", (), "startup"), ("", ("--no-such-flag",), "bad_flag"), ("start_slow:60", (), "hang"),
])
def test_a_start_that_fails_is_named(install: Path, faults: str, words: tuple[str, ...], failure: str) -> None:
    limit = 2.0 if failure == "hang" else 120.0
    with pytest.raises(LaunchFailed) as caught:
        start(plan(install, faults, words, start_limit=limit, run_root=install.parent / "failing"))
    assert caught.value.failure == failure and not list((install.parent / "failing").iterdir())


OWNER = """
import sys, time
from pathlib import Path
from autotune.trial import LaunchPlan, start
root, runs = map(Path, sys.argv[1:])
server = start(LaunchPlan(root, root / "venv" / "bin" / "python", (), runs,
                          env=(("AUTOTUNE_ENGINE_FAULTS", "fork,double_fork,ignore_sigterm"),)))
print(server.run_id, flush=True)
time.sleep(600)
"""


def test_kill_9_of_the_owner_leaves_nothing(install: Path) -> None:
    before = snapshot(install)
    runs = install.parent / "killed"
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(install), str(runs)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    run_id = owner.stdout.readline().strip()
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    assert run_id and wait_for(lambda: not processes.marked(run_id) and not list(runs.iterdir()), 60)
    assert snapshot(install) == before and sweep(runs).runs == 0


def test_the_start_script_gives_what_the_file_says(install: Path) -> None:
    file = install / "webui-user.sh"
    original = file.read_bytes()
    try:
        file.write_bytes(original + b'\nexport COMMANDLINE_ARGS="--opt-split-attention-v1 --share --gradio-auth a:b"\n')
        with start(plan(install, own_script=True)) as server:
            assert server.attention_logged() == "V1"
            assert server.given is not None and server.given.words == ("--opt-split-attention-v1",)
            assert "a:b" not in "\n".join(server.log_tail(400))
        assert server.stop().clean
    finally:
        file.write_bytes(original)


def test_what_an_extension_wrote_beside_the_reference_web_ui_is_put_back(install: Path, tmp_path: Path) -> None:
    """The extension is a thread that the interpreter's own sitecustomize starts: it writes as long as it runs."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys, threading, time\n"
        f"root = {str(install)!r}\n"
        "def write():\n"
        "    while True:\n"
        "        for name in ('config.json', 'params.txt', 'outputs/by-extension.txt'):\n"
        "            os.makedirs(root + '/outputs', exist_ok=True)\n"
        "            with open(os.path.join(root, name), 'w') as file: file.write(str(time.time()))\n"
        "        time.sleep(0.05)\n"
        "if any(word.endswith('launch.py') for word in sys.orig_argv):\n"
        "    threading.Thread(target=write, daemon=True).start()\n", encoding="utf-8")
    before = snapshot(install)
    for number in range(3):
        with start(plan(install, env=(("PYTHONPATH", str(tmp_path)),))) as server:
            assert verdict(render(server)) is None
            (install / "styles.csv").write_text(f"mine {number}", encoding="utf-8")
            (install / f"mine-{number}.txt").write_text("mine", encoding="utf-8")
            changed = snapshot(install)
        assert changed["config.json"] != before["config.json"]
        mine = {f"mine-{n}.txt": b"mine" for n in range(number + 1)}
        assert snapshot(install) == {**before, **mine, "styles.csv": f"mine {number}".encode()}
    for name in ("styles.csv", "mine-0.txt", "mine-1.txt", "mine-2.txt"):
        (install / name).unlink()
