"""The server room against a light stand-in web UI: every way to start, to fail and to end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from autotune.machine import processes
from autotune.model.errors import Interrupted, NothingToWorkOn
from autotune.trial import LaunchFailed, LaunchPlan, readiness, run_folder, start
from autotune.trial.sweep import sweep
from benchmarks.live_switch import client_of
from tests.system import under_wine
from tests.trial import sockets
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

STANDIN = Path(__file__).with_name("standin_webui.py")
PATIENCE = 30.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "webui"
    folder.mkdir()
    (folder / "launch.py").write_bytes(STANDIN.read_bytes())
    return folder


def plan(root: Path, faults: str = "", words: tuple[str, ...] = (), **changes: object) -> LaunchPlan:
    values: dict[str, object] = {
        "root": root, "python": Path(sys.executable), "words": words, "run_root": root.parent / "runs",
        "env": (("STANDIN_FAULTS", faults),), "start_limit": PATIENCE, "term_grace": 0.5,
    }
    return LaunchPlan(**{**values, **changes})  # type: ignore[arg-type]


def runs(root: Path) -> list[Path]:
    folder = root.parent / "runs"
    return [path for path in folder.iterdir() if path.name != "aside"] if folder.is_dir() else []


def test_a_start_is_ours_on_loopback_with_credentials_and_leaves_nothing(root: Path) -> None:
    (root / "config.json").write_text('{"sd_model_checkpoint": "a.ckpt", "samples_save": true}', encoding="utf-8")
    before = {path: path.read_bytes() for path in root.iterdir()}
    words = ("--opt-sdp-attention", "--share", "--listen", "--port", "7860", "--ckpt", "a b.ckpt")
    with start(plan(root, words=words, settings=(("batch_cond_uncond", False),))) as server:
        assert server.alive() and server.startup > 0
        flags = server.client.reported().flags
        assert flags["opt_sdp_attention"] and not flags["share"] and not flags["listen"]
        assert flags["ckpt"] == "a b.ckpt" and flags["server_name"] == "127.0.0.1"
        assert flags["api_auth"] == "***"
        options = server.client.reported().options
        assert options["sd_model_checkpoint"] == "a.ckpt"
        assert options["samples_save"] is False and options["batch_cond_uncond"] is False
        assert Path(str(options["outdir_txt2img_samples"])).is_relative_to(server.folder)
        found = readiness.listener(server.port, server.tree())
        assert not found.known or (found.addresses == {"127.0.0.1"} and server.pid in found.pids)
        assert found.known == sockets.OWNERS_ARE_TOLD
        pids = [process.pid for process in server.tree()]
        assert server.attention_logged() == "InvokeAI"
        server.client.set_options({"samples_save": True})
        assert server.client.job().busy is False
    report = server.stop()
    assert report.clean and report.traces == ()
    assert not server.alive() and not any(psutil.pid_exists(pid) for pid in pids) and not runs(root)
    assert {path: path.read_bytes() for path in root.iterdir()} == before


def test_what_could_not_be_as_usual_is_told(root: Path) -> None:
    (root / "config.json").write_text("{broken", encoding="utf-8")
    (root / "webui-user.sh").write_text("export CUDA_VISIBLE_DEVICES=$(choose-a-card)\n", encoding="utf-8")
    with start(plan(root, launch_file=root / "webui-user.sh")) as server:
        assert len(server.warnings) == 2 and "config.json" in server.warnings[1]
        assert "CUDA_VISIBLE_DEVICES" in server.warnings[0]


def test_credentials_are_in_no_argv_and_no_log(root: Path) -> None:
    with start(plan(root)) as server:
        _, password = client_of(server).transport._auth or ("", "")
        assert len(password) == 32
        log = "\n".join(server.log_tail())
        assert "with arguments" in log and password not in log
        for process in (*server.tree(), psutil.Process(os.getpid())):
            assert password not in " ".join(process.cmdline())
        assert os.name != "posix" or (server.folder.stat().st_mode & 0o077) == 0


@pytest.mark.parametrize("faults", [
    "fork", "double_fork", "ignore_sigterm", "fork,double_fork,ignore_all", "late_fork", "port_holder,fork",
])
def test_stop_ends_the_whole_tree(root: Path, faults: str) -> None:
    if faults == "late_fork" and under_wine():
        pytest.skip("processes begin faster than wine can end them")
    server = start(plan(root, faults))
    assert wait_for(lambda: len(server.tree()) > ("fork" in faults or "holder" in faults), PATIENCE)
    pids = {process.pid for process in server.tree()}
    report = server.stop()
    assert report.clean, report
    assert not processes.marked(server.run_id) and not any(psutil.pid_exists(pid) for pid in pids)
    assert not runs(root)


def test_death_is_seen_and_the_rest_of_the_tree_ends(root: Path) -> None:
    server = start(plan(root, "double_fork"))
    assert server.pid is not None
    killed = time.monotonic()
    psutil.Process(server.pid).kill()
    assert server.wait_ended(PATIENCE)
    assert time.monotonic() - killed < 5.0  # within one second on an idle machine
    assert server.exit_code == (-9 if os.name == "posix" else 15) and not server.alive()
    assert wait_for(lambda: {one.pid for one in processes.marked(server.run_id)} <= {server.guard_pid}, PATIENCE)
    assert server.stop().clean


OWNER = """
import sys, time
from pathlib import Path
from autotune.trial import LaunchPlan, start
from tests.trial import sockets
sockets.heed()
root, runs, faults = sys.argv[1:]
server = start(LaunchPlan(Path(root), Path(sys.executable), (), Path(runs), env=(("STANDIN_FAULTS", faults),)))
print(server.run_id, server.port, flush=True)
time.sleep(600)
"""


def owner(root: Path, faults: str) -> tuple[subprocess.Popen[str], str, int]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(root), str(root.parent / "runs"), faults],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    run_id, port = process.stdout.readline().split()
    return process, run_id, int(port)


def test_kill_9_of_the_owner_leaves_nothing(root: Path) -> None:
    process, run_id, port = owner(root, "fork,double_fork,ignore_all,dirty")
    assert (root / "params.txt").is_file()
    process.kill()
    process.communicate()
    assert wait_for(lambda: not processes.marked(run_id) and not runs(root), PATIENCE), processes.marked(run_id)
    assert readiness.is_free(port)
    assert sorted(path.name for path in root.iterdir()) == ["launch.py"]


def test_a_sweep_ends_what_is_left_when_owner_and_guard_were_killed(root: Path) -> None:
    process, run_id, port = owner(root, "double_fork,fork")
    record = run_folder.read(root.parent / "runs" / run_id)
    assert record is not None and record.guard_pid is not None
    assert sweep(root.parent / "runs").runs == 0 and record.owner_lives  # a living owner's run is left alone
    psutil.Process(process.pid).suspend()
    psutil.Process(record.guard_pid).kill()
    process.kill()
    process.communicate()
    jobs = sys.platform == "win32"  # there a job object ends them
    assert processes.marked(run_id) or jobs
    swept = sweep(root.parent / "runs")
    assert swept.runs == 1 and (swept.ended >= 2 or jobs) and not swept.left
    assert not processes.marked(run_id) and not runs(root) and readiness.is_free(port)
    assert sweep(root.parent / "runs").runs == 0


@pytest.mark.parametrize("verb", [("status",), ("profiles", "list")], ids=" ".join)
def test_the_next_command_of_any_verb_ends_what_is_left(root: Path, verb: tuple[str, ...]) -> None:
    process, run_id, port = owner(root, "double_fork,dirty")
    record = run_folder.read(root.parent / "runs" / run_id)
    assert record is not None and record.guard_pid is not None
    psutil.Process(process.pid).suspend()  # else it would clean up after its guard
    psutil.Process(record.guard_pid).kill()
    process.kill()
    process.communicate()
    assert runs(root) and (processes.marked(run_id) or sys.platform == "win32")  # there a job object ends them
    subprocess.run([sys.executable, "-m", "autotune", *verb, "--state-dir", str(root.parent), "--webui", str(root)],
                   capture_output=True, check=False, timeout=60)
    assert not processes.marked(run_id) and not runs(root) and readiness.is_free(port)
    assert sorted(path.name for path in root.iterdir()) == ["launch.py"]


def test_a_killed_guard_is_seen_and_cleaned_up_after(root: Path) -> None:
    server = start(plan(root, "double_fork"))
    assert server.guard_pid is not None
    psutil.Process(server.guard_pid).kill()
    assert server.wait_ended(PATIENCE)
    assert server.stop().clean and not processes.marked(server.run_id)


@pytest.mark.parametrize(("faults", "failure", "code"), [
    ("exit:2", "bad_flag", 2), ("exit:1", "startup", 1),
    ("crash:0", "crash", -11 if os.name == "posix" else 0xC0000005),
])
def test_a_start_that_fails_is_named(root: Path, faults: str, failure: str, code: int) -> None:
    with pytest.raises(LaunchFailed) as caught:
        start(plan(root, faults))
    assert (caught.value.failure, caught.value.exit_code) == (failure, code)
    assert caught.value.code == 4 and caught.value.hint and caught.value.log_tail
    assert not runs(root)


def test_an_unknown_flag_is_bad_flag(root: Path) -> None:
    with pytest.raises(LaunchFailed) as caught:
        start(plan(root, words=("--no-such-flag",)))
    assert caught.value.failure == "bad_flag" and "--no-such-flag" in "\n".join(caught.value.log_tail)


def test_never_ready_is_hang(root: Path) -> None:
    with pytest.raises(LaunchFailed) as caught:
        start(plan(root, "never", start_limit=1.5))
    assert caught.value.failure == "hang" and caught.value.startup >= 1.5 and not runs(root)


def test_a_start_that_installs_has_its_own_limit_and_says_so_once(root: Path) -> None:
    said: list[str] = []
    usual = 1.0 if os.name == "posix" else 8.0  # a Python takes seconds to begin under wine
    with start(plan(root, "installs:1", install_limit=60.0), say=said.append) as server:
        # Less than the second: it counts from when the line is read, and a Windows clock goes on by 16 ms at a time.
        assert 0.5 <= server.log.installing() <= server.startup
    assert len(said) == 1 and "installs" in said[0] and "1 min" in said[0]
    with pytest.raises(LaunchFailed) as caught:
        start(plan(root, "installs:600", start_limit=usual, install_limit=0.5), say=said.append)
    assert caught.value.failure == "hang" and caught.value.installing >= 0.5 and len(said) == 2
    assert usual + 0.5 <= caught.value.startup < usual + 30.0 and not runs(root)
    with pytest.raises(LaunchFailed):  # nothing installs: its own limit alone
        start(plan(root, "never", start_limit=usual, install_limit=600.0), say=said.append)
    assert len(said) == 2


@pytest.mark.parametrize(("fault", "failure"), [
    pytest.param("open", "startup", marks=sockets.told), ("no_auth", "port"),
])
def test_a_server_open_to_others_or_not_ours_is_refused(root: Path, fault: str, failure: str) -> None:
    with pytest.raises(LaunchFailed) as caught:
        start(plan(root, fault))
    assert caught.value.failure == failure and not runs(root)


def test_a_busy_port_is_left_for_another(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(plan(root, port=port)) as server:
            assert server.port != port


def test_a_port_taken_after_the_look_is_found_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(readiness, "free_port", lambda: port)
        monkeypatch.setattr(readiness, "is_free", lambda _: True)
        with pytest.raises(LaunchFailed) as caught:
            start(plan(root))
    assert caught.value.failure == "port" and not runs(root)


def test_a_start_can_be_interrupted(root: Path) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(Interrupted):
        start(plan(root, "never"), cancel=cancel)
    assert not runs(root)


def test_nothing_to_start(tmp_path: Path, root: Path) -> None:
    with pytest.raises(NothingToWorkOn):
        start(plan(tmp_path))
    with pytest.raises(NothingToWorkOn):
        start(plan(root, python=tmp_path / "no-python"))


def test_what_a_trial_wrote_into_the_install_is_put_back(root: Path) -> None:
    (root / "extensions").mkdir()
    (root / "extensions" / "state.json").write_text('{"n": 1}', encoding="utf-8")
    with start(plan(root, "dirty")) as server:
        assert json.loads((root / "extensions" / "state.json").read_text(encoding="utf-8")) == {"n": 2}
    report = server.stop()
    assert {Path(trace.path): trace.what for trace in report.traces} == {
        Path("params.txt"): "moved out", Path("extensions/state.json"): "put back"}
    assert json.loads((root / "extensions" / "state.json").read_text(encoding="utf-8")) == {"n": 1}
    assert not (root / "params.txt").exists()
    assert (root.parent / "runs" / "aside" / server.run_id / "params.txt").read_text(encoding="utf-8") == "a prompt"
