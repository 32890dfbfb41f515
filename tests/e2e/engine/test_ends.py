"""How the server starts and ends: ports, signals, wrong words, the page, the start script."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from tests import reference
from tests.e2e.engine.live import INT, TERM, Live, body, ended, environment, frames_of, free_port, launch, serving
from tests.waiting import wait_for

pytest.importorskip("torch")
pytest.importorskip("diffusers")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def start_job(live: Live, steps: int) -> tuple[threading.Thread, list[requests.Response | None]]:
    """A job in a thread of its own, once it samples; its answer, or None when the connection broke."""
    answers: list[requests.Response | None] = []

    def work() -> None:
        try:
            answers.append(requests.post(live.url("/sdapi/v1/txt2img"), json=body(steps=steps), timeout=300))
        except requests.RequestException:
            answers.append(None)

    thread = threading.Thread(target=work)
    thread.start()
    assert wait_for(
        lambda: live.get("progress?skip_current_image=true").json()["state"]["sampling_step"], 120, period=0.02)
    return thread, answers


def port_closed(port: int, limit: float = 20.0) -> bool:
    """Whether the port stops answering within the limit."""
    def refused() -> bool:
        with socket.socket() as sock:
            sock.settimeout(2)
            return bool(sock.connect_ex(("127.0.0.1", port)))

    return wait_for(refused, limit, period=0.02)


@POSIX
def test_sigterm_closes_the_port_and_waits_for_the_job(install: Path, tmp_path: Path) -> None:
    with serving(install, tmp_path / "log", "--nowebui") as live:
        live.post("txt2img", body())
        thread, answers = start_job(live, steps=60)
        live.session.close()
        live.signal(TERM)
        assert port_closed(live.port)
        live.signal(TERM)  # changes nothing
        assert live.process.poll() is None
        thread.join(240)
        assert answers[0] is not None and len(frames_of(answers[0])) == 4
        assert ended(live.process) in (0, -TERM)


@POSIX
def test_sigterm_then_sigint_ends_at_once(install: Path, tmp_path: Path) -> None:
    with serving(install, tmp_path / "log", "--nowebui") as live:
        thread, answers = start_job(live, steps=3000)
        live.session.close()
        live.signal(TERM)
        assert port_closed(live.port)
        live.signal(INT)
        ended(live.process, 30)
        thread.join(30)
        assert answers == [None]


@POSIX
def test_ignoring_sigterm(install: Path, tmp_path: Path) -> None:
    with serving(install, tmp_path / "log", "--nowebui", AUTOTUNE_ENGINE_FAULTS="ignore_sigterm") as live:
        live.signal(TERM)
        assert live.get("options").status_code == 200
        assert live.process.poll() is None


def test_a_job_outlives_its_client(install: Path, tmp_path: Path) -> None:
    with serving(install, tmp_path / "log", "--nowebui") as live:
        with pytest.raises(requests.Timeout):
            requests.post(live.url("/sdapi/v1/txt2img"), json=body(steps=8, size=128), timeout=0.2)
        live.wait_for_log("AnimateDiff process end.", 120)


def test_a_taken_port_ends_with_3(install: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = launch(install, ["--nowebui", "--port", str(taken.getsockname()[1])], tmp_path / "log")
        assert ended(process) == 3
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "error while attempting to bind on address" in log
    assert "stays on 127.0.0.1" in log  # A1111 would listen on every interface here


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--no-such-flag"], 2, "unrecognized arguments: --no-such-flag"),
    (["--precision", "half", "--no-half"], 1, "conflict with --precision half"),
    (["--nowebui", "--api-auth", "a:b:c"], 1, "too many values to unpack"),
])
def test_wrong_words(install: Path, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    assert ended(launch(install, words, tmp_path / "log"), 120) == code
    assert said in (tmp_path / "log").read_text(encoding="utf-8")


def test_a_start_crash_and_a_wrong_fault(install: Path, tmp_path: Path) -> None:
    process = launch(install, ["--nowebui"], tmp_path / "log", AUTOTUNE_ENGINE_FAULTS="start_crash@--nowebui")
    assert ended(process) == 1
    assert (tmp_path / "log").read_text(encoding="utf-8").startswith("Faults on demand (AUTOTUNE_ENGINE_FAULTS")
    assert ended(launch(install, [], tmp_path / "log", AUTOTUNE_ENGINE_FAULTS="boom")) == 2


def test_a_checkpoint_that_cannot_load(tmp_path: Path) -> None:
    root = reference.copy(tmp_path / "webui")
    (root / "models" / "Stable-diffusion" / "reference-tiny.safetensors").write_bytes(b"no")
    assert ended(launch(root, ["--nowebui", "--port", str(free_port())], tmp_path / "log"), 120) == 1
    assert "cannot read reference-tiny.safetensors" in (tmp_path / "log").read_text(encoding="utf-8")


def test_without_the_extension_it_is_a_422(tmp_path: Path) -> None:
    root = reference.copy(tmp_path / "webui")
    shutil.rmtree(root / "extensions" / "sd-webui-animatediff")
    with serving(root, tmp_path / "log", "--nowebui", "--no-prompt-history") as live:
        refused = live.post("txt2img", body())
        assert (refused.status_code, refused.json()["detail"]) == (422, "Script 'AnimateDiff' not found")
        assert live.get("extensions").json() == []
        still = live.post("txt2img", {"prompt": "x", "steps": 1, "width": 64, "height": 64, "seed": 1})
        assert len(frames_of(still)) == 1
        assert not (root / "params.txt").exists()


@POSIX
def test_the_page(install: Path, tmp_path: Path) -> None:
    settings = tmp_path / "config.json"
    settings.write_text('{"cross_attention_optimization": "V1 - original v1"}', encoding="utf-8")
    words = ["--ui-settings-file", str(settings), "--ui-config-file", str(tmp_path / "ui.json"), "--use-cpu", "all"]
    with serving(install, tmp_path / "log", *words, "--opt-sdp-attention", "--opt-channelslast") as live:
        assert requests.get(live.url("/internal/ping"), timeout=30).json() == {}
        assert "Torch env info" in requests.get(live.url("/internal/sysinfo"), timeout=30).json()
        assert "Running on local URL:  http://127.0.0.1:" in live.log()
        assert "Applying attention optimization: V1... done." in live.log()  # the option beats the flag
        assert (tmp_path / "ui.json").exists()
        thread, _answers = start_job(live, steps=3000)
        live.signal(TERM)
        assert ended(live.process, 20) == -TERM  # no waiting for the job
        thread.join(30)


@POSIX
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_start_script_reads_webui_user_and_restarts(tmp_path: Path) -> None:
    root = reference.copy(tmp_path / "webui")
    (root / "count.py").write_text(
        "import os,sys,pathlib\n"
        "p=pathlib.Path('n'); n=int(p.read_text()) if p.exists() else 0; p.write_text(str(n+1))\n"
        "print(n, sys.argv[1:], os.environ.get('COMMANDLINE_ARGS'), os.environ.get('SD_WEBUI_RESTARTING'),"
        " sys.executable)\n"
        "pathlib.Path('tmp').mkdir(exist_ok=True)\n"
        "n or pathlib.Path('tmp/restart').touch()\n"
        "sys.exit(5)\n", encoding="utf-8")
    user = root / "webui-user.sh"
    user.write_text('export COMMANDLINE_ARGS="--no-half"\nexport LAUNCH_SCRIPT="count.py"\n', encoding="utf-8")
    env = {k: v for k, v in environment().items() if k != "VIRTUAL_ENV"}
    script = str(root / "webui.sh")
    if os.getuid() == 0:
        refused = subprocess.run([script], env=env, capture_output=True, text=True, check=False)
        assert refused.returncode == 1 and "must not be launched as root" in refused.stderr
    done = subprocess.run([script, "-f", "--medvram"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    python = str(root / "venv" / "bin" / "python")
    assert done.stdout.splitlines() == [f"0 ['--medvram'] --no-half None {python}",
                                        f"1 ['--medvram'] --no-half 1 {python}"]
    user.write_text('venv_dir="-"\npython_cmd="no-such-python"\n', encoding="utf-8")
    failed = subprocess.run([script, "-f"], env=env, capture_output=True, text=True, check=False)
    assert failed.returncode == 1 and "no-such-python is not there" in failed.stderr
