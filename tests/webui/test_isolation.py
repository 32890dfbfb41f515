"""What a trial is given: words, settings, environment, and the start through the web UI's own script."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.machine import processes
from autotune.model.errors import NothingToWorkOn
from autotune.trial import LaunchPlan, start
from autotune.webui.a1111 import environment, isolation, launch_shim, start_by_script
from autotune.webui.a1111.install import settings_files
from autotune.webui.a1111.isolation import STRIPPED, trial_words
from autotune.webui.face import Credentials
from benchmarks.live_switch import client_of

STANDIN = Path(__file__).parents[1] / "trial" / "standin_webui.py"
KEPT = ("--xformers", "--no-half-vae", "--medvram", "--ckpt=a b.ckpt", "--vae-dir", "x y", "--skip-torch-cuda-test",
        "--no-half", "--lora-dir=/m", "--disable-safe-unpickle", "--use-cpu", "all", "--data-dir", "/d")


@pytest.mark.parametrize(("given_words", "expected"), [
    ("--share --listen --xformers", "--xformers"),
    ("--port 7860 --medvram", "--medvram"),
    ("--port=7860 --medvram", "--medvram"),
    ("--gradio-auth me:pw --no-half", "--no-half"),
    ("--sha --lis --gradio-auth-p f --no-half-vae", "--no-half-vae"),
    ("--api --api-auth a:b --api-log", ""),
    ("--ngrok token --ngrok-region eu --ngrok-options '{\"a\": 1}' --xformers", "--xformers"),
    ("--freeze-settings --theme dark --autolaunch --opt-sdp-attention", "--opt-sdp-attention"),
    ("--tls-keyfile k --tls-certfile c --subpath sd --cors-allow-origins=*", ""),
    ("--use-cpu all --lowvram", "--use-cpu all --lowvram"),
])
def test_words_of_a_trial(given_words: str, expected: str) -> None:
    assert trial_words(shlex.split(given_words)) == tuple(shlex.split(expected))


@given(st.lists(st.one_of(
    st.sampled_from([(word,) for word in KEPT if word.startswith("--")]),
    st.sampled_from(sorted(STRIPPED)).map(lambda flag: (flag, *["secret-value"] * STRIPPED[flag])),
    st.sampled_from(sorted(flag for flag, count in STRIPPED.items() if count)).map(
        lambda flag: (f"{flag}=secret-value",)),
)))
def test_nothing_of_the_network_passes_and_the_rest_stays(parts: list[tuple[str, ...]]) -> None:
    words = [word for part in parts for word in part]
    left = trial_words(words)
    assert left == tuple(word for part in parts for word in part if part[0] in KEPT)
    assert "secret-value" not in " ".join(left)
    # The shim that runs inside the web UI decides the same.
    assert tuple(itertools.compress(words, launch_shim.words_kept(words, STRIPPED, isolation.SHORTEST))) == left


@pytest.mark.parametrize("text", ['{"a": 1}', "", "{broken", "[]", None])
def test_the_runs_own_settings(tmp_path: Path, text: str | None) -> None:
    root, folder = tmp_path / "ui", tmp_path / "run"
    root.mkdir()
    folder.mkdir()
    if text is not None:
        (root / "config.json").write_text(text, encoding="utf-8-sig")
    assert isolation.write_settings(folder, root, (), (("batch_cond_uncond", False),)) is (text in ('{"a": 1}', None))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["batch_cond_uncond"] is False and config["live_previews_enable"] is False
    assert config.get("a") == (1 if text == '{"a": 1}' else None)
    assert all(Path(config[name]).is_relative_to(folder) for name in isolation.OUTDIRS)
    assert json.loads((folder / "ui-config.json").read_text(encoding="utf-8")) == {}


def test_settings_files_where_words_place_them(tmp_path: Path) -> None:
    assert settings_files(tmp_path, ()) == (tmp_path / "config.json", tmp_path / "ui-config.json")
    assert settings_files(tmp_path, ("--data-dir", "/d", "--ui-config-file=/e/u.json")) == (
        tmp_path / "/d/config.json", tmp_path / "/e/u.json")  # on Windows that is a path of the install's drive


def test_credentials_are_fresh_and_without_a_colon() -> None:
    made = {Credentials.make().password for _ in range(50)}
    assert len(made) == 50 and not any(":" in password for password in made)


posix = pytest.mark.skipif(os.name != "posix", reason="bash")


def user_file(folder: Path, text: str) -> Path:
    file = folder / "webui-user.sh"
    file.write_text(text, encoding="utf-8")
    return file


@posix
def test_what_the_file_exports_is_read(tmp_path: Path) -> None:
    file = user_file(tmp_path, """
