"""The user's own web UI: found by its processes, asked where it can be asked, else judged by what it does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from autotune.machine.cpu_use import CpuUse
from autotune.webui import running
from autotune.webui.running import JobAnswer, OwnWebUI, activities, activity_of, web_uis
from tests.trial import sockets
from tests.trial.own_webui import crowd, install, up
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

SPAN = 0.8
"""Seconds of a look where nothing but the stand-in's own work is to be told from idling."""
ONE = OwnWebUI(7, (("127.0.0.1", 7860),), ())
NO_API, KEYS = '{"status": 404}', '{"auth": "ada:hunter2"}'

CASES: dict[str, tuple[str, tuple[str, ...], dict[str, str], bool | None, str]] = {
    "api, idle": ("{}", (), {}, False, "no job"),
    "api, a job": ('{"job": "scripts_txt2img"}', (), {}, True, "job scripts_txt2img at 50%"),
    "api says no job, works": ('{"burn": true}', (), {}, True, "no job, and its process uses"),
    "no api, idle": (NO_API, (), {}, False, "without --api"),
    "no api, works": ('{"status": 404, "burn": true}', (), {}, True, "of a core"),
    "no api, a child works": ('{"status": 404, "child": true}', (), {}, True, "of a core"),
    "unknown credentials, idle": (KEYS, (), {}, False, "credentials"),
    "unknown credentials, works": ('{"auth": "a:b", "burn": true}', (), {}, True, "credentials"),
    "known, idle": (KEYS, ("--api-auth", "ada:hunter2"), {}, False, "no job"),
    "known, a job": ('{"auth": "a:b", "job": "x"}', ("--api-au=a:b,c:d",), {}, True, "job x"),
    "known by the environment": (KEYS, (), {"COMMANDLINE_ARGS": "--api-auth 'ada:hunter2'"}, False, "no job"),
    "below a path": ('{"below": "/sd", "job": "x"}', ("--subpath", "sd"), {}, True, "job x"),
    "silent, idle": ('{"silent": true}', (), {}, None, "does not answer"),
    "silent, works": ('{"silent": true, "burn": true}', (), {}, True, "of a core"),
    "starting, waits": ('{"port": false}', (), {}, None, "starting"),
    "starting, works": ('{"port": false, "burn": true}', (), {}, True, "starting"),
    "an answer of another kind": ('{"status": 500}', (), {}, False, "not that of a known API"),
}


@sockets.told
@pytest.mark.parametrize("name", CASES)
def test_busy_or_not(tmp_path: Path, name: str) -> None:
    mode, words, env, busy, says = CASES[name]
    root = install(tmp_path / "mine")
    with up(root, mode, *words, env=env) as process:
        (state,) = running.Monitor(root).activities(SPAN)
        assert (state.webui.pid, state.busy) == (process.pid, busy), state
        assert says in state.evidence and "hunter2" not in str(state)
    assert web_uis(root) == ()


@sockets.told
def test_in_a_crowd_the_user_own_processes_decide(tmp_path: Path) -> None:
    """Three times as many programs as cores want all of them: idle stays idle, work is seen, both without an API."""
    idle, busy = install(tmp_path / "idle"), install(tmp_path / "busy")
    with crowd(3 * (os.cpu_count() or 1)), up(idle, NO_API), up(busy, '{"status": 404, "burn": true}'):
        assert [state.busy for state in (*activities(idle), *activities(busy))] == [False, True]


@pytest.mark.parametrize("start", [
    ("-u", "launch.py"), ("-X", "utf8", "launch.py"), ("-uWignore", "launch.py"), ("-W", "ignore", "launch.py"),
    ("-m", "launch"), ("-B", "-m", "launch"), ("ROOT/launch.py",), ("ROOT/../mine/launch.py",),
])
def test_however_it_is_started_it_is_seen(tmp_path: Path, start: tuple[str, ...]) -> None:
    root, other = install(tmp_path / "mine"), install(tmp_path / "other")
    with up(root, "{}", start=[word.replace("ROOT", str(root)) for word in start]) as process:
        assert [one.pid for one in web_uis(root)] == [process.pid]
        assert running.is_running(root) and not running.is_running(other)
    assert not running.is_running(root)


@pytest.mark.parametrize("start", [("editor.py", "launch.py"), ("-X", "launch.py", "editor.py"), ("-m", "editor")])
def test_another_program_is_none(tmp_path: Path, start: tuple[str, ...]) -> None:
    root = install(tmp_path / "mine")
    (root / "editor.py").write_text("import sys\nprint('up', flush=True)\nsys.stdin.read()\n")
    with up(root, "launch.py", start=start):
        assert web_uis(root) == ()


