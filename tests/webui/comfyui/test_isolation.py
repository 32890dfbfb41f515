"""A trial's words, variables and folders, on installs of every host; argparse itself judges the words."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autotune.model.errors import NothingToWorkOn
from autotune.trial import written_files
from autotune.webui.comfyui import environment, isolation, trial_node
from autotune.webui.comfyui.install import identify
from autotune.webui.face import Credentials, TrialCommand, TrialStart
from tests.webui.comfyui import installs
from tests.webui.installs import write

SECRET = Credentials.make()
OWN = ("output", "temp", "input", "user")
MORE = {"--multi-user": "0", "--tls-keyfile": "1", "--tls-certfile": "1", "--enable-cors-header": "?",
        "--front-end-version": "1", "--dont-print-server": "0", "--feature-flag": "1", "--comfy-api-base": "1",
        "--enable-assets": "0", "--max-upload-size": "1", "--preview-size": "1", "--quick-test-for-ci": "0",
        "--disable-manager-ui": "0", "--enable-compress-response-body": "0", "--cache-ram": "*", "--debug-hang": "0"}
"""Flags of its parser beside those of ``installs.TAKES``."""


def parser(takes: Mapping[str, str]) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(exit_on_error=False)
    for name, words in takes.items():
        if words == "0":
            made.add_argument(name, action="store_true")
        elif name == "--extra-model-paths-config":
            made.add_argument(name, nargs="+", action="append")
        elif words == "1":
            made.add_argument(name)
        else:
            made.add_argument(name, nargs=words, const="const" if words == "?" else None)
    made.add_argument("--fast", nargs="*")
    made.add_argument("--async-offload", nargs="?", const=2, type=int)
    made.add_argument("--force-channels-last", action="store_true")
    return made


JUDGE = parser({**installs.TAKES, **MORE})


def prepared(root: Path, folder: Path, words: tuple[str, ...] = (), launch_file: Path | None = None) -> TrialCommand:
    folder.mkdir(exist_ok=True)
    python = identify(root, words, launch_file).python
    assert python is not None
    return isolation.prepare(TrialStart(root, python, words, (), launch_file, False, folder, 7861, SECRET))


def parsed(made: TrialCommand) -> dict[str, Any]:
    """What ComfyUI's parser would make of the words behind main.py."""
    assert isinstance(made.argv, tuple)
    script = next(at for at, word in enumerate(made.argv) if Path(word).name == "main.py")
    return vars(JUDGE.parse_args(made.argv[script + 1:]))


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes()[:4096] for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("host", installs.HOSTS)
def test_a_trial_of_every_host(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = installs.HOSTS[host](tmp_path / "home of it")
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    before = tree(tmp_path)
    command = prepared(made.root, tmp_path / "run", ("--listen", "0.0.0.0", "--fast", "fp16_accumulation"))
    args = parsed(command)
    run = tmp_path / "run"
    assert (args["listen"], args["port"], args["fast"]) == ("127.0.0.1", "7861", ["fp16_accumulation"])
    assert all(args[f"{kind}_directory"] == str(run / kind) and (run / kind).is_dir() for kind in OWN)
    assert args["database_url"] == "sqlite:///:memory:" and args["disable_api_nodes"] and args["disable_metadata"]
    assert args["disable_auto_launch"] and not args["auto_launch"] and not args["windows_standalone_build"]
    assert not args["enable_manager"] and args["front_end_root"] is None
    assert SECRET.password not in " ".join(command.argv)
    config = yaml.safe_load(Path(args["extra_model_paths_config"][-1][0]).read_text(encoding="utf-8"))
    nodes = Path(config[isolation.NODE]["custom_nodes"])
    assert (nodes / isolation.NODE / "__init__.py").is_file() and (nodes / isolation.NODE / "video.py").is_file()
    told = json.loads(command.environment[isolation.VARIABLE])
    assert told["auth"] == f"{SECRET.user}:{SECRET.password}" and told["checkpoint"] == "sd15.safetensors"
    place = identify(made.root).folders
    assert (told["input"], told["output"]) == (str(place.input), str(place.output))
    assert {name: data for name, data in tree(tmp_path).items() if not name.startswith("run")} == before


NAMES = st.sampled_from(sorted({**installs.TAKES, **MORE}))
VALUES = st.sampled_from(["a", "0", "D:\\x y", "-1", "auto", "sqlite:///x.db"])


@st.composite
def owners_words(draw: st.DrawFn) -> list[str]:
    """Words that ComfyUI's parser takes, whatever they are."""
    words: list[str] = []
    for name in draw(st.lists(NAMES, max_size=8)):
        takes = {**installs.TAKES, **MORE}[name]
        most = {"0": 0, "1": 1, "?": 1}.get(takes, 3)
        count = draw(st.integers(1 if takes in ("1", "+") else 0, most))
        values = [draw(VALUES) for _ in range(count)]
        words += [f"{name}={values[0]}"] if count == 1 and draw(st.booleans()) else [name, *values]
    try:
        JUDGE.parse_args(words)
    except (argparse.ArgumentError, SystemExit):
        return []
    return words


@given(owners_words())
def test_words_of_the_owners_never_swallow_or_override_ours(words: list[str]) -> None:
    ours = ["--listen", "127.0.0.1", "--port", "7861", "--output-directory", "out", "--extra-model-paths-config", "own"]
    kept = isolation.trial_words(words)
    alone, both = vars(JUDGE.parse_args(words)), vars(JUDGE.parse_args([*kept, *ours]))
    assert (both["listen"], both["port"], both["output_directory"]) == ("127.0.0.1", "7861", "out")
    assert both["extra_model_paths_config"] == [*(alone["extra_model_paths_config"] or []), ["own"]]
    left_out = {name.lstrip("-").replace("-", "_") for name in isolation.LEFT_OUT}
    for name, value in both.items():
        if name in left_out - {"listen", "port", "output_directory"}:
            assert value == JUDGE.get_default(name), f"{name} was not left out"
        elif name not in left_out and name != "extra_model_paths_config":
            assert value == alone[name], f"{name} is not as its owner has it"


@pytest.mark.parametrize("words", [
    ("--preview-m", "auto"), ("--multi", "--fast"), ("--windows",), ("--front-end-v", "a/b@latest"),
    ("--enable-cors", "*"), ("--tls-k", "key", "--tls-c", "cert"), ("--listen=0.0.0.0",), ("--listen",)])
def test_abbreviations_are_left_out_too(words: tuple[str, ...]) -> None:
    assert set(isolation.trial_words(words)) <= {"--fast"}


@pytest.mark.parametrize(("words", "tls"), [
    ((), False), (("--tls-keyfile", "k"), False), (("--tls-keyfile", "k", "--tls-certfile", "c"), True),
    (("--tls-keyfile=k", "--tls-certfile=c", "--fast"), True), (("--tls-k", "k", "--tls-c", "c"), True)])
def test_whether_its_owner_serves_https(words: tuple[str, ...], tls: bool) -> None:
    from autotune.webui.comfyui.client import of_owner

    assert isolation.serves_tls(words) is tls
    assert [one.base_url for one in of_owner("127.0.0.1:8188", words)] == [f"http{'s' * tls}://127.0.0.1:8188"]
    assert [one.base_url[:5] for one in of_owner("127.0.0.1:8188", None)] == ["http:", "https"]


@pytest.mark.parametrize("name", ["ComfyUI-Manager", "comfyui-manager", "ComfyUI-Manager-main", "ComfyUI-Login",
                                  "comfyui-sentinel", "ComfyUI-Ngrok"])
def test_the_manager_and_its_kin_are_not_loaded(name: str, tmp_path: Path) -> None:
    made = installs.clone(tmp_path)
    nodes = made.root / "custom_nodes"
    for folder in (name, "ComfyUI-KJNodes", "old.disabled", "__pycache__"):
        installs.custom_node(nodes / folder)
    write(nodes / "websocket_image_save.py", "")
    write(nodes / "example_node.py.example", "")
    args = parsed(prepared(made.root, tmp_path / "run"))
    assert args["disable_all_custom_nodes"]
    assert args["whitelist_custom_nodes"] == [installs.NODES, "ComfyUI-KJNodes", "websocket_image_save.py",
                                              isolation.NODE]


@pytest.mark.parametrize("name", ["ComfyUI-Lora-Manager", "ComfyUI-Impact-Pack", "rgthree-comfy",
                                  "ComfyUI-TunnelVision", "comfyui_loginova_nodes"])
def test_all_other_nodes_are_loaded_as_its_owner_has_them(name: str, tmp_path: Path) -> None:
    made = installs.clone(tmp_path)
    installs.custom_node(made.root / "custom_nodes" / name)
    args = parsed(prepared(made.root, tmp_path / "run"))
    assert not args["disable_all_custom_nodes"] and not args["whitelist_custom_nodes"]


def test_nodes_of_folders_that_its_owner_named(tmp_path: Path) -> None:
    made = installs.clone(tmp_path)
    installs.custom_node(tmp_path / "more" / "ComfyUI-Manager")
    installs.custom_node(tmp_path / "more" / "ours")
    extra = write(tmp_path / "extra.yaml", json.dumps({"x": {"custom_nodes": str(tmp_path / "more")}}))
    args = parsed(prepared(made.root, tmp_path / "run", ("--extra-model-paths-config", str(extra))))
    assert args["whitelist_custom_nodes"] == [installs.NODES, "ours", isolation.NODE]
    assert [one[0] for one in args["extra_model_paths_config"]] == [str(extra), str(tmp_path / "run/nodes.yaml")]


@pytest.mark.parametrize(("words", "wanted"), [
    (("--disable-all-custom-nodes",), [isolation.NODE]),
    (("--disable-all-custom-nodes", "--whitelist-custom-nodes", "b", "a", "ComfyUI-Manager"),
     ["a", "b", isolation.NODE])])
def test_its_owners_own_list_of_nodes_holds(words: tuple[str, ...], wanted: list[str], tmp_path: Path) -> None:
    made = installs.clone(tmp_path)
    args = parsed(prepared(made.root, tmp_path / "run", words))
    assert args["disable_all_custom_nodes"] and args["whitelist_custom_nodes"] == wanted


@pytest.mark.parametrize("flag", ["--offline", "--disable-assets", "--user-directory", "--database-url",
                                  "--disable-metadata", "--whitelist-custom-nodes", "--disable-api-nodes"])
@pytest.mark.parametrize("there", [True, False])
def test_only_flags_that_the_install_knows(flag: str, there: bool, tmp_path: Path) -> None:
    made = installs.clone(tmp_path)
    installs.custom_node(made.root / "custom_nodes/ComfyUI-Manager")
    takes = {name: words for name, words in {**installs.TAKES, **MORE}.items() if name != flag}
    if there:
        takes[flag] = {**installs.TAKES, **MORE}.get(flag, "0")
    write(made.root / "comfy/cli_args.py", installs.cli_args(takes))
    argv = prepared(made.root, tmp_path / "run").argv
    assert (flag in argv) is there
    judge = parser(takes)
    assert judge.parse_args(argv[argv.index(str(made.root / "main.py")) + 1:])


def test_relative_places_count_from_where_its_owner_starts_it(tmp_path: Path) -> None:
    made = installs.portable(tmp_path)
    write(made.root.parent / "extra.yaml", "x:\n  checkpoints: models\n")
    args = parsed(prepared(made.root, tmp_path / "run", ("--extra-model-paths-config", "extra.yaml",
                                                         "--base-directory", "ComfyUI")))
    assert args["extra_model_paths_config"][0] == [str(made.root.parent / "extra.yaml")]
    assert args["base_directory"] == str(made.root)


def test_nothing_is_fetched_and_the_variables_of_its_start_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = installs.portable(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    file = write(made.root.parent / "run_mine.bat",
                 "set PYTORCH_NO_CUDA_MEMORY_CACHING=1\r\n"
                 ".\\python_embeded\\python.exe -s ComfyUI\\main.py --fast\r\npause\r\n")
    command = prepared(made.root, tmp_path / "run", ("--fast",), file)
    env = command.environment
    assert env["PYTORCH_NO_CUDA_MEMORY_CACHING"] == "1" and env["CUDA_VISIBLE_DEVICES"] == "1"
    assert all(env[name] == value for name, value in environment.OFFLINE.items())
    assert env["PYTHONNOUSERSITE"] == "1" and "-s" in command.argv and command.warnings == ()
    assert "PYTORCH_NO_CUDA_MEMORY_CACHING" not in os.environ


def test_stability_matrix_gives_its_variables(tmp_path: Path) -> None:
    made = installs.stability_matrix(tmp_path)
    settings = made.root.parents[1] / "settings.json"
    document = json.loads(settings.read_text(encoding="utf-8"))
    write(settings, json.dumps({**document, "EnvironmentVariables": {"OF_ITS": "set there", "NUMBER": 1}}))
    env = prepared(made.root, tmp_path / "run", (), settings).environment
    assert env["OF_ITS"] == "set there" and "NUMBER" not in env
    assert env["VIRTUAL_ENV"] == str(made.root / "venv") and env["PATH"].startswith(str(made.root / "venv"))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    made = installs.clone(tmp_path)
    start = TrialStart(made.root, tmp_path / "absent", (), (), None, False, tmp_path, 7861, SECRET)
    with pytest.raises(NothingToWorkOn, match="absent is missing"):
        isolation.prepare(start)
    (made.root / "main.py").unlink()
    with pytest.raises(NothingToWorkOn, match=r"has no main\.py"):
        isolation.prepare(start)


MAIN = """
import json, os, sys
from pathlib import Path
root = Path(__file__).resolve().parent
(root / "written.txt").write_text("by a node of its owner's")
Path(os.environ["TOLD"]).write_text(json.dumps([__name__, sys.argv, sys.modules["__main__"].__file__, __file__]))
"""


@pytest.mark.parametrize("isolated", [True, False])
def test_a_python_without_pythonpath_records_what_it_writes_too(isolated: bool, tmp_path: Path) -> None:
    root, run, told = tmp_path / "ComfyUI", tmp_path / "runs" / "run", tmp_path / "told.json"
    main = write(root / "main.py", MAIN)
    run.mkdir(parents=True)
    written_files.take(root, run)
    env = {**os.environ, "TOLD": str(told)}
    env |= written_files.variables(root, run, env)
    starter = Path(trial_node.__path__[0]) / isolation.STARTER
    command = [sys.executable, *(["-I"] if isolated else []), str(starter), str(main), "--fast", "a b"]
    subprocess.run(command, env=env, check=True, timeout=60)
    name, argv, module, file = json.loads(told.read_text())
    assert (name, argv) == ("__main__", [str(main), "--fast", "a b"]) and module == file == str(main)
    assert [(one.path, one.what) for one in written_files.restore(run)] == [("written.txt", "moved out")]
    assert not (root / "written.txt").exists()


@pytest.mark.parametrize("name", ["python313._pth", "pyvenv.cfg"])
def test_only_such_a_python_is_started_through_it(name: str, tmp_path: Path) -> None:
    made = installs.portable(tmp_path)
    write(made.root.parent / "python_embeded" / name, "import site\n")
    argv = prepared(made.root, tmp_path / "run").argv
    assert isinstance(argv, tuple)
    assert (argv[3:5] == (str(tmp_path / "run" / isolation.STARTER), str(made.root / "main.py"))) is (
        name.endswith("_pth"))
    assert Path(argv[3]).is_file() and argv[1:3] == ("-s", "-u")