echo noise; echo noise >&2
export COMMANDLINE_ARGS="--share"
export PYTORCH_CUDA_ALLOC_CONF="garbage_collection_threshold:0.6,max_split_size_mb:128"
export LINES=$'two\\nlines'
python_cmd="python3.10"
venv_dir=-
export PATH="$HOME/bin:$PATH"
unset HIDDEN
""")
    found = environment.of_start_script(tmp_path, file)
    assert found.problem is None
    assert found.variables["PYTORCH_CUDA_ALLOC_CONF"].endswith("128") and found.variables["LINES"] == "two\nlines"
    assert found.variables["PATH"] == f"{os.environ['HOME']}/bin:{environment.base()['PATH']}"
    assert "COMMANDLINE_ARGS" not in found.variables and processes.MARKER not in found.variables
    assert found.shell == {"python_cmd": "python3.10", "venv_dir": "-"}


HARMFUL = """
touch RAN; touch RAN2 & (touch RAN3)
git pull && touch RAN4
rm -rf keep
X=$(touch RAN5; echo 1)
curl -o RAN6 file:///etc/hostname
cp keep RAN7; echo > RAN8
trap 'touch RAN9' EXIT
"""
"""Commands of the user's own, each of which leaves a file or takes one away when it runs."""


@posix
@pytest.mark.parametrize("rest", ["", "if [ -d /nowhere ]; then export PATH=/x; fi\n", "eval 'export PATH=/x'\n",
                                  "source ./other.sh\n", "exec ./webui.sh --listen\n", "./webui.sh --listen &\n"])
def test_nothing_of_the_file_runs_at_a_trials_start(tmp_path: Path, rest: str) -> None:
    for name in ("keep", "webui.sh", "other.sh"):
        (tmp_path / name).write_text("touch RAN10\n", encoding="utf-8")
    (tmp_path / "webui.sh").chmod(0o755)
    file = user_file(tmp_path, HARMFUL + 'export CUDA_VISIBLE_DEVICES=1\n' + rest)
    before = sorted(tmp_path.iterdir())
    found = environment.of_start_script(tmp_path, file)
    assert sorted(tmp_path.iterdir()) == before
    assert found.variables["PATH"] in (environment.base()["PATH"], "/x")
    assert found.problem is not None or found.variables["CUDA_VISIBLE_DEVICES"] == "1"


@posix
@pytest.mark.parametrize(("text", "known"), [
    ("export CUDA_VISIBLE_DEVICES=$(cat /nowhere/card)\n", False),
    ("source /nowhere/else.sh\n", False),
    ("[ -f $(cat /nowhere/x) ] && export HSA_OVERRIDE_GFX_VERSION=10.3.0\n", False),
    ("export MY_PROMPTS=$(cat /nowhere/card)\n", True),  # nothing that bears on a trial
    ("export CUDA_VISIBLE_DEVICES=1\n", True),
])
def test_what_stays_unknown_and_matters_is_said(tmp_path: Path, text: str, known: bool) -> None:
    problem = environment.of_start_script(tmp_path, user_file(tmp_path, text)).problem
    assert (problem is None) == known
    assert known or "line 1" in (problem or "")


