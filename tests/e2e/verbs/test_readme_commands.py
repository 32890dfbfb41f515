"""Every command of autotune's in the READMEs, typed as it stands there, in order, on the reference web UI."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.webui.a1111 import data_folder
from tests.e2e.verbs.conftest import Bench
from tests.system import bash
from tests.test_readme import READMES, commands

RECORDED = Path(__file__).parents[3] / "benchmarks" / "data" / "reference-sd15-h200-tune.json"
TYPED = (
    "autotune --webui ~/stable-diffusion-webui shortcut", "autotune probe", "autotune doctor", "autotune tune -h",
    "autotune card", "autotune extension install", "autotune --lang ja status", "autotune explain",
    "autotune extension uninstall", "autotune rollback", "autotune rollback --force", "autotune history",
    "autotune engine create small-webui")
ELSEWHERE = {
    "autotune tune": "test_tune.py", "autotune tune --budget 15m": "test_tune.py",
    "autotune --webui small-webui tune --profile tiny": "test_tune.py", "autotune apply": "test_apply.py",
    "autotune daemon": "../agent", "autotune service install": "../../packaging/installers.sh",
    'autotune --webui "D:\\AI\\stable-diffusion-webui" shortcut': "../../cli/test_shortcut.py"}
"""What takes minutes, needs a terminal that answers, or is for another system; and which test types it."""

ENDS = {"autotune rollback --force": {3},  # there is nothing left to undo
        "autotune doctor": {0, 3}}  # a machine that others use is not ready, which it has to say


def test_each_command_is_typed_by_a_test() -> None:
    there = {line for one in READMES for line in commands(one)}
    assert there == {*TYPED, *ELSEWHERE}
    assert [name for name in ELSEWHERE.values() if not (Path(__file__).parent / name).exists()] == []


def files(root: Path) -> dict[str, bytes]:
    """What may not change, by path below the install; Python's byte code apart."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}


@bash
@pytest.mark.skipif(sys.platform == "win32", reason="a home in which bash looks")
def test_they_do_what_is_told_and_leave_the_folder_as_it_was(bench: Bench) -> None:
    home = bench.root.parent
    program = home / "bin" / "autotune"
    for folder in (program.parent, home / "Desktop"):
        folder.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *bench.program])} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    env = {**bench.environment(), "HOME": str(home), "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
           "AUTOTUNE_STATE_DIR": str(bench.state), "AUTOTUNE_WEBUI": str(bench.root), "AUTOTUNE_LANG": "en",
           "PYTHONPATH": str(Path(__file__).parents[3])}
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DESKTOP_DIR"):
        env.pop(name, None)
    bench.give("--theme dark --opt-split-attention --skip-version-check")
    tree, before = bench.tree(), files(bench.root)
    bench.run("import", str(shutil.copy(RECORDED, home)))  # a tune, of which `card` tells
    bench.run("apply", "--flags", "--opt-sdp-attention", "--no-start", "--yes")  # a change, which `rollback` takes back
    after = files(bench.root)
    assert {path for path in after if after[path] != before.get(path)} == {bench.launch_file.name} and (
        after.keys() == before.keys())
    lines = [one[bench.launch_file.name].splitlines() for one in (before, after)]
    changed = [new for old, new in zip(*lines, strict=True) if old != new]
    assert [line.partition(b"=")[0] for line in changed] == [b"export COMMANDLINE_ARGS"]
    said, new = {}, set()
    for line in TYPED:
        wanted = ENDS.get(line, {0})
        done = subprocess.run(["bash", "-c", line], cwd=home, env=env, capture_output=True, encoding="utf-8",
                              stdin=subprocess.DEVNULL, timeout=280, check=False)
        assert done.returncode in wanted and "Traceback" not in done.stderr, (line, done.stdout, done.stderr)
        said[line] = done.stdout
        new |= files(bench.root).keys() - before.keys()
    assert bench.tree() == tree and files(bench.root) == before
    assert new and {Path(path).parts[:2] for path in new} == {("extensions", data_folder.OURS)}
    assert any((home / "Desktop").glob("autotune-tune.*"))
    assert "--opt-sdp-attention" in said["autotune --lang ja status"]
    assert said["autotune doctor"].startswith("ok ")
    assert Path(said["autotune card"].strip()).is_file()
    assert (home / "small-webui" / "launch.py").is_file()
