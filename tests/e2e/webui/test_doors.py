"""Web UIs that really run, through the door: the conformance suite, and the whole ladder of one that is not ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotune.model.workload import SearchSpec
from autotune.trial import LaunchFailed, LaunchPlan, start
from autotune.webui import recognise
from autotune.webui.a1111.webui import WEBUI as A1111
from autotune.webui.comfyui.webui import WEBUI as COMFYUI
from tests import reference
from tests.webui import conformance
from tests.webui.pretend import flavour as pretend
from tests.webui.test_conformance import of_pretend

REPOSITORY = Path(__file__).parents[3]
CONTRACT = (REPOSITORY / "docs" / "contract.md").read_text(encoding="utf-8")
TOLD = CONTRACT.split("## JSON", 1)[1].split("## A profile", 1)[0]
PROFILE = """\
name = "small"
[[workload]]
width = 64
height = 64
frames = 4
steps = 1
[budget]
minutes = 1
"""
Autotune = Callable[..., dict[str, Any]]


def test_the_reference_web_ui_conforms(tmp_path: Path) -> None:
    root = tmp_path / "webui"
    subprocess.run([sys.executable, "-m", "autotune.engine", "create", str(root)], check=True, capture_output=True)
    spec = SearchSpec((("attention", ("sdp", "v1", "invokeai")), ("channelslast", ("false", "true"))))
    conformance.check_process(A1111, root, tmp_path / "runs", spec)


def test_the_reference_comfyui_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    root = reference.copy(home / "comfy" / "ComfyUI", "comfyui")
    config = home / ".config" / "comfy-cli" / "config.ini"
    config.parent.mkdir(parents=True)
    config.write_text(f"[DEFAULT]\ndefault_workspace = {root}\n"
                      "default_launch_extras = --preview-size 256 --use-split-cross-attention\n")
    spec = SearchSpec((("attention", ("pytorch", "split", "quad")), ("channelslast", ("false", "true"))))
    (tmp_path / "empty").mkdir()
    conformance.check_files(COMFYUI, root, tmp_path / "empty", spec)
    conformance.check_process(COMFYUI, root, tmp_path / "runs", spec)


def test_the_pretend_web_ui_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognise, "_from_packages", lambda: recognise.registered((pretend.WEBUI,)))
    conformance.check_process(pretend.WEBUI, of_pretend(tmp_path / "install"), tmp_path / "runs")


@pytest.fixture
def autotune(tmp_path: Path) -> Autotune:
    """The program as its user runs it, with the pretend kind as an installed package of somebody else's brings it."""
    told = tmp_path / "site" / "pretend-0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: pretend\nVersion: 0\n")
    (told / "entry_points.txt").write_text("[autotune.webuis]\npretend = tests.webui.pretend.flavour:WEBUI\n")
    (tmp_path / "small.toml").write_text(PROFILE)
    path = os.pathsep.join([str(REPOSITORY), str(told.parent)])
    env = {**{key: value for key, value in os.environ.items() if not key.startswith("AUTOTUNE_")}, "PYTHONPATH": path}

    def run(*words: str, code: int = 0) -> dict[str, Any]:
        place = ["--webui", str(tmp_path / "install"), "--state-dir", str(tmp_path / "state"), "--json", "-q"]
        done = subprocess.run(
            [sys.executable, "-m", "autotune", *place, *words], env=env, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=200, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        untold = set(found) - set(re.findall(r"`(\w+)(?:\[\])?`", TOLD)) - {"schema", "kind"}
        assert not untold, f"docs/contract.md does not tell of these keys of `{words[0]}`"
        return found

    return run


def test_a_web_ui_of_another_kind_is_tuned_applied_and_rolled_back(tmp_path: Path, autotune: Autotune) -> None:
    root = of_pretend(tmp_path / "install")
    file, before = root / "pretend.ini", conformance.tree(root)
    found = autotune("probe")
    assert found["webui"]["flavour"] == "pretend" and found["webui"]["tuned_flags"] == ["--engine", "dull"]
    assert {tuple(one["flags"]) for one in found["candidates"]} == {("--engine", one) for one in pretend.ENGINES}
    tuned = autotune("tune", "--profile", str(tmp_path / "small.toml"), "--seed", "1")
    winner = tuned["winner"]["flags"]
    # A clip takes 0.3 s with the engine in use, 0.15 and 0.09 s with the others: either is surely faster.
    assert tuned["decision"] == "apply" and winner in (["--engine", "plain"], ["--engine", "swift"])
    assert tuned["speedup"]["low"] > 1.2 and conformance.tree(root) == before, "a tune changed the install"
    applied = autotune("apply", "--yes")
    assert applied["verified"] is True and f"--engine {winner[1]}" in file.read_text()
    assert file.read_text().startswith("; mine\n") and file.read_text().endswith("colour = blue\n")
    assert autotune("verify")["ok"] and autotune("status")["applied"]["flags"] == winner
    assert [one["verb"] for one in autotune("history")["events"]] == ["tune", "apply"]
    autotune("rollback", "--yes")
    assert conformance.tree(root) == before
    assert not list((tmp_path / "state").glob("**/runs/*/*")), "a run left something behind"


def test_a_failure_is_classed_in_the_words_of_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognise, "_from_packages", lambda: recognise.registered((pretend.WEBUI,)))
    root = of_pretend(tmp_path / "install")
    plan = LaunchPlan(root, Path(sys.executable), ("--name", "inkless"), tmp_path / "runs", start_limit=60.0)
    with pytest.raises(LaunchFailed) as failed:
        start(plan)
    assert failed.value.failure == "oom" and failed.value.why == "pretend: out of ink"


@pytest.mark.parametrize("code", ["raise RuntimeError('no')", "raise SystemExit(9)", "", "(", "import absent_module"])
def test_a_package_that_cannot_be_loaded_is_named(tmp_path: Path, autotune: Autotune, code: str) -> None:
    (tmp_path / "install").mkdir()
    told = tmp_path / "site" / "broken_kind-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-kind\nVersion: 1\n")
    (told / "entry_points.txt").write_text("[autotune.webuis]\nbroken = broken_kind:WEBUI\n")
    (tmp_path / "site" / "broken_kind.py").write_text(code)
    document = autotune("probe", code=2)
    assert "broken-kind" in document["message"] and "broken_kind:WEBUI" in document["hint"]


def test_a_folder_that_no_kind_knows_is_refused(tmp_path: Path, autotune: Autotune) -> None:
    (tmp_path / "install").mkdir()
    shutil.copyfile(Path(pretend.__file__).with_name("server.py"), tmp_path / "install" / "other.py")
    assert "no web UI" in autotune("probe", code=3)["message"]