@posix
@pytest.mark.parametrize("text", ["if then fi (\n", "export A='\n"])
def test_a_broken_file_is_told(tmp_path: Path, text: str) -> None:
    found = environment.of_start_script(tmp_path, user_file(tmp_path, text))
    assert found.variables.get("PATH") and found.problem is not None


def test_set_lines_of_a_bat(tmp_path: Path) -> None:
    file = tmp_path / "webui-user.bat"
    file.write_bytes(b"\xef\xbb\xbf@echo off\r\nset PYTHON=\r\n@SET \"PYTORCH_CUDA_ALLOC_CONF=a:1\"\r\n"
                     b"set BASE=C:\\x\r\nset CACHE=%BASE%\\y\r\nset COMMANDLINE_ARGS=--share\r\n"
                     b"set VENV_DIR=-\r\nset ACCELERATE=True\r\n"
                     b"call webui.bat\r\n")
    found = environment.of_start_script(tmp_path, file)
    assert found.variables["PYTORCH_CUDA_ALLOC_CONF"] == "a:1" and found.variables["CACHE"] == "C:\\x\\y"
    assert "COMMANDLINE_ARGS" not in found.variables and "PYTHON" not in found.variables
    assert found.shell == {"venv_dir": "-", "ACCELERATE": "True"}


def test_our_own_surroundings_are_not_inherited() -> None:
    scripts = "/v/bin" if os.name == "posix" else "c:\\V\\scripts\\"
    env = environment.base({"PATH": os.pathsep.join([scripts, "/usr/bin"]),
                            "VIRTUAL_ENV": "/v" if os.name == "posix" else "C:\\v",
                            "COMMANDLINE_ARGS": "x", processes.MARKER: "1", "PYTHONHOME": "/h", "HTTP_PROXY": "p",
                            "AUTOTUNE_STORAGE": "postgresql://me:sesame@host/db"})
    assert env == {"PATH": "/usr/bin", "HTTP_PROXY": "p"}


