"""What the tab costs a start of the web UI, told by the modules that it loads; and that a trial is left alone by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.machine.processes import MARKER
from autotune.webui.a1111.own_extension import SOURCE, SWITCHES
from tests import gradio_packages

PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import fastapi, starlette.routing, uvicorn, socket, ssl, subprocess, threading
if sys.argv[3] == "gradio":
    import gradio
import autotune.engine.modules as modules
from autotune.engine.modules import script_callbacks, scripts, shared
sys.modules.update({"modules": modules, "modules.script_callbacks": script_callbacks, "modules.shared": shared,
                    "modules.scripts": scripts})
import importlib.util
before = set(sys.modules)
sys.path.insert(0, sys.argv[2])
for name in sys.argv[4:]:
    spec = importlib.util.spec_from_file_location(name, sys.argv[2] + "/" + name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
tabs = []
if sys.argv[3] == "gradio":
    tabs = [[title, name] for _, title, name in script_callbacks.ui_tabs_callback()]
callbacks = sorted(kind for kind, all in script_callbacks._registered.items() if all)
print(json.dumps([sorted(set(sys.modules) - before), tabs, callbacks]))
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SCRIPTS = sorted(name for path in SOURCE.glob("scripts/*.py")
                 if (name := path.relative_to(SOURCE).as_posix()) not in SWITCHES)
"""All that is installed without being asked for by name."""
OURS = {"sd_webui_autotune", "sd_webui_autotune.guard", "sd_webui_autotune.commands", "sd_webui_autotune.routes"}


def loaded(packages: str, kind: str, **environ: str) -> tuple[set[str], list[list[str]], list[str]]:
    """Modules that the scripts load beyond those of a web UI, the tabs that they add, the callbacks they register."""
    clean = {name: value for name, value in os.environ.items() if name != MARKER}
    done = subprocess.run([sys.executable, "-c", PROGRAM, packages, str(SOURCE), kind, *SCRIPTS], capture_output=True,
                          text=True, check=False, env={**clean, **environ}, timeout=120, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    modules, tabs, callbacks = json.loads(done.stdout.splitlines()[-1])
    return set(modules), tabs, callbacks


@pytest.mark.parametrize("version", ["3.41.2", "4.44.1"])
def test_it_loads_its_own_few_modules_and_nothing_else(request: pytest.FixtureRequest, version: str) -> None:
    packages = gradio_packages.folder(version, gradio_packages.cache_folder(request.config))
    modules, tabs, callbacks = loaded(str(packages), "gradio")
    assert modules == OURS
    assert tabs == [["autotune", "autotune_tab"]] and callbacks == ["app_started", "ui_tabs"]


def test_a_trial_is_left_alone(request: pytest.FixtureRequest) -> None:
    packages = gradio_packages.folder("3.41.2", gradio_packages.cache_folder(request.config))
    modules, _, callbacks = loaded(str(packages), "trial", **{MARKER: "1"})
    assert modules == set() and callbacks == []


def test_the_mark_of_a_trial_is_that_of_autotune() -> None:
    script = (SOURCE / "scripts" / "autotune_tab.py").read_text(encoding="utf-8")
    assert f'TRIAL = "{MARKER}"' in script


def test_nothing_of_it_is_saved_by_the_web_ui() -> None:
    """A1111 saves the values of sliders, boxes, buttons and the like (modules/ui_loadsave.py); never of HTML."""
    script = (SOURCE / "scripts" / "autotune_tab.py").read_text(encoding="utf-8")
    used = {word.split("(")[0] for word in script.split("gr.")[1:]}
    assert used == {"Blocks", "HTML"}