def test_trial_servers_of_ours_are_none(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    with up(root, "{}", env={"AUTOTUNE_RUN": "1-2"}):
        assert web_uis(root) == ()


@sockets.told
def test_processes_of_one_start_are_one_web_ui(tmp_path: Path) -> None:
    """accelerate starts launch.py as a child, and names it among its own words."""
    root = install(tmp_path / "mine")
    script = tmp_path / "accelerate"
    script.write_text("import subprocess, sys\nsys.exit(subprocess.call([sys.executable, *sys.argv[2:]]))\n")
    start = (str(script), "launch", str(root / "launch.py"))
    with up(root, '{"status": 404, "burn": true}', start=start) as process, up(root, "{}") as second:
        found = {state.webui.pid: state for state in running.Monitor(root).activities(SPAN)}
        assert set(found) == {process.pid, second.pid}
        assert found[process.pid].busy is True and len(found[process.pid].webui.listens or ()) == 1
        assert found[second.pid].busy is False


def test_a_shell_that_becomes_one_is_seen(tmp_path: Path) -> None:
    """webui.sh may prepare for minutes before it becomes python under the same id."""
    if sys.platform == "win32":
        pytest.skip("no exec")
    root = install(tmp_path / "mine")
    line = ["bash", "-c", f"read -r; exec {sys.executable} launch.py '{{}}'"]
    process = subprocess.Popen(line, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    finder, shell = running.Finder(root), psutil.Process(process.pid)

    def old_and_no_web_ui() -> bool:
        assert finder.web_uis() == ()
        return time.time() - shell.create_time() > running.MAY_CHANGE + 1.0

    try:
        assert wait_for(old_and_no_web_ui, 60)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"up\n"
        assert [one.pid for one in finder.web_uis()] == [process.pid]
    finally:
        process.communicate(timeout=30)


@sockets.told
def test_looking_again_sees_a_job_begin_and_end(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    watch = running.Monitor(root)
    assert watch.activities() == ()
    with up(root, NO_API):
        assert [state.busy for state in watch.activities(SPAN)] == [False]
        with up(root, '{"status": 404, "burn": true}'):
            assert sorted(str(state.busy) for state in watch.activities(SPAN)) == ["False", "True"]
        assert [state.busy for state in watch.activities(SPAN)] == [False]
    assert watch.activities() == ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no ended process in its list")
def test_one_that_has_ended_is_none_though_nobody_asked_for_its_exit_code(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    finder = running.Finder(root)
    with up(root, "{}") as process:
        assert [one.pid for one in finder.web_uis()] == [process.pid]
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            assert process.returncode is None
        assert finder.web_uis() == ()
        assert web_uis(root) == ()


LOOK = "from pathlib import Path; from autotune.webui import running; import sys\n" \
    "for s in running.activities(Path(sys.argv[1])): print(s.webui.certain, s.webui.user, s.webui.listens, s.busy)"


PYTHON, NOBODY, BARE = "/usr/bin/python3", 65534, ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv")
                    or not Path(PYTHON).exists(), reason="needs two users, and to be the one without privileges")
@pytest.mark.parametrize(("start", "certain"), [("launch.py", "False"), ("ROOT/launch.py", "True")])
@pytest.mark.parametrize(("mode", "busy"), [(NO_API, "False"), ('{"status": 404, "burn": true}', "True")])
def test_a_process_of_another_user_is_judged_by_its_cpu_time(
    tmp_path: Path, start: str, certain: str, mode: str, busy: str
) -> None:
    root = install(tmp_path / "mine")
    for folder in (root, *root.parents):
        if folder != Path("/tmp") and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    with up(root, mode, start=[start.replace("ROOT", str(root))], python=PYTHON, user=NOBODY):
        line = [*BARE, sys.executable, "-c", LOOK, str(root)]
        told = subprocess.run(line, check=True, capture_output=True, text=True)
        # Without privileges a web UI that anybody else runs somewhere cannot be told from this install's.
        assert f"{certain} nobody None {busy}" in told.stdout.splitlines()


@pytest.mark.parametrize(("cores", "wanted", "machine", "works"), [
    # Measured on the reference web UI, two cores: idle, then rendering, at a load of 2 to 7.
    (0.002, 0.039, 1.0, False), (0.005, 0.192, 1.0, False), (0.001, 0.195, 1.0, False),
    (0.092, 1.533, 1.0, True), (0.070, 1.702, 1.0, True), (0.146, 1.617, 1.0, True), (0.483, 1.793, 1.0, True),
    # Free cores; and a system that does not say what was wanted.
    (0.95, 0.95, 0.6, True), (0.004, 0.004, 0.1, False), (0.95, None, 0.6, True), (0.004, None, 0.1, False),
    (0.09, None, 1.0, True), (0.005, None, 1.0, False), (0.09, None, 0.4, False), (0.09, 0.12, 0.4, False),
])
def test_what_counts_as_work(cores: float, wanted: float | None, machine: float, works: bool) -> None:
    assert CpuUse(2.0, cores, wanted, machine).works is works


def test_what_is_not_told_is_not_free() -> None:
    for kind in ("closed", "unseen", "silent", "no_port"):
        assert activity_of(ONE, JobAnswer(kind, "why"), None).busy is None
    assert activity_of(ONE, JobAnswer("none", "no job"), None).free
    assert "may have a job running" in str(activity_of(ONE, JobAnswer("closed", "why"), None))