def test_the_interpreters_own_environment_is_active(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("", encoding="utf-8")
    env = environment.for_python(environment.StartEnvironment({"PATH": "/usr/bin", "LD_PRELOAD": "mine.so"}), python)
    assert env["VIRTUAL_ENV"] == str(tmp_path / "venv") and env["PATH"].split(os.pathsep)[0] == str(python.parent)
    assert env["LD_PRELOAD"] == "mine.so"
    plain = environment.StartEnvironment({}, {"ACCELERATE": "True"})
    assert environment.command(plain, python) == (str(python), "-u")
    (python.parent / f"accelerate{'' if os.name == 'posix' else '.exe'}").write_text("", encoding="utf-8")
    assert environment.command(plain, python)[1] == "launch"


WEBUI_SH = """#!/bin/bash
SCRIPT_DIR=$( cd -- "$( dirname -- "${BASH_SOURCE[0]}" )" && pwd )
source "$SCRIPT_DIR"/webui-user.sh
if [[ $(id -u) -eq 0 && "$1" != "-f" ]]; then exit 1; fi
[[ -z "${LAUNCH_SCRIPT}" ]] && LAUNCH_SCRIPT="launch.py"
cd "$SCRIPT_DIR"
export SD_WEBUI_RESTART=tmp/restart
while true; do
  python3 -u "${LAUNCH_SCRIPT}" "$@"
  [[ -f tmp/restart ]] || break
  rm tmp/restart
done
"""


@pytest.fixture
def install(tmp_path: Path) -> Path:
    root = tmp_path / "ui"
    root.mkdir()
    # -f goes on to launch.py, which knows it as A1111's does.
    text = STANDIN.read_text(encoding="utf-8").replace('"--nowebui", "--api",', '"-f", "--nowebui", "--api",', 1)
    (root / "launch.py").write_text(text, encoding="utf-8")
    (root / "webui.sh").write_text(WEBUI_SH, encoding="utf-8")
    user_file(root, 'export COMMANDLINE_ARGS="--opt-sdp-attention --share --port 7860"\n')
    return root


@posix
@pytest.mark.parametrize("extra", ["", 'export LAUNCH_SCRIPT="launch.py"\n'])
def test_a_start_by_its_own_script_has_the_scripts_words(install: Path, tmp_path: Path, extra: str) -> None:
    file = install / "webui-user.sh"
    file.write_text(file.read_text(encoding="utf-8") + extra, encoding="utf-8")
    plan = LaunchPlan(install, Path(sys.executable), ("--ignored",), tmp_path / "runs", launch_file=file,
                      own_script=True, start_limit=30, term_grace=0.5)
    with start(plan) as server:
        flags = server.client.reported().flags
        assert flags["opt_sdp_attention"] and not flags["share"] and flags["port"] == server.port
        assert server.given is not None and server.given.words == ("--opt-sdp-attention",)
        password = (client_of(server).transport._auth or ("", ""))[1]
        assert all(password not in " ".join(process.cmdline()) for process in server.tree())
        # The loop of the script would start it again: the whole tree goes, shell first.
        (install / "tmp").mkdir()
        (install / "tmp" / "restart").write_text("", encoding="utf-8")
    assert server.stop().clean


@posix
def test_a_start_by_script_needs_the_script(tmp_path: Path) -> None:
    with pytest.raises(NothingToWorkOn):
        start_by_script.start_of(tmp_path, tmp_path, (), {})


@posix
def test_the_shim_leaves_other_programs_alone(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_bytes(Path(launch_shim.__file__).read_bytes())
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "AUTOTUNE_SHIM": "{}", "COMMANDLINE_ARGS": "--share"}
    done = subprocess.run([sys.executable, "-c", "import os; print(os.environ['COMMANDLINE_ARGS'])"], env=env,
                          capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "--share"


LINES: tuple[tuple[list[str], list[str], list[str]], ...] = (
    (["--share", "--xformers"], ["--medvram"], ["--xformers", "--medvram"]),
    (["--api-auth", "me:secret", "--port=7", "--no-half"], ["--listen"], ["--no-half"]),
    (["--theme", "dark"], ["--theme", "dark", "--sub-quad-q-chunk-size", "7"], ["--sub-quad-q-chunk-size", "7"]),
    ([], ["--share"], []), (["--shar", "--ü 1"], [], ["--ü 1"]), (["--port"], ["7860", "--xformers"], ["--xformers"]),
)
"""(words on launch.py's own line, as after `call webui.bat`; in COMMANDLINE_ARGS; left)."""
STARTER = "import runpy, sys; sys.argv[:] = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
"""As `accelerate launch` does: another program, which is given launch.py and its words."""


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize(("argv", "variable", "left"), LINES)
def test_words_on_launchs_own_line_go_too(
    tmp_path: Path, argv: list[str], variable: list[str], left: list[str], between: bool
) -> None:
    (tmp_path / "sitecustomize.py").write_bytes(Path(launch_shim.__file__).read_bytes())
    launch, starter = tmp_path / "launch.py", tmp_path / "starter.py"
    launch.write_text("import json, os, shlex, sys\n"
                      "print(json.dumps(sys.argv[1:] + shlex.split(os.environ['COMMANDLINE_ARGS'])))\n")
    starter.write_text(STARTER)
    spec = {"stripped": STRIPPED, "shortest": isolation.SHORTEST, "words": ["--nowebui"], "key": "0",
            "given": str(tmp_path / "given.json"), "launch": str(launch)}
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "AUTOTUNE_SHIM": json.dumps(spec),
           "COMMANDLINE_ARGS": shlex.join(variable), "PYTHONUTF8": "1"}
    program = [str(starter), str(launch)] if between else [str(launch)]
    done = subprocess.run([sys.executable, *program, *argv], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [*left, "--nowebui"]
    found = start_by_script.given(tmp_path, "0")
    assert found is not None and found.differences([*argv, *variable]) == []
