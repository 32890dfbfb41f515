"""Every branch for macOS is run, with the platform's name set: none is left that no test has been through."""

from __future__ import annotations

import ast
import ctypes
import json
import os
import plistlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import autotune
from autotune.agent import notify, service, user_idle
from autotune.agent.webui_starts import BriefStarts
from autotune.cli import shortcut_file
from autotune.disk import mac_copy
from autotune.language import choice
from autotune.launchfile import files
from autotune.machine import cpu_use, nvml, processes
from autotune.store import running_set
from autotune.trial import guard
from autotune.webui.a1111 import environment, layout
from autotune.webui.a1111.start_variables import read_start
from autotune.webui.comfyui import hosts

PACKAGE = Path(autotune.__file__).parent
STANDIN = Path(__file__).parent / "trial" / "standin_webui.py"
posix = pytest.mark.skipif(sys.platform == "win32", reason="programs and paths of POSIX")


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def idle(folder: Path) -> None:
    program(folder, "ioreg", """echo '    | |   "HIDIdleTime" = 12500000000'""")
    assert user_idle.user_idle() == 12.5
    program(folder, "ioreg", "echo '+-o Root'")
    assert user_idle.user_idle() is None
    program(folder, "ioreg", "exit 1")
    assert user_idle.user_idle() is None


def notifier(folder: Path) -> None:
    program(folder, "osascript", 'printf "%s\\n" "$@" > "$0.said"')
    assert notify.command("t", "a") is None or sys.platform == "darwin"
    words = notify.command('T "q"', "a \\ b", True, sys.platform)
    assert words is not None and notify.run_notifier(words)
    said = (folder / "osascript.said").read_text().splitlines()
    assert said == ["-e", 'display notification "a \\\\ b" with title "T \\"q\\"" sound name "default"']


def two_files(folder: Path) -> None:
    (folder / "webui-macos-env.sh").write_text('export COMMANDLINE_ARGS="--no-half"\n')
    (folder / "webui-user.sh").write_text('export COMMANDLINE_ARGS="$COMMANDLINE_ARGS --api"\n')
    assert read_start(folder, folder / "webui-user.sh", {}, sys.platform).words() == ("--no-half", "--api")
    assert layout._file_names(sys.platform) == ("webui-macos-env.sh", "webui-user.sh")


def starter(folder: Path) -> None:
    file = folder / shortcut_file.name(sys.platform)
    assert file.name == "autotune-tune.command"
    file.write_bytes(shortcut_file.content(["echo", "it's a $HOME"], sys.platform))
    done = subprocess.run(["bash", str(file)], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.stdout.startswith("it's a $HOME\n")


def opened(folder: Path) -> None:
    seen = BriefStarts(folder, lambda: [1])
    seen.watch(True)
    (folder / "launch.py").touch()
    seen.watch(False)
    assert seen.take() == set() and seen._observer is None


class Copied:
    """copyfile(3), by its documented arguments."""

    def __init__(self, answer: int) -> None:
        self.answer, self.asked = answer, list[tuple[object, ...]]()

    def copyfile(self, source: bytes, target: bytes, state: None, flags: ctypes.c_uint32) -> int:
        self.asked.append((source, target, state, flags.value))
        return self.answer


def dressed(folder: Path) -> None:
    mine = folder / "webui-user.sh"
    mine.write_text("a\n")
    mine.chmod(0o640)
    files.replace_file(files.FileLayer(), files.examine(mine), b"b\n", "t")
    assert mine.read_bytes() == b"b\n" and mine.stat().st_mode & 0o777 == 0o640
    fine = Copied(0)
    mac_copy.copy(mine, folder / "other", fine)
    assert fine.asked == [(os.fsencode(mine), os.fsencode(folder / "other"), None, 5)]
    with pytest.raises(OSError, match="other"):
        mac_copy.copy(mine, folder / "other", Copied(-1))


def spoken(folder: Path) -> None:
    file = folder / "Library" / "Preferences" / ".GlobalPreferences.plist"
    file.parent.mkdir(parents=True)
    file.write_bytes(plistlib.dumps({"AppleLanguages": ["ja-JP"], "AppleLocale": "ja_JP"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        assert choice.system_setting() == "ja-JP" and choice.of_system({}, choice.system_setting) == "ja"


def no_linux(folder: Path) -> None:
    assert not nvml.may_be_present() and not guard._prctl(36, 1) and cpu_use._seconds_without_core(os.getpid()) is None
    assert isinstance(service.manager(system=sys.platform, home=folder), service.Launchd)
    env = environment.for_python(environment.StartEnvironment({"PATH": "/bin"}), folder / "python")
    assert "LD_PRELOAD" not in env and env["PATH"] == "/bin"


def same_process(_: Path) -> None:
    mine = processes.identity(os.getpid())
    assert mine is not None and mine == processes.identity(os.getpid()) and ":" not in mine
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert processes.identity(child.pid) is None
    boot = running_set.this_boot()
    assert boot.id is None and running_set.same_boot(boot, running_set.this_boot())


def moving(_: Path) -> None:
    code = "import sys; sys.platform = 'darwin'; import autotune.agent.file_events as f; print(*f.CHANGE_EVENTS)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "FileModifiedEvent" in asked and "FileClosedEvent" not in asked


AS_MAC = "import asyncio, psutil, socket, subprocess, sys, urllib.request; sys.platform = 'darwin'\n"
"""What has a module of its own for the Mac is there before."""
OWNER = """
import json, sys
from pathlib import Path
from autotune.machine import processes
from autotune.trial import LaunchPlan, start
root = Path(sys.argv[1])
plan = LaunchPlan(root=root, python=Path(sys.executable), words=("--opt-sdp-attention",), run_root=root.parent / "r",
                  env=(("STANDIN_FAULTS", "fork"),), start_limit=60.0, term_grace=0.5)
with start(plan) as server:
    pids, flags = [one.pid for one in server.tree()], server.client.reported().flags
print(json.dumps([processes.LINUX, pids, flags["opt_sdp_attention"], server.stop().clean]))
"""


def whole_start(folder: Path) -> None:
    """autotune, its guard and the web UI all take the system for a Mac."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(AS_MAC)
    (folder / "webui").mkdir()
    (folder / "webui" / "launch.py").write_bytes(STANDIN.read_bytes())
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(PACKAGE.parent)])}
    done = subprocess.run([sys.executable, "-c", OWNER, str(folder / "webui")], env=env, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    linux, pids, flag, clean = json.loads(done.stdout.splitlines()[-1])
    assert not linux and flag and clean and pids
    # Without Linux' sub-reaper orphans are init's to take in, which a container's may not do.
    assert not [one for one in psutil.process_iter() if one.pid in pids and processes.alive(one)]
    assert not list((folder / "r").iterdir())


def comfyui_hosts(folder: Path) -> None:
    environ = {"HOME": str(folder)}
    support = folder / "Library" / "Application Support"
    app = folder / "Applications" / "ComfyUI.app" / "Contents" / "Resources"
    base, second = folder / "Documents" / "ComfyUI", folder / "second"
    for place in (app / "ComfyUI", base, second / "ComfyUI", support / "ComfyUI", support / "Comfy Desktop"):
        place.mkdir(parents=True)
    (app / "app.asar").touch()
    (support / "ComfyUI" / "config.json").write_text(json.dumps({"basePath": str(base)}))
    record = {"id": "1", "installPath": str(second), "adoptedBaseDir": str(folder / "adopted")}
    (support / "Comfy Desktop" / "installations.json").write_text(json.dumps([record]))
    (support / "Comfy Desktop" / "settings.json").write_text(json.dumps({"inputDir": "/in"}))
    (support / "comfy-cli").mkdir()
    cloned = folder / "clone"
    cloned.mkdir()
    (support / "comfy-cli" / "config.ini").write_text(f"[DEFAULT]\ndefault_workspace = {cloned}\n")
    assert app / "ComfyUI" in hosts.meant(base, environ, sys.platform)
    assert hosts.host_of(app / "ComfyUI", environ, sys.platform).base == base
    assert hosts.host_of(second / "ComfyUI", environ, sys.platform).words[-2:] == ("--input-directory", "/in")
    assert hosts.host_of(cloned, environ, sys.platform).name == "comfy-cli"


CASES: dict[str, Callable[[Path], None]] = {
    "autotune.cli.shortcut_file": starter,
    "autotune.cli.shortcut_file.content": starter,
    "autotune.agent.user_idle.user_idle": idle,
    "autotune.language.choice.system_setting": spoken,
    "autotune.agent.notify.command": notifier,
    "autotune.agent.service.manager": no_linux,
    "autotune.agent.webui_starts.BriefStarts.watch": opened,
    "autotune.agent.file_events": moving,
    "autotune.launchfile.files.FileLayer.copy_metadata": dressed,
    "autotune.webui.a1111.layout._file_names": two_files,
    "autotune.webui.a1111.start_variables.read_start": two_files,
    "autotune.machine.nvml.may_be_present": no_linux,
    **{f"autotune.webui.comfyui.hosts.{name}": comfyui_hosts for name in (
        "_shared_folders", "_user_data", "_desktop_1_resources", "comfy_cli_config", "desktop_2_folders")},
    "autotune.machine.cpu_use._seconds_without_core": no_linux,
    "autotune.webui.a1111.environment.for_python": no_linux,
    "autotune.trial.guard._prctl": no_linux,
    "autotune.trial.server._await_ready": whole_start,
    "autotune.machine.processes": whole_start,
    "autotune.machine.processes.identity": same_process,
    "autotune.store.running_set.this_boot": same_process,
}
"""Where the code asks for macOS or Linux: what runs it as on a Mac."""


def asking() -> Iterator[str]:
    """Modules and functions that name macOS or Linux, or ask for processes.LINUX."""
    def walk(node: ast.AST, name: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, ast.Constant) and child.value in ("darwin", "linux")
            asked = isinstance(child, ast.Attribute) and child.attr == "LINUX"
            asked |= isinstance(child, ast.Name) and child.id == "LINUX" and isinstance(child.ctx, ast.Load)
            if named or asked:
                yield name
            inner = f".{child.name}" if isinstance(child, ast.FunctionDef | ast.ClassDef) else ""
            yield from walk(child, name + inner)

    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        yield from walk(ast.parse(path.read_text(encoding="utf-8")), module)


def test_no_branch_is_left_out() -> None:
    assert set(asking()) == set(CASES)


@posix
@pytest.mark.parametrize("case", dict.fromkeys(CASES.values()), ids=lambda one: one.__name__)
def test_a_branch_as_on_a_mac(
    case: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(processes, "LINUX", False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    case(tmp_path)
